"""RESIZE_BILINEAR."""

from __future__ import annotations

from typing import cast

from generator.arithmetic.interpolation import Place, places
from generator.graph import Graph, Operator, ResizeBilinear
from generator.plan.cost import Work
from generator.plan.kernels.candidate import Candidate, Table, fields

_PLACE_BYTES = 12  # struct fc_place


def resize_bilinear(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for RESIZE_BILINEAR."""
    resize = cast(ResizeBilinear, operator.attributes)
    source, result = graph.operand(operator, 0), graph.result(operator)
    batch, height, width, channels = source.shape
    rows, columns = (
        places(
            source.shape[axis],
            result.shape[axis],
            align_corners=resize.align_corners,
            half_pixel_centers=resize.half_pixel_centers,
        )
        for axis in (1, 2)
    )
    return [
        Candidate(
            name="resize_bilinear",
            function="fc_resize_bilinear_s8",
            params_type="fc_resize_bilinear",
            params=fields(
                outer=batch,
                step=height * width * channels,
                rows=len(rows),
                columns=len(columns),
                channels=channels,
            ),
            why="places and weights are computed beforehand",
            work=Work(outputs=result.element_count, calls=batch * len(rows) * len(columns)),
            tables=(
                _table("rows", rows, width * channels, "of each row"),
                _table("columns", columns, channels, "of each column"),
            ),
        )
    ]


def _table(suffix: str, way: tuple[Place, ...], step: int, what: str) -> Table:
    lines = tuple(f"{{{p.first * step}, {p.second * step}, {p.weight}}}," for p in way)
    comment = f"both neighbours {what}, elements, and 1/1024 of the second"
    return Table(suffix, "struct fc_place", len(lines), len(lines) * _PLACE_BYTES, lines, comment)
