"""Pixels around zero while a network learns, and from 0 to 1 for the network that comes out.

Weights of a first layer whose inputs are all positive pull each other along, and learn slowly. A shift and a
gain of all inputs are a bias and a gain of the first kernel, so the finished network needs neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from generator.quantize.keras import tensorflow

_NAME = "centred"
_GAIN, _SHIFT = 4.0, -2.0
"""Pixels of photographs, 0..1, get a mean near 0 and a deviation near 1."""


def centred(inputs: Any) -> Any:
    """Return a Keras tensor of pixels, 0..1, as -2..2."""
    return tensorflow().keras.layers.Rescaling(_GAIN, _SHIFT, name=_NAME)(inputs)


def can_be_centred(model: Any) -> bool:
    """Whether the first kernel of a Keras model sees nothing but inputs: a bias cannot shift padding."""
    return getattr(_with_weights(model)[0], "padding", "valid") == "valid"


def take_weights(model: Any, learned: Any) -> None:
    """Give a Keras model weights with which it says what ``learned``, its twin, says.

    Args:
        model: takes pixels of 0..1.
        learned: the same layers, perhaps behind :func:`centred`.
    """
    for target, source in zip(_with_weights(model), _with_weights(learned), strict=True):
        target.set_weights(source.get_weights())
    if any(layer.name == _NAME for layer in learned.layers):
        first = _with_weights(model)[0]
        kernel, bias = (weights.astype(np.float64) for weights in first.get_weights())
        shift = _SHIFT * kernel.sum(axis=tuple(range(kernel.ndim - 1)))
        first.set_weights([(_GAIN * kernel).astype(np.float32), (bias + shift).astype(np.float32)])


def _with_weights(model: Any) -> list[Any]:
    return [layer for layer in model.layers if layer.weights]
