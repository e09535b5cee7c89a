"""What simplifying removed, for ``report.json`` and for people."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from generator.report.schema import Simplification, SimplifiedLayer
from generator.simplify import Removal


def describe(removal: Removal) -> Simplification:
    """``removal`` as the report has it, with the layers that lost something."""
    return Simplification(
        channels=removal.channels,
        macs=removal.macs_removed,
        parameter_bytes=removal.bytes_removed,
        layers=tuple(
            SimplifiedLayer(
                operator_index=layer.operator_index,
                op=layer.op,
                tensor=layer.tensor_name,
                channels=layer.channels,
                constant=layer.constant,
                unread=layer.unread,
                macs=layer.macs,
                macs_left=layer.macs_left,
                parameter_bytes=layer.parameter_bytes,
                parameter_bytes_left=layer.parameter_bytes_left,
            )
            for layer in removal.layers
            if layer.macs_left < layer.macs
        ),
    )


def removal_line(simplification: Simplification, macs: int) -> str:
    """One sentence; ``macs`` are the network's as read."""
    constant = sum(layer.constant for layer in simplification.layers)
    return (
        f"removed {simplification.channels:,} channels that cannot matter "
        f"({constant:,} constant, {simplification.channels - constant:,} unread), with them "
        f"{simplification.macs:,} of {macs:,} MACs and {simplification.parameter_bytes:,} B of parameters"
    )


def print_removal(simplification: Simplification, macs: int, console: Console) -> None:
    """The layers that lost something; nothing if none did. ``macs`` are the network's as read."""
    if not simplification.layers:
        return
    table = Table(title="Removed before planning", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("operator", no_wrap=True)
    for heading in ("channels", "constant", "unread", "MACs", "left", "parameters B", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in simplification.layers:
        counts = (
            layer.channels,
            layer.constant,
            layer.unread,
            layer.macs,
            layer.macs_left,
            layer.parameter_bytes,
            layer.parameter_bytes_left,
        )
        table.add_row(f"{layer.operator_index} {layer.op}", *(f"{count:,}" for count in counts))
    console.print(table)
    console.print(removal_line(simplification, macs), highlight=False)
