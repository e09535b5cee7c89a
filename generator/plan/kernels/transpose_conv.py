"""TRANSPOSE_CONV, phase by phase: output pixels that meet the same taps are a convolution of the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.requantize import conv_multipliers
from generator.graph import Graph, Operator, TransposeConv, operator_macs
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    Table,
    biases_of,
    channel_table,
    dims,
    fields,
    fold_zero_point,
    output_range,
    scales_down,
    weight_table,
)
from generator.plan.kernels.convolution import conv_2d_scratch_bytes
from generator.plan.packing import GROUP, groups, in_gathered_order, pack_pairs

_PHASE_BYTES = 32  # struct fc_phase


@dataclass(frozen=True)
class _Taps:
    """Along one axis: output ``first``, ``first`` + stride and so on, ``count`` of them, meet ``indices`` of
    the kernel in turn (None: nothing) when a window goes over the input from ``pad`` before it on.
    """

    first: int
    count: int
    indices: tuple[int | None, ...]
    pad: int


def _taps(kernel: int, stride: int, padding: int, outputs: int) -> Iterator[_Taps]:
    """Output first + stride * i meets tap rest + stride * k through input i + reach - k."""
    for first in range(min(stride, outputs)):
        reach, rest = divmod(first + padding, stride)
        indices = list(range(rest, kernel, stride))
        # From the input next to the output on, so that the window begins there or before.
        begin = min(reach - len(indices) + 1, 0)
        window = [
            indices[reach - at] if 0 <= reach - at < len(indices) else None for at in range(begin, reach + 1)
        ]
        yield _Taps(first, -(-(outputs - first) // stride), tuple(window), -begin)


def _sub_kernel(weights: NDArray[np.int8], rows: _Taps, columns: _Taps) -> NDArray[np.int8]:
    """The taps of both axes, 0 where there are none."""
    channels_out, _, _, channels_in = weights.shape
    taps = np.zeros((channels_out, len(rows.indices), len(columns.indices), channels_in), np.int8)
    for y, i in enumerate(rows.indices):
        for x, j in enumerate(columns.indices):
            if i is not None and j is not None:
                taps[:, y, x] = weights[:, i, j]
    return taps


def transpose_conv(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for TRANSPOSE_CONV."""
    attributes = cast(TransposeConv, operator.attributes)
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    values = cast("NDArray[np.int8]", weights.values)
    channels_out, *kernel, channels_in = values.shape
    biases, multipliers = biases_of(graph, operator, channels_out), conv_multipliers(graph, operator)
    padding = attributes.padding.top, attributes.padding.left
    rows, columns = (
        list(_taps(kernel[i], attributes.stride[i], padding[i], result.shape[1 + i])) for i in range(2)
    )
    row = result.shape[2] * channels_out
    packed: list[NDArray[np.int8]] = []
    phases, folded = [], []
    work = Work(outputs=result.element_count)
    depth = 0
    for down in rows:
        for across in columns:
            taps = in_gathered_order(_sub_kernel(values, down, across))
            numbers = (
                len(down.indices),
                len(across.indices),
                down.pad,
                across.pad,
                down.count,
                across.count,
                down.first * row + across.first * channels_out,
                sum(map(len, packed)),
            )
            phases.append(f"{{{', '.join(map(str, numbers))}}},")
            packed.append(pack_pairs(taps))
            folded.extend(fold_zero_point(taps, biases, source.quant.zero_point))
            work += _phase_work(taps, down, across)
            depth = max(depth, taps.shape[1])
    in_words = channels_in % GROUP == 0
    view = {
        "input_height": source.shape[1],
        "input_width": source.shape[2],
        "input_channels": channels_in,
        "kernel_height": 0,
        "kernel_width": 0,
        "stride_height": 1,
        "stride_width": 1,
        "dilation_height": 1,
        "dilation_width": 1,
        "pad_top": 0,
        "pad_left": 0,
        "padding": source.quant.zero_point,
        "in_words": in_words,
    }
    conv = {
        "output_height": 0,
        "output_width": 0,
        "output_channels": channels_out,
        "output_zero_point": result.quant.zero_point,
        **output_range(graph, operator, attributes.activation),
        "scale_down": scales_down(
            values.reshape(channels_out, -1), biases, source.quant.zero_point, multipliers
        ),
    }
    return [
        Candidate(
            name="transpose_conv_words" if in_words else "transpose_conv_bytes",
            function="fc_transpose_conv_s8",
            params_type="fc_transpose_conv",
            params=fields(
                **{f"conv.view.{name}": value for name, value in view.items()},
                **{f"conv.{name}": value for name, value in conv.items()},
                phases=len(phases),
                row_step=attributes.stride[0] * row,
                pixel_step=attributes.stride[1] * channels_out,
            ),
            why=f"{len(phases)} convolutions of the input, each with the taps that hit its outputs",
            work=work,
            macs=operator_macs(graph, operator),
            tables=(
                weight_table(
                    np.concatenate(packed),
                    f"{weights.name} OHWI {dims(weights.shape)} by phases, two products of two channels per "
                    "word",
                ),
                channel_table(folded, multipliers * len(phases)),
                Table(
                    "phases",
                    "struct fc_phase",
                    len(phases),
                    len(phases) * _PHASE_BYTES,
                    tuple(phases),
                    "kernel, padding, rows and columns of outputs, first output, first weight",
                ),
            ),
            scratch_bytes=conv_2d_scratch_bytes(depth, channels_in),
            scratch_type="int16_t",
        )
    ]


def _phase_work(taps: NDArray[np.int8], rows: _Taps, columns: _Taps) -> Work:
    pixels = rows.count * columns.count
    channels, depth = taps.shape
    return Work(
        products=pixels * groups(depth) * GROUP * -(-channels // 2) * 2,
        gathered=pixels * depth,
        rows=pixels * len(rows.indices),
        calls=pixels,
    )
