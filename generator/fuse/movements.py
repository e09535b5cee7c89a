"""Views of views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from generator.graph import COPY_LOOPS, Attributes, Graph, Operator, Reshape, View, merged_view

_MAX_ELEMENTS = 1 << 20  # what is worth trying out element by element


def merge_views(graph: Graph) -> Graph:
    """A view that alone reads a view, reshaped in between or not, becomes one with it where that is a view.

    What comes out as it went in becomes a reshape: transpositions back and forth, say.
    """
    made = {op.outputs[0]: op for op in graph.operators}
    operators = []
    for operator in graph.operators:
        merged = _merged(graph, operator, made)
        made[merged.outputs[0]] = merged
        operators.append(merged)
    return replace(graph, operators=tuple(operators))


def _merged(graph: Graph, operator: Operator, made: dict[int, Operator]) -> Operator:
    if not isinstance(operator.attributes, View) or operator.inputs[0] is None:
        return operator
    index = operator.inputs[0]
    while index in made and isinstance(made[index].attributes, Reshape) and graph.only_reader(index):
        index = made[index].inputs[0] or 0
    before = made.get(index)
    if before is None or not isinstance(before.attributes, View) or not graph.only_reader(index):
        return operator
    source = graph.operand(before, 0)
    if max(source.element_count, graph.result(operator).element_count) > _MAX_ELEMENTS:
        return operator
    moved = operator.attributes.moved(before.attributes.moved(np.arange(source.element_count)))
    found = _as_view(moved.astype(np.int64), f"{before.name}+{operator.name}")
    if found is None:
        return operator
    whole = found.is_identity and source.element_count == moved.size
    attributes: Attributes = Reshape() if whole else found
    return replace(operator, attributes=attributes, inputs=before.inputs)


def _as_view(taken: NDArray[np.int64], name: str) -> View | None:
    """Which elements are taken as a view, innermost axis first; None if they are no few regular steps."""
    first = int(taken[0])
    counts: list[int] = []
    strides: list[int] = []
    while taken.size > 1:
        step = int(taken[1] - taken[0])
        irregular = np.flatnonzero(np.diff(taken) != step)
        count = int(irregular[0]) + 1 if irregular.size else taken.size
        if taken.size % count:
            return None
        rows = taken.reshape(-1, count)
        if not (rows - rows[:, :1] == np.arange(count) * step).all():
            return None
        counts.insert(0, count)
        strides.insert(0, step)
        taken = rows[:, 0]
    view = merged_view(name, first, counts, strides)
    return view if view.loops <= COPY_LOOPS else None
