"""Operators that move elements. Axes are mapped to where they are held; most of these cost nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.folding import (
    axes_of,
    flattened,
    resolved_shape,
    slice_arguments,
    slices,
    split_sizes,
    squeezed,
    unsqueezed,
)
from generator.convert.onnx.layout import Shape, transposed
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.quantization import asked_quantization
from generator.convert.onnx.values import Constant, RefusedError, Value
from generator.convert.tflite_writer import Options
from generator.graph import DType

_FLOATS = (1, 10, 11, 16)


def identity(c: Converter, node: OnnxNode) -> None:
    """Identity, Dropout and Cast between real types: nothing happens."""
    if node.op == "Cast" and node.attributes.get("to") not in _FLOATS:
        raise RefusedError("casts values of the network to integers")
    if any(node.outputs[1:]):
        raise RefusedError("gives its mask too; the values alone are supported")
    c.bind(node.outputs[0], c.operand(node, 0))


def reshape(c: Converter, node: OnnxNode) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze."""
    source = c.lazy_value(node)
    if node.op == "Flatten":
        shape: Shape = flattened(source.shape, int(node.attributes.get("axis", 1)))
    elif node.op == "Reshape":
        wanted = c.integers(node, 1, "shape")
        if wanted is None:
            raise RefusedError("lacks its shape")
        zeros = bool(node.attributes.get("allowzero", 0))
        shape = resolved_shape(source.shape, wanted, zeros_are_zero=zeros)
    else:
        axes = c.integers(node, 1, "axes")
        if node.op == "Unsqueeze" and axes is None:
            raise RefusedError("lacks its axes")
        shape = squeezed(source.shape, axes) if node.op == "Squeeze" else unsqueezed(source.shape, axes or ())
    c.bind(node.outputs[0], c.reshaped(source, shape, node.outputs[0]))


def transpose(c: Converter, node: OnnxNode) -> None:
    """Transpose: the axes are held as before, under other numbers."""
    source = c.value(node)
    rank = len(source.shape)
    permutation = [int(a) for a in node.attributes.get("perm", range(rank)[::-1])]
    if axes_of(permutation, rank) != list(range(rank)):
        raise RefusedError(f"{permutation} is no permutation of {rank} axes")
    shape = tuple(source.shape[a] for a in permutation)
    c.bind(
        node.outputs[0],
        replace(source, shape=shape, whole=shape, order=transposed(source.order, permutation)),
    )


def slice_(c: Converter, node: OnnxNode) -> None:
    """Slice with constant bounds."""
    source = c.value(node)
    taken = slices(source.shape, *slice_arguments(c, node))
    shape = tuple(map(len, taken))
    name = node.outputs[0]
    if 0 in shape:
        raise RefusedError(f"takes nothing of {list(source.shape)}")
    if all(t.step == 1 or len(t) == 1 for t in taken):
        c.bind(name, c.sliced(source, [t[0] for t in taken], shape, name))
        return
    held = [taken[axis] for axis in source.order]
    # An end before the first index cannot be written: the mask says that all is taken.
    mask = sum(1 << i for i, t in enumerate(held) if t[-1] + t.step < 0)
    bounds = [
        c.indices(f"{name} {what}", numbers)
        for what, numbers in (
            ("begin", [t[0] for t in held]),
            ("end", [t[-1] + (1 if t.step > 0 else -1) for t in held]),
            ("strides", [t.step for t in held]),
        )
    ]
    options = Options("StridedSliceOptions", {"EndMask": mask})
    c.bind(
        name,
        c.emit(
            "STRIDED_SLICE",
            [source.tensor, *bounds],
            source,
            name=name,
            shape=shape,
            order=source.order,
            options=options,
        ),
    )


def split(c: Converter, node: OnnxNode) -> None:
    """Split: a slice for each part."""
    source = c.value(node)
    axis = axes_of([int(node.attributes.get("axis", 0))], len(source.shape))[0]
    first = 0
    for name, length in zip(node.outputs, split_sizes(c, node, source.shape[axis]), strict=True):
        begin = [first if a == axis else 0 for a in range(len(source.shape))]
        shape = (*source.shape[:axis], length, *source.shape[axis + 1 :])
        if name:
            c.bind(name, c.sliced(source, begin, shape, name))
        first += length


