"""How windows slide over images: strides, dilations and pads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import tflite

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.layout import channels_last
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.values import RefusedError, Value
from generator.convert.tflite_writer import Options
from generator.graph import DType

_LARGEST = 1 << 16  # of a stride, a dilation or a pad
Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How a window slides over height and width: ``pads`` before and after each, ``out`` places of both."""

    size: Pair
    stride: Pair
    dilation: Pair
    pads: tuple[Pair, Pair]
    out: Pair

    @property
    def reach(self) -> Pair:
        """Pixels from the first to the last of a window."""
        return pair((k - 1) * d + 1 for k, d in zip(self.size, self.dilation, strict=True))

    def is_same(self, sizes: Pair) -> bool:
        """Whether TFLite's SAME pads likewise."""
        for axis in (0, 1):
            out = -(-sizes[axis] // self.stride[axis])
            total = max((out - 1) * self.stride[axis] + self.reach[axis] - sizes[axis], 0)
            needed = self._needed(axis, sizes[axis])
            if out != self.out[axis] or (self.pads[axis][0], needed) != (total // 2, total - total // 2):
                return False
        return True

    def needed(self, sizes: Pair) -> tuple[Pair, Pair]:
        """Pads without what no window reaches."""
        return (self.pads[0][0], self._needed(0, sizes[0])), (self.pads[1][0], self._needed(1, sizes[1]))

    def _needed(self, axis: int, size: int) -> int:
        return max((self.out[axis] - 1) * self.stride[axis] + self.reach[axis] - size - self.pads[axis][0], 0)


def pair(values: Iterable[int]) -> Pair:
    """Of two numbers."""
    first, second = values
    return int(first), int(second)


def numbers(node: OnnxNode, name: str, rank: int, default: int) -> tuple[int, ...]:
    """An attribute of one number per axis of an image; those of one axis are its width."""
    count = 2 * (rank - 2) if name == "pads" else rank - 2
    given = node.attributes.get(name)
    values = (default,) * count if given is None else tuple(int(n) for n in given)
    if len(values) != count or min(values) < 0 or max(values) > _LARGEST:
        raise RefusedError(f"has {name} {list(values)[:16]}; {count} numbers from 0 on are needed")
    if rank == 3:
        values = (default, values[0]) if count == 1 else (0, values[0], 0, values[1])
    return values


def window(node: OnnxNode, rank: int, sizes: Pair, size: Pair) -> Window:
    """Stride, dilation and pads of a node."""
    stride, dilation = (pair(numbers(node, name, rank, 1)) for name in ("strides", "dilations"))
    if min(*stride, *dilation, *size) < 1:
        raise RefusedError("has a stride, dilation or kernel size of 0")
    auto = node.attributes.get("auto_pad", "NOTSET")
    given = numbers(node, "pads", rank, 0)
    pads, outs = [], []
    for axis in (0, 1):
        reach = (size[axis] - 1) * dilation[axis] + 1
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            out = -(-sizes[axis] // stride[axis])
            total = max((out - 1) * stride[axis] + reach - sizes[axis], 0)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
            pads.append((first, total - first))
        elif auto in ("NOTSET", "VALID"):
            pads.append((given[axis], given[axis + 2]) if auto == "NOTSET" else (0, 0))
            free = sizes[axis] + sum(pads[axis]) - reach
            out = (
                -(-free // stride[axis]) + 1
                if node.attributes.get("ceil_mode", 0)
                else free // stride[axis] + 1
            )
            if (out - 1) * stride[axis] >= sizes[axis] + pads[axis][0] and out > 1:
                out -= 1  # a window that would begin in the padding behind is none
        else:
            raise RefusedError(f"has auto_pad {auto}; NOTSET, VALID, SAME_UPPER, SAME_LOWER are supported")
        if out < 1:
            raise RefusedError(
                f"its window of {reach} is larger than the padded {sizes[axis] + sum(pads[axis])}"
            )
        outs.append(out)
    return Window(size, stride, dilation, (pads[0], pads[1]), pair(outs))


def padded(
    c: Converter, source: Value, view: Window, name: str, *, fill: int | None = None, same: bool = True
) -> tuple[Value, int]:
    """The image with its pads, unless TFLite's SAME adds them, and which padding is then to be named.

    Pads are zeros, or ``fill``; without ``same`` they are always added here.
    """
    sizes = pair(source.shape[2:])
    if same and view.is_same(sizes):
        return source, tflite.Padding.SAME
    (top, bottom), (left, right) = view.needed(sizes)
    if top + bottom + left + right == 0:
        return source, tflite.Padding.VALID
    n, channels, height, width = source.shape
    around = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    inputs = [source.tensor, c.parameter(f"{name} pads", around, DType.INT32)]
    if fill is not None:
        inputs.append(c.parameter(f"{name} fill", np.array([fill], np.int8), DType.INT8, source.quant))
    wide = c.emit(
        "PAD" if fill is None else "PADV2",
        inputs,
        source,
        name=f"{name} (padded)",
        shape=(n, channels, height + top + bottom, width + left + right),
        order=channels_last(4),
        options=Options("PadOptions" if fill is None else "PadV2Options"),
    )
    return wide, tflite.Padding.VALID
