"""Readers of operators that treat elements or rows alone, and of changes of type."""

from __future__ import annotations

import tflite

from generator.arithmetic.slopes import STRAIGHT
from generator.graph import (
    PAIR_LOOPS,
    Activation,
    Add,
    Binary,
    BinaryKind,
    Dequantize,
    DType,
    LogSoftmax,
    Quantize,
    Softmax,
    Tensor,
    Unary,
    UnaryKind,
    broadcast_shape,
    paired_axes,
)
from generator.read.activations import fused_activation
from generator.read.node import MAX_RANK, Node, Piece

# SOFTMAX sums so many times exp(0) = 2**19 in an int32 (gemmlowp's 12 integer bits).
MAX_SOFTMAX_DEPTH = (1 << 12) - 1
_SOFTMAX_ONE = 1 << 26  # 1 with 5 integer bits
_MIN_LOG_SOFTMAX_SCALE = 2.0**-24  # LOG_SOFTMAX scales inputs up, and its inverse stays below 1

# Curves of int16 take inputs of such scales: products with them stay within 32 bits.
_MAX_CURVE_SCALE = 2.5

_OPTIONS = {BinaryKind.SUB: "SubOptions", BinaryKind.MUL: "MulOptions", BinaryKind.DIV: "DivOptions"}
_OUTPUTS = {UnaryKind.LOGISTIC: (1 / 256, -128), UnaryKind.TANH: (1 / 128, 0)}
_OUTPUTS_16 = (1 / 32768, 0)
_CONVERSIONS = {
    *((source, DType.INT8) for source in (DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16)),
    *((source, DType.INT16) for source in (DType.FLOAT32, DType.INT8, DType.INT16)),
    (DType.INT8, DType.UINT8),
}
_BINARY_16 = (BinaryKind.SUB, BinaryKind.MUL, BinaryKind.MAXIMUM, BinaryKind.MINIMUM)
_PRODUCTS = (BinaryKind.MUL, BinaryKind.PRELU, BinaryKind.SQUARED_DIFFERENCE)
# A quotient of bytes has at least 23 bits to be shifted right by before it is scaled up.
_MAX_QUOTIENT = 2.0**22
_UNSCALED = (BinaryKind.MAXIMUM, BinaryKind.MINIMUM)


def unary(node: Node, kind: UnaryKind) -> list[Piece]:
    """A function of one element, int8 or float32; of the latter, fusing makes a table."""
    if not node.arity((1,)):
        return []
    source, result = node.operand(0), node.outputs[0]
    alpha = 0.0
    if kind is UnaryKind.LEAKY_RELU:
        alpha = float(node.options(tflite.LeakyReluOptions).Alpha())
    elif kind is UnaryKind.GELU:
        alpha = float(node.options(tflite.GeluOptions).Approximate())
    in_float = source.dtype is result.dtype is DType.FLOAT32
    good = (
        node.require(abs(alpha) < 1 << 20, f"alpha is {alpha}, a small number expected")
        and (in_float or _quantized_unary(node, kind))
        and node.same_shape(source, result)
    )
    return node.whole(Unary(kind, alpha)) if good else []


def _quantized_unary(node: Node, kind: UnaryKind) -> bool:
    source, result = node.operand(0), node.outputs[0]
    if not node.quantized(source, result):
        return False
    if source.dtype is DType.INT16:
        return _unary_16(node, kind)
    if kind in _OUTPUTS:
        return _has_quantization(node, result, *_OUTPUTS[kind])
    return kind is not UnaryKind.RELU6 or node.same_quantization(source, result)


def _unary_16(node: Node, kind: UnaryKind) -> bool:
    source, result = node.operand(0), node.outputs[0]
    if kind in _OUTPUTS:
        return _has_quantization(node, result, *_OUTPUTS_16) and node.require(
            source.quant.scale <= _MAX_CURVE_SCALE,
            f"{source} has the scale {source.quant.scale}, at most {_MAX_CURVE_SCALE} expected",
        )
    return node.require(kind in STRAIGHT, f"{source} is int16, int8 expected") and (
        kind is not UnaryKind.RELU6 or node.same_quantization(source, result)
    )


def add(node: Node) -> list[Piece]:
    """ADD."""
    if not node.arity((2,)):
        return []
    activation = fused_activation(node, node.options(tflite.AddOptions).FusedActivationFunction())
    good = node.quantized(node.operand(0), node.operand(1), node.outputs[0]) and _broadcasts(node)
    return node.whole(Add(activation)) if good else []


