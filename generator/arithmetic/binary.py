"""Functions of two int8, computed as TFLM computes each: scales into integers, and the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from generator.arithmetic.fixedpoint import (
    IntArray,
    Multiplier,
    high_mul,
    quantize_multiplier,
    reciprocal,
    rounding_shift_right,
    scale_by,
    wrap_int32,
)
from generator.arithmetic.requantize import AddScaling, add_scaling
from generator.graph import BinaryKind, Graph, Operator

_NONE = Multiplier(0, 0)
_SQUARED_LEFT_SHIFT = 7


@dataclass(frozen=True)
class BinaryScaling:
    """``first`` and ``second`` bring operands, shifted left, to a common scale, ``output`` the result of the
    function to the output's. PRELU: ``output`` scales what is not negative, ``second`` products with slopes.
    """

    zero_points: tuple[int, int]
    left_shift: int = 0
    first: Multiplier = _NONE
    second: Multiplier = _NONE
    output: Multiplier = _NONE


def binary_scaling(kind: BinaryKind, graph: Graph, operator: Operator) -> BinaryScaling:
    """Each in the float and double operations of its source."""
    a, b = graph.operand(operator, 0).quant, graph.operand(operator, 1).quant
    result = graph.result(operator).quant
    zero_points = a.zero_point, b.zero_point
    if kind is BinaryKind.SUB:
        return sum_scaling(add_scaling(graph, operator))
    if kind is BinaryKind.SQUARED_DIFFERENCE:  # squared_difference.cc
        larger = 2.0 * max(a.scale, b.scale)
        return BinaryScaling(
            zero_points,
            _SQUARED_LEFT_SHIFT,
            quantize_multiplier(a.scale / larger),
            quantize_multiplier(b.scale / larger),
            quantize_multiplier(
                larger * larger / float(np.float32(1 << 2 * _SQUARED_LEFT_SHIFT) * np.float32(result.scale))
            ),
        )
    if kind is BinaryKind.MUL:  # mul_common.cc
        return BinaryScaling(zero_points, output=quantize_multiplier(a.scale * b.scale / result.scale))
    if kind is BinaryKind.DIV:  # div.cc
        return BinaryScaling(zero_points, output=quantize_multiplier(a.scale / (b.scale * result.scale)))
    if kind is BinaryKind.PRELU:  # prelu_common.cc
        return BinaryScaling(
            zero_points,
            second=quantize_multiplier(a.scale * b.scale / result.scale),
            output=quantize_multiplier(a.scale / result.scale),
        )
    return BinaryScaling(zero_points)


def sum_scaling(scaling: AddScaling) -> BinaryScaling:
    """What ADD and SUB share."""
    return BinaryScaling(
        scaling.input_zero_points, scaling.left_shift, *scaling.input_multipliers, scaling.output_multiplier
    )


def binary_values(kind: BinaryKind, a: IntArray, b: IntArray, scaling: BinaryScaling) -> IntArray:
    """Of quantized operands of one shape, before the output's zero point and clamping."""
    return _VALUES[kind](a - scaling.zero_points[0], b - scaling.zero_points[1], scaling)


def _difference(a: IntArray, b: IntArray, scaling: BinaryScaling) -> IntArray:
    return scale_by(a << scaling.left_shift, scaling.first) - scale_by(
        b << scaling.left_shift, scaling.second
    )


def _sub(a: IntArray, b: IntArray, scaling: BinaryScaling) -> IntArray:
    return scale_by(_difference(a, b, scaling), scaling.output)


def _squared_difference(a: IntArray, b: IntArray, scaling: BinaryScaling) -> IntArray:
    return scale_by(wrap_int32(_difference(a, b, scaling) ** 2), scaling.output)


def _mul(a: IntArray, b: IntArray, scaling: BinaryScaling) -> IntArray:
    return scale_by(a * b, scaling.output)


def _prelu(a: IntArray, b: IntArray, scaling: BinaryScaling) -> IntArray:
    return np.where(a >= 0, scale_by(a, scaling.output), scale_by(a * b, scaling.second))


def quotient(a: int, b: int, output: Multiplier) -> int:
    """a / b scaled (``reference/div.h``). By 0: as by 1, which TFLM leaves undefined."""
    if b < 0:
        a, b = -a, -b
    inverse, shift = reciprocal(max(b, 1))
    headroom = 31 - (a.bit_length() if a >= 0 else (-a - 1).bit_length())
    unscaled = high_mul(a << headroom, inverse)
    right = shift + headroom - output.shift
    scaled = high_mul(unscaled, output.mantissa)
    return rounding_shift_right(scaled, right) if right <= 31 else 0


def _div(a: IntArray, b: IntArray, scaling: BinaryScaling) -> IntArray:
    every = np.frompyfunc(lambda x, y: quotient(int(x), int(y), scaling.output), 2, 1)
    return np.asarray(every(a, b), np.int64)


_VALUES: Mapping[BinaryKind, Callable[[IntArray, IntArray, BinaryScaling], IntArray]] = {
    BinaryKind.SUB: _sub,
    BinaryKind.SQUARED_DIFFERENCE: _squared_difference,
    BinaryKind.MUL: _mul,
    BinaryKind.DIV: _div,
    BinaryKind.PRELU: _prelu,
    BinaryKind.MAXIMUM: lambda a, b, _: np.maximum(a, b),
    BinaryKind.MINIMUM: lambda a, b, _: np.minimum(a, b),
}
