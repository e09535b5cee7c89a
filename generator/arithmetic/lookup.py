"""Functions of one byte as tables of 256 outputs, computed as TFLM computes each.

Where TFLM has no int8 kernel, LiteRT's rule stands with the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import (
    Multiplier,
    input_radius,
    logistic,
    quantize_multiplier,
    reciprocal_square_root,
    round_half_away,
    rounding_shift_right,
    scale_by,
    tanh,
)
from generator.arithmetic.requantize import quantize_values
from generator.arithmetic.slopes import STRAIGHT, slope_values, slopes
from generator.graph import (
    Graph,
    Lookup,
    Operator,
    Quantization,
    Quantize,
    Tensor,
    Unary,
    UnaryKind,
)

_INPUT_BITS = 4  # integer bits of the input of LOGISTIC and TANH
_RSQRT_SHIFT = 20

Output = Callable[[int], int]
"""From an input less its zero point to the output, not yet clamped."""


def unary_table(unary: Unary, source: Tensor, result: Tensor) -> NDArray[np.int8]:
    """Output for each int8 input, index 0 for -128."""
    output = _OUTPUTS.get(unary.kind, _by_float)(unary, source, result)
    zero_point = source.quant.zero_point
    return np.array([max(-128, min(127, output(x - zero_point))) for x in range(-128, 128)], np.int8)


def byte_table(graph: Graph, operator: Operator) -> bytes | None:
    """Output for each byte of the input, as :class:`Lookup` has them; None for what is no such function."""
    attributes, source, result = operator.attributes, graph.operand(operator, 0), graph.result(operator)
    if source.dtype.size_bytes != 1 or result.dtype.size_bytes != 1:
        return None
    if isinstance(attributes, Lookup):
        return attributes.table
    if isinstance(attributes, Unary):
        return unary_table(attributes, source, result).tobytes()
    if isinstance(attributes, Quantize):
        return quantize_values(every_byte(source), source.quant, result).tobytes()
    return None


def every_byte(source: Tensor) -> NDArray[np.generic]:
    """All values of an int8 or uint8 tensor in the order of :class:`Lookup`."""
    return (np.arange(256, dtype=np.uint8) ^ 0x80).view(source.dtype.numpy)


def float_values(unary: Unary, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The function in float32, as TFLM's float kernels compute it."""
    function = _FLOATS.get(unary.kind)
    if function is None:
        raise ValueError(f"{unary.kind.value} has no float32 kernel")
    with np.errstate(all="ignore"):
        return np.asarray(function(values, np.float32(unary.alpha)), np.float32)


def _scaled(source: Quantization, result: Quantization) -> Multiplier:
    return quantize_multiplier(source.scale / result.scale)


def _straight(unary: Unary, source: Tensor, result: Tensor) -> Output:
    found = slopes(unary, source, result)
    return lambda x: int(slope_values(np.array(x, np.int64), found, result.quant.zero_point))


def _logistic(_: Unary, source: Tensor, result: Tensor) -> Output:
    """``reference/integer_ops/logistic.h``."""
    multiplier, radius = _curve_input(source)

    def output(x: int) -> int:
        if abs(x) >= radius:
            return -128 if x <= -radius else 127
        return rounding_shift_right(logistic(scale_by(x, multiplier), _INPUT_BITS), 23) - 128

    return output


def _tanh(_: Unary, source: Tensor, result: Tensor) -> Output:
    """``reference/integer_ops/tanh.h``."""
    multiplier, radius = _curve_input(source)

    def output(x: int) -> int:
        if abs(x) >= radius:
            return -128 if x <= -radius else 127
        return rounding_shift_right(tanh(scale_by(x, multiplier), _INPUT_BITS), 24)

    return output


def _curve_input(source: Tensor) -> tuple[Multiplier, int]:
    real = source.quant.scale * (1 << (31 - _INPUT_BITS))
    _, shift = math.frexp(real)  # not saturated, as a multiplier's is
    return quantize_multiplier(real), input_radius(_INPUT_BITS, max(shift, 0))


def _elu(_: Unary, source: Tensor, result: Tensor) -> Output:
    """In float32, multiplied by the inverse of the output's scale (``elu.cc``)."""
    inverse = np.float32(1) / np.float32(result.quant.scale)

    def output(x: int) -> int:
        real = np.float32(source.quant.scale) * np.float32(x)
        # NumPy's own exponential of float32 is not the C library's, which is rounded correctly nearly always.
        curved = np.float32(math.exp(real)) - np.float32(1) if real < 0 else real
        return round_half_away(float(curved * inverse)) + result.quant.zero_point

    return output


def _hard_swish(_: Unary, source: Tensor, result: Tensor) -> Output:
    """In 16 bits (``hard_swish_common.cc``, ``reference/hard_swish.h``)."""
    fine = np.float32(1 / 128) * np.float32(source.quant.scale)
    scaling = quantize_multiplier(float(fine / np.float32(result.quant.scale)))
    gating = quantize_multiplier(float(fine / np.float32(3 / 32768)))

    def output(x: int) -> int:
        wide = x * 128
        scaled = _high_mul_16(wide, _sixteen(scaling.mantissa))
        gate = _saturate_16(wide << max(gating.shift - 1, 0))
        gate = _high_mul_16(gate, _sixteen(gating.mantissa))
        if gating.shift > 0:
            gate = _saturate_16(gate << 1)
        gate = _rounding_shift_right_16(gate, max(-gating.shift, 0))
        gate = (gate + (1 << 15)) >> 1
        product = int(gate * scaled / (1 << 15))  # towards zero, exact in a double
        return _rounding_shift_right_16(product, max(-scaling.shift, 0)) + result.quant.zero_point

    return output


