"""Activations that are fused into operators."""

from __future__ import annotations

import tflite

from generator.graph import Activation
from generator.read.node import Node

_ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: Activation.NONE,
    tflite.ActivationFunctionType.RELU: Activation.RELU,
    tflite.ActivationFunctionType.RELU6: Activation.RELU6,
    tflite.ActivationFunctionType.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
}
_NAMES = {
    number: name for name, number in vars(tflite.ActivationFunctionType).items() if isinstance(number, int)
}


def fused_activation(node: Node, number: int) -> Activation:
    """The fused activation, or NONE after noting that it is unsupported."""
    if number not in _ACTIVATIONS:
        node.problems.append(
            f"fused activation {_NAMES.get(number, number)} is not supported "
            f"(supported: {', '.join(a.value for a in Activation)})"
        )
    return _ACTIVATIONS.get(number, Activation.NONE)
