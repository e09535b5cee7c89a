"""The network as data: tensors, operators with typed attributes, and nothing about C or a part."""

from generator.graph.operators import (
    Activation,
    Add,
    Attributes,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    FullyConnected,
    Logistic,
    Padding,
    Pool2D,
    PooledConv2D,
    PoolKind,
    Quantize,
    Reshape,
    Softmax,
)
from generator.graph.tensors import DType, Graph, Operator, Quantization, Tensor
from generator.graph.work import operator_macs, operator_parameters

__all__ = [
    "Activation",
    "Add",
    "Attributes",
    "Conv2D",
    "DType",
    "DepthwiseConv2D",
    "Dequantize",
    "FullyConnected",
    "Graph",
    "Logistic",
    "Operator",
    "Padding",
    "Pool2D",
    "PoolKind",
    "PooledConv2D",
    "Quantization",
    "Quantize",
    "Reshape",
    "Softmax",
    "Tensor",
    "operator_macs",
    "operator_parameters",
]
