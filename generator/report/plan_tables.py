"""The plan for people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from generator.graph import Graph, operator_macs
from generator.plan import Constant, ConstantArgument, Interpreter, Plan, Step
from generator.targets import Part, load_part, part_names

# Code beside the constants of the plan, and RAM beside the arena: the most that any of the shipped and the
# MLPerf Tiny models needs.
CODE_ESTIMATE_BYTES = 20 << 10
RAM_ESTIMATE_BYTES = 6 << 10


def print_plan(plan: Plan, part: Part, console: Console) -> None:
    """The plan: steps, memory map, what it needs and where that fits."""
    console.print(_steps(plan))
    console.print(_reasons(plan))
    console.print(_arena_map(plan))
    waiting = sum(step.kernel.estimated_stall_cycles for step in plan.steps)
    console.print(
        f"Arena {plan.arena_bytes:,} B in {plan.arena_region} ({plan.arena_why}); "
        f"{plan.arena_lower_bound_bytes:,} B are alive at once in the fullest step.\n"
        f"Constants {plan.weights_bytes:,} B in flash. Parameters {plan.parameters:,}. "
        f"Estimated {plan.estimated_cycles:,} cycles, {waiting:,} of them waiting, "
        f"{1000 * plan.estimated_cycles / part.max_clock_hz:.2f} ms at {part.max_clock_hz // 1_000_000} MHz; "
        "an estimate from the plan alone.",
        highlight=False,
    )
    fits = fitting_parts(plan)
    console.print(
        f"With about {CODE_ESTIMATE_BYTES >> 10} KiB of code and {RAM_ESTIMATE_BYTES >> 10} KiB of stack and "
        f"buffers it fits on: {', '.join(fits) if fits else 'none of the known parts'}.",
        highlight=False,
    )


def print_interpreter(graph: Graph, interpreter: Interpreter, console: Console) -> None:
    """What TFLM would run, operator by operator, and the arena it is given."""
    table = Table(
        title=f"{graph.name} as TensorFlow Lite for Microcontrollers runs it",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for heading in ("#", "operator", "input", "output"):
        table.add_column(heading, no_wrap=True)
    table.add_column("MACs", justify="right", no_wrap=True)
    for operator in graph.operators:
        macs = operator_macs(graph, operator)
        table.add_row(
            str(operator.index),
            operator.name,
            " ".join(_dims(t.shape) for t in graph.activations_in(operator)),
            _dims(graph.result(operator).shape),
            f"{macs:,}" if macs else "",
        )
    console.print(table)
    console.print(
        f"Arena {interpreter.arena_bytes:,} B, estimated, in {interpreter.arena_region} "
        f"({interpreter.arena_why}). Resolver: {', '.join(interpreter.operators)}. The library chooses its "
        "kernels itself: cycles are known once it has run.",
        highlight=False,
    )


def constants_of(plan: Plan, step: Step) -> list[Constant]:
    """What ``step`` reads, in the order of its arguments."""
    by_symbol = {constant.symbol: constant for constant in plan.constants}
    return [by_symbol[a.symbol] for a in step.arguments if isinstance(a, ConstantArgument)]


def _steps(plan: Plan) -> Table:
    table = Table(
        title=f"{plan.name} planned for {plan.part}: estimated cycles, bytes of the arena that are alive",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for heading in ("#", "operator", "input", "output", "kernel"):
        table.add_column(heading, no_wrap=True)
    for heading in ("MACs", "cycles", "waiting", "alive"):
        table.add_column(heading, justify="right", no_wrap=True)
    for step in plan.steps:
        table.add_row(
            str(step.index),
            step.op,
            " ".join(_dims(t.shape) for t in step.inputs),
            _dims(step.output.shape),
            step.kernel.name,
            f"{step.macs:,}" if step.macs else "",
            f"{step.kernel.estimated_cycles:,}",
            f"{step.kernel.estimated_stall_cycles:,}",
            f"{plan.occupied_bytes[step.index]:,}",
        )
    table.add_section()
    waiting = sum(step.kernel.estimated_stall_cycles for step in plan.steps)
    table.add_row("", "all", "", "", "", f"{plan.macs:,}", f"{plan.estimated_cycles:,}", f"{waiting:,}", "")
    return table


def _dims(shape: tuple[int, ...]) -> str:
    """Without the batch, which is 1."""
    return "x".join(map(str, shape[1:] if len(shape) > 1 and shape[0] == 1 else shape))


def _reasons(plan: Plan) -> Table:
    """For each step the kernel and why, the others and why not, its constants."""
    table = Table(title="Kernels and constants", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("why, why not others, where its constants lie")
    for step in plan.steps:
        kernel = step.kernel
        lines = [f"{_label(kernel.name, kernel.variant)}: {kernel.why}", *_alternatives(step)]
        if constants := constants_of(plan, step):
            lines.append(f"  constants: {'; '.join(_constant(step, c) for c in constants)}")
        for number, line in enumerate(lines):
            table.add_row("" if number else str(step.index), line)
    return table


def _alternatives(step: Step) -> Iterator[str]:
    """Of each kernel the nearest."""
    by_kernel = sorted(step.kernel.alternatives, key=lambda other: other.kernel)
    for kernel, found in groupby(by_kernel, key=lambda other: other.kernel):
        nearest, *others = found
        label = nearest.variant if kernel == step.kernel.name else _label(kernel, nearest.variant)
        sizes = f" (nearest of {len(others) + 1})" if others else ""
        yield f"  not {label}{sizes}: {nearest.why_not}"


def _constant(step: Step, constant: Constant) -> str:
    name = constant.symbol.removeprefix(f"{step.name}_")
    why = f" ({constant.why})" if constant.why else ""
    return f"{name} {constant.size_bytes:,} B in {constant.region}{why}"


def _label(kernel: str, variant: str) -> str:
    return f"{kernel}, {variant}" if variant else kernel


def _arena_map(plan: Plan) -> Table:
    table = Table(title="Arena", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("offset", "size"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("steps", "holds"):
        table.add_column(heading)
    last = len(plan.steps)
    for buffer in sorted(plan.buffers, key=lambda b: (b.offset, b.first_step)):
        first = "before" if buffer.first_step < 0 else str(buffer.first_step)
        end = "after" if buffer.last_step >= last else str(buffer.last_step)
        place = f", over {buffer.shares_with}" if buffer.shares_with else ""
        table.add_row(
            f"{buffer.offset:,}", f"{buffer.size_bytes:,}", f"{first}..{end}", f"{buffer.name}{place}"
        )
    return table


def fitting_parts(plan: Plan) -> list[str]:
    """Known parts with enough flash and one RAM large enough for the arena, by estimate."""
    names = []
    for name in part_names():
        part = load_part(name)
        rams = [m.size_bytes for m in part.memories if m.kind in ("dtcm", "sram")]
        if (
            plan.weights_bytes + CODE_ESTIMATE_BYTES <= part.flash_bytes
            and plan.arena_bytes <= max(rams, default=0)
            and plan.arena_bytes + RAM_ESTIMATE_BYTES <= sum(rams)
        ):
            names.append(name)
    return names
