"""Convolutions and fully connected layers as one thing: sums of products over taps and input channels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import IntArray, Multiplier
from generator.arithmetic.requantize import activation_range, conv_multipliers, fully_connected_multipliers
from generator.graph import (
    Add,
    Binary,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    DType,
    FullyConnected,
    Graph,
    Operator,
    Pool2D,
    Quantize,
    Reshape,
    Tensor,
    Unary,
)

BoolArray = NDArray[np.bool_]

_MAX_WEIGHTS = 1 << 22  # more than any flash here holds
_MAX_PRODUCTS = 1 << 24
_CHANNEL_BY_CHANNEL = (Add, Binary, Pool2D, Unary, Quantize, Dequantize)


@dataclass(frozen=True)
class Layer:
    """An operator with weights. Units are its output channels before any reshaping."""

    weights: IntArray
    """(units, taps, columns). Columns are input channels; a depthwise layer has one, each unit's own."""
    bias: IntArray
    """(units,)"""
    patterns: BoolArray
    """(patterns, taps): which taps see the image, for every way in which a window can lie on it; a tap beside
    the image sees the input's zero point and adds nothing."""
    sources: IntArray | None
    """(units,) input channel of each unit of a depthwise layer, None for layers that read all."""
    input_zero_point: int
    output_zero_point: int
    output_range: tuple[int, int]
    multipliers: tuple[Multiplier, ...]

    @property
    def seen_weights(self) -> IntArray:
        """Weights, 0 at taps that never see the image."""
        seen = np.logical_or.reduce(self.patterns)
        weights: IntArray = np.where(seen[:, None], self.weights, 0)
        return weights


def layer_of(graph: Graph, operator: Operator) -> Layer | None:
    """The operator as a layer; None if it has no weights, computes with int16, or is too large to look at."""
    attributes = operator.attributes
    if not isinstance(attributes, (Conv2D, DepthwiseConv2D, FullyConnected)):
        return None
    if graph.operand(operator, 0).dtype is not DType.INT8:
        return None
    tensor = graph.operand(operator, 1)
    if tensor.element_count > _MAX_WEIGHTS:
        return None
    values = tensor.values.astype(np.int64)
    sources = None
    if isinstance(attributes, FullyConnected):
        weights, patterns = values[:, None, :], np.ones((1, 1), np.bool_)
        multipliers = fully_connected_multipliers(graph, operator)
    else:
        rows, columns = _patterns(graph, operator, attributes)
        both = len(rows) * len(columns)
        if (
            both * tensor.element_count > _MAX_PRODUCTS
            or both * rows.shape[1] * columns.shape[1] > _MAX_PRODUCTS
        ):
            return None
        patterns = (rows[:, None, :, None] & columns[None, :, None, :]).reshape(both, -1)
        multipliers = conv_multipliers(graph, operator)
        if isinstance(attributes, DepthwiseConv2D):
            units = tensor.shape[3]
            weights = values.reshape(-1, units).T[:, :, None]
            sources = np.arange(units) // attributes.multiplier
        else:
            weights = values.reshape(tensor.shape[0], -1, tensor.shape[3])
    bias = graph.optional_operand(operator, 2)
    result = graph.result(operator)
    return Layer(
        weights=weights,
        bias=np.zeros(len(weights), np.int64) if bias is None else bias.values.astype(np.int64).reshape(-1),
        patterns=patterns,
        sources=sources,
        input_zero_point=graph.operand(operator, 0).quant.zero_point,
        output_zero_point=result.quant.zero_point,
        output_range=activation_range(attributes.activation, result),
        multipliers=multipliers,
    )


def _patterns(
    graph: Graph, operator: Operator, attributes: Conv2D | DepthwiseConv2D
) -> tuple[BoolArray, BoolArray]:
    """(patterns, taps) of rows and of columns."""
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    before = (attributes.padding.top, attributes.padding.left)
    rows, columns = (
        _axis_patterns(
            source.shape[axis + 1],
            result.shape[axis + 1],
            weights.shape[axis + 1],
            attributes.stride[axis],
            attributes.dilation[axis],
            before[axis],
        )
        for axis in (0, 1)
    )
    return rows, columns


def _axis_patterns(size: int, results: int, taps: int, stride: int, dilation: int, before: int) -> BoolArray:
    first = np.arange(results) * stride - before  # where each window begins
    ends = np.stack([-(first // dilation), -((first - size) // dilation)], axis=1)  # taps that see the image
    ends = ends.clip(0, taps)[::-1]  # ascending: equal ones are neighbours
    distinct = ends[np.append(True, (ends[1:] != ends[:-1]).any(axis=1))]
    tap = np.arange(taps)
    seen: BoolArray = (distinct[:, :1] <= tap) & (tap < distinct[:, 1:])
    return seen


def is_channel_by_channel(graph: Graph, operator: Operator) -> bool:
    """Whether each channel of an operator without weights depends on the same one of its inputs alone."""
    count = channels(graph.result(operator))
    return isinstance(operator.attributes, _CHANNEL_BY_CHANNEL) and all(
        channels(graph.operand(operator, i)) == count for i in range(len(operator.inputs))
    )


def channels(tensor: Tensor) -> int:
    """Length of the last axis."""
    return tensor.shape[-1] if tensor.shape else 1


def links(elements: int, first: int, second: int) -> IntArray:
    """(pairs, 2): which channels of two views of the same elements hold the same ones, for last axes of
    ``first`` and ``second``.
    """
    index = np.arange(min(elements, math.lcm(first, second)))
    return np.stack([index % first, index % second], axis=1)


def len_of_links(graph: Graph, operator: Operator) -> int:
    """Pairs that :func:`links` gives for an operator, at most."""
    source, result = graph.operand(operator, 0), graph.result(operator)
    if isinstance(operator.attributes, Reshape):
        return min(source.element_count, math.lcm(channels(source), channels(result)))
    if isinstance(operator.attributes, FullyConnected):
        return min(source.element_count, math.lcm(channels(source), graph.operand(operator, 1).shape[1]))
    return channels(source) + channels(result)


def column_links(graph: Graph, operator: Operator, layer: Layer) -> IntArray:
    """Which channels of a layer's input are which of its columns."""
    source = graph.operand(operator, 0)
    return links(source.element_count, channels(source), layer.weights.shape[2])


def unit_links(graph: Graph, operator: Operator, layer: Layer) -> IntArray:
    """Which channels of a layer's result are which of its units."""
    result = graph.result(operator)
    return links(result.element_count, channels(result), len(layer.weights))
