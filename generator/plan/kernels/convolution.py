"""CONV_2D, alone and with the pooling that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.graph import Conv2D, Graph, Operator, PooledConv2D
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    Table,
    biases_of,
    channel_table,
    dims,
    fields,
    output_range,
    scales_down,
    weight_table,
    window_fields,
)
from generator.plan.kernels.winograd import winograd
from generator.plan.packing import COLUMNS, COLUMNS_MARGIN_BYTES, GROUP, groups, pack_pairs
from generator.requantize import conv_multipliers


def conv_2d_scratch_bytes(depth: int, channels: int) -> int:
    """Twin of fc_conv_2d_scratch_size: three int16 columns, and a patch of bytes for odd channel counts."""
    patch = 0 if channels % GROUP == 0 else groups(depth) * GROUP
    return groups(depth) * GROUP * COLUMNS * 2 + COLUMNS_MARGIN_BYTES + patch


def pooled_conv_2d_scratch_bytes(depth: int, channels: int, row_bytes: int) -> int:
    """Twin of fc_conv_2d_max_pool_scratch_size: columns, then ``row_bytes`` of the convolution's rows."""
    return -(-conv_2d_scratch_bytes(depth, channels) // 4) * 4 + row_bytes


@dataclass(frozen=True)
class _Convolution:
    """What CONV_2D needs, alone or with its pooling."""

    fields: dict[str, int | float | bool | str]
    tables: tuple[Table, ...]
    depth: int
    channels_in: int
    channels_out: int
    in_words: bool
    why: str

    def products(self, pixels: int) -> int:
        """Products that the kernel computes for so many pixels, padding included."""
        return pixels * groups(self.depth) * GROUP * -(-self.channels_out // 2) * 2


def _convolution(
    graph: Graph, operator: Operator, attributes: Conv2D, height: int, width: int
) -> _Convolution:
    source, weights = graph.operand(operator, 0), graph.operand(operator, 1)
    channels_out, kernel_h, kernel_w, channels_in = weights.shape
    depth = kernel_h * kernel_w * channels_in
    flat = cast("NDArray[np.int8]", weights.values).reshape(channels_out, depth)
    biases, multipliers = biases_of(graph, operator, channels_out), conv_multipliers(graph, operator)
    in_words = channels_in % GROUP == 0
    return _Convolution(
        fields={
            "input_height": source.shape[1],
            "input_width": source.shape[2],
            "input_channels": channels_in,
            "output_height": height,
            "output_width": width,
            "output_channels": channels_out,
            **window_fields(graph, operator, attributes),
            "scale_down": scales_down(flat, biases, source.quant.zero_point, multipliers),
        },
        tables=(
            weight_table(
                pack_pairs(flat),
                f"{weights.name} OHWI {dims(weights.shape)}, two products of two channels per word",
            ),
            channel_table(biases, multipliers),
        ),
        depth=depth,
        channels_in=channels_in,
        channels_out=channels_out,
        in_words=in_words,
        why=f"input channels ({channels_in}) come in whole words, widened where they lie"
        if in_words
        else f"input channels ({channels_in}) come in no whole words: put together, then widened",
    )


def conv_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for CONV_2D."""
    _, height, width, _ = graph.result(operator).shape
    convolution = _convolution(graph, operator, cast(Conv2D, operator.attributes), height, width)
    pixels = height * width
    return [
        Candidate(
            name="conv_2d_words" if convolution.in_words else "conv_2d_bytes",
            function="fc_conv_2d_s8",
            params_type="fc_conv_2d",
            params=fields(**convolution.fields),
            why=convolution.why,
            work=Work(
                products=convolution.products(pixels),
                gathered=pixels * convolution.depth,
                outputs=pixels * convolution.channels_out,
            ),
            macs=pixels * convolution.depth * convolution.channels_out,
            tables=convolution.tables,
            scratch_bytes=conv_2d_scratch_bytes(convolution.depth, convolution.channels_in),
            scratch_type="int16_t",
        ),
        *winograd(graph, operator),
    ]


def pooled_conv_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for CONV_2D with the MAX_POOL_2D that alone reads it."""
    attributes = cast(PooledConv2D, operator.attributes)
    result = graph.result(operator)
    _, rows, columns, channels = result.shape
    window_h, window_w = attributes.pool.window
    convolution = _convolution(graph, operator, attributes.convolution, window_h, columns * window_w)
    row_pool = {
        "input_height": window_h,
        "input_width": columns * window_w,
        "channels": channels,
        "output_height": 1,
        "output_width": columns,
        "window_height": window_h,
        "window_width": window_w,
        "stride_height": window_h,
        "stride_width": window_w,
        "pad_top": 0,
        "pad_left": 0,
        **output_range(graph, operator, attributes.pool.activation),
    }
    pixels = rows * window_h * columns * window_w
    height, width = attributes.convolved
    return [
        Candidate(
            name="conv_2d_words_max_pool" if convolution.in_words else "conv_2d_bytes_max_pool",
            function="fc_conv_2d_max_pool_s8",
            params_type="fc_conv_2d_max_pool",
            params=(
                *fields(**{f"conv.{name}": value for name, value in convolution.fields.items()}),
                *fields(**{f"row_pool.{name}": value for name, value in row_pool.items()}),
                *fields(rows=rows),
            ),
            why=f"{convolution.why}; pooled row by row: its {height * width * channels:,} B never exist",
            work=Work(
                products=convolution.products(pixels),
                gathered=pixels * convolution.depth,
                outputs=pixels * channels,
            ),
            macs=height * width * convolution.depth * channels,
            tables=convolution.tables,
            scratch_bytes=pooled_conv_2d_scratch_bytes(
                convolution.depth, convolution.channels_in, window_h * columns * window_w * channels
            ),
            scratch_type="int16_t",
        ),
        *winograd(graph, operator),
    ]
