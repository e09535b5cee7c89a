"""Reader of products of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tflite

from generator.graph import (
    Activation,
    BatchMatMul,
    FullyConnected,
    Reshape,
    Tensor,
    broadcast_shape,
    merged_view,
    row_major,
)
from generator.read.node import Node, Piece

_MIN_RANK, _MAX_RANK = 2, 5
# Sums of so many products of two int8 less their zero points stay in an int32.
MAX_DEPTH = 1 << 15


def batch_matmul(node: Node) -> list[Piece]:
    """BATCH_MATMUL. What does not lie along its rows is transposed first; constant symmetric weights that all
    matrices share make it a fully connected layer.
    """
    if not node.arity((2,)):
        return []
    options = node.options(tflite.BatchMatMulOptions)
    first, second, result = node.operand(0), node.operand(1), node.outputs[0]
    ranks = (len(first.shape), len(second.shape))
    if not (
        node.int8(first, second, result)
        and node.require(
            not first.is_constant, f"its first input {first} is a constant: only the second may be"
        )
        and node.require(
            min(ranks) >= _MIN_RANK and max(ranks) <= _MAX_RANK,
            f"{first} and {second} must have {_MIN_RANK} to {_MAX_RANK} axes",
        )
    ):
        return []
    rows, depth = _turned(first.shape[-2:], options.AdjX())
    columns, depth_too = _turned(second.shape[-2:], not options.AdjY())
    batches = [(1,) * (max(ranks) - len(t.shape)) + t.shape[:-2] for t in (first, second)]
    batch = broadcast_shape(*batches)
    if not (
        node.require(
            depth == depth_too and batch is not None,
            f"{first} and {second} do not fit each other",
        )
        and node.require(depth <= MAX_DEPTH, f"sums {depth} products, at most {MAX_DEPTH} supported")
        and node.result_shape([*(batch or ()), rows, columns])
    ):
        return []
    pieces: list[Piece] = []
    shared, constant = math.prod(batches[1]) == 1, second.is_constant and second.quant.zero_point == 0
    if options.AdjX():
        first = _transposed(node, first, pieces)
    if not options.AdjY():
        second = _transposed(node, second, pieces)
    if shared:  # the matrices of the first input make one with more rows
        rows *= math.prod(batches[0])
        batches = [(), ()]
    if shared and constant:
        weights = node.intermediate(second, (columns, depth), "matrix")
        pieces.append(Piece(Reshape(), (second,), weights))
        return [*pieces, Piece(FullyConnected(Activation.NONE), (first, weights), result)]
    return [*pieces, Piece(BatchMatMul(_axes(*batches), rows, columns, depth), (first, second), result)]


def _turned(shape: Sequence[int], turn: bool) -> tuple[int, int]:
    rows, columns = shape
    return (columns, rows) if turn else (rows, columns)


def _transposed(node: Node, tensor: Tensor, pieces: list[Piece]) -> Tensor:
    """With its last two axes exchanged; the piece that does it goes to ``pieces``."""
    order = (*range(len(tensor.shape) - 2), len(tensor.shape) - 1, len(tensor.shape) - 2)
    strides = row_major(tensor.shape)
    shape = [tensor.shape[axis] for axis in order]
    view = merged_view("TRANSPOSE", 0, shape, [strides[axis] for axis in order])
    result = node.intermediate(tensor, shape, "transposed")
    pieces.append(Piece(Reshape() if view.is_identity else view, (tensor,), result))
    return result


def _axes(first: Sequence[int], second: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    steps = [
        [0 if n == 1 else step for n, step in zip(shape, row_major(shape), strict=True)]
        for shape in (first, second)
    ]
    return tuple((max(a, b), *s) for a, b, *s in zip(first, second, *steps, strict=True))
