"""int16 activations, int4 weights, transposed convolutions: what is taken, and mistakes that are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from generator.fuse import fuse
from generator.graph import Conv2D, DType, Pool2D
from generator.read import read_tflite_bytes
from generator.reference import Oracle, run_graph
from generator.simplify import simplify
from tests.nn.operators import options
from tests.plan.networks import edited
from tests.read.test_malformed import problems_of
from tests.support.models import ModelBuilder, pool_options


def sixteen(*, bias: str = "int64", sparse: bool = False) -> bytes:
    """int16: a convolution, a depthwise one, pooling; a QUANTIZE to int8, and a layer."""
    rng = np.random.default_rng(0)
    model = ModelBuilder()
    source = model.tensor((1, 6, 6, 4), "int16", scale=0.001)
    weights = model.tensor(
        (8, 3, 3, 4), scale=[0.01] * 8, data=rng.integers(-99, 99, (8, 3, 3, 4)).astype(np.int8)
    )
    biases = model.tensor((8,), bias, scale=1e-5, data=np.arange(8).astype(bias))
    x = model.tensor((1, 4, 4, 8), "int16", scale=0.002)
    valid = {"padding": schema.Padding.VALID, "strideH": 1, "strideW": 1}
    dilation = {"dilationHFactor": 1, "dilationWFactor": 1}
    model.operator("CONV_2D", [source, weights, biases], [x], options("Conv2D", **valid, **dilation))
    taps = model.tensor((1, 1, 1, 8), scale=[0.01] * 8, axis=3, data=np.full((1, 1, 1, 8), 50, np.int8))
    y = model.tensor((1, 4, 4, 8), "int16", scale=0.002)
    table = options("DepthwiseConv2D", **valid, **dilation, depthMultiplier=1)
    model.operator("DEPTHWISE_CONV_2D", [x, taps], [y], table)
    pooled = model.tensor((1, 2, 2, 8), "int16", scale=0.002)
    model.operator("MAX_POOL_2D", [y], [pooled], pool_options((2, 2), (2, 2), False, 0))
    narrow = model.tensor((1, 2, 2, 8), scale=0.5)
    model.operator("QUANTIZE", [pooled], [narrow], options("Quantize"))
    values = rng.integers(-99, 99, (3, 1, 1, 8)).astype(np.int8)
    if sparse:
        values[..., ::2] = 0
    last = model.tensor((3, 1, 1, 8), scale=[0.01] * 3, data=values)
    result = model.tensor((1, 2, 2, 3), scale=0.5)
    model.operator("CONV_2D", [narrow, last], [result], options("Conv2D", **valid, **dilation))
    return model.finish([source], [result])


def test_channels_of_int16_stay_whatever_reads_them() -> None:
    graph = read_tflite_bytes(sixteen(sparse=True), "net", "net")
    simplified = fuse(simplify(graph).graph)
    for operator in simplified.operators:
        if simplified.operand(operator, 0).dtype is DType.INT16:
            assert simplified.operand(operator, 0).origin is None
    # The pooling of int16 stays an operator of its own.
    assert type(simplified.operators[0].attributes) is Conv2D
    assert any(isinstance(op.attributes, Pool2D) for op in simplified.operators)
    values = [np.random.default_rng(1).integers(-32768, 32768, (1, 6, 6, 4)).astype(np.int16)]
    (expected,) = Oracle(sixteen(sparse=True)).run(values)
    np.testing.assert_array_equal(run_graph(simplified, values)[simplified.outputs[0]], expected)


def tensor(number: int, **values: object) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        for name, value in values.items():
            setattr(tree.subgraphs[0].tensors[number], name, value)

    return change


def scale_of(number: int, *scales: float) -> Callable[[Any], None]:
    return lambda tree: setattr(tree.subgraphs[0].tensors[number].quantization, "scale", list(scales))


def zero_point(tree: Any) -> None:
    tree.subgraphs[0].tensors[3].quantization.zeroPoint = [5]


def huge_bias(tree: Any) -> None:
    bias = tree.buffers[tree.subgraphs[0].tensors[2].buffer]
    bias.data = np.frombuffer(np.full(8, 1 << 50, np.int64).tobytes(), np.uint8)


def depthwise_bias(tree: Any) -> None:
    """int32, which the depthwise kernel of TFLM would take for int64."""
    bias = schema.TensorT()
    bias.name, bias.shape, bias.type = "narrow", [8], schema.TensorType.INT32
    buffer = schema.BufferT()
    buffer.data = np.zeros(32, np.uint8)
    tree.buffers.append(buffer)
    bias.buffer = len(tree.buffers) - 1
    graph = tree.subgraphs[0]
    graph.tensors.append(bias)
    graph.operators[1].inputs = [*graph.operators[1].inputs[:2], len(graph.tensors) - 1]


MISTAKES: dict[str, tuple[Callable[[Any], None], tuple[str, ...]]] = {
    "zero point": (zero_point, ("operator 0 CONV_2D", "'t3'", "zero point other than 0")),
    "mixed types": (tensor(3, type=schema.TensorType.INT8), ("operator 0 CONV_2D", "'t0'", "not int8")),
    "scaled up": (scale_of(3, 1e-9), ("operator 0 CONV_2D", "less than 128")),
    "huge bias": (huge_bias, ("operator 0 CONV_2D", "'t2'", "2^46")),
    "int32 bias, depthwise": (depthwise_bias, ("operator 1 DEPTHWISE_CONV_2D", "'narrow'", "not int64")),
}


def test_the_network_without_a_mistake_is_planned() -> None:
    assert problems_of(sixteen()) == ()
    assert problems_of(sixteen(bias="int32")) == ()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named(mistake: str) -> None:
    change, words = MISTAKES[mistake]
    problems = problems_of(edited(sixteen(), change))
    assert any(all(word in problem for word in words) for problem in problems), problems


def test_int4_of_the_wrong_length_or_none_is_named() -> None:
    def weights(data: np.ndarray | None) -> bytes:
        model = ModelBuilder()
        source = model.tensor((1, 3), scale=0.1)
        packed = model.tensor((3, 3), "int4", scale=0.1, data=data)
        result = model.tensor((1, 3), scale=0.1)
        model.operator("FULLY_CONNECTED", [source, packed], [result], options("FullyConnected"))
        return model.finish([source], [result])

    assert problems_of(weights(np.zeros(5, np.uint8))) == ()
    assert any(
        "needs 5 bytes of data, the file holds 9" in p for p in problems_of(weights(np.zeros(9, np.uint8)))
    )
    assert any("int4 and no constant" in p for p in problems_of(weights(None)))


@pytest.mark.parametrize(
    ("given", "size", "word"),
    [((1, 5, 5, 2), 5, "does not fit"), ((1, 4, 4, 2), 6, "should have the shape 1x4x4x2")],
)
def test_output_shapes_of_transposed_convolutions(given: tuple[int, ...], size: int, word: str) -> None:
    model = ModelBuilder()
    shape = model.tensor((4,), "int32", data=np.array(given, np.int32))
    weights = model.tensor((2, 2, 2, 3), scale=0.1, data=np.ones((2, 2, 2, 3), np.int8))
    source = model.tensor((1, 2, 2, 3), scale=0.1)
    result = model.tensor((1, size, size, 2), scale=0.1)
    table = options("TransposeConv", padding=schema.Padding.SAME, strideH=2, strideW=2)
    model.operator("TRANSPOSE_CONV", [shape, weights, source], [result], table)
    assert any(word in problem for problem in problems_of(model.finish([source], [result])))
