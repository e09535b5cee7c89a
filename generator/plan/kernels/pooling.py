"""Poolings on their own."""

from __future__ import annotations

from typing import cast

from generator.graph import Graph, Operator, Pool2D, PoolKind
from generator.plan.cost import Work
from generator.plan.kernels.candidate import Candidate, fields, output_range


def pool_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for MAX_POOL_2D and AVERAGE_POOL_2D."""
    attributes = cast(Pool2D, operator.attributes)
    source, result = graph.operand(operator, 0), graph.result(operator)
    kind = "max" if attributes.kind is PoolKind.MAX else "average"
    window = attributes.window[0] * attributes.window[1]
    return [
        Candidate(
            name=f"{kind}_pool_2d",
            function=f"fc_{kind}_pool_2d_s8",
            params_type="fc_pool_2d",
            params=fields(
                input_height=source.shape[1],
                input_width=source.shape[2],
                channels=source.shape[3],
                output_height=result.shape[1],
                output_width=result.shape[2],
                window_height=attributes.window[0],
                window_width=attributes.window[1],
                stride_height=attributes.stride[0],
                stride_width=attributes.stride[1],
                pad_top=attributes.padding.top,
                pad_left=attributes.padding.left,
                **output_range(graph, operator, attributes.activation),
            ),
            why="the only kernel for it",
            work=Work(gathered=result.element_count * window, outputs=result.element_count),
            in_place=(0,) if attributes.padding.is_none else (),
        )
    ]
