"""The network as data: tensors, operators with typed attributes, and nothing about C or a part."""

from generator.graph.attributes import Activation, Attributes, Padding
from generator.graph.elementwise import (
    Add,
    Binary,
    BinaryKind,
    Dequantize,
    Lookup,
    Quantize,
    Reduce,
    ReduceKind,
    Softmax,
    Unary,
    UnaryKind,
)
from generator.graph.layers import Conv2D, DepthwiseConv2D, FullyConnected, Pool2D, PooledConv2D, PoolKind
from generator.graph.movement import (
    MOVEMENTS,
    Concatenation,
    Pad,
    Reshape,
    Select,
    View,
    concatenation,
    merged_view,
    row_major,
)
from generator.graph.tensors import DType, Graph, Operator, Quantization, Tensor
from generator.graph.work import operator_macs, operator_parameters

__all__ = [
    "MOVEMENTS",
    "Activation",
    "Add",
    "Attributes",
    "Binary",
    "BinaryKind",
    "Concatenation",
    "Conv2D",
    "DType",
    "DepthwiseConv2D",
    "Dequantize",
    "FullyConnected",
    "Graph",
    "Lookup",
    "Operator",
    "Pad",
    "Padding",
    "Pool2D",
    "PoolKind",
    "PooledConv2D",
    "Quantization",
    "Quantize",
    "Reduce",
    "ReduceKind",
    "Reshape",
    "Select",
    "Softmax",
    "Tensor",
    "Unary",
    "UnaryKind",
    "View",
    "concatenation",
    "merged_view",
    "operator_macs",
    "operator_parameters",
    "row_major",
]
