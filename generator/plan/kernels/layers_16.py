"""Layers of int16 activations and int8 weights."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import INT32_MAX, Multiplier, wide_multiplier, wrap_int32
from generator.arithmetic.requantize import conv_multipliers, fully_connected_multipliers, scales_wide
from generator.graph import (
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Operator,
    TransposeConv,
    operator_macs,
)
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    Params,
    Table,
    biases_of,
    dims,
    fields,
    output_range,
    view_fields,
    weight_table,
)
from generator.plan.packing import COLUMNS, COLUMNS_MARGIN_BYTES, GROUP, groups, pack_pairs

_LARGEST = 1 << 15


class _Rounding(IntEnum):
    """FC_ROUNDS_... of firmware/nn/fc_layers_16.h."""

    ONCE = 0
    HIGH = 1
    TWICE = 2


_CHANNEL_BYTES = 16  # struct fc_channel_16
_HIGH_SHIFT = 16  # a factor of 15 bits so far up makes the best of a high word


def columns_16_scratch_bytes(depth: int) -> int:
    """Twin of fc_conv_2d_16_scratch_size."""
    return groups(depth) * GROUP * COLUMNS * 2 + COLUMNS_MARGIN_BYTES


def pack_pairs_16(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    """(channels, depth) as :func:`pack_pairs`, for columns that hold their elements in order."""
    channels, depth = rows.shape
    padded = np.zeros((channels, groups(depth), GROUP), np.int8)
    padded.reshape(channels, -1)[:, :depth] = rows
    return pack_pairs(padded[..., [0, 2, 1, 3]].reshape(channels, -1))


def conv_2d_16(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for CONV_2D."""
    values = cast("NDArray[np.int8]", graph.operand(operator, 1).values)
    rows = values.reshape(len(values), -1)
    plain = _windowed(graph, operator, "conv_2d_16", "fc_conv_2d_s16", rows)
    channels, depth = rows.shape
    if _is_wide(rows, biases_of(graph, operator, channels)):
        return [plain]
    attributes, result = cast(Conv2D, operator.attributes), graph.result(operator)
    pixels = result.shape[1] * result.shape[2]
    view = {**view_fields(graph, operator, attributes), "in_words": values.shape[3] % 2 == 0}
    pairs = replace(
        plain,
        name="conv_2d_16_pairs" if view["in_words"] else "conv_2d_16_pairs_singly",
        function="fc_conv_2d_pairs_s16",
        params_type="fc_conv_2d_16",
        params=fields(
            **{f"view.{name}": value for name, value in view.items()},
            output_height=result.shape[1],
            output_width=result.shape[2],
            output_channels=channels,
            **output_range(graph, operator, attributes.activation),
            rounding=int(_rounding(graph, operator, conv_multipliers(graph, operator), wide=False)),
        ),
        why=f"three pixels by two channels; {plain.why}",
        work=Work(
            products=-(-pixels // COLUMNS) * COLUMNS * groups(depth) * GROUP * -(-channels // 2) * 2,
            gathered=pixels * depth,
            outputs=result.element_count,
            calls=pixels,
        ),
        tables=(_pair_weights(graph, operator, rows), plain.tables[1]),
        scratch_bytes=columns_16_scratch_bytes(depth),
        scratch_type="int16_t",
        passes=-(-pixels // COLUMNS),
    )
    return [pairs, plain]


def _pair_weights(graph: Graph, operator: Operator, rows: NDArray[np.int8]) -> Table:
    weights = graph.operand(operator, 1)
    comment = f"{weights.name} {dims(weights.shape)}, two products of two channels per word"
    return weight_table(pack_pairs_16(rows), comment)


def transpose_conv_16(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for TRANSPOSE_CONV."""
    values = cast("NDArray[np.int8]", graph.operand(operator, 1).values)
    rows = values.reshape(len(values), -1)
    return [_windowed(graph, operator, "transpose_conv_16", "fc_transpose_conv_s16", rows)]


def depthwise_conv_2d_16(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for DEPTHWISE_CONV_2D."""
    values = cast("NDArray[np.int8]", graph.operand(operator, 1).values)
    rows = values.reshape(-1, values.shape[3]).T
    return [_windowed(graph, operator, "depthwise_conv_2d_16", "fc_depthwise_conv_2d_s16", rows)]


def fully_connected_16(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for FULLY_CONNECTED."""
    attributes = cast(FullyConnected, operator.attributes)
    weights = graph.operand(operator, 1)
    units, depth = weights.shape
    rows = graph.operand(operator, 0).element_count // depth
    values = cast("NDArray[np.int8]", weights.values)
    wide = _is_wide(values, biases_of(graph, operator, units))
    multipliers = fully_connected_multipliers(graph, operator)
    params = fields(
        rows=rows,
        depth=depth,
        units=units,
        **output_range(graph, operator, attributes.activation),
        wide=wide,
        rounding=int(_rounding(graph, operator, multipliers, wide=wide)),
    )
    plain = _candidate(
        graph,
        operator,
        ("fully_connected_16", "fc_fully_connected_s16", "fc_fully_connected_16"),
        params,
        multipliers,
        Work(products=rows * units * depth, outputs=rows * units, calls=rows * units),
        wide=wide,
    )
    if wide or depth % GROUP:
        return [plain]
    pairs = replace(
        plain,
        name="fully_connected_16_pairs",
        function="fc_fully_connected_pairs_s16",
        why=f"two units at a time; {plain.why}",
        tables=(_pair_weights(graph, operator, values), plain.tables[1]),
    )
    return [pairs, plain]


def _windowed(
    graph: Graph, operator: Operator, name: str, function: str, rows: NDArray[np.int8]
) -> Candidate:
    """A convolution; ``rows`` are each output channel's weights."""
    attributes = cast("Conv2D | DepthwiseConv2D | TransposeConv", operator.attributes)
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    dilation = (1, 1) if isinstance(attributes, TransposeConv) else attributes.dilation
    wide = _is_wide(rows, biases_of(graph, operator, result.shape[3]))
    multipliers = conv_multipliers(graph, operator)
    params = fields(
        input_height=source.shape[1],
        input_width=source.shape[2],
        input_channels=source.shape[3],
        output_height=result.shape[1],
        output_width=result.shape[2],
        output_channels=result.shape[3],
        kernel_height=weights.shape[1],
        kernel_width=weights.shape[2],
        stride_height=attributes.stride[0],
        stride_width=attributes.stride[1],
        dilation_height=dilation[0],
        dilation_width=dilation[1],
        pad_top=attributes.padding.top,
        pad_left=attributes.padding.left,
        **output_range(graph, operator, attributes.activation),
        wide=wide,
        rounding=int(_rounding(graph, operator, multipliers, wide=wide)),
    )
    work = Work(
        products=operator_macs(graph, operator),
        outputs=result.element_count,
        calls=result.element_count * weights.shape[1],
    )
    return _candidate(graph, operator, (name, function, "fc_window_16"), params, multipliers, work, wide=wide)


def _candidate(
    graph: Graph,
    operator: Operator,
    names: tuple[str, str, str],
    params: Params,
    multipliers: tuple[Multiplier, ...],
    work: Work,
    *,
    wide: bool,
) -> Candidate:
    """``names``: of the kernel, its function, and its parameters' structure."""
    weights = graph.operand(operator, 1)
    values = cast("NDArray[np.int8]", weights.values)
    name, function, params_type = names
    return Candidate(
        name=f"{name}_wide" if wide else name,
        function=function,
        params_type=params_type,
        params=params,
        why="accumulators need 64 bits" if wide else "32 bits hold every accumulator, for any input",
        work=work,
        macs=operator_macs(graph, operator),
        tables=(
            weight_table(values.reshape(-1), f"{weights.name} {dims(weights.shape)}"),
            _channels(graph, operator, multipliers, wide=wide),
        ),
        input_types=("int16_t",),
        output_type="int16_t",
    )


def _is_wide(rows: NDArray[np.int8], biases: list[int]) -> bool:
    """Whether an accumulator may leave 32 bits; on the way too, whatever the order."""
    sums = np.abs(rows.astype(np.int64)).sum(axis=1) * _LARGEST
    return any(int(total) + abs(bias) > INT32_MAX for total, bias in zip(sums, biases, strict=True))


def _rounding(
    graph: Graph, operator: Operator, multipliers: tuple[Multiplier, ...], *, wide: bool
) -> _Rounding:
    """The high word of a product rounds as all of it does where the half that is added has no bits below."""
    if not scales_wide(graph, operator):
        return _Rounding.TWICE
    fits = all(wide_multiplier(m).shift > _HIGH_SHIFT for m in multipliers)
    return _Rounding.HIGH if fits and not wide else _Rounding.ONCE


def _channels(graph: Graph, operator: Operator, multipliers: tuple[Multiplier, ...], *, wide: bool) -> Table:
    rounding = _rounding(graph, operator, multipliers, wide=wide)
    lines = []
    for bias, multiplier in zip(biases_of(graph, operator, len(multipliers)), multipliers, strict=True):
        once = wide_multiplier(multiplier)
        factor, shift = {
            _Rounding.TWICE: (multiplier.mantissa, multiplier.shift),
            _Rounding.ONCE: (once.factor, once.shift),
            _Rounding.HIGH: (once.factor << _HIGH_SHIFT, once.shift - _HIGH_SHIFT),
        }[rounding]
        lines.append(f"{{{wrap_int32(bias)}, {bias >> 32}, {factor}, {shift}}},")
    comment = "low and high half of the bias, scale factor and shift per output channel"
    size_bytes = len(lines) * _CHANNEL_BYTES
    return Table("channels", "struct fc_channel_16", len(lines), size_bytes, tuple(lines), comment)
