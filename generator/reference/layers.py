"""Operators with weights, and poolings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from generator.arithmetic.fixedpoint import (
    IntArray,
    Multiplier,
    scale_by,
    scale_wide,
    wide_multiplier,
    wrap_int32,
)
from generator.arithmetic.requantize import (
    activation_range,
    conv_multipliers,
    fully_connected_multipliers,
    product_multiplier,
    scales_wide,
)
from generator.graph import (
    Activation,
    BatchMatMul,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Operator,
    Padding,
    Pool2D,
    PooledConv2D,
    PoolKind,
    Tensor,
    TransposeConv,
)
from generator.reference.values import Array, Compute, Values, finish, integers


def _bias(graph: Graph, operator: Operator, channels: int) -> IntArray:
    bias = graph.optional_operand(operator, 2)
    return np.zeros(channels, np.int64) if bias is None else bias.values.astype(np.int64).reshape(-1)


def _outputs(
    graph: Graph,
    operator: Operator,
    sums: IntArray,
    multipliers: Sequence[Multiplier],
    activation: Activation,
) -> Array:
    """Sums of products, the output's channels last, into outputs: in 64 bits or 32."""
    sums = sums + _bias(graph, operator, sums.shape[-1])
    if scales_wide(graph, operator):
        columns = [scale_wide(sums[..., c], wide_multiplier(m)) for c, m in enumerate(multipliers)]
    else:
        wrapped = wrap_int32(sums)
        columns = [scale_by(wrapped[..., c], m) for c, m in enumerate(multipliers)]
    return finish(graph, operator, np.stack(columns, axis=-1), activation)


def _padded(image: IntArray, padding: Padding, value: int) -> IntArray:
    rows, columns = (padding.top, padding.bottom), (padding.left, padding.right)
    return np.pad(image, (rows, columns, (0, 0)), constant_values=value)


