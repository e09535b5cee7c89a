"""The report for people."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from generator.report.schema import CycleCauses, MemoryTotal, Report
from generator.report.simplification import removal_line


def print_report(report: Report, console: Console) -> None:
    """Everything that ``build`` found out, on a screen."""
    console.print(_layers(report))
    console.print(_memory(report))
    console.print(_summary(report), soft_wrap=True)


def _layers(report: Report) -> Table:
    latency = report.latency
    table = Table(
        title=f"{report.model.name} on {report.board}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    for heading in ("#", "operator", "kernel"):
        table.add_column(heading, no_wrap=True)
    for heading in ("MACs", "instructions", "cycles", "cycles/MAC", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    if latency is None:
        return table
    for layer in latency.layers:
        per_mac = layer.cycles / layer.macs if layer.cycles and layer.macs else None
        share = layer.cycles / latency.cycles if layer.cycles and latency.cycles else None
        table.add_row(
            str(layer.index),
            layer.op,
            layer.kernel,
            f"{layer.macs:,}" if layer.macs else "",
            _number(layer.instructions),
            _number(layer.cycles),
            f"{per_mac:.2f}" if per_mac else "",
            f"{share:.1%}" if share else "",
        )
    table.add_section()
    macs = sum(layer.macs for layer in latency.layers)
    per_mac = latency.cycles / macs if latency.cycles and macs else None
    table.add_row(
        "",
        "all",
        "",
        f"{macs:,}",
        _number(latency.instructions),
        _number(latency.cycles),
        f"{per_mac:.2f}" if per_mac else "",
        "",
    )
    return table


def _memory(report: Report) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("memory", no_wrap=True)
    for heading in ("used", "budget", "there is"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, region in report.memory.regions.items():
        if region.used:
            table.add_row(name, f"{region.used:,} B", "", f"{region.total:,} B")
    table.add_section()
    totals: tuple[tuple[str, MemoryTotal], ...] = (("flash", report.memory.flash), ("ram", report.memory.ram))
    for name, total in totals:
        over = name in report.budgets.exceeded
        table.add_row(
            f"all {name}" if name == "ram" else name,
            Text(f"{total.used:,} B", style="red" if over else ""),
            f"{total.budget:,} B" if total.budget is not None else "",
            f"{total.total:,} B",
        )
    return table


def _summary(report: Report) -> Text:
    lines = []
    if report.simplification.channels:
        lines.append(removal_line(report.simplification, report.model.macs))
    stack = report.memory.stack
    activations, painted = f"{report.memory.activations_bytes:,} B", f"{_number(stack.painted)} B"
    if report.engine == "tflm":
        lines.append(
            f"engine tflm, arena {activations}; stack: painted {painted}, reserved {stack.reserved:,} B "
            "(no bound is computed: the library calls through pointers)"
        )
    else:
        lines.append(
            f"activations {activations}; stack: computed {_number(stack.computed)} B, painted {painted}, "
            f"reserved {stack.reserved:,} B"
        )
    lines.extend(
        f"beside it {other.model.name}: constants {other.model.weights_bytes:,} B, activations "
        f"{other.activations_bytes:,} B, stack {_number(other.stack_bytes)} B"
        for other in report.beside
    )
    latency = report.latency
    if latency is not None and latency.ms is not None:
        budget = f", budget {latency.budget_ms:g} ms" if latency.budget_ms is not None else ""
        speed = f"{latency.fps:.0f} per second{budget}"
        lines.append(f"latency {latency.ms:.2f} ms at {latency.clock_mhz:g} MHz ({speed})")
        if latency.causes is not None and latency.cycles:
            parts = latency.causes.model_dump().items()
            shares = (f"{name.replace('_', ' ')} {count / latency.cycles:.1%}" for name, count in parts)
            lines.append(f"  cycles: {', '.join(shares)}")
        lines.append(f"  {latency.note}")
    validation = report.validation
    if validation is not None:
        verdict = "bit-exact" if validation.bit_exact else f"{validation.mismatches:,} DIFFER"
        lines.append(
            f"{validation.elements:,} outputs of {validation.inputs} inputs against {validation.reference}: "
            f"{verdict}"
        )
    else:
        lines.append("outputs were not compared with the reference")
    lines.extend(
        f"{decision.image}: {decision.label}, score {decision.score:.3f}, door "
        f"{'open' if decision.door_open else 'closed'}"
        for decision in report.decisions
    )
    return Text("\n".join(lines))


def print_profile(
    instructions: Mapping[str | None, int], causes: Mapping[str | None, Mapping[str, int]], console: Console
) -> None:
    """Instructions and modelled cycles by cause per function, the functions that it calls left out."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("function", no_wrap=True)
    names = tuple(CycleCauses.model_fields)
    for heading in ("instructions", "cycles", "share", *names):
        table.add_column(heading.replace("_", " "), justify="right", no_wrap=True)
    cycles = {name: sum(parts.values()) for name, parts in causes.items()}
    total = sum(cycles.values()) or 1
    for name, count in sorted(instructions.items(), key=lambda item: (-cycles[item[0]], item[0] or "")):
        parts = [f"{causes[name][cause]:,}" for cause in names]
        share = f"{cycles[name] / total:.1%}"
        table.add_row(name or "unknown", f"{count:,}", f"{cycles[name]:,}", share, *parts)
    console.print(table)


def over_budget_table(report: Report) -> str:
    """What is over and by how much, a line each."""
    lines = []
    memory, latency = report.memory, report.latency
    for name in report.budgets.exceeded:
        if name in ("flash", "ram"):
            total = memory.flash if name == "flash" else memory.ram
            if total.budget is not None:
                lines.append(
                    _over(name, f"{total.used:,}", f"{total.budget:,}", f"{total.used - total.budget:,}", "B")
                )
        elif name == "latency" and latency and latency.ms is not None and latency.budget_ms is not None:
            over_ms = latency.ms - latency.budget_ms
            lines.append(_over(name, f"{latency.ms:.2f}", f"{latency.budget_ms:.2f}", f"{over_ms:.2f}", "ms"))
        elif name == "stack":
            lines.append(
                f"  stack    needs {_number(memory.stack_bytes)} B, {memory.stack.reserved:,} B reserved"
            )
    return "\n".join(lines)


def _over(name: str, used: str, budget: str, excess: str, unit: str) -> str:
    return f"  {name:8} {used:>12} {unit:2}  budget {budget:>12} {unit:2}  over by {excess} {unit}"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
