"""Operators that resize images."""

from __future__ import annotations

from typing import cast

import numpy as np

from generator.arithmetic.fixedpoint import rounding_shift_right
from generator.arithmetic.interpolation import ONE, places
from generator.graph import Graph, Operator, ResizeBilinear
from generator.reference.values import Array, Compute, Values, integers


def _resize_bilinear(graph: Graph, operator: Operator, values: Values) -> Array:
    resize = cast(ResizeBilinear, operator.attributes)
    source, result = graph.operand(operator, 0), graph.result(operator)
    image = integers(graph, operator, values)
    for axis in (1, 2):
        way = places(
            source.shape[axis],
            result.shape[axis],
            align_corners=resize.align_corners,
            half_pixel_centers=resize.half_pixel_centers,
        )
        weights = np.array([place.weight for place in way]).reshape((-1, 1, 1) if axis == 1 else (-1, 1))
        first, second = (image.take(i, axis) for i in ([p.first for p in way], [p.second for p in way]))
        image = first * (ONE - weights) + second * weights
    return rounding_shift_right(image, 2 * (ONE.bit_length() - 1)).astype(result.dtype.numpy)


IMAGES: Compute = {ResizeBilinear: _resize_bilinear}
