"""Which values each channel of each tensor can have, whatever the inputs of the network.

Every operator is taken through its exact integer arithmetic (``fixedpoint``, ``requantize``) at the ends of
its inputs' intervals: requantization is monotone as long as nothing wraps, and where something might the
result is given its full range. At the borders of padded layers the padding adds nothing; each way in which a
window can lie over the border is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import INT32_MAX, INT32_MIN, IntArray, Multiplier, scale_by
from generator.arithmetic.lookup import unary_table
from generator.arithmetic.requantize import activation_range, add_scaling, quantize_values
from generator.graph import (
    Activation,
    Add,
    DType,
    Graph,
    Operator,
    Pool2D,
    Quantize,
    Reshape,
    Tensor,
    Unary,
)
from generator.simplify.layers import (
    BoolArray,
    Layer,
    channels,
    column_links,
    layer_of,
    links,
    unit_links,
)

_ANALYSED = (DType.INT8, DType.UINT8)


@dataclass(frozen=True)
class Interval:
    """Smallest and largest value per channel (last axis), both included."""

    low: IntArray
    high: IntArray

    @property
    def constant(self) -> BoolArray:
        """Channels that always have one value."""
        fixed: BoolArray = self.low == self.high
        return fixed

    def through(self, pairs: IntArray, count: int) -> Interval:
        """The same elements with ``count`` channels, related by ``pairs`` as from :func:`links`."""
        low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
        np.minimum.at(low, pairs[:, 1], self.low[pairs[:, 0]])
        np.maximum.at(high, pairs[:, 1], self.high[pairs[:, 0]])
        return Interval(low, high)

    def clipped(self, low: int, high: int) -> Interval:
        """After a clamp."""
        return Interval(np.clip(self.low, low, high), np.clip(self.high, low, high))


@dataclass(frozen=True)
class LayerBounds:
    """A layer's columns, accumulators with bias before any wrap, and outputs per unit."""

    layer: Layer
    columns: Interval
    accumulators: Interval
    units: Interval


@dataclass(frozen=True)
class Analysis:
    """Intervals by tensor index (int8 and uint8 only), and of the layers by the index of their results."""

    tensors: Mapping[int, Interval]
    layers: Mapping[int, LayerBounds]

    def constant(self, tensor: Tensor) -> BoolArray:
        """Channels of ``tensor`` that always have one value."""
        interval = self.tensors.get(tensor.index)
        return np.zeros(channels(tensor), np.bool_) if interval is None else interval.constant


def analyse(graph: Graph) -> Analysis:
    """Intervals of everything in ``graph``; inputs may have any value of their type."""
    tensors = {t.index: _full(t) for t in graph.tensors.values() if t.dtype in _ANALYSED}
    layers: dict[int, LayerBounds] = {}
    for operator in graph.operators:
        result, source = graph.result(operator), graph.operand(operator, 0)
        layer = layer_of(graph, operator)
        if layer is not None:
            bounds = _layer_bounds(graph, operator, layer, tensors[source.index])
            layers[operator.outputs[0]] = bounds
            pairs = unit_links(graph, operator, layer)[:, ::-1]
            tensors[result.index] = bounds.units.through(pairs, channels(result))
        elif result.index in tensors and source.index in tensors:
            tensors[result.index] = _other(graph, operator, tensors)
    return Analysis(tensors, layers)


def _full(tensor: Tensor) -> Interval:
    count = channels(tensor)
    if tensor.is_constant:
        values = tensor.values.astype(np.int64).reshape(-1, count)
        return Interval(values.min(axis=0), values.max(axis=0))
    info = np.iinfo(np.dtype(tensor.dtype.value))
    return Interval(np.full(count, info.min, np.int64), np.full(count, info.max, np.int64))


