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
from generator.reference.recurrent import RECURRENT
from generator.reference.values import Array, Compute, Values, operand


def run_graph(graph: Graph, inputs: Sequence[Array], before: Values | None = None) -> dict[int, Array]:
    """Values of all computed tensors by tensor index, and what variables hold afterwards.

    The run goes on from the variables in ``before``, what an earlier run gave; without, it is the first.
    """
    values: dict[int, Array] = {
        t.index: t.initial if before is None else before[t.index] for t in graph.variables()
    }
    for tensor, given in zip(graph.input_tensors(), inputs, strict=True):
        values[tensor.index] = np.asarray(given).reshape(tensor.shape)
    for operator in graph.operators:
        kind = type(operator.attributes)
        if kind in RECURRENT:
            computed = RECURRENT[kind](graph, operator, values)
        else:
            computed = (_COMPUTE[kind](graph, operator, values),)
        for index, array in zip((operator.outputs[0], *operator.state), computed, strict=True):
            values[index] = array.reshape(graph.tensors[index].shape)
    return values


def _moved(graph: Graph, operator: Operator, values: Values) -> Array:
    movement = operator.attributes
    if not isinstance(movement, MOVEMENTS):
        raise TypeError(f"{operator} moves nothing")
    given = (operand(graph, operator, values, i).reshape(-1) for i in range(len(operator.inputs)))
    return movement.moved(*given)


_COMPUTE: Compute = {**LAYERS, **ELEMENTWISE, **IMAGES, **dict.fromkeys(MOVEMENTS, _moved)}
