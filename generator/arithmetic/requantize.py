"""Real scales of the operators into the integers that TFLM computes with.

Each function names the TFLM source whose order of float and double operations it follows: a product
taken in float instead of double changes the last bits of a multiplier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    IntArray,
    Multiplier,
    exp_of_negative,
    high_mul,
    input_radius,
    logarithm,
    one_over_one_plus,
    quantize_multiplier,
    round_half_away,
    rounding_shift_right,
    scale_by,
    wrap_int32,
)
from generator.graph import Activation, DType, Graph, Operator, Quantization, Tensor

_SOFTMAX_INPUT_BITS = 5
_SOFTMAX_SUM_BITS = 12
_LOG_OUTPUT_SHIFT = 31 - _SOFTMAX_INPUT_BITS - 4  # to 4 integer bits, in steps of 1/16


def activation_range(activation: Activation, result: Tensor) -> tuple[int, int]:
    """Smallest and largest quantized output (``CalculateActivationRangeQuantized``)."""
    info = np.iinfo(np.dtype(result.dtype.value))
    low, high = int(info.min), int(info.max)
    scale, zero_point = np.float32(result.quant.scale), result.quant.zero_point

    def quantized(real: float) -> int:
        return zero_point + round_half_away(float(np.float32(real) / scale))

    if activation in (Activation.RELU, Activation.RELU6):
        low = max(low, quantized(0.0))
    if activation is Activation.RELU6:
        high = min(high, quantized(6.0))
    if activation is Activation.RELU_N1_TO_1:
        low, high = max(low, quantized(-1.0)), min(high, quantized(1.0))
    return low, high


def conv_multipliers(graph: Graph, operator: Operator) -> tuple[Multiplier, ...]:
    """One per output channel, in double (``PopulateConvolutionQuantizationParams``)."""
    return _channel_multipliers(graph, operator, graph.result(operator).shape[-1])


def fully_connected_multipliers(graph: Graph, operator: Operator) -> tuple[Multiplier, ...]:
    """One per unit, in double; the binary does so per tensor too, where its sources
    (``GetQuantizedConvolutionMultipler``) multiply in float.
    """
    return _channel_multipliers(graph, operator, graph.operand(operator, 1).shape[0])


def _channel_multipliers(graph: Graph, operator: Operator, channels: int) -> tuple[Multiplier, ...]:
    source, weights = graph.operand(operator, 0).quant, graph.operand(operator, 1).quant
    result = graph.result(operator).quant
    scales = weights.scales if weights.is_per_channel else weights.scales * channels
    return tuple(quantize_multiplier(source.scale * scale / result.scale) for scale in scales)


def product_multiplier(first: Quantization, second: Quantization, result_scale: float) -> Multiplier:
    """Of products of two tensors of one scale each, in double, as the binary has it."""
    return quantize_multiplier(first.scale * second.scale / result_scale)


def scales_wide(graph: Graph, operator: Operator) -> bool:
    """Whether a layer has 64-bit accumulators, which are rounded once: of int16, unless the bias is int32."""
    bias = graph.optional_operand(operator, 2)
    is_narrow = bias is not None and bias.dtype is DType.INT32
    return graph.operand(operator, 0).dtype is DType.INT16 and not is_narrow


def requantize_multiplier(source: Quantization, result: Quantization) -> Multiplier:
    """QUANTIZE between integer types (``quantize_common.cc``)."""
    return quantize_multiplier(source.scale / result.scale)


@dataclass(frozen=True)
class AddScaling:
    """ADD and SUB: both inputs to a common scale with ``left_shift`` fractional bits, the sum or difference
    to the output.
    """

    left_shift: int
    input_zero_points: tuple[int, int]
    input_multipliers: tuple[Multiplier, Multiplier]
    output_multiplier: Multiplier


def add_scaling(graph: Graph, operator: Operator) -> AddScaling:
    """As ``add_common.cc`` prepares it; SUB alike, in double where ``sub_common.cc`` has float."""
    first, second = graph.operand(operator, 0).quant, graph.operand(operator, 1).quant
    twice_larger = 2.0 * max(first.scale, second.scale)
    result = graph.result(operator).quant
    left_shift = 15 if graph.result(operator).dtype is DType.INT16 else 20
    return AddScaling(
        left_shift,
        (first.zero_point, second.zero_point),
        (quantize_multiplier(first.scale / twice_larger), quantize_multiplier(second.scale / twice_larger)),
        quantize_multiplier(twice_larger / ((1 << left_shift) * result.scale)),
    )


def add_values(a: IntArray, b: IntArray, scaling: AddScaling) -> IntArray:
    """ADD of quantized inputs, before the output's zero point and clamping (``reference/add.h``)."""
    scaled_a, scaled_b = (
        scale_by((values - zero_point) << scaling.left_shift, multiplier)
        for values, zero_point, multiplier in zip(
            (a, b), scaling.input_zero_points, scaling.input_multipliers, strict=True
        )
    )
    return scale_by(wrap_int32(scaled_a + scaled_b), scaling.output_multiplier)


