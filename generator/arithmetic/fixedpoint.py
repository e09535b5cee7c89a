"""Fixed-point arithmetic, bit for bit as TensorFlow Lite for Microcontrollers does it.

Rule: *double rounding*. A 32-bit accumulator is scaled by a 31-bit multiplier with one rounding
(saturating rounding doubling high multiplication, ties towards plus infinity), then shifted right with
a second rounding (ties away from zero). Source: tflite-micro
``tensorflow/lite/kernels/internal/common.h`` and ``quantization_util.cc`` (TFLITE_SINGLE_ROUNDING off).

All functions take and return Python integers or int64 arrays that hold int32 values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
Ints = TypeVar("Ints", int, IntArray)

INT32_MIN = -(1 << 31)
INT32_MAX = (1 << 31) - 1


@dataclass(frozen=True)
class Multiplier:
    """real = mantissa / 2**31 * 2**shift; mantissa in [2**30, 2**31) or 0."""

    mantissa: int
    shift: int


def round_half_away(value: float) -> int:
    """C's ``round``: halves go away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def quantize_multiplier(real: float) -> Multiplier:
    """TFLM's ``QuantizeMultiplier``; a factor below 2**-31 becomes 0."""
    if real == 0.0:
        return Multiplier(0, 0)
    fraction, shift = math.frexp(real)
    mantissa = round_half_away(fraction * (1 << 31))
    if mantissa == 1 << 31:
        mantissa //= 2
        shift += 1
    if shift < -31:
        return Multiplier(0, 0)
    if shift > 30:  # saturates, as TFLM does
        return Multiplier(INT32_MAX, 30)
    return Multiplier(mantissa, shift)


