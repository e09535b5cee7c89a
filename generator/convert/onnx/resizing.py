"""Operators that make images larger or smaller."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.folding import axes_of
from generator.convert.onnx.layout import Shape, channels_last, transposed
from generator.convert.onnx.movement import gathered
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.values import RefusedError
from generator.convert.tflite_writer import Options

_LARGEST_SIDE = 1 << 12


def depth_to_space(c: Converter, node: OnnxNode) -> None:
    """DepthToSpace, DCR as TFLite has it, CRD as a transposition."""
    source = c.image(node)
    n, channels, height, width = source.shape
    block = int(node.attributes["blocksize"])
    if block < 1 or channels % (block * block):
        raise RefusedError(f"has blocks of {block} for {channels} channels")
    name, depth = node.outputs[0], channels // (block * block)
    shape = (n, depth, height * block, width * block)
    if node.attributes.get("mode", "DCR") == "DCR":
        options = Options("DepthToSpaceOptions", {"BlockSize": block})
        c.bind(
            name,
            c.emit(
                "DEPTH_TO_SPACE",
                [source.tensor],
                source,
                name=name,
                shape=shape,
                order=channels_last(4),
                options=options,
            ),
        )
        return
    blocks = c.reshaped(source, (n, depth, block, block, height, width), f"{name} (blocks)")
    order, turned = (0, 1, 4, 2, 5, 3), (n, depth, height, block, width, block)
    moved = replace(blocks, shape=turned, whole=turned, order=transposed(blocks.order, order))
    c.bind(name, c.settled(c.reshaped(moved, shape, name)))


def space_to_depth(c: Converter, node: OnnxNode) -> None:
    """SpaceToDepth."""
    source = c.image(node)
    n, channels, height, width = source.shape
    block = int(node.attributes["blocksize"])
    if block < 1 or height % block or width % block:
        raise RefusedError(f"has blocks of {block} for {height} x {width} pixels")
    name = node.outputs[0]
    shape = (n, channels * block * block, height // block, width // block)
    options = Options("SpaceToDepthOptions", {"BlockSize": block})
    c.bind(
        name,
        c.emit(
            "SPACE_TO_DEPTH",
            [source.tensor],
            source,
            name=name,
            shape=shape,
            order=channels_last(4),
            options=options,
        ),
    )


def resize(c: Converter, node: OnnxNode) -> None:
    """Resize of height and width, to the nearest or linear."""
    source = c.image(node)
    rank = 4
    mode = node.attributes.get("mode", "nearest")
    scales, sizes = _resizing(c, node, source.shape)
    if scales[:2] != [1.0, 1.0] or not all(1 <= n <= _LARGEST_SIDE for n in sizes):
        raise RefusedError(f"resizes {list(source.shape)} by {scales}; height and width alone are supported")
    how = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    if c.model.opset < 11:
        how = "asymmetric"
    name = node.outputs[0]
    shape = (*source.shape[:2], *sizes)
    size = c.indices(f"{name} size", sizes)
    if mode == "nearest":
        rounding = (
            "floor" if c.model.opset < 11 else node.attributes.get("nearest_mode", "round_prefer_floor")
        )
        taken = [
            [
                _nearest(i, source.shape[axis], sizes[axis - 2], scales[axis], how, rounding)
                for i in range(sizes[axis - 2])
            ]
            for axis in range(2, rank)
        ]
        plain = all(
            rows == [i * source.shape[axis] // len(rows) for i in range(len(rows))]
            for axis, rows in zip((2, 3), taken, strict=True)
        )
        if plain:
            c.bind(
                name,
                c.emit(
                    "RESIZE_NEAREST_NEIGHBOR",
                    [source.tensor, size],
                    source,
                    name=name,
                    shape=shape,
                    order=source.order,
                    options=Options("ResizeNearestNeighborOptions"),
                ),
            )
        else:
            rows = gathered(c, source, 2, taken[0], f"{name} (rows)")
            c.bind(name, gathered(c, rows, 3, taken[1], name))
        return
    fields = {
        "align_corners": {"AlignCorners": True},
        "half_pixel": {"HalfPixelCenters": True},
        "pytorch_half_pixel": {"HalfPixelCenters": True},
        "asymmetric": {},
    }.get(how)
    exact = all(
        math.isclose(n * s, m, rel_tol=1e-6)
        for n, s, m in zip(source.shape[2:], scales[2:], sizes, strict=True)
    )
    if mode != "linear" or fields is None or not (exact or how == "align_corners"):
        raise RefusedError(
            f"mode {mode} with {how} from {list(source.shape[2:])} to {sizes} is not supported; nearest is, "
            "and linear with half_pixel, asymmetric or align_corners where the scale is that of the sizes"
        )
    if node.attributes.get("antialias", 0) or (how == "pytorch_half_pixel" and 1 in sizes):
        raise RefusedError(
            "filters before it shrinks (antialias), or shrinks to one pixel; neither is supported"
        )
    c.bind(
        name,
        c.emit(
            "RESIZE_BILINEAR",
            [source.tensor, size],
            source,
            name=name,
            shape=shape,
            order=source.order,
            options=Options("ResizeBilinearOptions", fields),
        ),
    )


def _resizing(c: Converter, node: OnnxNode, shape: Shape) -> tuple[list[float], list[int]]:
    """Scales of all four axes, and height and width of the result."""
    position = 1 if c.model.opset < 11 else 2
    axes = axes_of([int(a) for a in node.attributes.get("axes", range(4))], 4)
    found = c.constant(node, position, "scales")
    given = c.constant(node, position + 1, "sizes")
    scales = [1.0] * 4
    sizes = list(shape)
    if found is not None and found.values.size == len(axes):
        for axis, scale in zip(axes, found.real.reshape(-1).tolist(), strict=True):
            if not 0 < scale < _LARGEST_SIDE:
                raise RefusedError(f"has the scale {scale}")
            scales[axis], sizes[axis] = scale, math.floor(shape[axis] * scale)
    elif given is not None and given.values.size == len(axes):
        if node.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise RefusedError("keeps the aspect ratio; stretch is supported")
        for axis, size in zip(axes, given.values.reshape(-1).tolist(), strict=True):
            scales[axis], sizes[axis] = size / shape[axis], int(size)
    else:
        raise RefusedError("needs scales or sizes of its axes")
    return scales, sizes[2:]


def _nearest(index: int, source: int, result: int, scale: float, how: str, rounding: str) -> int:
    """Which pixel ONNX takes."""
    places = {
        "asymmetric": index / scale,
        "half_pixel": (index + 0.5) / scale - 0.5,
        "pytorch_half_pixel": (index + 0.5) / scale - 0.5 if result > 1 else 0.0,
        "align_corners": index * (source - 1) / (result - 1) if result > 1 else 0.0,
    }
    rules: dict[str, Callable[[float], int]] = {
        "floor": math.floor,
        "ceil": math.ceil,
        "round_prefer_floor": lambda x: math.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: math.floor(x + 0.5),
    }
    if how not in places or rounding not in rules:
        raise RefusedError(
            f"{how} with {rounding} is not supported; {', '.join(places)} with {', '.join(rules)} are"
        )
    return max(0, min(source - 1, rules[rounding](places[how])))
