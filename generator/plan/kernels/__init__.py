"""The kernel registry: for each operator the kernels of firmware/nn that can run it, with everything each
needs. A faster variant is one more :class:`Candidate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from generator.graph import (
    Add,
    Attributes,
    BatchMatMul,
    Binary,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    DType,
    FullyConnected,
    Graph,
    LogSoftmax,
    Lookup,
    Lstm,
    Operator,
    Pad,
    Pool2D,
    PooledConv2D,
    Quantize,
    Reduce,
    ResizeBilinear,
    Select,
    Softmax,
    Svdf,
    TransposeConv,
    Unary,
    View,
)
from generator.plan.kernels.binary import add, binary
from generator.plan.kernels.candidate import Candidate, Table
from generator.plan.kernels.convolution import conv_2d, pooled_conv_2d
from generator.plan.kernels.depthwise import depthwise_conv_2d
from generator.plan.kernels.elementwise import dequantize, log_softmax, lookup, quantize, softmax
from generator.plan.kernels.fully_connected import fully_connected
from generator.plan.kernels.functions_16 import softmax_16, unary_16
from generator.plan.kernels.layers_16 import (
    conv_2d_16,
    depthwise_conv_2d_16,
    fully_connected_16,
    transpose_conv_16,
)
from generator.plan.kernels.matmul import batch_matmul
from generator.plan.kernels.movement import concatenation, pad, select, view
from generator.plan.kernels.pooling import pool_2d
from generator.plan.kernels.recurrent import lstm, svdf
from generator.plan.kernels.reduction import reduce
from generator.plan.kernels.resizing import resize_bilinear
from generator.plan.kernels.transpose_conv import transpose_conv

Kernels = Callable[[Graph, Operator], list[Candidate]]
Registry = Mapping[type[Attributes], Kernels]
"""What gives the kernels for each kind of operator."""


def _either(narrow: Kernels, wide: Kernels) -> Kernels:
    """Kernels of their own for int16."""

    def found(graph: Graph, operator: Operator) -> list[Candidate]:
        return (wide if graph.operand(operator, 0).dtype is DType.INT16 else narrow)(graph, operator)

    return found


KERNELS: Registry = {
    Conv2D: _either(conv_2d, conv_2d_16),
    PooledConv2D: pooled_conv_2d,
    DepthwiseConv2D: _either(depthwise_conv_2d, depthwise_conv_2d_16),
    TransposeConv: _either(transpose_conv, transpose_conv_16),
    FullyConnected: _either(fully_connected, fully_connected_16),
    BatchMatMul: batch_matmul,
    Lstm: lstm,
    Svdf: svdf,
    Pool2D: pool_2d,
    Add: add,
    Binary: binary,
    Unary: _either(lookup, unary_16),
    Lookup: lookup,
    Reduce: reduce,
    Softmax: _either(softmax, softmax_16),
    LogSoftmax: log_softmax,
    Quantize: quantize,
    Dequantize: dequantize,
    View: view,
    Select: select,
    Pad: pad,
    Concatenation: concatenation,
    ResizeBilinear: resize_bilinear,
}

__all__ = ["KERNELS", "Candidate", "Registry", "Table"]
