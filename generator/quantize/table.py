"""The errors of :mod:`generator.quantize.layer_errors` for people."""

from __future__ import annotations

import re

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from generator.quantize.layer_errors import LayerError, QuantizationReport

_LONGEST_NAME = 30
_WIDTH = 150  # characters, where there is no terminal to fit
_OUTPUT = re.compile(r"^StatefulPartitionedCall(_\d+)?:")
_SHOWN_UNMATCHED = 10


def print_report(report: QuantizationReport, console: Console) -> None:
    """One line per layer in network order, the worst marked; then what could not be compared."""
    others = "other samples than the ranges come from" if report.held_out else "the samples of calibration"
    table = Table(
        title=f"Quantized against float on {report.samples} samples ({others})",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("operator", no_wrap=True)
    table.add_column("result", overflow="ellipsis", max_width=_LONGEST_NAME)  # gives way on narrow screens
    headings = ("SQNR dB", "adds", "mean err", "max err", "float range", "holds", "clipped", "worst ch.")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    names = _short([layer.tensor for layer in report.layers])
    for layer, name in zip(report.layers, names, strict=True):
        worst = layer.operator == report.worst
        table.add_row(*_cells(layer, name, worst), style="bold" if worst else None)
    console.print(table, width=None if console.is_terminal else _WIDTH)
    for layer in report.layers:
        if layer.operator == report.worst:
            console.print(
                f"worst: operator {layer.operator} {layer.op} ({layer.tensor.split(';')[0]}) adds"
                f" {layer.added_noise:.2%} noise",
                soft_wrap=True,
            )
    if report.unmatched:
        shown = ", ".join(report.unmatched[:_SHOWN_UNMATCHED])
        more = len(report.unmatched) - _SHOWN_UNMATCHED
        console.print(
            f"not compared, no counterpart in float: {shown}{f' and {more} more' if more > 0 else ''}",
            soft_wrap=True,
        )


def _cells(layer: LayerError, name: str, worst: bool) -> tuple[str, ...]:
    channel = layer.worst_channels[0] if layer.worst_channels else None
    return (
        f"{'> ' if worst else '  '}{layer.operator} {layer.op}",
        name,
        "exact" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f}",
        f"{layer.added_noise:.2%}" if layer.added_noise else "",
        f"{layer.mean_abs_error:.2g}",
        f"{layer.max_abs_error:.2g}",
        _range(layer.float_range),
        "float32" if abs(layer.quantized_range[0]) > 1e38 else _range(layer.quantized_range),
        f"{layer.clipped:.2%}" if layer.clipped else "",
        "" if channel is None else f"{channel.channel}: {channel.sqnr_db:.1f}",
    )


def _range(values: tuple[float, float]) -> str:
    return f"{values[0]:.2g}..{values[1]:.2g}"


def _short(names: list[str]) -> list[str]:
    """Of a fused result the first layer, without the folders that all names share."""
    layers = [name.split(";")[0].split("/")[:-1] for name in names]
    nested = [path for path in layers if path]
    common = 0
    while nested and all(len(path) > common + 1 and path[common] == nested[0][common] for path in nested):
        common += 1
    outputs = [_OUTPUT.sub("output_", name) for name in names]
    return ["/".join(path[common:]) or output for path, output in zip(layers, outputs, strict=True)]
