"""Networks, and the whole road from pictures to an int8 file, on few drawings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from generator.errors import UsageError
from generator.learn.architectures import ARCHITECTURES, architecture
from generator.learn.calibration import image_set_samples
from generator.learn.evaluate import evaluate
from generator.learn.keras import tensorflow
from generator.learn.keras_network import load_network
from generator.learn.pipeline import make_model
from generator.learn.quantize import quantize
from generator.learn.training import train
from generator.pictures import synthetic_set

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")
pytest.importorskip("cv2", reason="OpenCV is not installed")


@pytest.fixture(scope="module")
def drawings():
    return synthetic_set(seed=1, train=48, held_out=12, size=48)


@pytest.fixture(scope="module")
def outcome(drawings, tmp_path_factory):
    told = []
    result = make_model(
        "mask_cnn", drawings, tmp_path_factory.mktemp("model"), epochs=1, batch_size=16, progress=told.append
    )
    return result, told


@pytest.mark.parametrize(
    ("name", "parameters"), [("mask_cnn", 128_193), ("squeezenet", 723_009), ("squeezenet_modified", 336_705)]
)
def test_parameter_counts_are_the_papers(name, parameters):
    model = ARCHITECTURES[name].build()
    assert model.count_params() == parameters
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 1)


def test_convolution_macs_are_the_papers():
    model = architecture("mask_cnn").build()
    kernels = [layer for layer in model.layers if layer.name.startswith("conv2d")]
    macs = [int(np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)) for layer in kernels]
    assert macs == [777_600, 3_115_008, 1_179_648]


def test_unknown_architecture_lists_the_known():
    with pytest.raises(UsageError, match=r"'resnet'.*mask_cnn, squeezenet, squeezenet_modified"):
        architecture("resnet")


def test_dropout_rates_are_checked():
    with pytest.raises(UsageError, match="5 dropout rates"):
        architecture("mask_cnn").build((0.1,))
    with pytest.raises(UsageError, match="5 dropout rates"):
        architecture("mask_cnn").build((0.1, 0.1, 0.1, 0.1, 1.0))


def test_no_epoch_is_refused(drawings, tmp_path):
    with pytest.raises(UsageError, match="at least one epoch"):
        train("mask_cnn", drawings, tmp_path, epochs=0)


def test_road_ends_in_a_static_int8_model(outcome):
    result, _ = outcome
    quantization = result.quantization
    assert set(quantization.operators) == {
        "CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "LOGISTIC",
    }  # fmt: skip
    assert quantization.model_path.stat().st_size == quantization.size_bytes < 150_000
    assert quantization.calibration_samples == 48
    assert result.training.model_path.stat().st_size < 700_000
    float32 = result.evaluation("keras-float32", "Test")
    int8 = result.evaluation("tflm-int8", "Test")
    assert float32.count == int8.count == sum(map(sum, int8.confusion)) == 12


def test_progress_says_what_it_does_and_that_drawings_are_no_measure(outcome):
    told = "\n".join(outcome[1])
    assert "smoke test" in told
    assert "epoch 1/1" in told
    assert "quantizing" in told


def test_card_labels_a_synthetic_model(outcome):
    card = json.loads(outcome[0].card_path.read_text())
    assert card["provenance"]["data"]["synthetic"] is True
    assert "smoke test" in card["provenance"]["note"]
    assert card["labels"] == ["no mask", "mask"]
    assert card["tflite"]["sha256"] == outcome[0].quantization.sha256
    assert len(card["evaluation"]) == 4


def test_equal_seeds_train_equal_weights(outcome, drawings, tmp_path):
    tf = tensorflow()
    again = train("mask_cnn", drawings, tmp_path, epochs=1, batch_size=16)
    first, second = (
        tf.keras.models.load_model(p) for p in (outcome[0].training.model_path, again.model_path)
    )
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("io", "ends"), [("uint8", "QUANTIZE"), ("float32", "DEQUANTIZE")])
def test_other_tensor_types(outcome, drawings, tmp_path, io, ends):
    result = outcome[0]
    network = load_network(result.training.model_path)
    samples = image_set_samples(drawings, network.inputs)
    other = quantize(network, samples, tmp_path / "model.tflite", io=io)
    assert other.operators[0] == "QUANTIZE"
    assert other.operators[-1] == ends
    figures = evaluate(other.model_path, drawings)
    int8 = result.evaluation("tflm-int8", "Test")
    assert abs(figures.accuracy - int8.accuracy) <= 1 / 12
