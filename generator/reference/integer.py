"""The operators in NumPy integers: slow, plain, and the same to the bit as TFLM.

Written from the arithmetic, not from the C kernels, so that the two can be held against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from generator.fixedpoint import IntArray, Multiplier, scale_by, wrap_int32
from generator.graph import (
    Add,
    Attributes,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    DType,
    FullyConnected,
    Graph,
    Logistic,
    Operator,
    Padding,
    Pool2D,
    PooledConv2D,
    PoolKind,
    Quantize,
    Reshape,
    Softmax,
    Tensor,
)
from generator.requantize import (
    activation_range,
    add_scaling,
    add_values,
    conv_multipliers,
    fully_connected_multipliers,
    logistic_table,
    quantize_values,
    softmax_exponentials,
    softmax_row,
)

Array = NDArray[np.generic]
Values = Mapping[int, Array]


def run_graph(graph: Graph, inputs: Sequence[Array]) -> dict[int, Array]:
    """Values of all computed tensors by tensor index."""
    values: dict[int, Array] = {}
    for tensor, given in zip(graph.input_tensors(), inputs, strict=True):
        values[tensor.index] = np.asarray(given).reshape(tensor.shape)
    for operator in graph.operators:
        result = graph.result(operator)
        computed = _COMPUTE[type(operator.attributes)](graph, operator, values)
        values[result.index] = computed.reshape(result.shape)
    return values


def _integers(graph: Graph, operator: Operator, values: Values, position: int = 0) -> IntArray:
    return values[graph.operand(operator, position).index].astype(np.int64)


def _bias(graph: Graph, operator: Operator, channels: int) -> IntArray:
    bias = graph.optional_operand(operator, 2)
    return np.zeros(channels, np.int64) if bias is None else bias.values.astype(np.int64).reshape(-1)


def _scale_channels(accumulators: IntArray, multipliers: Sequence[Multiplier]) -> IntArray:
    columns = [scale_by(accumulators[..., c], m) for c, m in enumerate(multipliers)]
    return np.stack(columns, axis=-1)


def _finish(graph: Graph, operator: Operator, scaled: IntArray, activation: Any) -> Array:
    result = graph.result(operator)
    low, high = activation_range(activation, result)
    return np.clip(scaled + result.quant.zero_point, low, high).astype(result.dtype.numpy)


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
    image = _integers(graph, operator, values)[0] - graph.operand(operator, 0).quant.zero_point
    patches = _patches(
        _padded(image, attributes.padding, 0),
        (weights.shape[1], weights.shape[2]),
        attributes.stride,
        attributes.dilation,
    )
    sums = np.einsum("yxhwc,ohwc->yxo", patches, weights.values.astype(np.int64))
    sums = wrap_int32(sums + _bias(graph, operator, weights.shape[0]))
    return _finish(
        graph, operator, _scale_channels(sums, conv_multipliers(graph, operator)), attributes.activation
    )


def _depthwise_conv_2d(graph: Graph, operator: Operator, values: Values) -> Array:
    attributes = cast(DepthwiseConv2D, operator.attributes)
    weights = graph.operand(operator, 1)
    image = _integers(graph, operator, values)[0] - graph.operand(operator, 0).quant.zero_point
    spread = np.repeat(_padded(image, attributes.padding, 0), attributes.multiplier, axis=2)
    patches = _patches(spread, (weights.shape[1], weights.shape[2]), attributes.stride, attributes.dilation)
    sums = np.einsum("yxhwc,hwc->yxc", patches, weights.values.astype(np.int64)[0])
    sums = wrap_int32(sums + _bias(graph, operator, weights.shape[3]))
    return _finish(
        graph, operator, _scale_channels(sums, conv_multipliers(graph, operator)), attributes.activation
    )


def _fully_connected(graph: Graph, operator: Operator, values: Values) -> Array:
    attributes = cast(FullyConnected, operator.attributes)
    weights = graph.operand(operator, 1)
    rows = _integers(graph, operator, values).reshape(-1, weights.shape[1])
    rows = rows - graph.operand(operator, 0).quant.zero_point
    sums = wrap_int32(rows @ weights.values.astype(np.int64).T + _bias(graph, operator, weights.shape[0]))
    return _finish(
        graph,
        operator,
        _scale_channels(sums, fully_connected_multipliers(graph, operator)),
        attributes.activation,
    )


def _pool_2d(graph: Graph, operator: Operator, values: Values) -> Array:
    image = _integers(graph, operator, values)[0]
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
    clamped: Array = np.clip(pooled, low, high).astype(np.int8)
    return clamped


def _add(graph: Graph, operator: Operator, values: Values) -> Array:
    first, second = (_integers(graph, operator, values, i) for i in range(2))
    return _finish(
        graph,
        operator,
        add_values(first, second, add_scaling(graph, operator)),
        cast(Add, operator.attributes).activation,
    )


def _reshape(graph: Graph, operator: Operator, values: Values) -> Array:
    return values[graph.operand(operator, 0).index]


def _logistic(graph: Graph, operator: Operator, values: Values) -> Array:
    table = logistic_table(graph.operand(operator, 0).quant)
    looked_up: Array = table[_integers(graph, operator, values) + 128]
    return looked_up


def _softmax(graph: Graph, operator: Operator, values: Values) -> Array:
    source = graph.operand(operator, 0)
    table = softmax_exponentials(source.quant, cast(Softmax, operator.attributes).beta)
    rows = _integers(graph, operator, values).reshape(-1, source.shape[-1])
    return np.array([softmax_row([int(v) for v in row], table) for row in rows], np.int8)


def _quantize(graph: Graph, operator: Operator, values: Values) -> Array:
    source = graph.operand(operator, 0)
    # A float tensor may carry the quantization that it is going to get.
    quantization = None if source.dtype is DType.FLOAT32 else source.quantization
    return quantize_values(values[source.index], quantization, graph.result(operator))


def _dequantize(graph: Graph, operator: Operator, values: Values) -> Array:
    quant = graph.operand(operator, 0).quant
    centred = (_integers(graph, operator, values) - quant.zero_point).astype(np.float32)
    real: Array = np.float32(quant.scale) * centred
    return real


_COMPUTE: dict[type[Attributes], Callable[[Graph, Operator, Values], Array]] = {
    Conv2D: _conv_2d,
    PooledConv2D: _pooled_conv_2d,
    DepthwiseConv2D: _depthwise_conv_2d,
    FullyConnected: _fully_connected,
    Pool2D: _pool_2d,
    Add: _add,
    Reshape: _reshape,
    Logistic: _logistic,
    Softmax: _softmax,
    Quantize: _quantize,
    Dequantize: _dequantize,
}