def _layer_bounds(graph: Graph, operator: Operator, layer: Layer, source: Interval) -> LayerBounds:
    if layer.sources is None:
        pairs = column_links(graph, operator, layer)
        columns = source.through(pairs, layer.weights.shape[2])
        low, high = columns.low[None, None, :], columns.high[None, None, :]
    else:
        columns = Interval(source.low[layer.sources], source.high[layer.sources])
        low, high = columns.low[:, None, None], columns.high[:, None, None]
    low, high = low - layer.input_zero_point, high - layer.input_zero_point
    positive, negative = np.maximum(layer.weights, 0), np.minimum(layer.weights, 0)
    smallest = (positive * low + negative * high).sum(axis=2) @ layer.patterns.T.astype(np.int64)
    largest = (positive * high + negative * low).sum(axis=2) @ layer.patterns.T.astype(np.int64)
    accumulators = Interval(layer.bias + smallest.min(axis=1), layer.bias + largest.max(axis=1))
    units = [
        _requantized(int(low), int(high), multiplier, layer.output_zero_point, layer.output_range)
        for low, high, multiplier in zip(accumulators.low, accumulators.high, layer.multipliers, strict=True)
    ]
    return LayerBounds(layer, columns, accumulators, Interval(*np.array(units, np.int64).T))


def _requantized(
    low: int, high: int, multiplier: Multiplier, zero_point: int, output_range: tuple[int, int]
) -> tuple[int, int]:
    """Ends of the outputs of all accumulators from ``low`` to ``high``."""
    left = max(multiplier.shift, 0)
    if low << left < INT32_MIN or high << left > INT32_MAX:  # wraps
        return output_range
    smallest, largest = output_range
    return (
        min(max(scale_by(low, multiplier) + zero_point, smallest), largest),
        min(max(scale_by(high, multiplier) + zero_point, smallest), largest),
    )


def _other(graph: Graph, operator: Operator, tensors: Mapping[int, Interval]) -> Interval:
    """Operators without weights, from integers to integers."""
    attributes, source, result = operator.attributes, graph.operand(operator, 0), graph.result(operator)
    given = tensors[source.index]
    if isinstance(attributes, Reshape):
        pairs = links(source.element_count, channels(source), channels(result))
        return given.through(pairs, channels(result))
    if isinstance(attributes, Pool2D):  # maximum and rounded average lie between the smallest and the largest
        return given.clipped(*activation_range(attributes.activation, result))
    if isinstance(attributes, Add):
        return _sum(graph, operator, attributes.activation, given, tensors[graph.operand(operator, 1).index])
    if isinstance(attributes, Unary):
        return _looked_up(given, unary_table(attributes, source, result), -128)
    if isinstance(attributes, Quantize):
        info = np.iinfo(np.dtype(source.dtype.value))
        every = np.arange(info.min, info.max + 1).astype(source.dtype.numpy)
        return _looked_up(given, quantize_values(every, source.quant, result), info.min)
    return _full(result)


def _sum(graph: Graph, operator: Operator, activation: Activation, *terms: Interval) -> Interval:
    scaling, result = add_scaling(graph, operator), graph.result(operator)
    low, high = np.zeros(channels(result), np.int64), np.zeros(channels(result), np.int64)
    for term, zero_point, multiplier in zip(
        terms, scaling.input_zero_points, scaling.input_multipliers, strict=True
    ):
        low = low + scale_by((term.low - zero_point) << scaling.left_shift, multiplier)
        high = high + scale_by((term.high - zero_point) << scaling.left_shift, multiplier)
    output_range = activation_range(activation, result)
    ends = [
        _requantized(int(a), int(b), scaling.output_multiplier, result.quant.zero_point, output_range)
        for a, b in zip(low, high, strict=True)
    ]
    return Interval(*np.array(ends, np.int64).T)


def _looked_up(given: Interval, table: NDArray[np.generic], first: int) -> Interval:
    """Through a table whose entry 0 is for the value ``first``."""
    rows = [
        table[low - first : high - first + 1].astype(np.int64)
        for low, high in zip(given.low, given.high, strict=True)
    ]
    return Interval(
        np.array([row.min() for row in rows], np.int64), np.array([row.max() for row in rows], np.int64)
    )
