"""Operators with state."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.curves import sigmoid_table
from generator.arithmetic.fixedpoint import Multiplier
from generator.arithmetic.recurrent import lstm_scaling, svdf_scaling
from generator.graph import DType, Graph, Lstm, Operator, Svdf, Tensor, operator_macs
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    Table,
    channel_table,
    dims,
    fields,
    fold_zero_point,
    integer_table,
    scale_literal,
    weight_table,
)
from generator.plan.packing import GROUP, groups, number_lines, pack_pairs

_GATES = 4


def lstm_scratch_bytes(depth: int, units: int) -> int:
    """Twin of fc_lstm_scratch_size: one int16 column, and the gates' sums."""
    return (groups(max(depth, units)) * GROUP + _GATES * units) * 2


def lstm(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for UNIDIRECTIONAL_SEQUENCE_LSTM."""
    attributes, scaling = cast(Lstm, operator.attributes), lstm_scaling(graph, operator)
    hidden = graph.tensors[operator.state[0]]
    source, weights, recurrent = (graph.operand(operator, i) for i in range(3))
    units, depth, runs = recurrent.shape[1], source.shape[2], attributes.batches * attributes.steps
    biases = [int(b) for b in graph.operand(operator, 3).values]
    curve = sigmoid_table().tolist()
    products = sum(groups(n) * GROUP * _GATES * units for n in (depth, units))
    # How many vectors lie from one batch and one step to the next.
    by_batch, by_step = (1, attributes.batches) if attributes.time_major else (attributes.steps, 1)
    return [
        Candidate(
            name="lstm",
            function="fc_lstm_s8",
            params_type="fc_lstm",
            params=fields(
                batches=attributes.batches,
                steps=attributes.steps,
                by_batch=by_batch,
                by_step=by_step,
                depth=depth,
                units=units,
                forget_scale=scale_literal(scaling.forget),
                update_scale=scale_literal(scaling.update),
                output_scale=scale_literal(scaling.output),
                cell_factor=scaling.cell_curve.factor,
                cell_shift=scaling.cell_curve.shift,
                cell_clip=attributes.cell_clip,
                output_zero_point=hidden.quant.zero_point,
            ),
            why="the only kernel for it",
            work=Work(
                products=runs * products, gathered=runs * (depth + units), outputs=runs * units, calls=runs
            ),
            macs=operator_macs(graph, operator),
            tables=(
                *_layer(weights, biases, source, scaling.inputs, ""),
                *_layer(recurrent, [0] * len(biases), hidden, scaling.recurrent, "recurrent_"),
                Table(
                    "curve", "uint16_t", len(curve), 2 * len(curve), number_lines(curve), "sigmoid(i / 24)"
                ),
            ),
            state_types=("int8_t", "int16_t"),
            passes=runs,
            scratch_bytes=lstm_scratch_bytes(depth, units),
            scratch_type="int16_t",
        )
    ]


def _layer(
    weights: Tensor, biases: list[int], values: Tensor, multipliers: tuple[Multiplier, ...], prefix: str
) -> tuple[Table, Table]:
    matrix = cast("NDArray[np.int8]", weights.values)
    packed = weight_table(
        pack_pairs(matrix),
        f"{weights.name} {dims(weights.shape)}, two products of two units per word",
        prefix,
    )
    folded = fold_zero_point(matrix, biases, values.quant.zero_point)
    return packed, channel_table(folded, multipliers, prefix)


def svdf_scratch_bytes(depth: int) -> int:
    """Twin of fc_svdf_scratch_size: one int16 column."""
    return groups(depth) * GROUP * 2


def svdf(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for SVDF."""
    attributes, scaling = cast(Svdf, operator.attributes), svdf_scaling(graph, operator)
    source, weights, time, bias = (graph.operand(operator, i) for i in range(4))
    state, result = graph.tensors[operator.state[0]], graph.result(operator)
    batches, depth, (filters, memory) = source.shape[0], source.shape[1], time.shape
    matrix, type_ = cast("NDArray[np.int8]", weights.values), f"{state.dtype.value}_t"
    by_unit = time.values.astype(np.int64).reshape(-1, attributes.rank * memory)
    return [
        Candidate(
            name="svdf",
            function="fc_svdf_s8" if state.dtype is DType.INT8 else "fc_svdf_s16",
            params_type="fc_svdf",
            params=fields(
                batches=batches,
                depth=depth,
                filters=filters,
                rank=attributes.rank,
                memory=memory,
                feature_scale=scale_literal(scaling.feature),
                state_zero_point=state.quant.zero_point,
                output_scale=scale_literal(scaling.output),
                output_zero_point=result.quant.zero_point,
            ),
            why="the only kernel for it",
            work=Work(
                products=batches * (groups(depth) * GROUP + memory) * filters,
                gathered=batches * depth,
                outputs=batches * filters,
            ),
            macs=operator_macs(graph, operator),
            tables=(
                weight_table(
                    pack_pairs(matrix), f"{weights.name} {dims(weights.shape)}, two products of two per word"
                ),
                integer_table(
                    "feature_biases",
                    fold_zero_point(matrix, [0] * filters, source.quant.zero_point),
                    "input zero point by weights",
                ),
                Table(
                    "time",
                    type_,
                    time.element_count,
                    time.size_bytes,
                    number_lines(time.values.reshape(-1).tolist()),
                    f"{time.name} {dims(time.shape)}",
                ),
                integer_table(
                    "biases",
                    fold_zero_point(
                        by_unit, [int(b) for b in bias.values.reshape(-1)], state.quant.zero_point
                    ),
                    "bias and state zero point",
                ),
            ),
            state_types=(type_,),
            passes=batches,
            scratch_bytes=svdf_scratch_bytes(depth),
            scratch_type="int16_t",
        )
    ]
