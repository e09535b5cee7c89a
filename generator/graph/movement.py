"""Operators that move elements and compute nothing. Offsets and strides count elements.

Each says itself what it does to values, in ``moved``: flat arrays in row-major order, one per input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

from generator.graph.attributes import Attributes

Array = NDArray[np.generic]
COPY_LOOPS = 5
"""Loops around a run of elements that a copy has at most."""
PAIR_LOOPS = 4
"""Loops that a function of two tensors has at most."""


@dataclass(frozen=True)
class Reshape(Attributes):
    """The same bytes under another shape."""

    name: ClassVar[str] = "RESHAPE"

    def moved(self, values: Array) -> Array:
        """The same."""
        return values


@dataclass(frozen=True)
class View(Attributes):
    """output[i, j, ...] = input[offset + i * strides[0] + j * strides[1] + ...] for i < counts[0], ...

    All that transposing, slicing, splitting, stacking, repeating, reversing and regrouping of blocks do.
    ``tflite_name`` is that of the operator as read.
    """

    tflite_name: str
    offset: int
    counts: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def op_name(self) -> str:
        """TFLite name of the operator."""
        return self.tflite_name

    @property
    def is_identity(self) -> bool:
        """Every element stays where it is, and the first ones are all that is taken."""
        return self.offset == 0 and self.strides in ((), (1,))

    @property
    def loops(self) -> int:
        """Axes, without the innermost where its elements are one run."""
        return len(self.counts) - (self.strides[-1:] == (1,))

    def moved(self, values: Array) -> Array:
        """The elements taken."""
        values = np.ascontiguousarray(values)  # a view's values are every so many of another array's
        steps = [stride * values.itemsize for stride in self.strides]
        return as_strided(values[self.offset :], self.counts, steps, writeable=False).reshape(-1)


@dataclass(frozen=True)
class Select(Attributes):
    """Runs of ``run`` elements by tables of where they start:

    output[o, i, j, :] = input[o * step + rows[i] + columns[j] : ... + run]

    ``step`` is what the input holds per ``outer``. GATHER, resizing to the nearest, mirrored padding.
    """

    tflite_name: str
    outer: int
    step: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    run: int

    @property
    def op_name(self) -> str:
        """TFLite name of the operator."""
        return self.tflite_name

    def moved(self, values: Array) -> Array:
        """The runs taken."""
        runs = sliding_window_view(values.reshape(self.outer, self.step), self.run, axis=1)
        taken: Array = runs[:, np.add.outer(self.rows, self.columns).reshape(-1)].reshape(-1)
        return taken


@dataclass(frozen=True)
class Pad(Attributes):
    """``value``, and the input of ``shape`` within; ``before`` and ``after`` count elements of each axis."""

    tflite_name: str
    shape: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int

    @property
    def op_name(self) -> str:
        """TFLite name of the operator."""
        return self.tflite_name

    def moved(self, values: Array) -> Array:
        """The elements and what is around them."""
        around = list(zip(self.before, self.after, strict=True))
        image: Array = np.pad(values.reshape(self.shape), around, constant_values=self.value)
        return image.reshape(-1)


@dataclass(frozen=True)
class Concatenation(Attributes):
    """Inputs one behind the other: in turn ``runs[i]`` elements of each, ``outer`` times."""

    name: ClassVar[str] = "CONCATENATION"
    outer: int
    runs: tuple[int, ...]

    def moved(self, *values: Array) -> Array:
        """All elements."""
        joined: Array = np.concatenate([v.reshape(self.outer, -1) for v in values], axis=1).reshape(-1)
        return joined


MOVEMENTS = (Reshape, View, Select, Pad, Concatenation)


def concatenation(shapes: Sequence[tuple[int, ...]], axis: int) -> Concatenation:
    """Of tensors that differ along ``axis`` only."""
    return Concatenation(math.prod(shapes[0][:axis]), tuple(math.prod(shape[axis:]) for shape in shapes))


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index of each axis to the next."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def merged_view(tflite_name: str, offset: int, counts: Sequence[int], strides: Sequence[int]) -> View:
    """The same elements in as few axes as possible: those of length 1 go, and what runs on joins."""
    axes: list[tuple[int, int]] = []
    for count, stride in zip(counts, strides, strict=True):
        if count == 1:
            continue
        if axes and axes[-1][1] == stride * count:
            axes[-1] = (axes[-1][0] * count, stride)
        else:
            axes.append((count, stride))
    return View(tflite_name, offset, tuple(c for c, _ in axes), tuple(s for _, s in axes))


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """What shapes become together, axes of length 1 and missing ones repeated; None if they do not fit."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    lengths = [set(sizes) - {1} or {1} for sizes in zip(*padded, strict=True)]
    return tuple(max(each) for each in lengths) if all(len(each) == 1 for each in lengths) else None


def paired_axes(
    first: tuple[int, ...], second: tuple[int, ...], result: tuple[int, ...]
) -> list[tuple[int, int, int]]:
    """Count, stride in ``first`` and in ``second`` of as few axes as do, outermost first, where axes of
    length 1, and missing ones, are repeated as ``result`` needs.
    """
    strides = []
    for shape in (first, second):
        whole = (1,) * (len(result) - len(shape)) + shape
        strides.append([0 if n == 1 else s for n, s in zip(whole, row_major(whole), strict=True)])
    axes: list[tuple[int, int, int]] = []
    for count, step_a, step_b in zip(result, *strides, strict=True):
        if count == 1:
            continue
        if axes and axes[-1][1:] == (step_a * count, step_b * count):
            axes[-1] = (axes[-1][0] * count, step_a, step_b)
        else:
            axes.append((count, step_a, step_b))
    return axes
