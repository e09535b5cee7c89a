"""Whole networks: quantized by onnxruntime, converted, compared, built."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime import quantization

from generator.catalog import find_model
from generator.convert import convert_onnx
from generator.read import read_tflite_bytes
from tests.convert.networks import Network, compare, converted_operators
from tests.support.cli import firmcast

SHAPE = (1, 3, 16, 16)


def mobile_network(seed: int = 0) -> tuple[Network, str]:
    """What exporters write of a small classifier: residual sum, normalizations, arithmetic on shapes."""
    network = Network({"x": SHAPE}, seed)

    def normalized(features: str, channels: int) -> str:
        rng = network.rng
        parameters = [
            network.constant(
                rng.uniform(-1, 1, channels) if i else rng.uniform(0.5, 1.5, channels), np.float32
            )
            for i in range(3)
        ]
        return str(
            network.op(
                "BatchNormalization",
                features,
                *parameters,
                network.constant(rng.uniform(0.5, 1.5, channels), np.float32),
            )
        )

    def relu6(features: str) -> str:
        low, high = (network.constant(value, np.float32) for value in (0, 6))
        return str(network.op("Clip", features, low, high))

    stem = network.op("Conv", "x", network.weights(8, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    stem = relu6(normalized(stem, 8))
    deep = network.op("Conv", stem, network.weights(8, 1, 3, 3), group=8, pads=[1, 1, 1, 1])
    deep = relu6(normalized(deep, 8))
    point = normalized(network.op("Conv", deep, network.weights(8, 8, 1, 1)), 8)
    joined = network.op("Add", stem, point)
    gate = network.op("GlobalAveragePool", joined)
    gate = network.op(
        "HardSigmoid", network.op("Conv", gate, network.weights(8, 8, 1, 1)), alpha=1 / 6, beta=0.5
    )
    scaled = network.op("Mul", joined, gate)
    pooled = network.op("MaxPool", scaled, kernel_shape=[2, 2], strides=[2, 2])
    batch = network.op("Gather", network.op("Shape", pooled), network.constant(0, np.int64))
    shape = network.op("Concat", network.op("Unsqueeze", batch, network.ints(0)), network.ints(-1), axis=0)
    rows = network.op("Reshape", pooled, shape)
    logits = network.op("Gemm", rows, network.weights(5, 128), network.weights(5), transB=1)
    return network, network.op("Softmax", logits)


@pytest.fixture(scope="module", params=["QInt8", "QUInt8"])
def quantized(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Network, Any]:
    network, result = mobile_network()
    folder = tmp_path_factory.mktemp("quantized")
    model = onnx.shape_inference.infer_shapes(network.float_model([result]))
    onnx.save(model, folder / "float.onnx")
    samples = iter(network.samples())

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> Any:
            return next(samples, None)

    from onnxruntime.quantization.shape_inference import quant_pre_process

    quant_pre_process(folder / "float.onnx", folder / "ready.onnx", skip_symbolic_shape=True)
    quantization.quantize_static(
        folder / "ready.onnx",
        folder / "quantized.onnx",
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=getattr(quantization.QuantType, request.param),
        weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=[
            "Conv",
            "Add",
            "Mul",
            "Gemm",
            "Clip",
            "MaxPool",
            "Reshape",
            "Softmax",
            "GlobalAveragePool",
            "HardSigmoid",
        ],
    )
    return network, onnx.load(folder / "quantized.onnx")


def test_network_of_onnxruntime_is_followed(quantized: tuple[Network, Any]) -> None:
    compared = compare(*quantized)
    assert "TRANSPOSE" not in compared.operators
    assert compared.operators.count("CONV_2D") == 3
    assert compared.steps <= 4, "ten layers, each at most a step apart"


def test_answers_are_the_same(quantized: tuple[Network, Any]) -> None:
    compared = compare(*quantized)
    assert compared.same_answers


def test_normalizations_are_folded_into_convolutions() -> None:
    network = Network({"x": SHAPE})
    features = network.op("Conv", "x", network.weights(8, 3, 3, 3), raw=True)
    scales = network.constant(network.rng.uniform(-2, 2, 8), np.float32)
    positive = network.constant(network.rng.uniform(0.5, 2, 8), np.float32)
    normal = network.op(
        "BatchNormalization", features, scales, network.weights(8), network.weights(8), positive, raw=True
    )
    compared = compare(network, network.quantized(network.op("Relu", normal)))
    assert compared.operators == ("CONV_2D",)
    assert compared.steps <= 1.01


def test_float_weights_are_quantized_on_the_way() -> None:
    network = Network({"x": (1, 8)})
    weights = network.weights(5, 8)
    result = network.op("Gemm", "x", weights, network.weights(5), transB=1)
    model = network.quantized(result)
    for node in model.graph.node:
        if node.op_type == "Gemm":
            node.input[1] = weights
    model.graph.initializer.append(onnx.numpy_helper.from_array(network.constants[weights], weights))
    compared = compare(network, model)
    assert compared.operators == ("FULLY_CONNECTED",)
    assert compared.steps <= 3


def test_weights_may_be_quantized_in_the_graph() -> None:
    """As quantization-aware training exports them: float weights, a QuantizeLinear, a float bias."""
    network = Network({"x": SHAPE})
    weights = network.weights(4, 3, 3, 3)
    result = network.op("Conv", "x", weights, network.weights(4))
    model = network.quantized(result, weight_axis={weights: 0})
    parameters = [f"{weights}_scale", f"{weights}_zero"]
    place = next(i for i, node in enumerate(model.graph.node) if node.input[0] == f"{weights}_steps")
    model.graph.node.insert(
        place, onnx.helper.make_node("QuantizeLinear", [weights, *parameters], [f"{weights}_q"], axis=0)
    )
    model.graph.node[place + 1].input[0] = f"{weights}_q"
    model.graph.initializer.append(onnx.numpy_helper.from_array(network.constants[weights], weights))
    compared = compare(network, model)
    assert compared.operators == ("CONV_2D",)
    assert compared.steps <= 1.01


@pytest.mark.parametrize("opset", [10, 11, 12, 13, 18, 21])
def test_operator_sets_write_axes_and_bounds_in_their_own_ways(opset: int) -> None:
    network = Network({"x": (1, 4, 6, 6)}, opset=opset)
    attributes = opset < 13

    def with_axes(op: str, source: str, axes: list[int], since: int = 13) -> str:
        if opset < since:
            return str(network.op(op, source, axes=axes))
        return str(network.op(op, source, network.ints(*axes)))

    features = network.op("Conv", "x", network.weights(4, 4, 1, 1), raw=True)
    if opset < 11:
        features = network.op("Clip", features, min=0.0, max=6.0)
        larger = network.op("Resize", features, network.constant([1, 1, 2, 2], np.float32), mode="nearest")
    else:
        bounds = [network.constant(value, np.float32) for value in (0, 6)]
        features = network.op("Clip", features, *bounds)
        scales = network.constant([1, 1, 2, 2], np.float32)
        region = network.constant([], np.float32) if opset < 13 else ""
        larger = network.op("Resize", features, region, scales, mode="nearest")
    parts = network.op(
        "Split",
        larger,
        *([] if attributes else [network.ints(1, 3)]),
        outputs=2,
        axis=1,
        **({"split": [1, 3]} if attributes else {}),
    )
    rows = with_axes("Squeeze", with_axes("ReduceMean", parts[1], [2, 3], since=18), [2, 3])
    compared = compare(network, network.quantized(network.op("Softmax", rows, axis=1)))
    assert compared.operators[0] == "CONV_2D"
    assert "TRANSPOSE" not in compared.operators
    assert compared.steps <= 3


def test_conversion_is_deterministic(quantized: tuple[Network, Any]) -> None:
    data = quantized[1].SerializeToString()
    assert convert_onnx(data, "one") == convert_onnx(data, "another")


def test_command_line_takes_onnx(tmp_path: Path, quantized: tuple[Network, Any]) -> None:
    path = tmp_path / "door.onnx"
    onnx.save(quantized[1], path)
    (tmp_path / "door.json").write_text('{"labels": ["a", "b", "c", "d", "e"]}')
    source = find_model(str(path))
    assert source.name == "door"
    assert source.info.labels[0] == "a"
    assert read_tflite_bytes(source.data, "door", "door").sha256 == source.sha256
    result = firmcast("validate", path, "--on", "host", "--inputs", 8, "--json", cwd=tmp_path)
    assert result.code == 0, result.err
    assert result.json()["bit_exact"] is True
    stored = (tmp_path / "build" / "door-host" / "model_data.c").read_text()
    assert bytes(int(n, 16) for n in re.findall(r"0x([0-9a-f]{2})\b", stored)) == source.data
    assert "CONV_2D" in converted_operators(source.data)
