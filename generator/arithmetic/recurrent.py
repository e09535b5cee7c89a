"""Operators with state, computed as TFLM computes each: scales into integers, and the values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from generator.arithmetic.curves import CurveScaling, curve_values
from generator.arithmetic.fixedpoint import IntArray, Multiplier, quantize_multiplier, scale_by
from generator.arithmetic.requantize import product_multiplier
from generator.graph import Graph, Operator, Quantization, UnaryKind

_GATE_SCALE = 2.0**-12  # of what goes into the gates' curves
_GATE_CURVE = CurveScaling(3, 0)
_CURVE_SCALE = 2.0**-15  # of what comes out


def saturate_16(values: IntArray) -> IntArray:
    """Nearest int16."""
    return np.clip(values, -(1 << 15), (1 << 15) - 1)


@dataclass(frozen=True)
class LstmScaling:
    """One multiplier per unit of all gates for inputs and for the last outputs; ``forget`` scales cells kept,
    ``update`` what is added to them, ``output`` what comes out. ``cell_curve`` is that of tanh of cells.
    """

    inputs: tuple[Multiplier, ...]
    recurrent: tuple[Multiplier, ...]
    forget: Multiplier
    update: Multiplier
    output: Multiplier
    cell_curve: CurveScaling


def lstm_scaling(graph: Graph, operator: Operator) -> LstmScaling:
    """``lstm_eval_common.cc``: the gates as fully connected layers, the rest in double."""
    hidden, cell = (graph.tensors[i].quant for i in operator.state)
    source, weights, recurrent = (graph.operand(operator, i).quant for i in range(3))
    left = round(math.log2(cell.scale)) + 12

    def per_unit(values: Quantization, weights: Quantization) -> tuple[Multiplier, ...]:
        scales = [Quantization((scale,), (0,)) for scale in weights.scales]
        return tuple(product_multiplier(values, scale, _GATE_SCALE) for scale in scales)

    return LstmScaling(
        per_unit(source, weights),
        per_unit(hidden, recurrent),
        quantize_multiplier(_CURVE_SCALE * cell.scale / cell.scale),
        quantize_multiplier(_CURVE_SCALE * _CURVE_SCALE / cell.scale),
        quantize_multiplier(_CURVE_SCALE * _CURVE_SCALE / hidden.scale),
        CurveScaling(3 << max(left, 0), max(-left, 0)),
    )


def lstm_values(
    gates: IntArray, cell: IntArray, scaling: LstmScaling, cell_clip: int
) -> tuple[IntArray, IntArray]:
    """One step of (batch, 4, units) sums of the gates: outputs without zero point, not yet clamped, and cells
    (``lstm_eval.h``).
    """
    entering, forgetting, leaving = (
        curve_values(UnaryKind.LOGISTIC, gates[:, gate], _GATE_CURVE) for gate in (0, 1, 3)
    )
    candidate = curve_values(UnaryKind.TANH, gates[:, 2], _GATE_CURVE)
    kept = saturate_16(scale_by(forgetting * cell, scaling.forget))
    added = saturate_16(scale_by(entering * candidate, scaling.update))
    cell = np.clip(saturate_16(kept + added), -cell_clip, cell_clip)
    squashed = curve_values(UnaryKind.TANH, cell, scaling.cell_curve)
    return scale_by(squashed * leaving, scaling.output), cell


@dataclass(frozen=True)
class SvdfScaling:
    """``feature`` scales sums over inputs, ``output`` those over features."""

    feature: Multiplier
    output: Multiplier


def svdf_scaling(graph: Graph, operator: Operator) -> SvdfScaling:
    """In double, as the binary has it where its source (``svdf_common.cc``) says float."""
    (state,) = (graph.tensors[i].quant.scale for i in operator.state)
    source, features, time = (graph.operand(operator, i).quant.scale for i in range(3))
    result = graph.result(operator).quant.scale
    return SvdfScaling(
        quantize_multiplier(source * features / state), quantize_multiplier(state * time / result)
    )
