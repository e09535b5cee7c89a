"""What simplifying took away, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from generator.graph import Graph, Operator, operator_macs, operator_parameters
from generator.simplify.intervals import Analysis
from generator.simplify.layers import BoolArray


@dataclass(frozen=True)
class LayerRemoval:
    """One layer. ``constant`` of its ``channels`` went because they always have one value, ``unread`` because
    nothing that matters reads them; products also go with the channels of its input.
    """

    operator_index: int
    op: str
    tensor_name: str
    channels: int
    constant: int
    unread: int
    macs: int
    macs_left: int
    parameter_bytes: int
    parameter_bytes_left: int


@dataclass(frozen=True)
class Removal:
    """All layers, in order, and the network as read: its multiply-accumulates, weights and biases."""

    layers: tuple[LayerRemoval, ...]
    macs: int
    parameters: int

    @property
    def channels(self) -> int:
        """Output channels of layers that are gone."""
        return sum(layer.constant + layer.unread for layer in self.layers)

    @property
    def macs_removed(self) -> int:
        """Multiply-accumulates that are gone."""
        return sum(layer.macs - layer.macs_left for layer in self.layers)

    @property
    def bytes_removed(self) -> int:
        """Bytes of weights and biases that are gone."""
        return sum(layer.parameter_bytes - layer.parameter_bytes_left for layer in self.layers)


def describe_removal(
    graph: Graph, simplified: Graph, analysis: Analysis, kept: Mapping[int, BoolArray]
) -> Removal:
    """``graph`` beside what became of it."""
    left = {operator.outputs[0]: operator for operator in simplified.operators}
    layers = []
    for operator in graph.operators:
        if operator.outputs[0] not in analysis.layers:
            continue
        result, remains = graph.result(operator), left[operator.outputs[0]]
        gone, constant = ~kept[result.index], analysis.constant(result)
        layers.append(
            LayerRemoval(
                operator_index=operator.index,
                op=operator.name,
                tensor_name=result.name,
                channels=len(gone),
                constant=int((gone & constant).sum()),
                unread=int((gone & ~constant).sum()),
                macs=operator_macs(graph, operator),
                macs_left=operator_macs(simplified, remains),
                parameter_bytes=_parameter_bytes(graph, operator),
                parameter_bytes_left=_parameter_bytes(simplified, remains),
            )
        )
    parameters = {t.index: t for o in graph.operators for t in operator_parameters(graph, o)}
    return Removal(
        tuple(layers),
        sum(operator_macs(graph, o) for o in graph.operators),
        sum(t.element_count for t in parameters.values()),
    )


def _parameter_bytes(graph: Graph, operator: Operator) -> int:
    return sum(tensor.size_bytes for tensor in operator_parameters(graph, operator))
