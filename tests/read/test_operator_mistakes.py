"""What each operator refuses: the message names operator, tensor and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from generator.errors import ModelError
from generator.read import read_tflite_bytes
from tests.nn.operators import moving, options
from tests.plan.networks import edited
from tests.support.models import ModelBuilder

BIG = 1 << 30
Make = Callable[[], bytes]


def problems_of(model: bytes) -> tuple[str, ...]:
    with pytest.raises(ModelError) as refused:
        read_tflite_bytes(model, "mistake", "mistake.tflite")
    return refused.value.problems


def moves(name: str, *arguments: Any, **more: Any) -> Make:
    return lambda: moving(name, *arguments, **more)(np.random.default_rng(0))


def without_data(make: Make, tensor: int = 1) -> Make:
    """A constant is no longer known."""

    def change(tree: Any) -> None:
        tree.subgraphs[0].tensors[tensor].buffer = 0

    return lambda: edited(make(), change)


def of_floats(make: Make, tensor: int = 1) -> Make:
    def change(tree: Any) -> None:
        tree.subgraphs[0].tensors[tensor].type = schema.TensorType.FLOAT32

    return lambda: edited(make(), change)


def other_options(make: Make) -> Make:
    """Those of SOFTMAX."""

    def change(tree: Any) -> None:
        operator = tree.subgraphs[0].operators[0]
        operator.builtinOptions = schema.SoftmaxOptionsT()
        operator.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions

    return lambda: edited(make(), change)


def single(name: str, shapes: list[tuple[int, ...]], table: Any = None, **first: Any) -> Make:
    """An operator on activations; the last shape is the result's. ``first``: the first tensor's."""

    def make() -> bytes:
        model = ModelBuilder()
        how: dict[str, Any] = {"scale": 0.1, "zero_point": 3}
        tensors = [model.tensor(s, **{**how, **(first if i == 0 else {})}) for i, s in enumerate(shapes)]
        model.operator(name, tensors[:-1], tensors[-1:], table)
        return model.finish(tensors[:-1], tensors[-1:])

    return make


def reduction(axes: list[int], shape: tuple[int, ...], result: tuple[int, ...], name: str = "MEAN") -> Make:
    return moves(name, [shape], [result], [axes], options("Reducer", keepDims=False))


def grouped(groups: int) -> Make:
    """A 1x1 convolution of one channel per group."""

    def make() -> bytes:
        model = ModelBuilder()
        source = model.tensor((1, 1, 1, groups), scale=0.1)
        weights = model.tensor((groups, 1, 1, 1), scale=0.1, data=np.ones(groups, np.int8))
        result = model.tensor((1, 1, 1, groups), scale=0.1)
        ones = dict.fromkeys(("strideH", "strideW", "dilationHFactor", "dilationWFactor"), 1)
        model.operator("CONV_2D", [source, weights, -1], [result], options("Conv2D", **ones))
        return model.finish([source], [result])

    return make


transpose = moves("TRANSPOSE", [(2, 3)], [(3, 2)], [[1, 0]])
gather = moves("GATHER", [(2, 3)], [(2, 1)], [[0]], options("Gather", axis=1))
eight = (2,) * 8

MISTAKES: dict[str, tuple[Make, tuple[str, ...]]] = {
    "permutation unknown": (without_data(transpose), ("TRANSPOSE", "permutation 't1'", "constant integers")),
    "permutation of floats": (of_floats(transpose), ("TRANSPOSE", "permutation 't1'", "constant integers")),
    "no permutation": (
        moves("TRANSPOSE", [(2, 3)], [(3, 2)], [[1, 1]]),
        ("TRANSPOSE", "[1, 1]", "permutation"),
    ),
    "permutation of too many": (
        moves("TRANSPOSE", [(2, 3)], [(3, 2)], [range(40)]),
        ("'t1'", "more than 16"),
    ),
    "permutation overflows": (
        moves("TRANSPOSE", [(2, 3)], [(3, 2)], [[-BIG, 0]]),
        ("TRANSPOSE", "permutation"),
    ),
    "8 axes turned around": (
        moves("TRANSPOSE", [eight], [eight], [range(7, -1, -1)]),
        ("TRANSPOSE", "8 axes at once"),
    ),
    "9 axes": (
        moves("REVERSE_V2", [(*eight, 1)], [(*eight, 1)], [[0]]),
        ("tensor 0 't0'", "9 axes, at most 8"),
    ),
    "slice outside": (
        moves("SLICE", [(4,)], [(2,)], [[3], [2]]),
        ("SLICE", "begin [3] and size [2]", "reach out of 't0'"),
    ),
    "slice from below": (moves("SLICE", [(4,)], [(2,)], [[-1], [2]]), ("SLICE", "reach out of 't0'")),
    "slice overflows": (moves("SLICE", [(4,)], [(2,)], [[BIG], [BIG]]), ("SLICE", "reach out of 't0'")),
    "slice of other rank": (
        moves("SLICE", [(4,)], [(2,)], [[0, 0], [2, 1]]),
        ("SLICE", "must have 1 values"),
    ),
    "slice unknown": (
        without_data(moves("SLICE", [(4,)], [(2,)], [[0], [2]]), 2),
        ("SLICE", "size 't2'", "constant"),
    ),
    "stride 0": (
        moves("STRIDED_SLICE", [(4,)], [(2,)], [[0], [4], [0]], options("StridedSlice")),
        ("STRIDED_SLICE", "wrong indices"),
    ),
    "takes nothing": (
        moves("STRIDED_SLICE", [(4,)], [(1,)], [[3], [1], [1]], options("StridedSlice")),
        ("STRIDED_SLICE", "takes nothing along axis 0 of 't0'"),
    ),
    "index outside": (
        moves("STRIDED_SLICE", [(4,)], [()], [[9], [10], [1]], options("StridedSlice", shrinkAxisMask=1)),
        ("STRIDED_SLICE", "takes nothing along axis 0"),
    ),
    "index masked": (
        moves(
            "STRIDED_SLICE",
            [(4,)],
            [()],
            [[1], [2], [1]],
            options("StridedSlice", shrinkAxisMask=1, beginMask=1),
        ),
        ("STRIDED_SLICE", "begin masked", "axis 0"),
    ),
    "ellipsis": (
        moves("STRIDED_SLICE", [(4,)], [(4,)], [[0], [4], [1]], options("StridedSlice", ellipsisMask=1)),
        ("STRIDED_SLICE", "ellipsis", "write the slice out"),
    ),
    "options of another": (other_options(gather), ("GATHER", "lacks its GatherOptions")),
    "split unevenly": (
        moves(
            "SPLIT",
            [(5,)],
            [(2,)] * 2,
            [np.int32(0).reshape(())],
            options("Split", numSplits=2),
            constants_first=True,
        ),
        ("SPLIT", "'t0'", "no 2 equal parts along axis 0"),
    ),
    "split along no axis": (
        moves(
            "SPLIT",
            [(4,)],
            [(2,)] * 2,
            [np.int32(1).reshape(())],
            options("Split", numSplits=2),
            constants_first=True,
        ),
        ("SPLIT", "axis 1 does not exist"),
    ),
    "split into very many": (
        moves(
            "SPLIT",
            [(300,)],
            [(1,)] * 300,
            [np.int32(0).reshape(())],
            options("Split", numSplits=300),
            constants_first=True,
        ),
        ("SPLIT", "300 outputs, at most 256"),
    ),
    "sizes that do not add up": (
        moves(
            "SPLIT_V", [(5,)], [(2,), (2,)], [[2, 2], np.int32(0).reshape(())], options("SplitV", numSplits=2)
        ),
        ("SPLIT_V", "sizes [2, 2] do not add up to axis 0 of 't0'"),
    ),
    "sizes that overflow": (
        moves(
            "SPLIT_V",
            [(5,)],
            [(2,), (3,)],
            [[BIG, -BIG], np.int32(0).reshape(())],
            options("SplitV", numSplits=2),
        ),
        ("SPLIT_V", "do not add up"),
    ),
    "unpacked in part": (
        moves("UNPACK", [(3, 2)], [(2,)] * 2, (), options("Unpack", num=2, axis=0)),
        ("UNPACK", "'t0'", "has not 2 parts"),
    ),
    "packs another number": (
        moves("PACK", [(2,)] * 2, [(2, 2)], (), options("Pack", valuesCount=3, axis=0)),
        ("PACK", "packs 2"),
    ),
    "joins very many": (
        moves("CONCATENATION", [(1,)] * 300, [(300,)], (), options("Concatenation", axis=0)),
        ("CONCATENATION", "300 inputs", "needs 1 to 256"),
    ),
    "joins along no axis": (
        moves("CONCATENATION", [(1,)] * 2, [(2,)], (), options("Concatenation", axis=-2)),
        ("CONCATENATION", "axis -2 does not exist"),
    ),
    "joins what differs": (
        moves("CONCATENATION", [(1, 2), (1, 3)], [(2, 2)], (), options("Concatenation", axis=0)),
        ("CONCATENATION", "differ elsewhere than along axis 0"),
    ),
    "padding negative": (moves("PAD", [(2,)], [(2,)], [[[-1, 1]]]), ("PAD", "paddings 't1'", "axis of 't0'")),
    "padding for other axes": (moves("PAD", [(2,)], [(2,)], [[[1, 1], [1, 1]]]), ("PAD", "paddings 't1'")),
    "padding huge": (moves("PAD", [(2,)], [(2,)], [[[BIG, BIG]]]), ("PAD", "output 't2'", "2147483650")),
    "padding unknown": (
        without_data(moves("PAD", [(2,)], [(4,)], [[[1, 1]]])),
        ("PAD", "paddings 't1'", "constant"),
    ),
    "pads along 6 axes": (
        moves("PAD", [(2,) * 7], [(3,) * 7], [[[0, 1]] * 7]),
        ("PAD", "axes at once, at most 5"),
    ),
    "mirrors too much": (
        moves("MIRROR_PAD", [(2,)], [(6,)], [[[2, 2]]], options("MirrorPad", mode=0)),
        ("MIRROR_PAD", "mirrors more of 't0'"),
    ),
    "index out of range": (
        moves("GATHER", [(2, 3)], [(2, 1)], [[3]], options("Gather", axis=1)),
        ("GATHER", "indices reach out of axis 1 of 't0'"),
    ),
    "index negative": (
        moves("GATHER", [(2, 3)], [(2, 1)], [[-1]], options("Gather", axis=1)),
        ("GATHER", "indices reach out of axis 1 of 't0'"),
    ),
    "indices unknown": (without_data(gather), ("GATHER", "indices 't1'", "constant integers")),
    "batches gathered": (
        moves("GATHER", [(2, 3)], [(2, 1)], [[0]], options("Gather", axis=1, batchDims=1)),
        ("GATHER", "batch dimensions"),
    ),
    "tiled 0 times": (moves("TILE", [(2,)], [(2,)], [[0]]), ("TILE", "wrong multiples")),
    "tiled without end": (moves("TILE", [(2,)], [(2,)], [[BIG]]), ("TILE", "output 't2'", "2147483648")),
    "broadcast to other": (
        moves("BROADCAST_TO", [(2,)], [(3,)], [[3]]),
        ("BROADCAST_TO", "'t0'", "does not become [3]"),
    ),
    "broadcast without end": (moves("BROADCAST_TO", [(1,)], [(9,)], [[BIG]]), ("BROADCAST_TO", "1073741824")),
    "reversed along no axis": (
        moves("REVERSE_V2", [(2,)], [(2,)], [[1]]),
        ("REVERSE_V2", "axis 1 does not exist"),
    ),
    "blocks of 0": (
        moves("SPACE_TO_DEPTH", [(1, 2, 2, 1)], [(1, 1, 1, 4)], (), options("SpaceToDepth", blockSize=0)),
        ("SPACE_TO_DEPTH", "block size is 0"),
    ),
    "blocks that do not fit": (
        moves("DEPTH_TO_SPACE", [(1, 1, 1, 5)], [(1, 2, 2, 1)], (), options("DepthToSpace", blockSize=2)),
        ("DEPTH_TO_SPACE", "'t0'", "no whole blocks of 2"),
    ),
    "resized to nothing": (
        moves(
            "RESIZE_NEAREST_NEIGHBOR",
            [(1, 2, 2, 1)],
            [(1, 2, 2, 1)],
            [[0, 2]],
            options("ResizeNearestNeighbor"),
        ),
        ("RESIZE_NEAREST_NEIGHBOR", "impossible size [0, 2]"),
    ),
    "resized without end": (
        moves(
            "RESIZE_NEAREST_NEIGHBOR",
            [(1, 2, 2, 1)],
            [(1, 2, 2, 1)],
            [[BIG, BIG]],
            options("ResizeNearestNeighbor"),
        ),
        ("RESIZE_NEAREST_NEIGHBOR", "impossible size"),
    ),
    "mean along no axis": (reduction([4], (2, 3), (2,)), ("MEAN", "axis 4 does not exist")),
    "mean along unknown axes": (
        without_data(reduction([1], (2, 3), (2,))),
        ("MEAN", "axes 't1'", "constant integers"),
    ),
    "mean of too much": (reduction([0], ((1 << 16) + 1, 2), (2,)), ("MEAN", "reduces 65537 elements")),
    "sum into other shape": (
        reduction([1], (2, 3), (3,), "SUM"),
        ("SUM", "output 't2'", "should have the shape 2"),
    ),
    "shapes that do not fit": (
        single("MUL", [(2, 3), (2, 2), (2, 3)], options("Mul")),
        ("MUL", "'t0' int8[2x3] and 't1' int8[2x2] do not fit"),
    ),
    "repeats by turns": (
        single("MUL", [(2, 1, 2, 1, 2), (1, 2, 1, 2, 1), (2,) * 5], options("Mul")),
        ("MUL", "too many axes by turns", "BROADCAST_TO"),
    ),
    "scale absurd": (
        single("ABS", [(2,), (2,)], None, scale=2.0**-50),
        ("ABS", "'t0'", "has the scale 8.88e-16"),
    ),
    "product scaled up": (
        single("MUL", [(2,), (2,), (2,)], options("Mul"), scale=1e9),
        ("tensor 0 't0'", "scale"),
    ),
    "257 groups": (grouped(257), ("CONV_2D", "weights 't1'", "do not fit input 't0'")),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named(mistake: str) -> None:
    make, words = MISTAKES[mistake]
    problems = problems_of(make())
    assert any(all(word in problem for word in words) for problem in problems), problems
    assert not any("malformed" in problem for problem in problems), problems


@pytest.mark.parametrize("make", [transpose, gather, grouped(256), reduction([1], (2, 3), (2,))])
def test_without_the_mistake_it_is_read(make: Make) -> None:
    assert read_tflite_bytes(make(), "fine", "fine.tflite").operators


def shape_arithmetic(name: str, first: list[int], second: list[int], table: str | None) -> bytes:
    """Its result is the shape that an activation is broadcast to."""
    model = ModelBuilder()
    source = model.tensor((1, 1), scale=0.1)
    values = [model.tensor((2,), "int32", data=np.array(v, np.int32)) for v in (first, second)]
    shape = model.tensor((2,), "int32", name="shape")
    model.operator(name, values, [shape], options(table) if table else None)
    wide, result = (model.tensor((2, 3), scale=0.1) for _ in range(2))
    model.operator("BROADCAST_TO", [source, shape], [wide])
    model.operator("ABS", [wide], [result])
    return model.finish([source], [result])


def test_shapes_are_computed() -> None:
    graph = read_tflite_bytes(shape_arithmetic("ADD", [1, 1], [1, 2], "Add"), "m", "m")
    assert [op.name for op in graph.operators] == ["BROADCAST_TO", "ABS"]


@pytest.mark.parametrize(
    ("name", "first", "second", "table", "words"),
    [
        ("MUL", [BIG, BIG], [4, 4], "Mul", "should have the shape 0x0"),
        ("ADD", [BIG, BIG], [BIG, BIG], "Add", "should have the shape -2147483648x-2147483648"),
        ("DIV", [2, 3], [0, 0], "Div", "is not int8"),
        ("FLOOR_DIV", [2, 3], [0, 1], "FloorDiv", "FLOOR_DIV"),
    ],
)
def test_shape_arithmetic_wraps_or_is_refused(
    name: str, first: list[int], second: list[int], table: str | None, words: str
) -> None:
    problems = problems_of(shape_arithmetic(name, first, second, table))
    assert any(words in problem for problem in problems), problems


def test_a_constant_is_not_written_over() -> None:
    """Neither an input, nor what an operator before has read, may become one."""
    for read_before in (False, True):
        model = ModelBuilder()
        source, other, known = (
            model.tensor((2,), scale=0.1),
            model.tensor((2,), scale=0.1, name="other"),
            model.tensor((1, 2), scale=0.1, data=np.ones(2, np.int8)),
        )
        result = model.tensor((2,), scale=0.1)
        if read_before:
            model.operator("ADD", [source, other], [result], options("Add"))
        model.operator("RESHAPE", [known], [other])
        if not read_before:
            model.operator("ADD", [source, other], [result], options("Add"))
        inputs = [source] if read_before else [source, other]
        assert any("'other'" in p and "already has" in p for p in problems_of(model.finish(inputs, [result])))


def test_values_outside_of_the_tables_are_refused() -> None:
    def change(tree: Any) -> None:
        buffer = tree.buffers[tree.subgraphs[0].tensors[1].buffer]
        buffer.data, buffer.offset, buffer.size = None, 4096, 8

    problems = problems_of(edited(transpose(), change))
    assert any("'t1'" in p and "outside" in p for p in problems), problems


def test_names_are_fit_to_be_printed() -> None:
    def change(tree: Any) -> None:
        tree.subgraphs[0].tensors[0].name = "\x1b[2J\n" + "x" * 5000
        tree.subgraphs[0].tensors[0].type = schema.TensorType.COMPLEX64

    (problem, *_) = problems_of(edited(transpose(), change))
    assert problem.isprintable()
    assert len(problem) < 400
