"""Readers of operators that keep state in variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tflite

from generator.graph import Activation, DType, Lstm, Quantization, Svdf, Tensor
from generator.read.activations import fused_activation
from generator.read.layers import MAX_ACCUMULATIONS
from generator.read.node import Node, Piece

_INPUTS = 24
_WEIGHTS, _RECURRENT, _BIASES = range(1, 5), range(5, 9), range(12, 16)
_HIDDEN, _CELL = 18, 19
_EXTRAS = {
    "peephole weights": range(9, 12),
    "projection": range(16, 18),
    "layer normalization": range(20, 24),
}
_TANH = 4  # of the schema's ActivationFunctionType
_NO_CLIP = 1 << 15
# The kernel shifts cells of these scales without overflow.
_MIN_CELL_EXPONENT, _MAX_CELL_EXPONENT = -20, 0


def lstm(node: Node) -> list[Piece]:
    """UNIDIRECTIONAL_SEQUENCE_LSTM with int8 activations and weights and int16 cells. The four gates' weights
    become one matrix.
    """
    if not (_lstm_inputs(node) and _lstm_types(node)):
        return []
    options = node.options(tflite.UnidirectionalSequenceLSTMOptions)
    source, result = node.operand(0), node.outputs[0]
    hidden, cell = node.operand(_HIDDEN), node.operand(_CELL)
    if not node.require(
        len(source.shape) == 3 and len(hidden.shape) == 2,
        f"input {source} must have 3 axes and state {hidden} 2",
    ):
        return []
    first, second, depth = source.shape
    steps, batches = (first, second) if options.TimeMajor() else (second, first)
    units = hidden.shape[1]
    shapes = {_WEIGHTS: (units, depth), _RECURRENT: (units, units), _BIASES: (units,)}
    fits = [
        node.require(tensor.shape == shape, f"{tensor} should have the shape {'x'.join(map(str, shape))}")
        for numbers, shape in shapes.items()
        for tensor in map(node.operand, numbers)
    ]
    clip, exponent = float(options.CellClip()), math.frexp(cell.quant.scale)
    if not (
        all(fits)
        and node.result_shape((first, second, units))
        and node.require(
            hidden.element_count == cell.element_count == batches * units,
            f"states {hidden} and {cell} do not fit {batches} times {units} units",
        )
        and node.require(
            exponent[0] == 0.5 and _MIN_CELL_EXPONENT <= exponent[1] - 1 <= _MAX_CELL_EXPONENT,
            f"cells {cell} must have a scale that is a power of two, "
            f"2**{_MIN_CELL_EXPONENT} to 2**{_MAX_CELL_EXPONENT}",
        )
        and node.require(
            options.FusedActivationFunction() == _TANH, "only TANH is supported as its activation"
        )
        and node.require(0 <= clip < 1e6, f"the cell clip is {clip}, a number of at least 0 expected")
        and node.require(
            max(depth, units) <= MAX_ACCUMULATIONS,
            f"sums {max(depth, units)} products, at most {MAX_ACCUMULATIONS} supported",
        )
    ):
        return []
    cell_clip = int(min(clip / cell.quant.scale, 32767.0)) if clip > 0 else _NO_CLIP
    stacks = [_stacked(node, numbers) for numbers in (_WEIGHTS, _RECURRENT, _BIASES)]
    attributes = Lstm(batches, steps, bool(options.TimeMajor()), cell_clip)
    return [Piece(attributes, (source, *stacks), result, (hidden, cell))]


def _lstm_inputs(node: Node) -> bool:
    if not (
        node.require(len(node.inputs) == _INPUTS, f"has {len(node.inputs)} inputs, needs {_INPUTS}")
        and node.require(len(node.outputs) == 1, f"has {len(node.outputs)} outputs, needs 1")
    ):
        return False
    needed = (0, *_WEIGHTS, *_RECURRENT, *_BIASES, _HIDDEN, _CELL)
    good = node.require(
        all(node.inputs[i] is not None for i in needed), "lacks an input that it cannot do without"
    )
    for what, numbers in _EXTRAS.items():
        good &= node.require(all(node.inputs[i] is None for i in numbers), f"{what} is not supported")
    return good


def _lstm_types(node: Node) -> bool:
    hidden, cell = node.operand(_HIDDEN), node.operand(_CELL)
    parameters = [node.operand(i) for i in (*_WEIGHTS, *_RECURRENT)]
    return (
        node.int8(node.operand(0), node.outputs[0], hidden, *parameters)
        and all([_weights(node, t) for t in parameters])
        and all([_biases(node, node.operand(i)) for i in _BIASES])
        and _variables(node, hidden, cell)
        and node.same_quantization(hidden, node.outputs[0])
        and node.require(cell.dtype is DType.INT16, f"cells {cell} are not int16")
        and _symmetric(node, cell)
    )


def svdf(node: Node) -> list[Piece]:
    """SVDF with int8 activations, and state and time weights of one type, int8 or int16."""
    if not node.arity((5,)):
        return []
    options = node.options(tflite.SVDFOptions)
    source, features, time, result = node.operand(0), node.operand(1), node.operand(2), node.outputs[0]
    bias, state, rank = node.operand(3), node.operand(4), int(options.Rank())
    activation = fused_activation(node, options.FusedActivationFunction())
    if not (
        node.int8(source, features, result)
        and _variables(node, state)
        and node.require(
            state.dtype is time.dtype and state.dtype in (DType.INT8, DType.INT16),
            f"state {state} and time weights {time} must both be int8 or int16",
        )
        and _weights(node, features)
        and _weights(node, time)
        and (_symmetric(node, state) if state.dtype is DType.INT16 else node.quantized_per_tensor(state))
        and _biases(node, bias)
        and node.require(
            activation in (Activation.NONE, Activation.RELU),
            "only RELU is supported as its activation",
        )
        and node.require(
            all(len(t.shape) == 2 for t in (source, features, time, state, result)),
            "its tensors must have 2 axes",
        )
    ):
        return []
    (batches, depth), (filters, memory) = source.shape, time.shape
    good = (
        node.require(0 < rank <= filters and filters % rank == 0, f"rank {rank} does not divide {filters}")
        and node.require(
            features.shape == (filters, depth) and state.shape == (batches, filters * memory),
            f"{source}, {features}, {time} and {state} do not fit each other",
        )
        and node.require(bias.element_count * rank == filters, f"bias {bias} does not fit {time}")
        and node.result_shape((batches, filters // rank))
        and node.require(
            max(depth, memory * rank) <= MAX_ACCUMULATIONS,
            f"sums {max(depth, memory * rank)} products, at most {MAX_ACCUMULATIONS} supported",
        )
    )
    return [Piece(Svdf(rank), node.inputs[:4], result, (state,))] if good else []


def _weights(node: Node, tensor: Tensor) -> bool:
    return (
        node.require(tensor.is_constant, f"weights {tensor} are not constant")
        and node.quantized_per_tensor(tensor)
        and _symmetric(node, tensor)
    )


def _symmetric(node: Node, tensor: Tensor) -> bool:
    return node.quantized_per_tensor(tensor) and node.require(
        tensor.quant.zero_point == 0, f"{tensor} has a zero point other than 0"
    )


def _biases(node: Node, tensor: Tensor) -> bool:
    return node.require(
        tensor.is_constant and tensor.dtype is DType.INT32, f"bias {tensor} is not constant int32"
    )


def _variables(node: Node, *tensors: Tensor) -> bool:
    return all([node.require(t.is_variable, f"state {t} is not a variable") for t in tensors])


def _stacked(node: Node, numbers: Sequence[int]) -> Tensor:
    """Parameters of the four gates one below the other, a scale for each row."""
    parts = [node.operand(i) for i in numbers]
    values = np.concatenate([part.values for part in parts])
    node.budget.made(values.nbytes)
    tensor = node.intermediate(parts[0], values.shape, "all gates")
    quantization = None
    if parts[0].dtype is DType.INT8:
        scales = [scale for part in parts for scale in part.quant.scales * part.shape[0]]
        quantization = Quantization(tuple(scales), (0,) * len(scales))
    return replace(tensor, data=values.tobytes(), quantization=quantization)
