"""Poolings on their own."""

from __future__ import annotations

import math
from typing import cast

from generator.graph import DType, Graph, Operator, Pool2D, PoolKind
from generator.plan.cost import Work
from generator.plan.kernels.candidate import Candidate, fields, output_range, taps_inside
from generator.plan.packing import GROUP


def pool_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for MAX_POOL_2D and AVERAGE_POOL_2D."""
    attributes = cast(Pool2D, operator.attributes)
    source, result = graph.operand(operator, 0), graph.result(operator)
    wide = source.dtype is DType.INT16
    kind = "max" if attributes.kind is PoolKind.MAX else "average"
    # Four channels at a time, then one by one; windows that may reach outside have loops of their own.
    chunks = source.shape[3] if wide else source.shape[3] // GROUP + source.shape[3] % GROUP
    pads = attributes.padding.top, attributes.padding.left
    read = chunks * math.prod(
        taps_inside(
            source.shape[1 + i], result.shape[1 + i], attributes.window[i], attributes.stride[i], 1, pads[i]
        )
        for i in range(2)
    )
    pixels = result.shape[1] * result.shape[2]
    inside = read == chunks * pixels * math.prod(attributes.window)
    return [
        Candidate(
            name=f"{kind}_pool_2d_16" if wide else f"{kind}_pool_2d",
            function=f"fc_{kind}_pool_2d_{'s16' if wide else 's8'}",
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
            work=Work(
                gathered=read if inside else 0,
                outputs=result.element_count,
                calls=pixels * chunks,
                singly=0 if inside else read,
            ),
            input_types=(f"{source.dtype.value}_t",),
            output_type=f"{result.dtype.value}_t",
            in_place=(0,) if attributes.padding.is_none else (),
        )
    ]
