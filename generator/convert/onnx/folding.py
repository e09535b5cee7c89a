"""Nodes that compute from constants alone: exporters leave arithmetic on shapes behind, which are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from generator.convert.onnx.converter import MAX_ELEMENTS, Converter
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.values import Array, Constant, RefusedError

_MAX_COMPUTED = 1 << 16  # elements of a constant that grows
_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}

_Rule = Callable[[Converter, OnnxNode, Sequence[Array]], Array]


def constant(c: Converter, node: OnnxNode) -> None:
    """Constant."""
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if node.attributes.get(name) is not None:
            kind = np.float32 if "float" in name else np.int64 if "int" in name else None
            c.bind(node.outputs[0], Constant(np.asarray(node.attributes[name], kind)))
            return
    raise RefusedError("holds no tensor and no numbers")


def shape(c: Converter, node: OnnxNode) -> None:
    """Shape."""
    taken = slice(node.attributes.get("start", 0), node.attributes.get("end"))
    c.bind(node.outputs[0], Constant(np.array(c.operand(node, 0).shape[taken], np.int64)))


def folded(c: Converter, node: OnnxNode) -> bool:
    """Compute a node whose inputs are all known; False if they are not, or if nothing here can."""
    given = [c.values.get(name) for name in node.inputs if name]
    known = [v for v in given if isinstance(v, Constant)]
    if len(known) < len(given) or not given or node.op not in _RULES:
        return False
    first = known[0]
    if first.quantization is not None and node.op in _MOVING:
        # Weights that an exporter turned around stay what they are.
        c.bind(node.outputs[0], _moved(c, node, first, [v.values for v in known]))
        return True
    values = [v.values if v.quantization is None else v.real.astype(np.float32) for v in known]
    if node.op == "Split":
        for name, part in zip(node.outputs, _split(c, node, values[0]), strict=False):
            c.bind(name, Constant(part))
        return True
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(_RULES[node.op](c, node, values))
    except (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError, MemoryError) as error:
        raise RefusedError(f"cannot be computed from its constants ({error})") from error
    c.spend(result.nbytes)
    c.bind(node.outputs[0], Constant(result))
    return True


_MOVING = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten")


def _moved(c: Converter, node: OnnxNode, source: Constant, values: Sequence[Array]) -> Constant:
    quantization = source.quantization
    result = _RULES[node.op](c, node, values)
    if quantization is None or not quantization.is_per_channel:
        return Constant(result, quantization)
    if node.op == "Transpose":
        axis = _permutation(node, source.values.ndim).index(quantization.axis)
        return Constant(result, replace(quantization, axis=axis))
    if result.shape != source.shape:
        raise RefusedError("reshapes a constant that is quantized per channel")
    return Constant(result, quantization)


def _permutation(node: OnnxNode, rank: int) -> tuple[int, ...]:
    return tuple(int(a) for a in node.attributes.get("perm", range(rank)[::-1]))


def _bounded(dims: Sequence[int], most: int = _MAX_COMPUTED) -> tuple[int, ...]:
    lengths = tuple(int(n) for n in dims)
    if min(lengths, default=1) < 0 or math.prod(lengths) > most or len(lengths) > 32:
        raise RefusedError(f"computes a constant of the impossible shape {list(lengths)[:16]}")
    return lengths


def resolved_shape(
    old: Sequence[int], wanted: Sequence[int], *, zeros_are_zero: bool = False
) -> tuple[int, ...]:
    """What Reshape makes of 0 (as it was) and -1 (the rest)."""
    if any(n == 0 and i >= len(old) for i, n in enumerate(wanted)):
        raise RefusedError(f"reshapes {list(old)} into {list(wanted)}, which does not fit")
    shape = [old[i] if n == 0 and not zeros_are_zero else n for i, n in enumerate(wanted)]
    count = math.prod(old)
    others = math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and others > 0 and count % others == 0:
        shape[shape.index(-1)] = count // others
    if min(shape, default=1) < 1 or math.prod(shape) != count:
        raise RefusedError(f"reshapes {list(old)} into {list(wanted)}, which does not fit")
    return tuple(shape)


def axes_of(given: Sequence[int], rank: int) -> list[int]:
    """Axes counted from 0, in order. Raises RefusedError if one does not exist."""
    axes = sorted(axis + rank if axis < 0 else axis for axis in given)
    if any(not 0 <= axis < rank for axis in axes) or len(set(axes)) < len(axes):
        raise RefusedError(f"axes {list(given)[:16]} do not exist in a tensor of rank {rank}")
    return axes


def squeezed(shape: Sequence[int], given: Sequence[int] | None) -> tuple[int, ...]:
    """The shape that Squeeze leaves."""
    axes = [a for a, n in enumerate(shape) if n == 1] if given is None else axes_of(given, len(shape))
    if any(shape[axis] != 1 for axis in axes):
        raise RefusedError(f"squeezes axes {axes} of {list(shape)}, which are not of length 1")
    return tuple(n for axis, n in enumerate(shape) if axis not in axes)


def unsqueezed(shape: Sequence[int], given: Sequence[int]) -> tuple[int, ...]:
    """The shape that Unsqueeze makes."""
    rank = len(shape) + len(given)
    axes = axes_of(given, rank)
    rest = iter(shape)
    return tuple(1 if axis in axes else next(rest) for axis in range(rank))


def flattened(shape: Sequence[int], axis: int) -> tuple[int, int]:
    """The shape that Flatten makes."""
    axis = axis + len(shape) if axis < 0 else axis
    if not 0 <= axis <= len(shape):
        raise RefusedError(f"axis {axis} does not exist in a tensor of rank {len(shape)}")
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def slices(
    shape: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None,
    steps: Sequence[int] | None,
) -> list[range]:
    """The indices of each axis that Slice takes."""
    numbers = list(range(len(starts))) if axes is None else [a + len(shape) if a < 0 else a for a in axes]
    by = [1] * len(starts) if steps is None else list(steps)
    if not len(starts) == len(ends) == len(numbers) == len(by) or 0 in by:
        raise RefusedError("starts, ends, axes and steps do not fit each other")
    taken = [range(n) for n in shape]
    for axis, start, end, step in zip(numbers, starts, ends, by, strict=True):
        if not 0 <= axis < len(shape):
            raise RefusedError(f"axis {axis} does not exist in a tensor of rank {len(shape)}")
        last = None if step < 0 and end < -shape[axis] else end
        taken[axis] = range(shape[axis])[slice(start, last, step)]
    return taken


def _slice(c: Converter, node: OnnxNode, v: Sequence[Array]) -> Array:
    return v[0][np.ix_(*slices(v[0].shape, *slice_arguments(c, node)))]


def slice_arguments(
    c: Converter, node: OnnxNode
) -> tuple[Sequence[int], Sequence[int], Sequence[int] | None, Sequence[int] | None]:
    """Starts, ends, axes and steps."""
    starts, ends = c.integers(node, 1, "starts"), c.integers(node, 2, "ends")
    if starts is None or ends is None:
        raise RefusedError("lacks its starts or ends")
    return starts, ends, c.integers(node, 3, "axes"), c.integers(node, 4, "steps")


def split_sizes(c: Converter, node: OnnxNode, length: int) -> list[int]:
    """Lengths of the parts that Split makes."""
    sizes = c.integers(node, 1, "split")
    if sizes is None:
        each = -(-length // len(node.outputs))
        sizes = tuple(min(each, length - i * each) for i in range(len(node.outputs)))
    if min(sizes) < 1 or sum(sizes) != length or len(sizes) != len(node.outputs):
        raise RefusedError(f"parts of {list(sizes)[:16]} do not add up to {length}")
    return list(sizes)


def _split(c: Converter, node: OnnxNode, values: Array) -> list[Array]:
    axis = axes_of([node.attributes.get("axis", 0)], values.ndim)[0]
    return np.split(values, np.cumsum(split_sizes(c, node, values.shape[axis]))[:-1].tolist(), axis)


def _reduced(function: Callable[..., Array]) -> _Rule:
    def rule(c: Converter, node: OnnxNode, v: Sequence[Array]) -> Array:
        axes = c.integers(node, 1, "axes")
        return function(v[0], axis=axes, keepdims=bool(node.attributes.get("keepdims", 1)))

    return rule


def _divided(first: Array, second: Array) -> Array:
    quotient: Array = first.astype(np.float64) / second.astype(np.float64)
    return (np.trunc(quotient) if np.issubdtype(first.dtype, np.integer) else quotient).astype(first.dtype)


def _range(v: Sequence[Array]) -> Array:
    start, limit, delta = (x.reshape(-1)[0] for x in v)
    count = max(0, math.ceil((float(limit) - float(start)) / float(delta)))
    _bounded([count])
    return (float(start) + float(delta) * np.arange(count)).astype(v[0].dtype)


def _expanded(v: Sequence[Array]) -> Array:
    target = np.broadcast_shapes(v[0].shape, _bounded(v[1].reshape(-1).tolist()))
    return np.broadcast_to(v[0], _bounded(target))


def _pairwise(function: Callable[..., Array]) -> _Rule:
    def rule(_: Converter, node: OnnxNode, v: Sequence[Array]) -> Array:
        _bounded(np.broadcast_shapes(*(x.shape for x in v)), max(_MAX_COMPUTED, *(x.size for x in v)))
        return function(*v)

    return rule


def _concatenated(_: Converter, node: OnnxNode, v: Sequence[Array]) -> Array:
    if sum(x.size for x in v) > MAX_ELEMENTS:
        raise RefusedError("joins constants that are too large")
    return np.concatenate(v, int(node.attributes["axis"]))


def _reshaped(_: Converter, node: OnnxNode, v: Sequence[Array]) -> Array:
    zeros = bool(node.attributes.get("allowzero", 0))
    return v[0].reshape(resolved_shape(v[0].shape, v[1].reshape(-1).tolist(), zeros_are_zero=zeros))


def _gathered(_: Converter, node: OnnxNode, v: Sequence[Array]) -> Array:
    axis = int(node.attributes.get("axis", 0))
    _bounded([v[0].size, v[1].size] if v[1].size else [0], MAX_ELEMENTS)
    return np.take(v[0], v[1].astype(np.int64), axis)


_RULES: Mapping[str, _Rule] = {
    "Identity": lambda c, n, v: v[0],
    "Dropout": lambda c, n, v: v[0],
    "Cast": lambda c, n, v: v[0].astype(_TYPES[int(n.attributes["to"])]),
    "Reshape": _reshaped,
    "Flatten": lambda c, n, v: v[0].reshape(flattened(v[0].shape, int(n.attributes.get("axis", 1)))),
    "Squeeze": lambda c, n, v: v[0].reshape(squeezed(v[0].shape, c.integers(n, 1, "axes"))),
    "Unsqueeze": lambda c, n, v: v[0].reshape(unsqueezed(v[0].shape, c.integers(n, 1, "axes") or ())),
    "Transpose": lambda c, n, v: v[0].transpose(_permutation(n, v[0].ndim)),
    "Concat": _concatenated,
    "Slice": _slice,
    "Split": lambda c, n, v: v[0],
    "Gather": _gathered,
    "ConstantOfShape": lambda c, n, v: np.full(
        _bounded(v[0].reshape(-1).tolist()),
        np.asarray(n.attributes.get("value", np.float32(0))).reshape(-1)[0],
    ),
    "Expand": lambda c, n, v: _expanded(v),
    "Range": lambda c, n, v: _range(v),
    "Where": _pairwise(np.where),
    "Equal": _pairwise(np.equal),
    "Add": _pairwise(np.add),
    "Sub": _pairwise(np.subtract),
    "Mul": _pairwise(np.multiply),
    "Div": _pairwise(_divided),
    "Max": _pairwise(lambda *v: np.maximum.reduce(np.broadcast_arrays(*v))),
    "Min": _pairwise(lambda *v: np.minimum.reduce(np.broadcast_arrays(*v))),
    "Neg": _pairwise(np.negative),
    "Sqrt": _pairwise(np.sqrt),
    "Floor": _pairwise(np.floor),
    "Ceil": _pairwise(np.ceil),
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
}

FOLDABLE = frozenset(_RULES)
"""Operators that can be computed from constants."""
