"""Readers of operators that move elements: most are views with offsets and strides."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tflite

from generator.graph import (
    Attributes,
    DType,
    Pad,
    Reshape,
    Select,
    Tensor,
    concatenation,
    row_major,
)
from generator.read.node import Node, Piece

MAX_PARTS = 256  # inputs of a concatenation, outputs of a split
MAX_INDICES = 1 << 16
_PADDED = (DType.INT8, DType.UINT8, DType.INT16, DType.INT32)


def reshape(node: Node) -> list[Piece]:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the shape is the output's, which a second input only repeats."""
    if not node.arity((1, 2)):
        return []
    source, result = node.operand(0), node.outputs[0]
    good = node.require(
        source.dtype is result.dtype and source.element_count == result.element_count,
        f"reshapes {source} into {result}, which has another number or type of elements",
    )
    return node.whole(Reshape(), 1) if good else []


def transpose(node: Node) -> list[Piece]:
    """TRANSPOSE."""
    if not node.arity((2,)):
        return []
    source = node.operand(0)
    order = node.integers(1, "permutation")
    if order is None or not node.moves(source, node.outputs[0]):
        return []
    rank = len(source.shape)
    axes = [axis + rank if axis < 0 else axis for axis in order]
    if not node.require(sorted(axes) == list(range(rank)), f"{list(order)} is no permutation of {rank} axes"):
        return []
    strides = row_major(source.shape)
    return _view(node, "TRANSPOSE", 0, [source.shape[a] for a in axes], [strides[a] for a in axes])


def slice_(node: Node) -> list[Piece]:
    """SLICE: a size of -1 reaches to the end."""
    if not node.arity((3,)):
        return []
    source = node.operand(0)
    begins, sizes = node.integers(1, "begin"), node.integers(2, "size")
    if begins is None or sizes is None or not node.moves(source, node.outputs[0]):
        return []
    rank = len(source.shape)
    if not node.require(len(begins) == len(sizes) == rank, f"begin and size must have {rank} values"):
        return []
    counts = [length - b if s == -1 else s for length, b, s in zip(source.shape, begins, sizes, strict=True)]
    inside = all(
        b >= 0 and n >= 1 and b + n <= length
        for length, b, n in zip(source.shape, begins, counts, strict=True)
    )
    if not node.require(inside, f"begin {list(begins)} and size {list(sizes)} reach out of {source}"):
        return []
    return _slice(node, "SLICE", begins, counts, [1] * rank, counts)


def strided_slice(node: Node) -> list[Piece]:
    """STRIDED_SLICE with its masks, but for ellipsis and new axes."""
    if not node.arity((4,)):
        return []
    options = node.options(tflite.StridedSliceOptions)
    source = node.operand(0)
    given = [node.integers(i, what) for i, what in ((1, "begin"), (2, "end"), (3, "strides"))]
    if not node.require(
        options.EllipsisMask() == 0 and options.NewAxisMask() == 0,
        "ellipsis and new axes are not supported: write the slice out and reshape",
    ):
        return []
    begins, ends, steps = given
    if begins is None or ends is None or steps is None or not node.moves(source, node.outputs[0]):
        return []
    rank = len(source.shape)
    if not node.require(
        len(begins) == len(ends) == len(steps) <= rank and 0 not in steps, "has wrong indices"
    ):
        return []
    taken = [range(length) for length in source.shape]
    shrunk = {axis for axis in range(len(begins)) if options.ShrinkAxisMask() >> axis & 1}
    for axis, step in enumerate(steps):
        begin = None if options.BeginMask() >> axis & 1 else begins[axis]
        end = None if options.EndMask() >> axis & 1 else ends[axis]
        if axis in shrunk:
            taken[axis] = _one_index(node, axis, begin, step)
        else:
            taken[axis] = taken[axis][slice(begin, end, step)]
    empty = [axis for axis in range(rank) if not taken[axis]]
    if not node.require(not empty, f"takes nothing along axis {(*empty, 0)[0]} of {source}") or node.problems:
        return []
    return _slice(
        node,
        "STRIDED_SLICE",
        [indices[0] for indices in taken],
        [len(indices) for indices in taken],
        [indices.step for indices in taken],
        [len(indices) for axis, indices in enumerate(taken) if axis not in shrunk],
    )


