"""Readers of operators that resize images."""

from __future__ import annotations

import math

import numpy as np
import tflite

from generator.graph import ResizeBilinear, Select
from generator.read.node import Node, Piece

_MAX_SIDE = 1 << 12


def nearest(node: Node) -> list[Piece]:
    """RESIZE_NEAREST_NEIGHBOR: which pixel each output takes, in float32 as
    ``reference/resize_nearest_neighbor.h`` computes it.
    """
    if not node.arity((2,)):
        return []
    options = node.options(tflite.ResizeNearestNeighborOptions)
    align, half = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    if not sizes(node):
        return []
    source, result = node.operand(0), node.outputs[0]
    batch, height, width, channels = source.shape
    rows, columns = (
        [_nearest(i, source.shape[axis], result.shape[axis], align=align, half=half) for i in range(n)]
        for axis, n in ((1, result.shape[1]), (2, result.shape[2]))
    )
    row = width * channels
    select = Select(
        "RESIZE_NEAREST_NEIGHBOR",
        batch,
        height * row,
        tuple(y * row for y in rows),
        tuple(x * channels for x in columns),
        channels,
    )
    return node.whole(select, 1)


def bilinear(node: Node) -> list[Piece]:
    """RESIZE_BILINEAR."""
    if not node.arity((2,)):
        return []
    options = node.options(tflite.ResizeBilinearOptions)
    align, half = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    good = (
        node.int8(node.operand(0), node.outputs[0])
        and sizes(node)
        and node.require(
            not (align and half), "aligns corners and has half-pixel centers: one or the other, please"
        )
    )
    return node.whole(ResizeBilinear(align, half), 1) if good else []


def sizes(node: Node) -> bool:
    """Check an image, the size that it is to have, and the output."""
    source, result = node.operand(0), node.outputs[0]
    size = node.integers(1, "size")
    return (
        size is not None
        and node.moves(source, result)
        and node.require(len(source.shape) == 4, f"{source} must be 4-D")
        and node.require(
            len(size) == 2 and min(size) > 0 and max(size) <= _MAX_SIDE,
            f"has the impossible size {list(size)}",
        )
        and node.result_shape((source.shape[0], *size, source.shape[3]))
    )


def _nearest(index: int, source: int, result: int, *, align: bool, half: bool) -> int:
    one = np.float32(1)
    scale = (
        np.float32(source - 1) / np.float32(result - 1)
        if align and result > 1
        else np.float32(source) / np.float32(result)
    )
    place = float((np.float32(index) + (one / 2 if half else np.float32(0))) * scale)
    taken = math.floor(place + 0.5) if align else math.floor(place)
    return max(0, min(taken, source - 1))
