"""The operators in NumPy integers: slow, plain, and the same to the bit as TFLM.

Written from the arithmetic, not from the C kernels, so that the two can be held against each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from generator.graph import MOVEMENTS, Graph, Operator
from generator.reference.elementwise import ELEMENTWISE
from generator.reference.images import IMAGES
from generator.reference.layers import LAYERS
from generator.reference.values import Array, Compute, Values, operand


def run_graph(graph: Graph, inputs: Sequence[Array]) -> dict[int, Array]:
    """Values of all computed tensors by tensor index."""
    values: dict[int, Array] = {}
    for tensor, given in zip(graph.input_tensors(), inputs, strict=True):
        values[tensor.index] = np.asarray(given).reshape(tensor.shape)
    for operator in graph.operators:
        result = graph.result(operator)
        computed = _COMPUTE[type(operator.attributes)](graph, operator, values)
        values[result.index] = computed.reshape(result.shape)
    return values


def _moved(graph: Graph, operator: Operator, values: Values) -> Array:
    movement = operator.attributes
    if not isinstance(movement, MOVEMENTS):
        raise TypeError(f"{operator} moves nothing")
    given = (operand(graph, operator, values, i).reshape(-1) for i in range(len(operator.inputs)))
    return movement.moved(*given)


_COMPUTE: Compute = {**LAYERS, **ELEMENTWISE, **IMAGES, **dict.fromkeys(MOVEMENTS, _moved)}