def _one_index(node: Node, axis: int, begin: int | None, step: int) -> range:
    """The one index of an axis that goes."""
    if not node.require(
        begin is not None and step > 0,
        f"takes one index of axis {axis} with its begin masked or backwards: TFLM and TensorFlow differ",
    ):
        return range(1)
    length = node.operand(0).shape[axis]
    first = (begin or 0) + (length if (begin or 0) < 0 else 0)
    return range(first, first + 1) if 0 <= first < length else range(0)


def split(node: Node) -> list[Piece]:
    """SPLIT: axis first, equal parts."""
    if not _splits(node, 2):
        return []
    source, axis = node.operand(1), _axis(node, 0, node.operand(1))
    count = len(node.outputs)
    if axis is None:
        return []
    good = node.require(
        source.shape[axis] % count == 0, f"{source} has no {count} equal parts along axis {axis}"
    )
    return _parts(node, "SPLIT", source, axis, [source.shape[axis] // count] * count) if good else []


def split_v(node: Node) -> list[Piece]:
    """SPLIT_V: parts of given lengths, one of them -1 for the rest."""
    if not _splits(node, 3):
        return []
    source, axis = node.operand(0), _axis(node, 2, node.operand(0))
    lengths = node.integers(1, "sizes", MAX_PARTS)
    if axis is None or lengths is None:
        return []
    rest = source.shape[axis] - sum(n for n in lengths if n >= 0)
    lengths = tuple(rest if n == -1 else n for n in lengths)
    good = node.require(
        len(lengths) == len(node.outputs)
        and min(lengths, default=0) >= 1
        and sum(lengths) == source.shape[axis],
        f"sizes {list(lengths)} do not add up to axis {axis} of {source}",
    )
    return _parts(node, "SPLIT_V", source, axis, lengths) if good else []


def unpack(node: Node) -> list[Piece]:
    """UNPACK: one output per index of an axis, which goes."""
    if not _splits(node, 1):
        return []
    source = node.operand(0)
    options = node.options(tflite.UnpackOptions)
    axis = node.axis(options.Axis(), len(source.shape))
    if axis is None or not node.require(
        source.shape[axis] == len(node.outputs) == options.Num(),
        f"{source} has not {len(node.outputs)} parts",
    ):
        return []
    return _parts(node, "UNPACK", source, axis, [1] * len(node.outputs), shrink=True)


def pack(node: Node) -> list[Piece]:
    """PACK: tensors of one shape along a new axis."""
    tensors = _all_inputs(node)
    if not tensors or not all(node.moves(t, node.outputs[0]) for t in tensors):
        return []
    shape = tensors[0].shape
    options = node.options(tflite.PackOptions)
    axis = node.axis(options.Axis(), len(shape) + 1)
    if axis is None or not node.require(all(t.shape == shape for t in tensors), "packs different shapes"):
        return []
    if not node.require(
        options.ValuesCount() == len(tensors), f"packs {len(tensors)}, not as many as it says"
    ):
        return []
    if not node.result_shape((*shape[:axis], len(tensors), *shape[axis:])):
        return []
    joined = concatenation([(*shape[:axis], 1, *shape[axis:])] * len(tensors), axis)
    return node.whole(joined)


def concatenate(node: Node) -> list[Piece]:
    """CONCATENATION."""
    tensors = _all_inputs(node)
    if not tensors or not all(node.moves(t, node.outputs[0]) for t in tensors):
        return []
    options = node.options(tflite.ConcatenationOptions)
    shape = tensors[0].shape
    axis = node.axis(options.Axis(), len(shape))
    if axis is None or not node.require(
        options.FusedActivationFunction() == 0, "a fused activation is not supported"
    ):
        return []
    fit = all(
        len(t.shape) == len(shape)
        and t.shape[:axis] == shape[:axis]
        and t.shape[axis + 1 :] == shape[axis + 1 :]
        for t in tensors
    )
    if not node.require(fit, f"inputs differ elsewhere than along axis {axis}"):
        return []
    if not node.result_shape((*shape[:axis], sum(t.shape[axis] for t in tensors), *shape[axis + 1 :])):
        return []
    return node.whole(concatenation([t.shape for t in tensors], axis))


def gather(node: Node) -> list[Piece]:
    """GATHER with constant indices."""
    if not node.arity((2,)):
        return []
    options = node.options(tflite.GatherOptions)
    source, result = node.operand(0), node.outputs[0]
    axis = node.axis(options.Axis(), len(source.shape))
    indices = node.integers(1, "indices", MAX_INDICES)
    if axis is None or indices is None or not node.moves(source, result):
        return []
    if not node.require(options.BatchDims() == 0, "batch dimensions are not supported") or not node.require(
        all(0 <= i < source.shape[axis] for i in indices), f"indices reach out of axis {axis} of {source}"
    ):
        return []
    if not node.result_shape((*source.shape[:axis], *node.operand(1).shape, *source.shape[axis + 1 :])):
        return []
    return node.whole(_selected("GATHER", source.shape, axis, indices), 1)


def tile(node: Node) -> list[Piece]:
    """TILE."""
    if not node.arity((2,)):
        return []
    source = node.operand(0)
    times = node.integers(1, "multiples")
    if times is None or not node.moves(source, node.outputs[0]):
        return []
    rank = len(source.shape)
    if not node.require(len(times) == rank and min(times, default=1) >= 1, "has wrong multiples"):
        return []
    counts = [n for pair in zip(times, source.shape, strict=True) for n in pair]
    strides = [n for stride in row_major(source.shape) for n in (0, stride)]
    return _view(node, "TILE", 0, counts, strides, [t * n for t, n in zip(times, source.shape, strict=True)])


def broadcast_to(node: Node) -> list[Piece]:
    """BROADCAST_TO: axes of length 1, and missing ones, are repeated."""
    if not node.arity((2,)):
        return []
    source = node.operand(0)
    shape = node.integers(1, "shape")
    if shape is None or not node.moves(source, node.outputs[0]):
        return []
    rank = len(shape)
    own = (1,) * (rank - len(source.shape)) + source.shape
    fit = len(own) == rank and all(a in (1, b) for a, b in zip(own, shape, strict=False))
    if not node.require(fit, f"{source} does not become {list(shape)}"):
        return []
    strides = [0 if n == 1 else stride for n, stride in zip(own, row_major(own), strict=True)]
    return _view(node, "BROADCAST_TO", 0, shape, strides)


def reverse(node: Node) -> list[Piece]:
    """REVERSE_V2."""
    if not node.arity((2,)):
        return []
    source = node.operand(0)
    numbers = node.integers(1, "axes")
    if numbers is None or not node.moves(source, node.outputs[0]):
        return []
    axes = {node.axis(number, len(source.shape)) for number in numbers}
    if None in axes:
        return []
    strides = row_major(source.shape)
    offset = sum((source.shape[a] - 1) * strides[a] for a in axes if a is not None)
    turned = [-s if a in axes else s for a, s in enumerate(strides)]
    return _view(node, "REVERSE_V2", offset, source.shape, turned)


def space_to_depth(node: Node) -> list[Piece]:
    """SPACE_TO_DEPTH: blocks of pixels become channels."""
    block = node.options(tflite.SpaceToDepthOptions).BlockSize()
    if not _blocks(node, block):
        return []
    source = node.operand(0)
    n, height, width, channels = source.shape
    if not node.require(height % block == width % block == 0, f"{source} has no whole blocks of {block}"):
        return []
    counts = (n, height // block, width // block, block, block, channels)
    row = width * channels
    strides = (height * row, block * row, block * channels, row, channels, 1)
    shape = (n, height // block, width // block, block * block * channels)
    return _view(node, "SPACE_TO_DEPTH", 0, counts, strides, shape)


def depth_to_space(node: Node) -> list[Piece]:
    """DEPTH_TO_SPACE: channels become blocks of pixels."""
    block = node.options(tflite.DepthToSpaceOptions).BlockSize()
    if not _blocks(node, block):
        return []
    source = node.operand(0)
    n, height, width, depth = source.shape
    if not node.require(depth % (block * block) == 0, f"{source} has no whole blocks of {block}"):
        return []
    channels = depth // (block * block)
    counts = (n, height, block, width, block, channels)
    strides = (height * width * depth, width * depth, block * channels, depth, channels, 1)
    return _view(node, "DEPTH_TO_SPACE", 0, counts, strides, (n, height * block, width * block, channels))


def _blocks(node: Node, block: int) -> bool:
    return (
        node.arity((1,))
        and node.moves(node.operand(0), node.outputs[0])
        and node.require(len(node.operand(0).shape) == 4, f"{node.operand(0)} must be 4-D")
        and node.require(1 <= block <= 64, f"block size is {block}, 1 to 64 expected")
    )


def pad(node: Node, name: str) -> list[Piece]:
    """PAD with the zero point, PADV2 with a given value."""
    if not node.arity((2,) if name == "PAD" else (3,)):
        return []
    source = node.operand(0)
    around = _paddings(node, source)
    if around is None or not node.moves(source, node.outputs[0]):
        return []
    if not node.result_shape([n + b + a for n, (b, a) in zip(source.shape, around, strict=True)]):
        return []
    value = source.quant.zero_point if source.dtype is DType.INT8 and source.quantization else 0
    if name == "PADV2":
        constant = node.operand(2)
        known = node.require(
            constant.is_constant and constant.element_count == 1 and constant.dtype is source.dtype,
            f"value {constant} must be one constant of the type of {source}",
        )
        if not known or not node.require(
            source.dtype in _PADDED or not any(constant.data or b""),
            f"pads {source} with another value than 0, supported for {', '.join(t.value for t in _PADDED)}",
        ):
            return []
        value = int(constant.values.reshape(-1)[0])
    before, after = tuple(b for b, _ in around), tuple(a for _, a in around)
    copied = node.view(name, 0, source.shape, row_major(node.outputs[0].shape))
    return [] if copied is None else node.whole(Pad(name, source.shape, before, after, value), 1)


def mirror_pad(node: Node) -> list[Piece]:
    """MIRROR_PAD: without the edge (REFLECT), or with it (SYMMETRIC); axis by axis."""
    if not node.arity((2,)):
        return []
    mode = node.options(tflite.MirrorPadOptions).Mode()
    source, result = node.operand(0), node.outputs[0]
    around = _paddings(node, source)
    if around is None or not node.moves(source, result):
        return []
    shape = [n + b + a for n, (b, a) in zip(source.shape, around, strict=True)]
    edge = 1 if mode == tflite.MirrorPadMode.REFLECT else 0
    fits = all(max(pair) <= n - edge for n, pair in zip(source.shape, around, strict=True))
    if not node.require(fits, f"mirrors more of {source} than there is") or not node.result_shape(shape):
        return []
    pieces: list[Piece] = []
    last = source
    padded = [axis for axis, pair in enumerate(around) if any(pair)]
    for axis in padded:
        before, after = around[axis]
        length = source.shape[axis]
        indices = [
            *(i + edge for i in reversed(range(before))),
            *range(length),
            *(length - 1 - edge - i for i in range(after)),
        ]
        now = (*shape[: axis + 1], *source.shape[axis + 1 :])
        output = result if axis == padded[-1] else node.intermediate(result, now, f"axis {axis} padded")
        pieces.append(Piece(_selected("MIRROR_PAD", last.shape, axis, indices), (last,), output))
        last = output
    return pieces or node.whole(Reshape(), 1)


def _paddings(node: Node, source: Tensor) -> list[tuple[int, int]] | None:
    numbers = node.integers(1, "paddings")
    if numbers is None or not node.require(
        len(numbers) == 2 * len(source.shape) and min(numbers, default=0) >= 0,
        f"paddings {node.operand(1)} must be two counts for each axis of {source}",
    ):
        return None
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _axis(node: Node, position: int, source: Tensor) -> int | None:
    numbers = node.integers(position, "axis")
    if numbers is None or not node.require(len(numbers) == 1, "needs one axis"):
        return None
    return node.axis(numbers[0], len(source.shape))


def _splits(node: Node, inputs: int) -> bool:
    return node.arity((inputs,), None) and node.require(
        len(node.outputs) <= MAX_PARTS, f"has {len(node.outputs)} outputs, at most {MAX_PARTS} supported"
    )


def _all_inputs(node: Node) -> list[Tensor]:
    """All inputs of an operator with any number of them; none after noting what is wrong."""
    good = node.require(
        0 < len(node.inputs) <= MAX_PARTS and len(node.outputs) == 1,
        f"has {len(node.inputs)} inputs and {len(node.outputs)} outputs, needs 1 to {MAX_PARTS} and 1",
    )
    good = good and node.require(None not in node.inputs, "lacks an input that it cannot do without")
    return [t for t in node.inputs if t is not None] if good else []


def _parts(
    node: Node, name: str, source: Tensor, axis: int, lengths: Sequence[int], *, shrink: bool = False
) -> list[Piece]:
    """A view for each output: so many indices of ``axis``, one after the other."""
    strides = row_major(source.shape)
    pieces = []
    first = 0
    for output, length in zip(node.outputs, lengths, strict=True):
        counts = (*source.shape[:axis], length, *source.shape[axis + 1 :])
        shape = (*source.shape[:axis], *source.shape[axis + 1 :]) if shrink else counts
        if not node.moves(source, output) or not node.require(
            output.shape == shape, f"output {output} should have the shape {'x'.join(map(str, shape))}"
        ):
            return []
        view = node.view(name, first * strides[axis], counts, strides)
        if view is None:
            return []
        pieces.append(Piece(view, (source,), output))
        first += length
    return pieces


def _slice(
    node: Node,
    name: str,
    starts: Sequence[int],
    counts: Sequence[int],
    steps: Sequence[int],
    shape: Sequence[int],
) -> list[Piece]:
    strides = row_major(node.operand(0).shape)
    offset = sum(start * stride for start, stride in zip(starts, strides, strict=True))
    return _view(node, name, offset, counts, [s * n for s, n in zip(strides, steps, strict=True)], shape)


def _view(
    node: Node,
    name: str,
    offset: int,
    counts: Sequence[int],
    strides: Sequence[int],
    shape: Sequence[int] | None = None,
) -> list[Piece]:
    if not node.result_shape(counts if shape is None else shape):
        return []
    view = node.view(name, offset, counts, strides)
    if view is None:
        return []
    whole = node.operand(0).element_count == node.outputs[0].element_count
    attributes: Attributes = Reshape() if view.is_identity and whole else view
    return node.whole(attributes, 1)


def _selected(name: str, shape: Sequence[int], axis: int, indices: Sequence[int]) -> Select:
    """Indices of one axis."""
    run = math.prod(shape[axis + 1 :])
    return Select(
        name, math.prod(shape[:axis]), shape[axis] * run, tuple(i * run for i in indices), (0,), run
    )
