"""The kernel registry: for each operator the kernels of firmware/nn that can run it, with everything each
needs. A faster variant is one more :class:`Candidate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from generator.graph import (
    Add,
    Attributes,
    Binary,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    FullyConnected,
    Graph,
    Lookup,
    Operator,
    Pad,
    Pool2D,
    PooledConv2D,
    Quantize,
    Reduce,
    ResizeBilinear,
    Select,
    Softmax,
    TransposeConv,
    Unary,
    View,
)
from generator.plan.kernels.binary import add, binary
from generator.plan.kernels.candidate import Candidate, Table
from generator.plan.kernels.convolution import conv_2d, pooled_conv_2d
from generator.plan.kernels.depthwise import depthwise_conv_2d
from generator.plan.kernels.elementwise import dequantize, lookup, quantize, softmax
from generator.plan.kernels.fully_connected import fully_connected
from generator.plan.kernels.movement import concatenation, pad, select, view
from generator.plan.kernels.pooling import pool_2d
from generator.plan.kernels.reduction import reduce
from generator.plan.kernels.resizing import resize_bilinear
from generator.plan.kernels.transpose_conv import transpose_conv

Registry = Mapping[type[Attributes], Callable[[Graph, Operator], list[Candidate]]]
"""What gives the kernels for each kind of operator."""

KERNELS: Registry = {
    Conv2D: conv_2d,
    PooledConv2D: pooled_conv_2d,
    DepthwiseConv2D: depthwise_conv_2d,
    TransposeConv: transpose_conv,
    FullyConnected: fully_connected,
    Pool2D: pool_2d,
    Add: add,
    Binary: binary,
    Unary: lookup,
    Lookup: lookup,
    Reduce: reduce,
    Softmax: softmax,
    Quantize: quantize,
    Dequantize: dequantize,
    View: view,
    Select: select,
    Pad: pad,
    Concatenation: concatenation,
    ResizeBilinear: resize_bilinear,
}

__all__ = ["KERNELS", "Candidate", "Registry", "Table"]
