"""ADD as one linear function of both inputs, where that gives what TFLM gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.arithmetic.fixedpoint import INT32_MAX, Multiplier
from generator.arithmetic.requantize import AddScaling, add_values

SHIFT = 20  # FC_ADD_SHIFT
_INPUT_BITS = 8  # the kernel multiplies bytes that lie in the upper half of 16 bits, and drops 16
_CORRECTIONS = sorted(range(-6, 9), key=lambda c: abs(c - 1))
"""Of the offset, in units of the last bit. Two products rounded down lose one unit on average."""


@dataclass(frozen=True)
class LinearAdd:
    """Members of ``struct fc_add_linear``. Of bytes a and b the kernel makes

    ((a * factor_a) >> 8) + ((b * factor_b) >> 8) + offset

    which, if ``sign_counts``, it lessens by 1 where negative and adds ``rounding`` to. Shifted right by SHIFT
    and clamped, that is the output.
    """

    factor_a: int
    factor_b: int
    offset: int
    rounding: int
    sign_counts: bool


def linear_add(scaling: AddScaling, zero_point: int, low: int, high: int) -> LinearAdd | None:
    """The function, tried on all 65,536 pairs of inputs; None where none is found or 32 bits do not hold it.

    TFLM's own roundings differ from the linear function's by some 2**-18 of an output step. Next to no pair
    comes as near to where an output changes, but for ties: those of simple ratios, which lie there exactly.
    They go away from zero in TFLM, which needs the sign of the sum.
    """
    slopes = [
        _real(m) * _real(scaling.output_multiplier) * 2.0**scaling.left_shift
        for m in scaling.input_multipliers
    ]
    if 256 * sum(slopes) + 256 >= INT32_MAX >> SHIFT:
        return None
    factor_a, factor_b = (round(slope * 2.0 ** (SHIFT + _INPUT_BITS)) for slope in slopes)
    zero_points = zip(scaling.input_zero_points, slopes, strict=True)
    offset = -round(sum(point * slope for point, slope in zero_points) * 2.0**SHIFT)
    rounding = (zero_point << SHIFT) + (1 << (SHIFT - 1))
    every = np.arange(-128, 128, dtype=np.int64)
    a, b = every[:, None], every[None, :]
    wanted = np.clip(add_values(a, b, scaling) + zero_point, low, high)
    products = ((a * factor_a) >> _INPUT_BITS) + ((b * factor_b) >> _INPUT_BITS)
    for sign_counts in (False, True):
        for correction in _CORRECTIONS:
            sums = products + offset + correction
            rounded = sums - (sums < 0) * sign_counts + rounding
            if np.array_equal(np.clip(rounded >> SHIFT, low, high), wanted):
                if sign_counts:
                    return LinearAdd(factor_a, factor_b, offset + correction, rounding, True)
                return LinearAdd(factor_a, factor_b, offset + correction + rounding, 0, False)
    return None


def _real(multiplier: Multiplier) -> float:
    return multiplier.mantissa * 2.0 ** (multiplier.shift - 31)
