"""What comparing values of two implementations rests on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generator.graph import DType, Quantization, Tensor

Array = NDArray[np.generic]
Mask = NDArray[np.bool_]

ENDLESS = float(np.finfo(np.float32).max)
"""Stands for a difference where one side is NaN or infinite: a number that JSON holds too."""


def bits(values: Array) -> Array:
    """Floats by their bits, so that NaN equals NaN and 0 differs from -0."""
    return values.view(np.uint32) if values.dtype == np.float32 else values


def distances(first: Array, second: Array) -> NDArray[np.float64]:
    """Absolute differences, element by element; 0 where the bits agree."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(first.astype(np.float64) - second.astype(np.float64))
    apart = np.where(bits(first) == bits(second), 0.0, apart)
    return np.nan_to_num(apart, nan=ENDLESS, posinf=ENDLESS)


def quantization_of(tensor: Tensor) -> Quantization | None:
    """How to read the integers of a tensor; None of floats, and of integers that stand for themselves."""
    # A float tensor may carry the quantization that it is going to get.
    return None if tensor.dtype is DType.FLOAT32 else tensor.quantization


def as_read(values: Array, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Array, Mask]:
    """``tensor``'s values at their places in ``shape``, the tensor as the model file has it.

    The mask says which of them there are: simplifying may have taken channels away.
    """
    if tensor.origin is None:
        return values.reshape(shape), np.ones(shape, np.bool_)
    origin = np.array([-1 if channel is None else channel for channel in tensor.origin])
    here = np.flatnonzero(origin >= 0)
    there = origin[here]
    placed, known = np.zeros(shape, values.dtype), np.zeros(shape, np.bool_)
    placed[..., there] = values.reshape(*shape[:-1], len(tensor.origin))[..., here]
    known[..., there] = True
    return placed, known
