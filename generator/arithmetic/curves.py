"""Functions of int16 between the points of a table, computed as TFLM computes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import IntArray, Multiplier, quantize_multiplier, scale_by
from generator.graph import Quantization, UnaryKind

_STEPS = 512
_ONE = 1 << 15
_SIGMOID_STEPS = 24  # of the table to a unit of its argument
_SIGMOID_LAST = 255


def sigmoid_table() -> NDArray[np.uint16]:
    """1 / (1 + exp(-i / 24)) in 1/65536, so that straight lines from point to point err to both sides."""
    places = np.arange(_SIGMOID_LAST + 1)
    here, middle, there = (_sigmoid((places + way) / _SIGMOID_STEPS) for way in (0.0, 0.5, 1.0))
    lowered = here - ((here + there) / 2 - middle) / 2
    table = np.floor(lowered * 65536 + 0.5)
    table[-1] = 65535
    return table.astype(np.uint16)


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values))


@dataclass(frozen=True)
class CurveScaling:
    """Inputs in 1/12288: (x * factor + half) >> shift, half a unit of what the shift drops."""

    factor: int
    shift: int


def curve_scaling(kind: UnaryKind, source: Quantization) -> CurveScaling:
    """LOGISTIC and TANH of int16 (``logistic_common.cc``, ``tanh.cc``)."""
    fraction, exponent = math.frexp(source.scale)
    left = 12 + exponent - 1
    if fraction == 0.5 and (left == 0 or (left == 1 and kind is UnaryKind.TANH)):
        return CurveScaling(3 << left, 0)
    factor, shift = source.scale * 4096.0 * 3.0, 0
    while factor <= 32767.0 / 2.0 and shift <= 30:
        factor *= 2.0
        shift += 1
    return CurveScaling(int(factor), shift)


def curve_values(kind: UnaryKind, values: IntArray, scaling: CurveScaling) -> IntArray:
    """Of int16 to int16 of scale 1/32768 (``integer_ops/logistic.h``, ``integer_ops/tanh.h``)."""
    table = sigmoid_table().astype(np.int64)
    bits = 8 if kind is UnaryKind.TANH else 9
    scaled = (values * scaling.factor + ((1 << scaling.shift) >> 1)) >> scaling.shift
    place = np.minimum(np.abs(scaled) >> bits, _SIGMOID_LAST - 1)
    rest = np.abs(scaled) & ((1 << bits) - 1)
    between = (table[place] << bits) + rest * (table[place + 1] - table[place])
    beyond = np.abs(scaled) >> bits >= _SIGMOID_LAST
    if kind is UnaryKind.TANH:
        between = np.where(beyond, 0xFFFF << 8, between) - (1 << 23)
        return np.where(scaled >= 0, between + 128, -between + 127) >> 8
    between = np.where(beyond, 0x7FFF << 10, between)
    return np.where(scaled >= 0, between + 512, (1 << 25) - between + 511) >> 10


def softmax_tables() -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """exp(x) for x of -10 to 0, and 1 / (1 + x) for 0 to 1: 513 points each (``softmax_common.cc``)."""
    return _table(math.exp, -10.0, 0.0), _table(lambda x: 1.0 / (1.0 + x), 0.0, 1.0)


def _table(function: Callable[[float], float], first: float, last: float) -> NDArray[np.int16]:
    """``LUTPopulateInt16``, in float32: each point lowered by half of what the line to the next errs."""
    step = np.float32((last - first) / _STEPS)

    def at(place: np.float32) -> np.float32:
        value: np.float32 = np.float32(function(float(place)))
        return value

    def rounded(value: np.float32) -> float:
        return math.copysign(math.floor(abs(float(value)) + 0.5), float(value))

    points = []
    for i in range(_STEPS):
        here = np.float32(first) + np.float32(i) * step
        value, middle = at(here) * np.float32(_ONE), at(here + step / np.float32(2)) * np.float32(_ONE)
        there = at(np.float32(first) + np.float32(i + 1) * step) * np.float32(_ONE)
        line = rounded((there + np.float32(rounded(value))) / np.float32(2))
        points.append(rounded(value) - rounded(np.float32((line - rounded(middle)) / 2)))
    points.append(rounded(at(np.float32(last)) * np.float32(_ONE)))
    return np.clip(points, -_ONE, _ONE - 1).astype(np.int16)


def looked_up(value: int, table: Sequence[int]) -> int:
    """Between two of 513 points (``LUTLookup``)."""
    index = 256 + (value >> 7)
    return table[index] + (((table[index + 1] - table[index]) * (value & 0x7F) + 64) >> 7)


def softmax_multiplier(source: Quantization, beta: float) -> Multiplier:
    """Distances from the greatest input to 1/6553.5."""
    return quantize_multiplier(source.scale * beta / (10.0 / 65535.0))


def softmax_row_16(
    row: Sequence[int],
    multiplier: Multiplier,
    exponentials: Sequence[int],
    reciprocals: Sequence[int],
) -> list[int]:
    """One row of int16 logits into probabilities in 1/32768 (``reference/softmax.h``, ``SoftmaxInt16``)."""
    largest = max(row)
    distances = [scale_by(value - largest, multiplier) + _ONE - 1 for value in row]
    terms = [looked_up(max(-_ONE, min(_ONE - 1, d)), exponentials) for d in distances]
    total = sum(terms)
    headroom = 32 - total.bit_length()
    share = (((total << (headroom - 1)) + (1 << 13)) >> 14) - (3 << 15)
    inverse = looked_up(max(-_ONE, min(_ONE - 1, share)), reciprocals)
    shift = 31 - headroom
    return [max(0, min(_ONE - 1, (e * inverse + (1 << (shift - 1))) >> shift)) for e in terms]
