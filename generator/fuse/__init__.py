"""Passes over the Graph. Each keeps every output of the network bit for bit."""

from __future__ import annotations

from dataclasses import replace

from generator.graph import Graph, Reshape, Tensor


def fuse(graph: Graph) -> Graph:
    """All passes, in order."""
    return drop_unread(merge_reshapes(graph))


def merge_reshapes(graph: Graph) -> Graph:
    """A reshape of a reshape reads the first one's source; a reshape of a constant is a constant."""
    tensors = dict(graph.tensors)
    source_of: dict[int, int] = {}
    operators = []
    for operator in graph.operators:
        if isinstance(operator.attributes, Reshape) and operator.inputs[0] is not None:
            source = source_of.get(operator.inputs[0], operator.inputs[0])
            source_of[operator.outputs[0]] = source
            result = tensors[operator.outputs[0]]
            if tensors[source].is_constant and result.index not in graph.outputs:
                tensors[result.index] = replace(result, data=tensors[source].data)
                continue
            # The second input only repeats the output's shape, which the result tensor holds.
            operators.append(replace(operator, inputs=(source,)))
            continue
        operators.append(operator)
    return replace(graph, tensors=tensors, operators=tuple(operators))


def drop_unread(graph: Graph) -> Graph:
    """Operators whose results nobody reads, and tensors that no operator touches, disappear."""
    live = set(graph.outputs)
    kept = []
    for operator in reversed(graph.operators):
        if live.isdisjoint(operator.outputs):
            continue
        kept.append(operator)
        live.update(i for i in operator.inputs if i is not None)
    live.update(graph.inputs)
    tensors: dict[int, Tensor] = {i: t for i, t in graph.tensors.items() if i in live}
    return replace(graph, tensors=tensors, operators=tuple(reversed(kept)))
