"""Operators with state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np

from generator.arithmetic.fixedpoint import IntArray, Multiplier, scale_by, wrap_int32
from generator.arithmetic.recurrent import (
    lstm_scaling,
    lstm_values,
    saturate_16,
    svdf_scaling,
)
from generator.graph import Activation, Attributes, Graph, Lstm, Operator, Svdf
from generator.reference.values import Array, Values, finish, integers

Recur = Mapping[type[Attributes], Callable[[Graph, Operator, Values], tuple[Array, ...]]]
"""By kind of operator: from what is known so far, its state among it, to its output and the new state."""


def _lstm(graph: Graph, operator: Operator, values: Values) -> tuple[Array, ...]:
    attributes, result = cast(Lstm, operator.attributes), graph.result(operator)
    hidden_tensor, cell_tensor = (graph.tensors[i] for i in operator.state)
    source, zero_point = graph.operand(operator, 0), hidden_tensor.quant.zero_point
    biases = graph.operand(operator, 3).values.astype(np.int64).reshape(-1)
    scaling = lstm_scaling(graph, operator)
    sequence = integers(graph, operator, values).reshape(source.shape) - source.quant.zero_point
    sequence = sequence if attributes.time_major else sequence.swapaxes(0, 1)
    hidden = values[hidden_tensor.index].astype(np.int64).reshape(attributes.batches, -1)
    cell = values[cell_tensor.index].astype(np.int64).reshape(hidden.shape)
    outputs = []
    for step in sequence:
        inputs = _layer(step, graph.operand(operator, 1).values, biases, scaling.inputs)
        last = _layer(hidden - zero_point, graph.operand(operator, 2).values, 0 * biases, scaling.recurrent)
        gates = saturate_16(inputs + last).reshape(attributes.batches, 4, -1)
        scaled, cell = lstm_values(gates, cell, scaling, attributes.cell_clip)
        hidden = np.clip(scaled + zero_point, -128, 127)
        outputs.append(hidden)
    output = np.array(outputs, result.dtype.numpy)
    return (
        output if attributes.time_major else output.swapaxes(0, 1),
        hidden.astype(hidden_tensor.dtype.numpy),
        cell.astype(cell_tensor.dtype.numpy),
    )


def _layer(rows: IntArray, weights: Array, biases: IntArray, multipliers: tuple[Multiplier, ...]) -> IntArray:
    """A fully connected layer from int8 less their zero point to int16."""
    sums = wrap_int32(rows @ weights.astype(np.int64).T + biases)
    columns = [scale_by(sums[:, unit], multiplier) for unit, multiplier in enumerate(multipliers)]
    return saturate_16(np.stack(columns, axis=-1))


def _svdf(graph: Graph, operator: Operator, values: Values) -> tuple[Array, ...]:
    """``svdf_common.cc``. The fused activation is nothing there: the output's range is."""
    attributes, scaling = cast(Svdf, operator.attributes), svdf_scaling(graph, operator)
    (state,) = (graph.tensors[i] for i in operator.state)
    source = graph.operand(operator, 0)
    features = graph.operand(operator, 1).values.astype(np.int64)
    time = graph.operand(operator, 2).values.astype(np.int64)
    rows = integers(graph, operator, values).reshape(source.shape) - source.quant.zero_point
    limits = np.iinfo(np.dtype(state.dtype.value))
    newest = np.clip(scale_by(wrap_int32(rows @ features.T), scaling.feature), limits.min, limits.max)
    newest = (newest + state.quant.zero_point).astype(state.dtype.numpy)  # wraps, as TFLM's does
    memory = values[state.index].astype(np.int64).reshape(len(rows), *time.shape)
    memory = np.concatenate([memory[..., 1:], newest[..., None]], axis=-1)
    sums = ((memory - state.quant.zero_point) * time).sum(axis=-1)
    sums = sums.reshape(len(rows), -1, attributes.rank).sum(axis=-1)
    sums = sums + graph.operand(operator, 3).values.astype(np.int64).reshape(-1)
    output = finish(graph, operator, scale_by(wrap_int32(sums), scaling.output), Activation.NONE)
    return output, memory.astype(state.dtype.numpy)


RECURRENT: Recur = {Lstm: _lstm, Svdf: _svdf}
