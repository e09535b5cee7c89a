"""Passes over the graph: what goes, what stays, and that outputs stay to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from generator.errors import ModelError
from generator.fuse import fuse
from generator.graph import Graph, Reshape
from generator.read import read_tflite_bytes
from generator.reference import Oracle, run_graph
from tests.plan.networks import Network, every_operator, random_network
from tests.support.models import ModelBuilder


def _inputs(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, t.shape).astype(np.int8) for t in graph.input_tensors()]


def test_outputs_stay_to_the_bit_and_equal_tflm() -> None:
    dropped = 0
    for seed in range(60):
        model = random_network(seed)
        graph = read_tflite_bytes(model, "net", "net")
        fused = fuse(graph)
        dropped += len(graph.operators) - len(fused.operators)
        values = _inputs(graph, seed)
        before, after = run_graph(graph, values), run_graph(fused, values)
        assert graph.outputs == fused.outputs
        for index in graph.outputs:
            np.testing.assert_array_equal(before[index], after[index])
        if seed < 20:
            for index, oracle in zip(graph.outputs, Oracle(model).run(values), strict=True):
                np.testing.assert_array_equal(after[index].reshape(-1), oracle.reshape(-1))
    assert dropped > 20  # these networks do have dead ends and reshapes


def test_reshapes_in_a_row_become_one() -> None:
    graph = read_tflite_bytes(every_operator(), "net", "net")
    fused = fuse(graph)
    assert sum(isinstance(o.attributes, Reshape) for o in graph.operators) == 2
    (reshape,) = (o for o in fused.operators if isinstance(o.attributes, Reshape))
    producer = next(o for o in graph.operators if o.name == "QUANTIZE")
    assert reshape.inputs == producer.outputs
    assert len(fused.tensors) == len(graph.tensors) - 1


def test_fusing_twice_changes_nothing_more() -> None:
    for seed in range(20):
        once = fuse(read_tflite_bytes(random_network(seed), "net", "net"))
        assert fuse(once) == once


def test_dead_operators_go_and_their_constants_with_them() -> None:
    net = Network()
    source = net.activation(1, 6, 6, 2)
    kept = net.conv(source, 3)
    net.logistic(net.conv(kept, 5, name="dead weights"))
    unread = net.activation(1, 3)
    graph = fuse(read_tflite_bytes(net.finish([source, unread], [kept]), "net", "net"))
    assert [o.index for o in graph.operators] == [0]
    assert not any(t.name == "dead weights" for t in graph.tensors.values())
    assert unread in graph.tensors  # an input stays one, read or not
    assert graph.inputs == (source, unread)


def test_reshaped_and_transposed_weights_are_weights() -> None:
    """Careless converters leave operators on constants: the reader does their work."""
    rng = np.random.default_rng(0)
    model = ModelBuilder()
    source = model.tensor((1, 6), scale=0.02, zero_point=3)
    values = rng.integers(-127, 128, (6, 4)).astype(np.int8)
    stored = model.tensor((24,), scale=0.01, data=values)
    shaped, turned = model.tensor((6, 4), scale=0.01), model.tensor((4, 6), scale=0.01)
    model.operator("RESHAPE", [stored], [shaped])
    order = model.tensor((2,), "int32", data=np.array([1, 0], np.int32))
    model.operator("TRANSPOSE", [shaped, order], [turned])
    result = model.tensor((1, 4), scale=0.05)
    model.operator("FULLY_CONNECTED", [source, turned, -1], [result], schema.FullyConnectedOptionsT())
    graph = read_tflite_bytes(model.finish([source], [result]), "net", "net")
    assert [o.name for o in graph.operators] == ["FULLY_CONNECTED"]
    np.testing.assert_array_equal(graph.tensors[turned].values, values.T)


def _same_outputs(model: bytes, fused_names: list[str]) -> None:
    graph = read_tflite_bytes(model, "net", "net")
    fused = fuse(graph)
    assert [o.name for o in fused.operators] == fused_names
    values = _inputs(graph)
    before, after = run_graph(graph, values), run_graph(fused, values)
    (output,) = graph.outputs
    np.testing.assert_array_equal(before[output], after[output])
    np.testing.assert_array_equal(after[output].reshape(-1), Oracle(model).run(values)[0].reshape(-1))


def _chain(shapes: list[tuple[int, ...]], steps: list[tuple[str, list[list[int]], Any]]) -> bytes:
    """Operators one after the other on tensors of one quantization."""
    model = ModelBuilder()
    tensors = [model.tensor(shape, scale=0.1, zero_point=3) for shape in shapes]
    for (name, constants, options), first, second in zip(steps, tensors, tensors[1:], strict=False):
        decide = [model.tensor(np.shape(c), "int32", data=np.array(c, np.int32)) for c in constants]
        model.operator(name, [first, *decide], [second], options)
    return model.finish(tensors[:1], tensors[-1:])


def test_transpositions_back_and_forth_go() -> None:
    steps = [("TRANSPOSE", [[0, 3, 1, 2]], None), ("TRANSPOSE", [[0, 2, 3, 1]], None), ("ABS", [], None)]
    shape, turned = (1, 4, 5, 3), (1, 3, 4, 5)
    _same_outputs(_chain([shape, turned, shape, shape], steps), ["RESHAPE", "ABS"])


def test_channels_are_shuffled_in_one_step() -> None:
    steps = [
        ("RESHAPE", [], None),
        ("TRANSPOSE", [[0, 1, 3, 2]], None),
        ("RESHAPE", [], None),
        ("SLICE", [[0, 0, 1], [1, 4, 5]], None),
        ("ABS", [], None),
    ]
    shapes = [(1, 4, 6), (1, 4, 2, 3), (1, 4, 3, 2), (1, 4, 6), (1, 4, 5), (1, 4, 5)]
    fused = fuse(read_tflite_bytes(_chain(shapes, steps), "net", "net"))
    assert [o.name for o in fused.operators][-1] == "ABS"
    _same_outputs(_chain(shapes, steps), [o.name for o in fused.operators])


def test_functions_of_bytes_are_one_table() -> None:
    leaky = schema.LeakyReluOptionsT()
    leaky.alpha = 0.3
    steps = [("ABS", [], None), ("RESHAPE", [], None), ("LEAKY_RELU", [], leaky), ("RELU", [], None)]
    shapes = [(1, 12), (1, 12), (3, 4), (3, 4), (3, 4)]
    _same_outputs(_chain(shapes, steps), ["ABS+LEAKY_RELU+RELU"])


@pytest.mark.parametrize(
    "function", ["ELU", "EXP", "LOG", "SIN", "SQUARE", "LOGISTIC", "TANH", "RSQRT", "ROUND"]
)
def test_float_between_bytes_is_a_table(function: str) -> None:
    """Also where it is put together with others before it is quantized, as converters do."""
    model = ModelBuilder()
    first, second = (model.tensor((1, 256), scale=0.03, zero_point=-128) for _ in range(2))
    floats = [model.tensor((1, 256), "float32") for _ in range(3)]
    model.operator("DEQUANTIZE", [first], [floats[0]])
    model.operator(function, [floats[0]], [floats[1]])
    model.operator("DEQUANTIZE", [second], [floats[2]])
    joined = model.tensor((1, 512), "float32")
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    model.operator("CONCATENATION", [floats[1], floats[2]], [joined], options)
    result = model.tensor((1, 512), scale=0.02, zero_point=-20)
    model.operator("QUANTIZE", [joined], [result])
    content = model.finish([first, second], [result])
    graph = read_tflite_bytes(content, "net", "net")
    fused = fuse(graph)
    assert {o.name for o in fused.operators} == {
        f"DEQUANTIZE+{function}+QUANTIZE",
        "DEQUANTIZE+QUANTIZE",
        "CONCATENATION",
    }
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    if function in ("LOG", "RSQRT"):
        every = np.maximum(every, -127)  # infinity has no place among integers
    got = run_graph(fused, [every, every])[result]
    np.testing.assert_array_equal(got, Oracle(content).run([every, every])[0])


def test_float_that_stays_is_refused() -> None:
    model = ModelBuilder()
    source, floats, result = (
        model.tensor((1, 4), scale=0.1),
        model.tensor((1, 4), "float32"),
        model.tensor((1, 4), "float32"),
    )
    model.operator("DEQUANTIZE", [source], [floats])
    model.operator("EXP", [floats], [result])
    with pytest.raises(ModelError, match="operator 1 EXP computes in float32"):
        fuse(read_tflite_bytes(model.finish([source], [result]), "net", "net"))


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("pads", "fused"), [(((0, 1), (1, 1)), True), (((3, 0), (0, 0)), False)])
def test_convolutions_pad_themselves(
    depthwise: bool, pads: tuple[tuple[int, int], tuple[int, int]], fused: bool
) -> None:
    rng = np.random.default_rng(1)
    model = ModelBuilder()
    source = model.tensor((1, 9, 8, 4), scale=0.02, zero_point=5)
    shape = (1, 9 + sum(pads[0]), 8 + sum(pads[1]), 4)
    around = np.array([(0, 0), *pads, (0, 0)], np.int32)
    padded = model.tensor(shape, scale=0.02, zero_point=5)
    model.operator("PAD", [source, model.tensor((4, 2), "int32", data=around)], [padded])
    values = rng.integers(-127, 128, (1, 3, 3, 4) if depthwise else (4, 3, 3, 4)).astype(np.int8)
    weights = model.tensor(values.shape, scale=[0.01] * 4, axis=3 if depthwise else 0, data=values)
    bias = model.tensor((4,), "int32", scale=[0.0002] * 4, data=np.zeros(4, np.int32))
    result = model.tensor((1, (shape[1] - 3) // 2 + 1, (shape[2] - 3) // 2 + 1, 4), scale=0.5)
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 2, 2
    options.dilationHFactor = options.dilationWFactor = 1
    if depthwise:
        options.depthMultiplier = 1
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    model.operator(name, [padded, weights, bias], [result], options)
    _same_outputs(model.finish([source], [result]), [name] if fused else ["PAD", name])


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("pads", "crop"), [((2, 2), 0), ((4, 4), 0), ((2, 3), 1), ((0, 1), 0)])
def test_space_to_batch_around_a_convolution_is_dilation(
    depthwise: bool, pads: tuple[int, int], crop: int
) -> None:
    rng = np.random.default_rng(2)
    model = ModelBuilder()
    size = 9 if sum(pads) % 2 else 8
    around = np.array([pads, pads], np.int32)
    source = model.tensor((1, size, size, 3), scale=0.02, zero_point=-4)
    inner = (size + sum(pads)) // 2
    parted = model.tensor((4, inner, inner, 3), scale=0.02, zero_point=-4)
    block = model.tensor((2,), "int32", data=np.array([2, 2], np.int32))
    model.operator("SPACE_TO_BATCH_ND", [source, block, model.tensor((2, 2), "int32", data=around)], [parted])
    values = rng.integers(-127, 128, (1, 3, 3, 3)).astype(np.int8)
    if not depthwise:
        values = rng.integers(-127, 128, (3, 3, 3, 3)).astype(np.int8)
    weights = model.tensor(values.shape, scale=[0.01] * 3, axis=3 if depthwise else 0, data=values)
    bias = model.tensor((3,), "int32", scale=[0.0002] * 3, data=np.zeros(3, np.int32))
    convolved = model.tensor((4, inner - 2, inner - 2, 3), scale=0.5)
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
    options.dilationHFactor = options.dilationWFactor = 1
    if depthwise:
        options.depthMultiplier = 1
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    model.operator(name, [parted, weights, bias], [convolved], options)
    crops = np.array([(crop, 0), (crop, 0)], np.int32)
    result = model.tensor((1, 2 * inner - 4 - crop, 2 * inner - 4 - crop, 3), scale=0.5)
    model.operator(
        "BATCH_TO_SPACE_ND", [convolved, block, model.tensor((2, 2), "int32", data=crops)], [result]
    )
    _same_outputs(model.finish([source], [result]), [name])


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "kept"),
    [
        ((1, 1), 3, 1, (1, 1)),
        ((1, 1), 3, 2, (1, 1)),
        ((2, 2), 3, 1, (3, 3)),
        ((2, 2), 3, 2, (2, 2)),
        ((2, 2), 5, 1, (3, 3)),
        ((1, 8), 5, 1, (1, 5)),
        ((3, 1), 5, 2, (5, 1)),
        ((2, 3), 7, 1, (3, 5)),
        ((6, 6), 3, 1, (3, 3)),
    ],
)
def test_weights_that_only_meet_padding_go(
    size: tuple[int, int], kernel: int, stride: int, kept: tuple[int, int], depthwise: bool
) -> None:
    net = Network()
    source = net.activation(1, *size, 4)
    result = net.conv(source, 4, kernel, stride, depthwise=depthwise)
    model = net.finish([source], [result])
    graph = read_tflite_bytes(model, "net", "net")
    (convolution,) = fuse(graph).operators
    assert fuse(graph).operand(convolution, 1).shape[1:3] == kept
    values = _inputs(graph)
    np.testing.assert_array_equal(run_graph(fuse(graph), values)[result], run_graph(graph, values)[result])
    np.testing.assert_array_equal(
        run_graph(fuse(graph), values)[result].reshape(-1), Oracle(model).run(values)[0].reshape(-1)
    )