def binary(node: Node, kind: BinaryKind) -> list[Piece]:
    """Another function of two elements."""
    if not node.arity((2,)):
        return []
    activation = Activation.NONE
    if kind in _OPTIONS:
        options = node.options(getattr(tflite, _OPTIONS[kind]))
        activation = fused_activation(node, options.FusedActivationFunction())
    first, second, result = node.operand(0), node.operand(1), node.outputs[0]
    good = node.quantized(first, second, result) and _broadcasts(node)
    wide = first.dtype is DType.INT16
    good = good and node.require(not wide or kind in _BINARY_16, f"{first} is int16, int8 expected")
    if good and kind is not BinaryKind.DIV:
        larger = max(first.quant.scale, second.quant.scale)
        good = node.multiplies_by(
            larger * (max(larger, 1.0) if kind in _PRODUCTS else 1.0) / result.quant.scale
        )
    if good and kind is BinaryKind.DIV:
        good = node.multiplies_by(
            first.quant.scale / (second.quant.scale * result.quant.scale), _MAX_QUOTIENT
        )
    if good and kind in _UNSCALED:
        good = node.same_quantization(first, result) and node.same_quantization(second, result)
    return node.whole(Binary(kind, activation)) if good else []


def _broadcasts(node: Node) -> bool:
    """Check two operands' shapes against the result's: axes are equal or have length 1."""
    first, second = node.operand(0), node.operand(1)
    rank = max(len(first.shape), len(second.shape))
    shape = broadcast_shape(first.shape, second.shape)
    return (
        node.require(rank <= MAX_RANK, f"{first} and {second} have more than {MAX_RANK} axes")
        and node.require(shape is not None, f"{first} and {second} do not fit each other")
        and node.require(
            not (first.is_constant and second.is_constant), f"{first} and {second} are both constant"
        )
        and node.result_shape(shape or ())
        and node.require(
            len(paired_axes(first.shape, second.shape, node.outputs[0].shape)) <= PAIR_LOOPS,
            f"{first} and {second} repeat along too many axes by turns: repeat one with BROADCAST_TO before",
        )
    )


def _has_quantization(node: Node, result: Tensor, scale: float, zero_point: int) -> bool:
    return node.require(
        result.quant.scale == scale and result.quant.zero_point == zero_point,
        f"output {result} must have scale 1/{1 / scale:g} and zero point {zero_point}",
    )


def softmax(node: Node) -> list[Piece]:
    """SOFTMAX."""
    if not node.arity((1,)):
        return []
    beta = node.options(tflite.SoftmaxOptions).Beta()
    source, result = node.operand(0), node.outputs[0]
    if not (
        node.quantized(source, result)
        and node.require(0 < beta < 1e6, f"beta is {beta}, a positive number expected")
        and _rows_to_sum(node, source)
        and node.require(
            source.dtype is DType.INT16 or beta * source.quant.scale * _SOFTMAX_ONE > 1,
            f"scale {source.quant.scale:.3g} of input {source} is too small: all outputs would be equal, and "
            "TFLM gives up on it",
        )
        and _has_quantization(
            node, result, *(_OUTPUTS_16 if source.dtype is DType.INT16 else (1 / 256, -128))
        )
        and node.same_shape(source, result)
    ):
        return []
    return node.whole(Softmax(beta))


def log_softmax(node: Node) -> list[Piece]:
    """LOG_SOFTMAX."""
    if not node.arity((1,)):
        return []
    source, result = node.operand(0), node.outputs[0]
    good = (
        node.int8(source, result)
        and node.require(
            source.quant.scale >= _MIN_LOG_SOFTMAX_SCALE,
            f"{source} must have a scale of at least {_MIN_LOG_SOFTMAX_SCALE:.1e}",
        )
        and _rows_to_sum(node, source)
        and _has_quantization(node, result, 1 / 16, 127)
        and node.same_shape(source, result)
    )
    return node.whole(LogSoftmax()) if good else []


def _rows_to_sum(node: Node, source: Tensor) -> bool:
    return node.require(
        len(source.shape) >= 1 and source.shape[-1] <= MAX_SOFTMAX_DEPTH,
        f"{source} must have a last axis of at most {MAX_SOFTMAX_DEPTH}",
    )


def quantize(node: Node) -> list[Piece]:
    """QUANTIZE."""
    if not node.arity((1,)):
        return []
    source, result = node.operand(0), node.outputs[0]
    good = node.require(
        (source.dtype, result.dtype) in _CONVERSIONS,
        f"from {source} to {result} is not supported (float32, int8, uint8 or int16 to int8; int8 to uint8; "
        "float32, int8 or int16 to int16)",
    )
    good = good and node.quantized_per_tensor(result)
    good = good and (source.dtype is DType.FLOAT32 or node.quantized_per_tensor(source))
    good = good and node.same_shape(source, result)
    return node.whole(Quantize()) if good else []


def dequantize(node: Node) -> list[Piece]:
    """DEQUANTIZE."""
    if not node.arity((1,)):
        return []
    source, result = node.operand(0), node.outputs[0]
    good = node.require(
        source.dtype in (DType.INT8, DType.UINT8, DType.INT16) and result.dtype is DType.FLOAT32,
        f"from {source} to {result} is not supported (int8, uint8 or int16 to float32)",
    )
    good = good and node.quantized_per_tensor(source)
    good = good and node.same_shape(source, result)
    return node.whole(Dequantize()) if good else []
