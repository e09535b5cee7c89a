"""What the references of all operators share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import IntArray
from generator.arithmetic.requantize import activation_range
from generator.graph import Activation, Attributes, Graph, Operator

Array = NDArray[np.generic]
Values = Mapping[int, Array]
Compute = Mapping[type[Attributes], Callable[[Graph, Operator, Values], Array]]
"""By kind of operator: from what is known so far to its output, in any shape."""


def operand(graph: Graph, operator: Operator, values: Values, position: int = 0) -> Array:
    """An input's values, constant or computed."""
    tensor = graph.operand(operator, position)
    return tensor.values if tensor.is_constant else values[tensor.index]


def integers(graph: Graph, operator: Operator, values: Values, position: int = 0) -> IntArray:
    """An input's quantized values in 64 bits."""
    return operand(graph, operator, values, position).astype(np.int64)


def finish(graph: Graph, operator: Operator, scaled: IntArray, activation: Activation) -> Array:
    """Add the output's zero point and clamp."""
    result = graph.result(operator)
    low, high = activation_range(activation, result)
    return np.clip(scaled + result.quant.zero_point, low, high).astype(result.dtype.numpy)
