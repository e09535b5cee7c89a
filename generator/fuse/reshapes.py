"""Operators that do nothing, or whose results nobody reads."""

from __future__ import annotations

from dataclasses import replace

from generator.graph import Graph, Reshape, Tensor


def merge_reshapes(graph: Graph) -> Graph:
    """A reshape of a reshape reads the first one's source."""
    source_of: dict[int, int] = {}
    operators = []
    for operator in graph.operators:
        if isinstance(operator.attributes, Reshape) and operator.inputs[0] is not None:
            source = source_of.get(operator.inputs[0], operator.inputs[0])
            source_of[operator.outputs[0]] = source
            operators.append(replace(operator, inputs=(source,)))
        else:
            operators.append(operator)
    return replace(graph, operators=tuple(operators))


def drop_unread(graph: Graph) -> Graph:
    """Operators whose results nobody reads, and tensors that no operator touches, disappear."""
    live = set(graph.outputs)
    kept = []
    for operator in reversed(graph.operators):
        if live.isdisjoint(operator.outputs):
            continue
        kept.append(operator)
        live.update(operator.state)
        live.update(i for i in operator.inputs if i is not None)
    live.update(graph.inputs)
    tensors: dict[int, Tensor] = {i: t for i, t in graph.tensors.items() if i in live}
    return replace(graph, tensors=tensors, operators=tuple(reversed(kept)))
