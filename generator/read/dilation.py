"""SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND: how older converters write a dilated convolution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from generator.graph import Attributes, Conv2D, DepthwiseConv2D, Operator, Padding, Tensor
from generator.read.node import Node, Piece

_MAX_BLOCK = 64


@dataclass(frozen=True)
class SpaceToBatch(Attributes):
    """Every ``block``-th pixel into an image of its own, after padding. Does not outlive reading."""

    name: ClassVar[str] = "SPACE_TO_BATCH_ND"
    block: tuple[int, int]
    around: tuple[int, int]
    """Rows above and columns left of the image; what is below and right follows from the shapes."""


@dataclass(frozen=True)
class BatchToSpace(Attributes):
    """The same back, without the first rows and columns. Does not outlive reading."""

    name: ClassVar[str] = "BATCH_TO_SPACE_ND"
    block: tuple[int, int]
    around: tuple[int, int]


def blocks(node: Node, kind: type[SpaceToBatch] | type[BatchToSpace]) -> list[Piece]:
    """SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND of images."""
    if not node.arity((3,)):
        return []
    source, result = node.operand(0), node.outputs[0]
    block, around = node.integers(1, "block shape"), node.integers(2, "paddings or crops")
    if block is None or around is None or not node.moves(source, result):
        return []
    good = (
        node.require(len(source.shape) == len(result.shape) == 4, f"{source}, {result} must be 4-D")
        and node.require(
            1 <= len(block) <= 2 and len(around) == 2 * len(block) and min(around) >= 0,
            "has a block shape and paddings that do not belong to rows and columns",
        )
        and node.require(all(1 <= b <= _MAX_BLOCK for b in block), f"block {list(block)} is impossible")
    )
    if not good:
        return []
    both = (*block, 1)[:2]
    first = (*around[::2], 0)[:2]
    return node.whole(kind((both[0], both[1]), (first[0], first[1])), 1)


def undilate(
    operators: Sequence[Operator], tensors: Mapping[int, Tensor], outputs: Iterable[int]
) -> tuple[list[Operator], list[str]]:
    """``operators`` with dilated convolutions for all three, and what is wrong with the others."""
    made = {op.outputs[0]: op for op in operators}
    readers: dict[int, list[Operator]] = {}
    for operator in operators:
        for index in operator.inputs:
            if index is not None:
                readers.setdefault(index, []).append(operator)
    merged: dict[int, Operator] = {}
    gone: set[int] = set()
    for last in operators:
        if not isinstance(last.attributes, BatchToSpace):
            continue
        middle = made.get(last.inputs[0] or 0)
        first = None if middle is None else made.get(middle.inputs[0] or 0)
        inner = [] if middle is None or first is None else [middle.outputs[0], first.outputs[0]]
        if not inner or any(len(readers[i]) > 1 or i in outputs for i in inner):
            continue
        found = _dilated(first, middle, last, tensors)
        if found is not None:
            merged[last.outputs[0]] = found
            gone.update(inner)
    left = [merged.get(op.outputs[0], op) for op in operators if op.outputs[0] not in gone]
    return left, [problem for op in left for problem in _problems(op, tensors)]


def _dilated(
    first: Operator | None, middle: Operator | None, last: Operator, tensors: Mapping[int, Tensor]
) -> Operator | None:
    if first is None or middle is None:
        return None
    space, convolution, batch = first.attributes, middle.attributes, last.attributes
    if not (
        isinstance(space, SpaceToBatch)
        and isinstance(batch, BatchToSpace)
        and isinstance(convolution, (Conv2D, DepthwiseConv2D))
        and space.block == batch.block
        and convolution.stride == convolution.dilation == (1, 1)
    ):
        return None
    source, result = tensors[first.inputs[0] or 0], tensors[last.outputs[0]]
    weights = tensors[middle.inputs[1] or 0]
    own = convolution.padding
    before, after = [], []
    for axis, pad in enumerate((own.top, own.left)):
        block = space.block[axis]
        before.append(space.around[axis] + pad * block - batch.around[axis])
        reach = result.shape[1 + axis] + (weights.shape[1 + axis] - 1) * block
        after.append(max(reach - source.shape[1 + axis] - before[axis], 0))
    if min(before) < 0:
        return None
    padding = Padding(before[0], after[0], before[1], after[1])
    attributes = replace(convolution, dilation=space.block, padding=padding)
    return replace(
        middle, attributes=attributes, inputs=(first.inputs[0], *middle.inputs[1:]), outputs=last.outputs
    )


def _problems(operator: Operator, tensors: Mapping[int, Tensor]) -> list[str]:
    attributes = operator.attributes
    if isinstance(attributes, (SpaceToBatch, BatchToSpace)):
        return [
            f"{operator} is supported only as dilation: SPACE_TO_BATCH_ND, one convolution of stride 1 that "
            "alone reads it, BATCH_TO_SPACE_ND with the same block"
        ]
    if isinstance(attributes, (Conv2D, DepthwiseConv2D)):
        source = tensors[operator.inputs[0] or 0]
        if source.shape[0] != 1:
            return [f"{operator}: input {source} must have a batch of 1"]
    return []
