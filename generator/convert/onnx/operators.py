"""Which ONNX operators can be converted, and what converts them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from generator.convert.onnx import (
    elementwise,
    folding,
    layers,
    matrices,
    movement,
    normalization,
    quantization,
    resizing,
)
from generator.convert.onnx.converter import Handler

REAL_FUNCTIONS = ("Ceil", "Cos", "Exp", "Floor", "Gelu", "Log", "Neg", "Round", "Sin", "Sqrt")

HANDLERS: Mapping[str, Handler] = {
    "QuantizeLinear": quantization.quantize,
    "DequantizeLinear": quantization.dequantize,
    "Constant": folding.constant,
    "Shape": folding.shape,
    "Conv": layers.convolution,
    "ConvTranspose": layers.transposed_convolution,
    "Gemm": matrices.gemm,
    "MatMul": matrices.matmul,
    "BatchNormalization": normalization.batch_normalization,
    "MaxPool": partial(layers.pool, average=False),
    "AveragePool": partial(layers.pool, average=True),
    "GlobalAveragePool": partial(elementwise.global_pool, op="MEAN"),
    "GlobalMaxPool": partial(elementwise.global_pool, op="REDUCE_MAX"),
    "Relu": elementwise.clip,
    "Clip": elementwise.clip,
    "LeakyRelu": elementwise.leaky_relu,
    "PRelu": elementwise.prelu,
    "Elu": elementwise.elu,
    "HardSigmoid": elementwise.hard_sigmoid,
    "HardSwish": partial(elementwise.unary, op="HARD_SWISH"),
    "Sigmoid": partial(elementwise.unary, op="LOGISTIC"),
    "Tanh": partial(elementwise.unary, op="TANH"),
    "Abs": partial(elementwise.unary, op="ABS"),
    **{name: partial(elementwise.real_function, op=name.upper()) for name in REAL_FUNCTIONS},
    "Add": partial(elementwise.binary, op="ADD"),
    "Sub": partial(elementwise.binary, op="SUB"),
    "Mul": partial(elementwise.binary, op="MUL"),
    "Div": partial(elementwise.binary, op="DIV"),
    "Max": partial(elementwise.extremum, op="MAXIMUM"),
    "Min": partial(elementwise.extremum, op="MINIMUM"),
    "Softmax": partial(elementwise.softmax, op="SOFTMAX"),
    "LogSoftmax": partial(elementwise.softmax, op="LOG_SOFTMAX"),
    "ReduceMean": partial(elementwise.reduce, op="MEAN"),
    "ReduceSum": partial(elementwise.reduce, op="SUM"),
    "ReduceMax": partial(elementwise.reduce, op="REDUCE_MAX"),
    "ReduceMin": partial(elementwise.reduce, op="REDUCE_MIN"),
    "ArgMax": partial(elementwise.arg, op="ARG_MAX"),
    "ArgMin": partial(elementwise.arg, op="ARG_MIN"),
    "Identity": movement.identity,
    "Dropout": movement.identity,
    "Cast": movement.identity,
    "Reshape": movement.reshape,
    "Flatten": movement.reshape,
    "Squeeze": movement.reshape,
    "Unsqueeze": movement.reshape,
    "Transpose": movement.transpose,
    "Slice": movement.slice_,
    "Split": movement.split,
    "Concat": movement.concatenate,
    "Gather": movement.gather,
    "Pad": movement.pad,
    "Resize": resizing.resize,
    "DepthToSpace": resizing.depth_to_space,
    "SpaceToDepth": resizing.space_to_depth,
}


def supported_onnx_operators() -> tuple[str, ...]:
    """Names of all operators that can take part in an inference, sorted. Others may compute shapes."""
    return tuple(sorted(HANDLERS))
