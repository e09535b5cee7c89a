"""What operators cost by definition, whatever computes them."""

from __future__ import annotations

from generator.graph.layers import (
    BatchMatMul,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    PooledConv2D,
    TransposeConv,
)
from generator.graph.tensors import Graph, Operator, Tensor

_WEIGHTED = (Conv2D, DepthwiseConv2D, FullyConnected, PooledConv2D, TransposeConv)


def operator_macs(graph: Graph, operator: Operator) -> int:
    """Multiply-accumulates, padding counted; 0 for operators without weights."""
    attributes = operator.attributes
    if isinstance(attributes, PooledConv2D):
        height, width = attributes.convolved
        return height * width * graph.operand(operator, 1).element_count
    if isinstance(attributes, (Conv2D, DepthwiseConv2D)):
        _, height, width, _ = graph.result(operator).shape
        return height * width * graph.operand(operator, 1).element_count
    if isinstance(attributes, TransposeConv):
        _, height, width, _ = graph.operand(operator, 0).shape
        return height * width * graph.operand(operator, 1).element_count
    if isinstance(attributes, FullyConnected):
        weights = graph.operand(operator, 1)
        return graph.operand(operator, 0).element_count // weights.shape[1] * weights.element_count
    if isinstance(attributes, BatchMatMul):
        return attributes.products
    return 0


def operator_parameters(graph: Graph, operator: Operator) -> tuple[Tensor, ...]:
    """The operator's weights and bias."""
    if not isinstance(operator.attributes, _WEIGHTED):
        return ()
    bias = graph.optional_operand(operator, 2)
    return (graph.operand(operator, 1), *(() if bias is None else (bias,)))