def wrap_int32(value: Ints) -> Ints:
    """Two's complement wrap to 32 bits."""
    return ((value + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def high_mul(a: Ints, b: Ints | int) -> Ints:
    """Saturating rounding doubling high multiplication: (a*b + 2**30) >> 31.

    The one overflow, INT32_MIN * INT32_MIN, saturates.
    """
    product = (a * b + (1 << 30)) >> 31
    if isinstance(product, int):
        return min(product, INT32_MAX)
    saturated: IntArray = np.minimum(product, INT32_MAX)
    return saturated


def rounding_shift_right(value: Ints, exponent: int) -> Ints:
    """Divide by 2**exponent (0..31), rounding halves away from zero."""
    mask = (1 << exponent) - 1
    remainder = value & mask
    threshold = (mask >> 1) + (value < 0)
    return (value >> exponent) + (remainder > threshold)


def scale_by(value: Ints, multiplier: Multiplier) -> Ints:
    """TFLM's ``MultiplyByQuantizedMultiplier`` with double rounding."""
    left = max(multiplier.shift, 0)
    right = max(-multiplier.shift, 0)
    return rounding_shift_right(high_mul(wrap_int32(value << left), multiplier.mantissa), right)


@dataclass(frozen=True)
class WideMultiplier:
    """real = factor / 2**shift; factor in 0..2**15 - 1, shift at least 1."""

    factor: int
    shift: int


def wide_multiplier(multiplier: Multiplier) -> WideMultiplier:
    """What the 64-bit ``MultiplyByQuantizedMultiplier`` makes of one; its shift must be below 15."""
    factor = 0x7FFF if multiplier.mantissa >= 0x7FFF0000 else (multiplier.mantissa + (1 << 15)) >> 16
    return WideMultiplier(factor, 15 - multiplier.shift)


def scale_wide(value: Ints, multiplier: WideMultiplier) -> Ints:
    """The 64-bit ``MultiplyByQuantizedMultiplier``: one rounding, halves towards plus infinity."""
    return wrap_int32((value * multiplier.factor + (1 << (multiplier.shift - 1))) >> multiplier.shift)


# Exponential, reciprocal and logistic in fixed point (gemmlowp's ``fixedpoint.h``). A number with i integer
# bits is an int32 with 31 - i fractional bits. Only scalars: they fill tables.

_EXP_MINUS_EIGHTH = 1895147668  # exp(-1/8)
_ONE_THIRD = 715827883
_EXP_FACTORS = {  # exponent e: exp(-2**e)
    -2: 1672461947,
    -1: 1302514674,
    0: 790015084,
    1: 290630308,
    2: 39332535,
    3: 720401,
    4: 242,
}


def _saturate(value: int) -> int:
    return max(INT32_MIN, min(INT32_MAX, value))


def exp_of_negative(value: int, integer_bits: int) -> int:
    """exp(value) for value <= 0 with ``integer_bits``; the result has 0 integer bits."""
    if value == 0:
        return INT32_MAX
    fractional_bits = 31 - integer_bits
    quarter = 1 << (fractional_bits - 2)
    in_quarter = (value & (quarter - 1)) - quarter  # in [-1/4, 0)
    x = _saturate(in_quarter << integer_bits) + (1 << 28)  # + 1/8: centre of the interval
    x2 = high_mul(x, x)
    x3 = high_mul(x2, x)
    x4 = high_mul(x2, x2)
    tail = rounding_shift_right(high_mul(rounding_shift_right(x4, 2) + x3, _ONE_THIRD) + x2, 1)
    result = _EXP_MINUS_EIGHTH + high_mul(_EXP_MINUS_EIGHTH, x + tail)
    remainder = in_quarter - value
    for exponent, factor in _EXP_FACTORS.items():
        if integer_bits > exponent and remainder & (1 << (fractional_bits + exponent)):
            result = high_mul(result, factor)
    return result


def _newton_reciprocal(value: int) -> int:
    """2 / (1 + value) for value in [0, 1]: three Newton steps from 0 integer bits to 2."""
    half_denominator = (value + INT32_MAX + 1) >> 1  # rounded half sum of non-negative numbers
    x = 1515870810 + high_mul(half_denominator, -1010580540)  # 48/17 - 32/17 d, 2 integer bits
    for _ in range(3):
        residual = (1 << 29) - high_mul(half_denominator, x)
        x += _saturate(high_mul(x, residual) << 2)
    return x


def one_over_one_plus(value: int) -> int:
    """1 / (1 + value) for value in [0, 1], both with 0 integer bits."""
    return _saturate(_newton_reciprocal(value) << 1)


def one_minus_over_one_plus(value: int) -> int:
    """(1 - value) / (1 + value) for value in [0, 1], both with 0 integer bits."""
    return _saturate((_newton_reciprocal(value) - (1 << 29)) << 2)


def logistic(value: int, integer_bits: int) -> int:
    """1 / (1 + exp(-value)), result with 0 integer bits."""
    if value == 0:
        return 1 << 30
    positive = one_over_one_plus(exp_of_negative(-abs(value), integer_bits))
    return positive if value > 0 else INT32_MAX - positive


def tanh(value: int, integer_bits: int) -> int:
    """Hyperbolic tangent, result with 0 integer bits."""
    if value == 0:
        return 0
    positive = one_minus_over_one_plus(exp_of_negative(-abs(value), integer_bits + 1))
    return positive if value > 0 else -positive


_LOG_2 = 1488522236
_ROOT_HALF = 1518500250  # sqrt(1/2)
_ROOT_ROOT_HALF = 1805811301  # sqrt(sqrt(1/2))


def logarithm(value: int, integer_bits: int, result_bits: int) -> int:
    """log(value) of a value of at least 1, the result with ``result_bits``.

    TFLM's ``log_x_for_x_greater_than_or_equal_to_1_impl``: the value is a power of two times r about
    sqrt(sqrt(1/2)), and log(r) a quotient of polynomials.
    """
    accumulator_bits = result_bits + 1
    quarter = 1 << (29 - accumulator_bits)

    def of_power(exponent: int) -> int:
        return exponent << (31 - accumulator_bits)

    zeros = 32 - value.bit_length()
    r_a = _saturate(high_mul(value << (zeros - 1), _ROOT_HALF) << 1)
    power_a = of_power(integer_bits - zeros) + quarter
    headroom = 31 - high_mul(value, _ROOT_HALF).bit_length()
    r_b = _saturate(value << headroom)
    power_b = of_power(integer_bits - headroom) - quarter
    r, power = min(r_a, r_b), max(power_a, power_b)

    p = (r + _ROOT_ROOT_HALF + 1) >> 1
    q = 2 * (r - _ROOT_ROOT_HALF)
    square = high_mul(q, q)
    numerator = high_mul(q, r) + high_mul(high_mul(q, square), 117049297)
    denominator = high_mul(p, 1057819769 + q + high_mul(127690142, square)) + high_mul(638450708, q)
    quotient = high_mul(rounding_shift_right(numerator, accumulator_bits), one_over_one_plus(denominator))
    return _saturate((high_mul(power, _LOG_2) + quotient) << 1)


def reciprocal(value: int) -> tuple[int, int]:
    """1 / value, at least 1: mantissa of 31 fractional bits and right shift (``GetReciprocal``)."""
    headroom = 32 - value.bit_length()
    return one_over_one_plus((value << headroom) - (1 << 31)), 31 - headroom


def reciprocal_square_root(value: int) -> Multiplier:
    """1 / sqrt(value), 0 taken as 1: five Newton steps (``GetInvSqrtQuantizedMultiplierExp``)."""
    if value <= 1:
        return Multiplier(INT32_MAX, 0)
    shift = 11
    while value >= 1 << 29:
        value //= 4
        shift += 1
    pairs = (31 - value.bit_length()) // 2 - 1
    shift -= pairs
    half_input = rounding_shift_right((value << 2 * pairs) >> 1, 1)  # 3 integer bits, as all below
    x = 1 << 28
    for _ in range(5):
        cube = _saturate(high_mul(high_mul(x, x), x) << 6)
        x = _saturate((high_mul((1 << 28) + (1 << 27), x) - high_mul(half_input, cube)) << 3)
    mantissa = high_mul(x, 1518500250)  # sqrt(2) / 2
    return Multiplier(wrap_int32(mantissa << max(-shift, 0)), -max(shift, 0))


def input_radius(integer_bits: int, left_shift: int) -> int:
    """TFLM's ``CalculateInputRadius``: largest |input| that stays in range after the left shift."""
    limit = 1.0 * ((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) / (1 << left_shift)
    return math.floor(limit)
