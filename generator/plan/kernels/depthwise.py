"""DEPTHWISE_CONV_2D."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.requantize import conv_multipliers
from generator.graph import DepthwiseConv2D, Graph, Operator
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    biases_of,
    channel_table,
    dims,
    fields,
    scales_down,
    taps_inside,
    weight_table,
    window_fields,
)
from generator.plan.kernels.depthwise_planes import plane_candidates
from generator.plan.packing import GROUP


def depthwise_conv_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for DEPTHWISE_CONV_2D."""
    attributes = cast(DepthwiseConv2D, operator.attributes)
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    _, kernel_h, kernel_w, channels = weights.shape
    values = cast("NDArray[np.int8]", weights.values)
    biases, multipliers = biases_of(graph, operator, channels), conv_multipliers(graph, operator)
    pixels = result.shape[1] * result.shape[2]
    pads = attributes.padding.top, attributes.padding.left
    taps_down, taps_across = (
        taps_inside(
            source.shape[1 + i],
            result.shape[1 + i],
            weights.shape[1 + i],
            attributes.stride[i],
            attributes.dilation[i],
            pads[i],
        )
        for i in range(2)
    )
    work = Work(
        products=taps_down * taps_across * channels,
        outputs=pixels * channels,
        rows=taps_down * result.shape[2] * channels if kernel_w > 1 else 0,
    )
    macs = pixels * channels * kernel_h * kernel_w
    plain = Candidate(
        name="depthwise_conv_2d",
        function="fc_depthwise_conv_2d_s8",
        params_type="fc_depthwise_conv_2d",
        params=fields(
            input_height=source.shape[1],
            input_width=source.shape[2],
            input_channels=source.shape[3],
            output_height=result.shape[1],
            output_width=result.shape[2],
            multiplier=attributes.multiplier,
            **window_fields(graph, operator, attributes),
            scale_down=scales_down(
                values.reshape(-1, channels).T, biases, source.quant.zero_point, multipliers
            ),
        ),
        why=f"takes any number of channels ({channels} here) and any multiplier",
        work=work,
        macs=macs,
        tables=(
            weight_table(values.reshape(-1), f"{weights.name} HWC {dims(weights.shape[1:])}"),
            channel_table(biases, multipliers),
        ),
    )
    planes = plane_candidates(graph, operator)
    if attributes.multiplier != 1 or channels % GROUP:
        return [*planes, plain]
    words = replace(
        plain,
        name="depthwise_conv_2d_words",
        function="fc_depthwise_conv_2d_words_s8",
        why=f"channels ({channels}) come in whole words: four at a time",
    )
    return [*planes, words, plain]
