"""Which channels' values matter: from the outputs back to the inputs.

A channel matters if a layer that matters reads it with a weight other than 0 and cannot have it as part of
its bias. It can if the channel is constant and adds the same to every accumulator, at the borders of padded
layers too. A layer's unit that is constant itself reads nothing: a bias alone gives its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from generator.arithmetic.fixedpoint import INT32_MAX, INT32_MIN, IntArray
from generator.graph import Graph, Operator, Reshape
from generator.simplify.intervals import Analysis, LayerBounds
from generator.simplify.layers import (
    BoolArray,
    channels,
    column_links,
    is_channel_by_channel,
    links,
    unit_links,
)


@dataclass(frozen=True)
class Reading:
    """What becomes of a layer: ``computed`` (units,) keep their weights, for all columns but the ``folded``
    ones, which move into ``bias`` (units,). Units that are not computed have a bias alone.
    """

    computed: BoolArray
    folded: BoolArray
    bias: IntArray


@dataclass(frozen=True)
class Liveness:
    """Per tensor index the channels whose values matter, and by their results' index what layers read."""

    needed: Mapping[int, BoolArray]
    readings: Mapping[int, Reading]


def find_needed(graph: Graph, analysis: Analysis) -> Liveness:
    """One walk from the last operator to the first: nothing flows back."""
    needed = {t.index: np.zeros(channels(t), np.bool_) for t in graph.tensors.values()}
    readings: dict[int, Reading] = {}
    for index in graph.outputs:
        needed[index][:] = True
    for operator in reversed(graph.operators):
        wanted = needed[operator.outputs[0]]
        bounds = analysis.layers.get(operator.outputs[0])
        if bounds is not None:
            readings[operator.outputs[0]] = _read_by_layer(graph, operator, bounds, needed)
            continue
        for source in operator.operands:
            if source is not None:
                needed[source] |= _read_elsewhere(graph, operator, source, wanted)
    return Liveness(needed, readings)


def _read_by_layer(
    graph: Graph, operator: Operator, bounds: LayerBounds, needed: Mapping[int, BoolArray]
) -> Reading:
    layer = bounds.layer
    units = np.zeros(len(layer.weights), np.bool_)
    pairs = unit_links(graph, operator, layer)
    np.logical_or.at(units, pairs[:, 1], needed[operator.outputs[0]][pairs[:, 0]])
    computed = units & ~bounds.units.constant
    source = needed[graph.operand(operator, 0).index]
    if layer.sources is not None:  # a unit that is not constant reads its channel
        np.logical_or.at(source, layer.sources, computed)
        folded, bias = np.zeros(1, np.bool_), layer.bias
    else:
        folded, bias = _fold(bounds, computed)
        pairs = column_links(graph, operator, layer)
        columns = (layer.seen_weights[computed] != 0).any(axis=(0, 1)) & ~folded
        np.logical_or.at(source, pairs[:, 0], columns[pairs[:, 1]])
    # Any accumulator of its interval gives a constant unit's value; the one nearest to 0 is the tamest.
    alone = np.clip(0, bounds.accumulators.low, bounds.accumulators.high).clip(INT32_MIN, INT32_MAX)
    return Reading(computed, folded, np.where(computed, bias, np.where(units, alone, 0)))


def _fold(bounds: LayerBounds, computed: BoolArray) -> tuple[BoolArray, IntArray]:
    """The columns that can move into the bias, and the bias with them."""
    layer = bounds.layer
    folded = bounds.columns.constant.copy()
    (candidates,) = np.nonzero(folded)
    centred = bounds.columns.low[candidates] - layer.input_zero_point
    products = layer.weights[computed][:, :, candidates] * centred
    added = np.einsum("utc,pt->upc", products, layer.patterns.astype(np.int64))
    exact = (added == added[:, :1]).all(axis=(0, 1))
    bias = layer.bias.copy()
    bias[computed] += added[:, 0, exact].sum(axis=1)
    if bias.min() < INT32_MIN or bias.max() > INT32_MAX:
        bias, exact = layer.bias, (added == 0).all(axis=(0, 1))
    folded[candidates] = exact
    return folded, bias


def _read_elsewhere(graph: Graph, operator: Operator, index: int, wanted: BoolArray) -> BoolArray:
    """Channels of an input that an operator without weights needs for the ``wanted`` ones of its result."""
    if is_channel_by_channel(graph, operator):
        return wanted
    source = graph.tensors[index]
    if isinstance(operator.attributes, Reshape):
        pairs = links(source.element_count, channels(source), len(wanted))
        read = np.zeros(channels(source), np.bool_)
        np.logical_or.at(read, pairs[:, 0], wanted[pairs[:, 1]])
        return read
    return np.full(channels(source), wanted.any())
