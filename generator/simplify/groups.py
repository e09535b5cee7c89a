"""Which channels can only go together: those that an operator takes over one by one from input to output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from generator.arithmetic.fixedpoint import IntArray
from generator.graph import Conv2D, DepthwiseConv2D, FullyConnected, Graph, Operator, Reshape
from generator.simplify.layers import (
    BoolArray,
    Layer,
    channels,
    column_links,
    is_channel_by_channel,
    links,
    unit_links,
)


class Groups:
    """The channels of all tensors in groups that stay or go as one.

    Constants, the network's inputs and outputs, and what operators without a rule here touch, stay whole.
    """

    def __init__(self, graph: Graph, layers: Mapping[int, Layer]) -> None:
        """``layers`` are those of ``graph`` by the index of their results."""
        self._places: dict[int, slice] = {}
        count = 0
        for tensor in graph.tensors.values():
            self._places[tensor.index] = slice(count, count + channels(tensor))
            count += channels(tensor)
        self._labels = np.arange(count)
        self._pinned = np.zeros(count, np.bool_)
        self._least = dict.fromkeys(self._places, 1)
        for tensor in graph.tensors.values():
            if tensor.is_constant or not tensor.shape or tensor.index in {*graph.inputs, *graph.outputs}:
                self._pinned[self._places[tensor.index]] = True
        ties = [np.empty((0, 2), np.int64)]
        for operator in graph.operators:
            ties.extend(self._ties(graph, operator, layers.get(operator.outputs[0])))
        self._join(np.concatenate(ties))

    def kept(self, needed: Mapping[int, BoolArray], multiple: int) -> dict[int, BoolArray]:
        """Per tensor the channels that stay: the needed ones, what is tied to them, and of the others as many
        as bring the tensor's count to a multiple of ``multiple``, if it has so many.
        """
        wanted = self._pinned.copy()
        for index, mask in needed.items():
            wanted[self._places[index]] |= mask
        kept = np.zeros(len(wanted), np.bool_)
        kept[self._labels[wanted]] = True
        kept = kept[self._labels]
        while any([self._fill(kept, index, multiple) for index in self._places]):
            pass  # what one tensor took may have unbalanced another
        return {index: kept[place] for index, place in self._places.items()}

    def _fill(self, kept: BoolArray, index: int, multiple: int) -> bool:
        """Keep more channels of one tensor, in place; whether there was anything to do."""
        place = self._places[index]
        size, before = place.stop - place.start, int(kept[place].sum())
        least = max(before, min(self._least[index], size))
        rounded = -(-least // multiple) * multiple
        target = rounded if rounded <= size else least
        while int(kept[place].sum()) < target:
            first = place.start + int(np.argmin(kept[place]))
            kept |= self._labels == self._labels[first]
        return bool(before < target)

    def _ties(self, graph: Graph, operator: Operator, layer: Layer | None) -> Iterator[IntArray]:
        """(pairs, 2) of places that are tied."""
        attributes, source, result = operator.attributes, graph.operand(operator, 0), graph.result(operator)
        first, last = self._places[source.index].start, self._places[result.index].start
        if is_channel_by_channel(graph, operator):
            own = np.arange(channels(result))
            for index in operator.operands:
                if index is not None:
                    yield np.stack([self._places[index].start + own, last + own], axis=1)
        elif isinstance(attributes, Reshape):
            pairs = links(source.element_count, channels(source), channels(result))
            yield np.array([first, last]) + pairs
        elif isinstance(attributes, DepthwiseConv2D) and layer is not None:
            units = np.arange(channels(result))
            yield np.stack([first + units // attributes.multiplier, last + units], axis=1)
        elif isinstance(attributes, FullyConnected) and layer is not None:
            yield first + _sharing(column_links(graph, operator, layer))
            yield last + _sharing(unit_links(graph, operator, layer))
            if graph.operand(operator, 1).quant.is_per_channel:
                # One unit with one scale would be per tensor, which TFLM scales by other arithmetic.
                self._least[result.index] = 2
        elif not (isinstance(attributes, Conv2D) and layer is not None):
            for index in (*operator.inputs, *operator.outputs, *operator.state):
                if index is not None:
                    self._pinned[self._places[index]] = True

    def _join(self, ties: IntArray) -> None:
        """Give tied places one label: the smallest place among them."""
        labels = self._labels
        while (labels[ties[:, 0]] != labels[ties[:, 1]]).any():
            smaller = labels[ties].min(axis=1)
            for side in (0, 1):
                np.minimum.at(labels, labels[ties[:, side]], smaller)
                np.minimum.at(labels, ties[:, side], smaller)
            labels[:] = labels[labels]


def _sharing(pairs: IntArray) -> IntArray:
    """(pairs, 2): channels that have a column, or a unit, in common with an earlier one."""
    first = np.full(int(pairs[:, 1].max()) + 1, len(pairs))
    np.minimum.at(first, pairs[:, 1], pairs[:, 0])
    return np.stack([pairs[:, 0], first[pairs[:, 1]]], axis=1)
