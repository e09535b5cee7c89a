"""What operators cost by definition, whatever computes them."""

from __future__ import annotations

import math

from generator.graph.layers import (
    BatchMatMul,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    PooledConv2D,
    TransposeConv,
)
from generator.graph.recurrent import Lstm, Svdf
from generator.graph.tensors import Graph, Operator, Tensor


def operator_macs(graph: Graph, operator: Operator) -> int:
    """Multiply-accumulates, padding counted; 0 for operators without weights."""
    attributes, used = operator.attributes, 0
    if isinstance(attributes, BatchMatMul):
        return attributes.products
    if isinstance(attributes, PooledConv2D):
        used = math.prod(attributes.convolved)
    elif isinstance(attributes, (Conv2D, DepthwiseConv2D)):
        used = math.prod(graph.result(operator).shape[1:3])
    elif isinstance(attributes, TransposeConv):
        used = math.prod(graph.operand(operator, 0).shape[1:3])
    elif isinstance(attributes, FullyConnected):
        used = graph.operand(operator, 0).element_count // graph.operand(operator, 1).shape[1]
    elif isinstance(attributes, Lstm):
        used = attributes.batches * attributes.steps
    elif isinstance(attributes, Svdf):
        used = graph.operand(operator, 0).shape[0]
    matrices = 2 if isinstance(attributes, (Lstm, Svdf)) else 1
    return used and used * sum(graph.operand(operator, i + 1).element_count for i in range(matrices))


def operator_parameters(graph: Graph, operator: Operator) -> tuple[Tensor, ...]:
    """The operator's weights and biases."""
    first = operator.attributes.parameters_from
    indices = () if first is None else operator.inputs[first:]
    return tuple(graph.tensors[i] for i in indices if i is not None)
