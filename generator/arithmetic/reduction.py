"""Reductions of int8 or int16 along an axis, computed as TFLM computes each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.arithmetic.fixedpoint import IntArray, Multiplier, quantize_multiplier, scale_by, wrap_int32
from generator.graph import Quantization, Reduce, ReduceKind


@dataclass(frozen=True)
class ReduceScaling:
    """SUM and MEAN: the sum less ``reduced`` input zero points, scaled."""

    offset: int
    multiplier: Multiplier


def reduce_scaling(reduce: Reduce, source: Quantization, result: Quantization) -> ReduceScaling:
    """``reference/reduce.h``, ``QuantizedMeanOrSum``: a mean's division is part of the multiplier."""
    multiplier = quantize_multiplier(source.scale / result.scale)
    offset = source.zero_point * reduce.reduced
    if reduce.kind is ReduceKind.SUM:
        return ReduceScaling(offset, multiplier)
    shift = min(reduce.reduced.bit_length() - 1, 32, 31 + multiplier.shift)
    mantissa = (multiplier.mantissa << shift) // reduce.reduced
    return ReduceScaling(offset, Multiplier(mantissa, multiplier.shift - shift))


def reduce_values(
    reduce: Reduce, values: IntArray, source: Quantization, result: Quantization | None
) -> IntArray:
    """From (outer, reduced, inner) to (outer, inner), not yet clamped. ARG_... need no ``result``."""
    if reduce.kind is ReduceKind.ARG_MAX:
        return np.asarray(values.argmax(axis=1), np.int64)
    if reduce.kind is ReduceKind.ARG_MIN:
        return np.asarray(values.argmin(axis=1), np.int64)
    if reduce.kind is ReduceKind.MAX:
        return np.asarray(values.max(axis=1))
    if reduce.kind is ReduceKind.MIN:
        return np.asarray(values.min(axis=1))
    if result is None:
        raise ValueError(f"{reduce.kind.value} needs the output's scale")
    scaling = reduce_scaling(reduce, source, result)
    centred: IntArray = wrap_int32(values.sum(axis=1) - scaling.offset)
    return scale_by(centred, scaling.multiplier) + result.zero_point
