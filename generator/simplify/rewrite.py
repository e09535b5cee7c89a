"""The graph without the channels that went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from generator.arithmetic.fixedpoint import IntArray
from generator.graph import (
    DepthwiseConv2D,
    DType,
    Graph,
    Operator,
    Reshape,
    Tensor,
)
from generator.simplify.intervals import Analysis, LayerBounds
from generator.simplify.layers import BoolArray, column_links, unit_links
from generator.simplify.liveness import Liveness, Reading


def rewrite(graph: Graph, analysis: Analysis, liveness: Liveness, kept: Mapping[int, BoolArray]) -> Graph:
    """``graph`` with the ``kept`` channels of each tensor. Layers get weights and biases of their own."""
    tensors = {
        index: _narrowed(tensor, kept[index], liveness.needed[index])
        for index, tensor in graph.tensors.items()
    }
    operators = []
    for operator in graph.operators:
        bounds = analysis.layers.get(operator.outputs[0])
        if bounds is not None:
            parameters = _parameters(graph, operator, bounds, liveness.readings[operator.outputs[0]], kept)
            indices = []
            for parameter in parameters:
                index = max(tensors) + 1
                tensors[index] = replace(parameter, index=index)
                indices.append(index)
            operators.append(replace(operator, inputs=(operator.inputs[0], *indices)))
        elif isinstance(operator.attributes, Reshape):
            # The second input only repeats the result's shape as it was.
            operators.append(replace(operator, inputs=operator.inputs[:1]))
        else:
            operators.append(operator)
    read = {i for operator in operators for i in operator.inputs}
    live = read.union(graph.inputs, *((*operator.outputs, *operator.state) for operator in operators))
    return replace(
        graph,
        tensors={i: t for i, t in tensors.items() if i in live},
        operators=tuple(operators),
    )


def _narrowed(tensor: Tensor, kept: BoolArray, needed: BoolArray) -> Tensor:
    if tensor.is_constant or kept.all():
        return tensor
    before = tensor.origin or tuple(range(len(kept)))
    return replace(
        tensor,
        shape=(*tensor.shape[:-1], int(kept.sum())),
        origin=tuple(before[c] if needed[c] else None for c in np.flatnonzero(kept)),
    )


def _parameters(
    graph: Graph, operator: Operator, bounds: LayerBounds, reading: Reading, kept: Mapping[int, BoolArray]
) -> tuple[Tensor, ...]:
    """The layer's new weights, and bias if it has or needs one."""
    layer, tensor = bounds.layer, graph.operand(operator, 1)
    pairs = unit_links(graph, operator, layer)
    units = _selected(kept[operator.outputs[0]], pairs, len(layer.weights))
    weights = (layer.weights * reading.computed[:, None, None])[units]
    if isinstance(operator.attributes, DepthwiseConv2D):
        weights = weights[:, :, 0].T.reshape(*tensor.shape[:3], len(weights))
    else:
        pairs = column_links(graph, operator, layer)
        columns = _selected(kept[graph.operand(operator, 0).index], pairs, weights.shape[2])
        weights = (weights * ~reading.folded)[:, :, columns]
        weights = weights.reshape(len(weights), *tensor.shape[1:-1], weights.shape[2])
    bias, values = graph.optional_operand(operator, 2), reading.bias[units]
    parameters = [_with_values(tensor, weights, units)]
    if bias is not None:
        # What its scales say follows from the weights; a file may hold any number of them.
        parameters.append(_with_values(replace(bias, quantization=None), values, units))
    elif values.any():
        new = Tensor(-1, f"bias of {tensor.name}", (), DType.INT32)
        parameters.append(_with_values(new, values, units))
    return tuple(parameters)


def _selected(kept: BoolArray, pairs: IntArray, count: int) -> BoolArray:
    """Of ``count`` units or columns those whose channels are ``kept``."""
    mask = np.zeros(count, np.bool_)
    mask[pairs[:, 1]] = kept[pairs[:, 0]]
    return mask


def _with_values(tensor: Tensor, values: IntArray, units: BoolArray) -> Tensor:
    """``tensor`` with other values, and of scales per unit those of ``units``."""
    quantization = tensor.quantization
    if quantization is not None and quantization.is_per_channel:
        kept = np.flatnonzero(units)
        quantization = replace(
            quantization,
            scales=tuple(quantization.scales[u] for u in kept),
            zero_points=tuple(quantization.zero_points[u] for u in kept),
        )
    data = values.astype(tensor.dtype.numpy).tobytes()
    return replace(tensor, shape=values.shape, data=data, quantization=quantization)
