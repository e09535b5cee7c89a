"""Float ONNX models: ranges from samples by onnxruntime, then the same conversion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from generator.errors import ModelError, UsageError
from generator.quantize.calibration import open_samples
from generator.quantize.onnx_agreement import measure_agreement
from generator.quantize.onnx_network import load_onnx_network
from tests.convert.networks import Network, converted_operators
from tests.convert.test_networks import mobile_network
from tests.support.cli import ROOT, firmcast


@pytest.fixture
def float_model(tmp_path: Path) -> Path:
    network, result = mobile_network()
    onnx.save(network.float_model([result]), tmp_path / "float.onnx")
    return tmp_path / "float.onnx"


def test_command_writes_a_model_that_validates(float_model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "samples.npy", rng.normal(0, 1, (150, 16, 16, 3)).astype(np.float32))
    given = ("--data", tmp_path / "samples.npy", "--samples", 64, "--json")
    result = firmcast("quantize", float_model, *given, cwd=tmp_path)
    assert result.code == 0, result.err
    facts = result.json()
    assert facts["calibration_samples"] == 64
    assert facts["report"]["held_out"] is True
    assert facts["report"]["mean_abs_error"] < 0.02
    assert facts["report"]["same_answers"] >= 0.9 * facts["report"]["samples"]
    built = tmp_path / "float.tflite"
    assert "TRANSPOSE" not in converted_operators(built.read_bytes())
    validated = firmcast("validate", built, "--on", "host", "--inputs", 4, cwd=tmp_path)
    assert validated.code == 0, validated.err


def test_samples_are_images_with_channels_last(float_model: Path) -> None:
    network = load_onnx_network(float_model)
    (entry,) = network.inputs
    assert entry.shape == (1, 16, 16, 3)
    assert entry.takes_images
    sample = np.arange(768, dtype=np.float32).reshape(entry.shape)
    np.testing.assert_array_equal(network.feed((sample,))[entry.name], sample.transpose(0, 3, 1, 2))


def test_quantizing_is_deterministic_and_measured(float_model: Path) -> None:
    network = load_onnx_network(float_model)
    samples = open_samples("synthetic", network.inputs, count=8)
    content = network.quantized_tflite(samples.calibration)
    assert network.quantized_tflite(samples.calibration) == content
    agreement = measure_agreement(network, content, samples)
    assert agreement.samples == len(samples.held_out)
    assert 0 < agreement.mean_abs_error <= agreement.max_abs_error < 0.2


def test_other_types_are_not_to_be_had(float_model: Path) -> None:
    network = load_onnx_network(float_model)
    sample = tuple(np.zeros(entry.shape, np.float32) for entry in network.inputs)
    with pytest.raises(UsageError, match="int8 from input to output"):
        network.quantized_tflite((sample,), io="uint8")


def test_quantized_models_are_not_quantized_again(tmp_path: Path) -> None:
    network = Network({"x": (1, 4)})
    onnx.save(network.quantized(network.op("Relu", "x")), tmp_path / "q.onnx")
    with pytest.raises(ModelError, match="is quantized already: build it as it is"):
        load_onnx_network(tmp_path / "q.onnx")


def test_what_onnxruntime_cannot_run_is_told(float_model: Path, tmp_path: Path) -> None:
    model = onnx.load(float_model)
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 4:
            tensor.CopyFrom(numpy_helper.from_array(np.zeros((8, 5, 3, 3), np.float32), tensor.name))
            break
    onnx.save(model, tmp_path / "broken.onnx")
    result = firmcast("quantize", "broken.onnx", "--data", "synthetic", cwd=tmp_path)
    assert result.code == 3
    assert "onnxruntime cannot quantize it" in result.err
    assert not (tmp_path / "broken.tflite").exists()


def test_without_onnxruntime_the_command_says_what_to_install(float_model: Path, tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "onnxruntime.py").write_text("raise ImportError('hidden')\n")
    environment = {"PYTHONPATH": f"{tmp_path}/hidden:{ROOT}"}
    result = firmcast("quantize", float_model, "--data", "synthetic", cwd=tmp_path, env=environment)
    assert result.code == 6
    assert "pip install 'firmcast[onnx]'" in " ".join(result.err.split())
