"""Readers of operators that reduce axes: the reduced ones are brought together first."""

from __future__ import annotations

import math

import tflite

from generator.graph import DType, Reduce, ReduceKind, Tensor, row_major
from generator.read.node import MAX_RANK, Node, Piece

_MAX_REDUCED = 1 << 16  # bytes into one: sums less a zero point stay within int32
_RESCALED = (ReduceKind.MEAN, ReduceKind.SUM)


def reduce(node: Node, kind: ReduceKind) -> list[Piece]:
    """MEAN, SUM, REDUCE_MAX, REDUCE_MIN."""
    if not node.arity((2,)):
        return []
    source, result = node.operand(0), node.outputs[0]
    keep = bool(node.options(tflite.ReducerOptions).KeepDims())
    numbers = node.integers(1, "axes")
    if numbers is None or not node.quantized(source, result):
        return []
    wide = source.dtype is DType.INT16
    if not node.require(not wide or kind in _RESCALED, f"{source} is int16, int8 expected"):
        return []
    if kind not in _RESCALED and not node.same_quantization(source, result):
        return []
    return _reduced(node, kind, numbers, source, result, keep=keep)


def arg(node: Node, kind: ReduceKind) -> list[Piece]:
    """ARG_MAX, ARG_MIN: where along an axis the greatest, or least, element is."""
    if not node.arity((2,)):
        return []
    source, result = node.operand(0), node.outputs[0]
    numbers = node.integers(1, "axis")
    good = node.int8(source) and node.require(result.dtype is DType.INT32, f"output {result} must be int32")
    if numbers is None or not good or not node.require(len(numbers) == 1, "needs one axis"):
        return []
    return _reduced(node, kind, numbers, source, result, keep=False)


def _reduced(
    node: Node, kind: ReduceKind, numbers: tuple[int, ...], source: Tensor, result: Tensor, *, keep: bool
) -> list[Piece]:
    rank = len(source.shape)
    found = [node.axis(number, rank) for number in numbers]
    if None in found or not node.require(rank <= MAX_RANK, f"{source} has more than {MAX_RANK} axes"):
        return []
    axes = sorted({axis for axis in found if axis is not None})
    kept = [axis for axis in range(rank) if axis not in axes]
    shape = [1 if a in axes else source.shape[a] for a in range(rank) if keep or a not in axes]
    reduced = math.prod(source.shape[axis] for axis in axes)
    most = _MAX_REDUCED // source.dtype.size_bytes
    if not node.result_shape(shape) or not node.require(
        reduced <= most, f"reduces {reduced} elements to one, at most {most} supported"
    ):
        return []
    # Axes of length 1 are in nobody's way.
    long = [axis for axis in axes if source.shape[axis] > 1]
    between = [a for a in kept if long and long[0] < a < long[-1] and source.shape[a] > 1]
    if not between:
        outer = math.prod(source.shape[a] for a in kept if not long or a < long[0])
        inner = math.prod(source.shape[a] for a in kept if long and a > long[0])
        return node.whole(Reduce(kind, outer, reduced, inner), 1)
    order = [*kept, *axes]
    strides = row_major(source.shape)
    turned = node.intermediate(source, [source.shape[a] for a in order], "axes in order")
    view = node.view("TRANSPOSE", 0, turned.shape, [strides[a] for a in order])
    if view is None:
        return []
    outer = math.prod(source.shape[a] for a in kept)
    return [
        Piece(view, (source,), turned),
        Piece(Reduce(kind, outer, reduced, 1), (turned,), result),
    ]