def softmax_exponentials(source: Quantization, beta: float) -> NDArray[np.int32]:
    """exp(beta * scale * -d) for each distance d = 0..255 from the row's maximum, 31 fractional bits.

    0 where TFLM leaves an element out as too small (``softmax_common.cc``, ``reference/softmax.h``).
    """
    multiplier = _softmax_multiplier(source, beta)
    radius = input_radius(_SOFTMAX_INPUT_BITS, max(multiplier.shift, 0))
    table = np.zeros(256, np.int32)
    for distance in range(256):
        if distance <= radius:
            table[distance] = exp_of_negative(scale_by(-distance, multiplier), _SOFTMAX_INPUT_BITS)
    return table


def _softmax_multiplier(source: Quantization, beta: float) -> Multiplier:
    real = min(beta * source.scale * (1 << (31 - _SOFTMAX_INPUT_BITS)), float(INT32_MAX))
    return quantize_multiplier(real)


def softmax_row(row: Sequence[int], table: NDArray[np.int32]) -> list[int]:
    """One row of int8 logits into int8 probabilities, given :func:`softmax_exponentials`."""
    largest = max(row)
    exponentials = [int(table[largest - value]) for value in row]
    total = sum(rounding_shift_right(e, _SOFTMAX_SUM_BITS) for e in exponentials)
    headroom = 32 - total.bit_length()
    reciprocal = one_over_one_plus((total << headroom) - (1 << 31))
    exponent = _SOFTMAX_SUM_BITS - headroom + 31 - 8
    return [
        max(-128, min(127, rounding_shift_right(high_mul(reciprocal, e), exponent) - 128)) if e else -128
        for e in exponentials
    ]


@dataclass(frozen=True)
class LogSoftmaxScaling:
    """LOG_SOFTMAX: ``input`` scales distances to 26 fractional bits, ``reverse`` these back to distances.
    ``radius`` is the farthest distance from a row's maximum that counts.
    """

    input: Multiplier
    reverse: Multiplier
    radius: int


def log_softmax_scaling(source: Quantization) -> LogSoftmaxScaling:
    """``log_softmax.cc``, ``PreprocessLogSoftmaxScalingExp``."""
    multiplier = _softmax_multiplier(source, 1.0)
    back = float(1 << (31 - multiplier.shift)) / multiplier.mantissa
    radius = input_radius(_SOFTMAX_INPUT_BITS, max(multiplier.shift, 0))
    return LogSoftmaxScaling(multiplier, quantize_multiplier(back), radius)


def log_softmax_row(row: Sequence[int], table: NDArray[np.int32], scaling: LogSoftmaxScaling) -> list[int]:
    """One row of int8 (``reference/log_softmax.h``), given :func:`softmax_exponentials` with a beta of 1."""
    largest = max(row)
    total = sum(rounding_shift_right(int(table[largest - value]), _SOFTMAX_SUM_BITS) for value in row)
    log_total = logarithm(total, _SOFTMAX_SUM_BITS, _SOFTMAX_INPUT_BITS)
    least = max(-scaling.radius - 1, scale_by(log_total + INT32_MIN, scaling.reverse))

    def output(difference: int) -> int:
        if difference <= least:
            return -128
        fine = scale_by(difference, scaling.input) - log_total
        return max(-128, min(127, rounding_shift_right(fine, _LOG_OUTPUT_SHIFT) + 127))

    return [output(value - largest) for value in row]


def quantize_values(
    values: NDArray[np.generic], source: Quantization | None, result: Tensor
) -> NDArray[np.generic]:
    """QUANTIZE: float32 values (``source`` None) or integers into ``result``'s type, saturating."""
    info = np.iinfo(np.dtype(result.dtype.value))
    if source is None:
        quotient = values.astype(np.float32) / np.float32(result.quant.scale)
        rounded = np.trunc(quotient.astype(np.float64) + np.copysign(0.5, quotient))
        # Clamped before the conversion so that infinities and huge values saturate.
        shifted = np.clip(rounded, -(1 << 30), 1 << 30).astype(np.int64) + result.quant.zero_point
    else:
        centred: IntArray = values.astype(np.int64) - source.zero_point
        shifted = scale_by(centred, requantize_multiplier(source, result.quant)) + result.quant.zero_point
    clamped: NDArray[np.generic] = np.clip(shifted, info.min, info.max).astype(result.dtype.numpy)
    return clamped