def _patches(
    image: IntArray, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> IntArray:
    """(out_h, out_w, window_h, window_w, channels) of a padded HWC image."""
    out_h = (image.shape[0] - (window[0] - 1) * dilation[0] - 1) // stride[0] + 1
    out_w = (image.shape[1] - (window[1] - 1) * dilation[1] - 1) // stride[1] + 1
    rows = np.arange(out_h)[:, None] * stride[0] + np.arange(window[0]) * dilation[0]
    columns = np.arange(out_w)[:, None] * stride[1] + np.arange(window[1]) * dilation[1]
    return image[rows[:, None, :, None], columns[None, :, None, :]]


def _conv_2d(graph: Graph, operator: Operator, values: Values) -> Array:
    return _convolved(graph, operator, values, cast(Conv2D, operator.attributes))


def _pooled_conv_2d(graph: Graph, operator: Operator, values: Values) -> Array:
    attributes = cast(PooledConv2D, operator.attributes)
    image = _convolved(graph, operator, values, attributes.convolution)
    return _pooled(image.astype(np.int64), attributes.pool, graph.result(operator))


def _convolved(graph: Graph, operator: Operator, values: Values, attributes: Conv2D) -> Array:
    weights = graph.operand(operator, 1)
    image = integers(graph, operator, values)[0] - graph.operand(operator, 0).quant.zero_point
    patches = _patches(
        _padded(image, attributes.padding, 0),
        (weights.shape[1], weights.shape[2]),
        attributes.stride,
        attributes.dilation,
    )
    sums = np.einsum("yxhwc,ohwc->yxo", patches, weights.values.astype(np.int64))
    return _outputs(graph, operator, sums, conv_multipliers(graph, operator), attributes.activation)


def _depthwise_conv_2d(graph: Graph, operator: Operator, values: Values) -> Array:
    attributes = cast(DepthwiseConv2D, operator.attributes)
    weights = graph.operand(operator, 1)
    image = integers(graph, operator, values)[0] - graph.operand(operator, 0).quant.zero_point
    spread = np.repeat(_padded(image, attributes.padding, 0), attributes.multiplier, axis=2)
    patches = _patches(spread, (weights.shape[1], weights.shape[2]), attributes.stride, attributes.dilation)
    sums = np.einsum("yxhwc,hwc->yxc", patches, weights.values.astype(np.int64)[0])
    return _outputs(graph, operator, sums, conv_multipliers(graph, operator), attributes.activation)


def _transpose_conv(graph: Graph, operator: Operator, values: Values) -> Array:
    """Every input pixel spread over the output."""
    attributes = cast(TransposeConv, operator.attributes)
    weights, result = graph.operand(operator, 1), graph.result(operator)
    image = integers(graph, operator, values)[0] - graph.operand(operator, 0).quant.zero_point
    window, stride, padding = weights.shape[1:3], attributes.stride, attributes.padding
    covered = [
        max((n - 1) * s + w, pad + out)
        for n, s, w, pad, out in zip(
            image.shape, stride, window, (padding.top, padding.left), result.shape[1:3], strict=False
        )
    ]
    sums = np.zeros((*covered, weights.shape[0]), np.int64)
    for i, j in np.ndindex(*window):
        rows, columns = (
            slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip((i, j), stride, image.shape, strict=False)
        )
        sums[rows, columns] += image @ weights.values[:, i, j].astype(np.int64).T
    sums = sums[padding.top :, padding.left :][: result.shape[1], : result.shape[2]]
    return _outputs(graph, operator, sums, conv_multipliers(graph, operator), attributes.activation)


def _fully_connected(graph: Graph, operator: Operator, values: Values) -> Array:
    attributes = cast(FullyConnected, operator.attributes)
    weights = graph.operand(operator, 1)
    rows = integers(graph, operator, values).reshape(-1, weights.shape[1])
    rows = rows - graph.operand(operator, 0).quant.zero_point
    sums = rows @ weights.values.astype(np.int64).T
    multipliers = fully_connected_multipliers(graph, operator)
    return _outputs(graph, operator, sums, multipliers, attributes.activation)


def _batch_matmul(graph: Graph, operator: Operator, values: Values) -> Array:
    """``reference/batch_matmul.h``."""
    attributes = cast(BatchMatMul, operator.attributes)
    first, second = (graph.operand(operator, i).quant for i in range(2))
    result = graph.result(operator).quant
    a, b = (
        _matrices(
            integers(graph, operator, values, i) - graph.operand(operator, i).quant.zero_point, rows, axes
        )
        for i, rows, axes in (
            (0, attributes.rows, [(count, a) for count, a, _ in attributes.batches]),
            (1, attributes.columns, [(count, b) for count, _, b in attributes.batches]),
        )
    )
    sums = wrap_int32(a @ np.swapaxes(b, -1, -2))
    scaled = scale_by(sums, product_multiplier(first, second, result.scale))
    return finish(graph, operator, scaled, Activation.NONE)


def _matrices(values: IntArray, rows: int, axes: Sequence[tuple[int, int]]) -> IntArray:
    """The matrices of an input in the order of the output's, (batch, rows, depth)."""
    order = np.zeros(1, np.int64)
    for count, step in axes:
        order = np.add.outer(order, np.arange(count) * step).reshape(-1)
    return values.reshape(order.max() + 1, rows, -1)[order]


def _pool_2d(graph: Graph, operator: Operator, values: Values) -> Array:
    image = integers(graph, operator, values)[0]
    return _pooled(image, cast(Pool2D, operator.attributes), graph.result(operator))


def _pooled(image: IntArray, attributes: Pool2D, result: Tensor) -> Array:
    outside = -(1 << 20)  # below every value; marks padding, which no window counts
    patches = _patches(
        _padded(image, attributes.padding, outside), attributes.window, attributes.stride, (1, 1)
    )
    if attributes.kind is PoolKind.MAX:
        pooled = patches.max(axis=(2, 3))
    else:
        inside = patches != outside
        count = inside.sum(axis=(2, 3))
        total = np.where(inside, patches, 0).sum(axis=(2, 3))
        magnitude = (np.abs(total) + count // 2) // count  # ties away from zero
        pooled = np.where(total < 0, -magnitude, magnitude)
    low, high = activation_range(attributes.activation, result)
    clamped: Array = np.clip(pooled, low, high).astype(result.dtype.numpy)
    return clamped


LAYERS: Compute = {
    Conv2D: _conv_2d,
    PooledConv2D: _pooled_conv_2d,
    DepthwiseConv2D: _depthwise_conv_2d,
    TransposeConv: _transpose_conv,
    FullyConnected: _fully_connected,
    BatchMatMul: _batch_matmul,
    Pool2D: _pool_2d,
}