def concatenate(c: Converter, node: OnnxNode) -> None:
    """Concat: all inputs in the output's steps."""
    name = node.outputs[0]
    given = [c.operand(node, i) for i in range(len(node.inputs))]
    computed = [c.settled(v) for v in given if isinstance(v, Value)]
    lead = computed[0]
    rank = len(lead.shape)
    axis = axes_of([int(node.attributes["axis"])], rank)[0]
    if len({(*v.shape[:axis], *v.shape[axis + 1 :]) for v in given}) > 1 or any(
        len(v.shape) != rank for v in given
    ):
        raise RefusedError(
            f"joins {[list(v.shape) for v in given][:16]}, which differ elsewhere than along axis {axis}"
        )
    wanted = asked_quantization(c, name) or lead.quant
    tensors = []
    for position, operand in enumerate(given):
        part = f"{name} part {position}"
        if isinstance(operand, Constant):
            steps = np.clip(np.rint(operand.real / wanted.scale) + wanted.zero_point, -128, 127).astype(
                np.int8
            )
            tensors.append(c.parameter(part, steps.transpose(lead.order), DType.INT8, wanted))
        else:
            tensors.append(
                c.rescaled(c.arranged(operand, lead.order, part), wanted, f"{part} (rescaled)").tensor
            )
    shape = (*lead.shape[:axis], sum(v.shape[axis] for v in given), *lead.shape[axis + 1 :])
    options = Options("ConcatenationOptions", {"Axis": lead.order.index(axis)})
    c.bind(
        name,
        c.emit(
            "CONCATENATION",
            tensors,
            lead,
            name=name,
            shape=shape,
            order=lead.order,
            quantization=wanted,
            options=options,
        ),
    )


def pad(c: Converter, node: OnnxNode) -> None:
    """Pad with a constant, or mirrored without the edge."""
    source = c.value(node)
    rank = len(source.shape)
    mode = node.attributes.get("mode", "constant")
    pads = c.integers(node, 1, "pads")
    if mode not in ("constant", "reflect"):
        raise RefusedError(f"has mode {mode}; constant and reflect are supported")
    given = c.integers(node, 3, "axes")
    axes = list(range(rank)) if given is None else [a + rank if a < 0 else a for a in given]
    if pads is None or len(pads) != 2 * len(axes) or min(pads) < 0 or not set(axes) <= set(range(rank)):
        raise RefusedError("needs two counts from 0 on for each axis")
    around = [(0, 0)] * rank
    for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False):
        around[axis] = (before, after)
    shape = tuple(n + b + a for n, (b, a) in zip(source.shape, around, strict=True))
    name = node.outputs[0]
    counts = np.array([around[axis] for axis in source.order], np.int32)
    inputs = [source.tensor, c.parameter(f"{name} pads", counts, DType.INT32)]
    value = c.number(node, 2, "value", 0.0)
    if mode == "reflect":
        op, options = "MIRROR_PAD", Options("MirrorPadOptions", {"Mode": 0})
    elif value == 0:
        op, options = "PAD", Options("PadOptions")
    else:
        op, options = "PADV2", Options("PadV2Options")
        steps = np.clip(np.rint(value / source.quant.scale) + source.quant.zero_point, -128, 127)
        inputs.append(
            c.parameter(f"{name} value", steps.astype(np.int8).reshape(1), DType.INT8, source.quant)
        )
    c.bind(name, c.emit(op, inputs, source, name=name, shape=shape, order=source.order, options=options))


def gather(c: Converter, node: OnnxNode) -> None:
    """Gather with a constant index, or a list of them."""
    source = c.value(node)
    axis = axes_of([int(node.attributes.get("axis", 0))], len(source.shape))[0]
    found = c.constant(node, 1, "indices")
    if found is None or len(found.shape) > 1:
        raise RefusedError("takes indices of more than one axis")
    length = source.shape[axis]
    given = [int(i) for i in found.values.reshape(-1)]
    indices = [i + length if i < 0 else i for i in given]
    if not indices or not all(0 <= i < length for i in indices):
        raise RefusedError(f"takes indices out of axis {axis} of {list(source.shape)}")
    name = node.outputs[0]
    if found.shape:
        c.bind(name, gathered(c, source, axis, indices, name))
        return
    begin = [indices[0] if a == axis else 0 for a in range(len(source.shape))]
    kept = (*source.shape[:axis], *source.shape[axis + 1 :])
    one = c.sliced(source, begin, (*source.shape[:axis], 1, *source.shape[axis + 1 :]), f"{name} (with axis)")
    c.bind(name, c.reshaped(one, kept, name))


def gathered(c: Converter, source: Value, axis: int, indices: Sequence[int], name: str) -> Value:
    """The indices of an axis that are listed."""
    shape = (*source.shape[:axis], len(indices), *source.shape[axis + 1 :])
    options = Options("GatherOptions", {"Axis": source.order.index(axis)})
    tensors = [source.tensor, c.indices(f"{name} indices", indices)]
    return c.emit("GATHER", tensors, source, name=name, shape=shape, order=source.order, options=options)