def _rounding_shift_right_16(value: int, exponent: int) -> int:
    """gemmlowp's ``RoundingDivideByPOT`` of 16 bits, whose mask for more than 15 is -1, and so its half."""
    return rounding_shift_right(value, exponent) if exponent <= 15 else (1 if value >= 0 else -1)


def _sixteen(mantissa: int) -> int:
    """``DownScaleInt32ToInt16Multiplier``."""
    return 0x7FFF if mantissa >= 0x7FFFFFFF - (1 << 15) else (mantissa + (1 << 15)) >> 16


def _saturate_16(value: int) -> int:
    return max(-(1 << 15), min((1 << 15) - 1, value))


def _high_mul_16(a: int, b: int) -> int:
    """gemmlowp's ``SaturatingRoundingDoublingHighMul`` of 16 bits."""
    product = a * b
    nudge = 1 << 14 if product >= 0 else 1 - (1 << 14)
    return min(int((product + nudge) / (1 << 15)), (1 << 15) - 1)


def _abs(_: Unary, source: Tensor, result: Tensor) -> Output:
    """``elementwise.cc``; unscaled between equal scales."""
    if source.quant.scale == result.quant.scale:
        return lambda x: abs(x) + result.quant.zero_point
    multiplier = _scaled(source.quant, result.quant)
    return lambda x: scale_by(abs(x), multiplier) + result.quant.zero_point


def _rsqrt(_: Unary, source: Tensor, result: Tensor) -> Output:
    """``elementwise.cc``. TFLM gives up on numbers below 0; here they give the greatest output, as 0 does."""
    multiplier = quantize_multiplier(1.0 / (math.sqrt(source.quant.scale) * result.quant.scale))
    second = Multiplier(multiplier.mantissa, multiplier.shift - _RSQRT_SHIFT)

    def output(x: int) -> int:
        if x <= 0:
            return 127
        root = reciprocal_square_root(x)
        fine = scale_by(1, Multiplier(root.mantissa, root.shift + _RSQRT_SHIFT))
        return scale_by(fine, second) + result.quant.zero_point

    return output


def _by_float(unary: Unary, source: Tensor, result: Tensor) -> Output:
    """In float32, multiplied by the inverse of the output's scale, as LiteRT fills its tables; what is no
    number is the least output.
    """
    inverse = np.float32(1) / np.float32(result.quant.scale)
    real = np.float32(source.quant.scale) * np.arange(-256, 256, dtype=np.float32)
    steps = np.nan_to_num(float_values(unary, real) * inverse, nan=-512).clip(-512, 512)
    return lambda x: round_half_away(float(steps[x + 256])) + result.quant.zero_point


_OUTPUTS: Mapping[UnaryKind, Callable[[Unary, Tensor, Tensor], Output]] = {
    **dict.fromkeys(STRAIGHT, _straight),
    UnaryKind.LOGISTIC: _logistic,
    UnaryKind.TANH: _tanh,
    UnaryKind.ELU: _elu,
    UnaryKind.HARD_SWISH: _hard_swish,
    UnaryKind.ABS: _abs,
    UnaryKind.RSQRT: _rsqrt,
}


def _gelu(x: NDArray[np.float32], *, approximate: bool) -> NDArray[np.float64]:
    wide = x.astype(np.float64)
    if approximate:
        share = 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    else:
        share = 0.5 * np.array([math.erfc(-v / math.sqrt(2)) for v in wide.reshape(-1)]).reshape(wide.shape)
    return np.asarray(wide * share, np.float64)


_FloatFunction = Callable[[NDArray[np.float32], np.float32], NDArray[np.generic]]
_ONE, _THREE, _SIX = np.float32(1), np.float32(3), np.float32(6)

_FLOATS: Mapping[UnaryKind, _FloatFunction] = {
    UnaryKind.RELU: lambda x, _: np.maximum(x, np.float32(0)),
    UnaryKind.RELU6: lambda x, _: np.clip(x, np.float32(0), _SIX),
    UnaryKind.RELU_N1_TO_1: lambda x, _: np.clip(x, -_ONE, _ONE),
    UnaryKind.LEAKY_RELU: lambda x, alpha: np.where(x > 0, x, x * alpha),
    UnaryKind.ELU: lambda x, _: np.where(x < 0, np.expm1(x), x),
    UnaryKind.GELU: lambda x, approximate: _gelu(x, approximate=bool(approximate)),
    UnaryKind.HARD_SWISH: lambda x, _: x * np.clip(x + _THREE, np.float32(0), _SIX) / _SIX,
    UnaryKind.LOGISTIC: lambda x, _: _ONE / (_ONE + np.exp(-x)),
    UnaryKind.TANH: lambda x, _: np.tanh(x),
    UnaryKind.ABS: lambda x, _: np.abs(x),
    UnaryKind.NEG: lambda x, _: -x,
    UnaryKind.SQRT: lambda x, _: np.sqrt(x),
    UnaryKind.RSQRT: lambda x, _: _ONE / np.sqrt(x),
    UnaryKind.EXP: lambda x, _: np.exp(x),
    UnaryKind.LOG: lambda x, _: np.log(x),
    UnaryKind.SIN: lambda x, _: np.sin(x),
    UnaryKind.COS: lambda x, _: np.cos(x),
    UnaryKind.SQUARE: lambda x, _: x * x,
    UnaryKind.CEIL: lambda x, _: np.ceil(x),
    UnaryKind.FLOOR: lambda x, _: np.floor(x),
    UnaryKind.ROUND: lambda x, _: np.rint(x),
}
