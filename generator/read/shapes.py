"""Arithmetic on shapes, done while reading: careless converters leave it behind, and every shape is known.

Each function takes the node's constant integers and gives the values of its output, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tflite
from numpy.typing import NDArray

from generator.graph import DType, broadcast_shape
from generator.read.node import Node

Array = NDArray[np.generic]
MAX_VALUES = 1 << 12
_INTEGERS = (DType.INT32, DType.INT64)


def shape_values(node: Node, code: int) -> Array | None:
    """The output of an operator that computes a shape from what is known; None if it is none of these."""
    if len(node.outputs) != 1 or node.outputs[0].dtype not in _INTEGERS:
        return None
    result = node.outputs[0]
    values: Array | None = None
    if code == tflite.BuiltinOperator.SHAPE and len(node.inputs) == 1 and node.inputs[0] is not None:
        values = np.array(node.inputs[0].shape, np.int64)
    elif code in _ARITHMETIC:
        known = [t for t in node.inputs if t is not None and t.is_constant and t.element_count <= MAX_VALUES]
        count, function = _ARITHMETIC[code]
        if len(known) == len(node.inputs) == count and broadcast_shape(*(t.shape for t in known)) is not None:
            values = function([t.values for t in known])
    if values is None or values.size != result.element_count:
        return None
    return values.astype(result.dtype.numpy)


def _divided(values: Sequence[Array]) -> Array | None:
    first, second = (v.astype(np.int64) for v in values)
    return None if (second == 0).any() else first // second


_ARITHMETIC: Mapping[int, tuple[int, Callable[[Sequence[Array]], Array | None]]] = {
    tflite.BuiltinOperator.ADD: (2, lambda v: np.add(v[0], v[1])),
    tflite.BuiltinOperator.SUB: (2, lambda v: np.subtract(v[0], v[1])),
    tflite.BuiltinOperator.MUL: (2, lambda v: np.multiply(v[0], v[1])),
    tflite.BuiltinOperator.FLOOR_DIV: (2, _divided),
    tflite.BuiltinOperator.DIV: (2, _divided),
    tflite.BuiltinOperator.MAXIMUM: (2, lambda v: np.maximum(v[0], v[1])),
    tflite.BuiltinOperator.MINIMUM: (2, lambda v: np.minimum(v[0], v[1])),
    tflite.BuiltinOperator.CAST: (1, lambda v: v[0]),
    tflite.BuiltinOperator.REDUCE_PROD: (2, lambda v: np.asarray(v[0].astype(np.int64).prod())),
}
