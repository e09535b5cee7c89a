"""In which order a tensor's axes are held.

``order[i]`` is the ONNX axis that is held as axis i: (0, 2, 3, 1) is NCHW held as NHWC. Axes of length 1 are
nowhere in memory, so orders that differ in them alone are the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

Order = tuple[int, ...]
Shape = tuple[int, ...]


def as_is(rank: int) -> Order:
    """ONNX's own order."""
    return tuple(range(rank))


def channels_last(rank: int) -> Order:
    """NCHW as NHWC, NCW as NWC."""
    return (0, *range(2, rank), 1)


def held_shape(order: Order, shape: Shape) -> Shape:
    """The shape in memory."""
    return tuple(shape[axis] for axis in order)


def long_axes(order: Sequence[int], shape: Shape) -> Order:
    """The axes that take part in where elements are."""
    return tuple(axis for axis in order if shape[axis] != 1)


def same_bytes(first: Order, second: Order, shape: Shape) -> bool:
    """Whether both orders put every element at the same place."""
    return long_axes(first, shape) == long_axes(second, shape)


def transposed(order: Order, permutation: Sequence[int]) -> Order:
    """The order in which the result of a Transpose is held if nothing moves."""
    return tuple(permutation.index(axis) for axis in order)


def without(order: Order, axes: Sequence[int]) -> Order:
    """The order once ``axes`` are gone and the others are counted anew."""
    kept = [axis for axis in range(len(order)) if axis not in axes]
    return tuple(kept.index(axis) for axis in order if axis in kept)


def regrouped(order: Order, old: Shape, new: Shape, wanted: Order | None = None) -> tuple[Order, Order]:
    """How a tensor ``old`` must be held to become ``new`` by its shape alone, and how that is then held.

    The first is ``order``, up to axes of length 1, if every group of axes that merge or split lies together.
    If something has to move, groups stand where the first of their axes is in ``order``, or of ``new`` in
    ``wanted``.
    """
    groups = _groups(old, new)
    axes = order if wanted is None else wanted
    groups.sort(key=lambda group: min(axes.index(axis) for axis in group[0 if wanted is None else 1]))
    before = [axis for group in groups for axis in group[0]]
    after = [axis for group in groups for axis in group[1]]
    return _completed(before, old), _completed(after, new)


def _groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """The fewest axes each, of both shapes, that hold the same number of elements; none of length 1."""
    rest = [axis for axis in range(len(new)) if new[axis] != 1]
    groups = []
    olds: list[int] = []
    news: list[int] = []
    have = want = 1
    for axis in range(len(old)):
        if old[axis] == 1:
            continue
        olds.append(axis)
        have *= old[axis]
        while want < have:
            news.append(rest.pop(0))
            want *= new[news[-1]]
        if want == have:
            groups.append((olds, news))
            olds, news, have, want = [], [], 1, 1
    return groups


def _completed(axes: Sequence[int], shape: Shape) -> Order:
    """An order with ``axes`` as its long ones; a usual one if there is one."""
    rank = len(shape)
    for order in (as_is(rank), channels_last(rank)) if rank > 1 else (as_is(rank),):
        if long_axes(order, shape) == tuple(axes):
            return order
    return (*(axis for axis in range(rank) if shape[axis] == 1), *axes)


def merged(first: Order, second: Order, shape: Shape) -> tuple[Shape, Order, Order]:
    """A tensor with the fewest axes that still tell both orders apart: its shape, and the orders of it."""
    before, after = long_axes(first, shape), long_axes(second, shape)
    groups: list[list[int]] = []
    for axis in before:
        place = after.index(axis)
        if groups and place and after[place - 1] == groups[-1][-1]:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    starts = sorted(range(len(groups)), key=lambda i: after.index(groups[i][0]))
    return tuple(prod(shape[a] for a in group) for group in groups), as_is(len(groups)), tuple(starts)
