"""A sweep as a picture: accuracy against bytes and latency, with the fronts; same rows, same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generator.learn.sweep import Row, pareto_front
from generator.report.plotting import drawing

_COLOURS = {8: "#08519c", 6: "#31a354", 4: "#d94801", 1: "#756bb1"}
_SIZE_INCHES = (11.0, 5.0)


def draw_pareto(rows: Sequence[Row], out_dir: Path) -> tuple[Path, Path]:
    """Write ``pareto.png`` and ``pareto.svg``. Raises MissingToolError without Matplotlib."""
    paths = out_dir / "pareto.png", out_dir / "pareto.svg"
    with drawing(*_SIZE_INCHES, *paths) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, rows, "bytes", "flash, kB")
        _panel(right, rows, "ms", f"modelled latency, ms at {rows[0].on_target.clock_mhz:g} MHz")
        left.set_ylabel(f"accuracy on {rows[0].count} Validation pictures, %")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return paths


def _panel(axis: Any, rows: Sequence[Row], cost: str, title: str) -> None:
    def at(row: Row) -> float:
        return row.on_target.flash_bytes / 1000 if cost == "bytes" else row.on_target.ms

    front = pareto_front(rows, at)
    axis.plot(
        [at(row) for row in front], [100 * row.accuracy for row in front], "-", color="#bbbbbb", zorder=0
    )
    for bits in sorted({row.bits for row in rows}, reverse=True):
        of_bits = [row for row in rows if row.bits == bits]
        axis.scatter(
            [at(row) for row in of_bits],
            [100 * row.accuracy for row in of_bits],
            s=22,
            color=_COLOURS[bits],
            label=f"weights of {bits} bit{'s' * (bits > 1)}",
        )
    for row in rows:
        axis.annotate(
            row.network,
            (at(row), 100 * row.accuracy),
            xytext=(4, 4 if row.bits == 8 else -9),
            textcoords="offset points",
            fontsize=6,
            color=_COLOURS[row.bits],
        )
    axis.set_xscale("log")
    for which in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
        which("{x:g}")
    axis.tick_params(axis="x", which="both", labelsize=7)
    axis.margins(0.12)
    axis.set_xlim(right=1.8 * max(at(row) for row in rows))  # names stand to the right
    axis.set_xlabel(title)
    axis.grid(visible=True, which="both", color="#eeeeee", linewidth=0.5)
    axis.set_axisbelow(True)
