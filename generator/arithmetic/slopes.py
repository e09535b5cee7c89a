"""Functions of one element that are straight below and above 0, and bounded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.arithmetic.fixedpoint import (
    IntArray,
    Multiplier,
    quantize_multiplier,
    round_half_away,
    scale_by,
)
from generator.arithmetic.requantize import activation_range
from generator.graph import Activation, Tensor, Unary, UnaryKind

_SAME = Multiplier(1 << 30, 1)
_CLAMPED = {UnaryKind.RELU: Activation.RELU, UnaryKind.RELU_N1_TO_1: Activation.RELU_N1_TO_1}
STRAIGHT = (*_CLAMPED, UnaryKind.RELU6, UnaryKind.LEAKY_RELU)


@dataclass(frozen=True)
class Slopes:
    """Scales of inputs from 0 on and below, less their zero point; bounds of the output."""

    above: Multiplier
    below: Multiplier
    low: int
    high: int


def slopes(unary: Unary, source: Tensor, result: Tensor) -> Slopes:
    """Of one of STRAIGHT, as TFLM computes it."""
    scale, result_scale = source.quant.scale, result.quant.scale
    if (
        unary.kind is UnaryKind.LEAKY_RELU
    ):  # the binary computes in double what leaky_relu_common.cc has in float
        return Slopes(
            quantize_multiplier(scale / result_scale),
            quantize_multiplier(scale * unary.alpha / result_scale),
            *result.dtype.range,
        )
    if unary.kind is UnaryKind.RELU6:  # activations.cc: input and output have one quantization
        six = round_half_away(float(np.float32(6) / np.float32(scale)))
        zero_point = result.quant.zero_point
        return Slopes(_SAME, _SAME, zero_point, min(zero_point + six, result.dtype.range[1]))
    multiplier = quantize_multiplier(scale / result_scale)  # activations_common.cc
    return Slopes(multiplier, multiplier, *activation_range(_CLAMPED[unary.kind], result))


def slope_values(values: IntArray, found: Slopes, zero_point: int) -> IntArray:
    """Of inputs less their zero point; ``zero_point`` is the output's."""
    scaled = np.where(values >= 0, scale_by(values, found.above), scale_by(values, found.below))
    clamped: IntArray = np.clip(scaled + zero_point, found.low, found.high)
    return clamped
