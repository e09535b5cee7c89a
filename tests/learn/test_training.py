"""Networks, and the whole road from pictures to an int8 file, on few drawings."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from generator.errors import UsageError
from generator.evaluate import TflmScorer, answers
from generator.learn.architectures import ARCHITECTURES, architecture
from generator.learn.fitting import Epoch, learned_from
from generator.learn.pipeline import make_model
from generator.learn.recipes import PAPER, ROBUST, fitted
from generator.learn.training import train
from generator.pictures import synthetic_set
from generator.quantize.calibration import PIXELS, image_set_samples
from generator.quantize.full_integer import quantize
from generator.quantize.keras import tensorflow
from generator.quantize.keras_network import load_network

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")
pytest.importorskip("cv2", reason="OpenCV is not installed")


MASK_CNN = ARCHITECTURES["mask_cnn"]
SHORT = replace(PAPER, epochs=1, batch_size=16)


@pytest.fixture(scope="module")
def drawings():
    return synthetic_set(seed=1, train=48, held_out=12, size=48)


@pytest.fixture(scope="module")
def outcome(drawings, tmp_path_factory):
    told = []
    result = make_model(
        MASK_CNN, drawings, tmp_path_factory.mktemp("model"), SHORT, workers=0, progress=told.append
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
    with pytest.raises(UsageError, match="dropout rates"):
        architecture("mask_cnn").build(dropout=3.0)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_more_classes_have_an_output_each(name):
    model = ARCHITECTURES[name].build(classes=5)
    assert model.output_shape == (None, 5)
    np.testing.assert_allclose(model(np.zeros((1, 32, 32, 3))).numpy().sum(), 1, rtol=1e-5)


def test_no_epoch_is_refused(drawings, tmp_path):
    with pytest.raises(UsageError, match="at least one epoch"):
        train(MASK_CNN, drawings, tmp_path, replace(PAPER, epochs=0))


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


def test_figures_of_every_epoch_stand_beside_the_card(outcome):
    result = outcome[0]
    (epoch,) = json.loads((result.card_path.parent / "training.json").read_text())["epochs"]
    assert Epoch(**epoch) == result.training.epochs[0]
    assert epoch["seconds"] > 0


def test_equal_seeds_train_equal_weights(outcome, drawings, tmp_path):
    tf = tensorflow()
    again = train(MASK_CNN, drawings, tmp_path, SHORT, workers=0)
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
    test = drawings.splits["Test"]
    scores = TflmScorer(other.model_path.read_bytes(), io, PIXELS, 2)(test.images())
    accuracy = (answers(scores, 0.5) == test.labels).mean()
    assert abs(accuracy - result.evaluation("tflm-int8", "Test").accuracy) <= 1 / 12


class Killed(Exception):
    """Stands for a machine that was switched off."""


def test_a_killed_training_goes_on_to_the_same_weights(drawings, tmp_path):
    recipe = replace(SHORT, epochs=3)
    whole = train(MASK_CNN, drawings, tmp_path / "whole", recipe, workers=0)

    def kill(told):
        if told.startswith("epoch 2/"):
            raise Killed

    with pytest.raises(Killed):
        train(MASK_CNN, drawings, tmp_path / "cut", recipe, workers=0, progress=kill)
    assert not (tmp_path / "cut" / "mask_cnn.keras").exists()
    told = []
    resumed = train(MASK_CNN, drawings, tmp_path / "cut", recipe, workers=0, progress=told.append)
    assert any("going on after epoch 2" in line for line in told)
    assert resumed.epochs == whole.epochs
    load = tensorflow().keras.models.load_model
    for a, b in zip(
        load(whole.model_path).get_weights(), load(resumed.model_path).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["mask_cnn.keras"]


def test_what_was_begun_otherwise_is_not_gone_on_with(drawings, tmp_path):
    def kill(told):
        if told.startswith("epoch 1/"):
            raise Killed

    with pytest.raises(Killed):
        train(MASK_CNN, drawings, tmp_path, replace(SHORT, epochs=2), workers=0, progress=kill)
    told = []
    train(MASK_CNN, drawings, tmp_path, SHORT, seed=1, workers=0, progress=told.append)
    assert not any("going on" in line for line in told)


def test_a_teacher_is_half_of_the_truth(outcome, drawings, tmp_path):
    path = outcome[0].training.model_path
    alone, taught = (
        train(MASK_CNN, drawings, tmp_path / name, SHORT, workers=0, teachers=teachers)
        for name, teachers in (("alone", ()), ("taught", (path,)))
    )
    assert taught.teachers == ("mask_cnn",)
    assert alone.best.loss != taught.best.loss
    wide = tmp_path / "wide.keras"
    architecture("mask_cnn").build(classes=3).save(wide)
    with pytest.raises(UsageError, match=r"gives 3 numbers; a teacher here takes \(32, 32, 3\) and gives 1"):
        train(MASK_CNN, drawings, tmp_path, SHORT, workers=0, teachers=(wide,))


def test_robust_recipe_runs(drawings, tmp_path):
    epoch = replace(ROBUST.epoch, copies=64)
    recipe = replace(ROBUST, epoch=epoch, epochs=1, batch_size=16, validation_copies=8)
    result = train(MASK_CNN, drawings, tmp_path, recipe, workers=2)
    assert result.pictures_per_epoch == 64


def test_more_classes_train(drawings, tmp_path):
    three = replace(drawings, labels=("a", "b", "c"), splits={
        name: replace(split, labels=tuple(i % 3 for i in range(len(split))))
        for name, split in drawings.splits.items()
    })  # fmt: skip
    recipe = fitted(replace(ROBUST, epochs=1, validation_copies=0), three, 60)
    assert recipe.epoch.augmentation.disguises is None
    outcome = make_model(MASK_CNN, three, tmp_path, recipe, workers=0)
    assert outcome.training.parameters == 128_193 + 2 * 33
    assert len(outcome.evaluation("tflm-int8", "Test").confusion) == 3


def test_plateau_lowers_the_rate_as_keras_does():
    accuracies = [0.5, 0.6, *[0.6] * 5, 0.61, *[0.5] * 12]
    rates = [PAPER.rate(n, accuracies[:n]) for n in range(len(accuracies) + 1)]
    keras = tensorflow().keras
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.001), "mse")
    plateau = keras.callbacks.ReduceLROnPlateau("val_accuracy", factor=0.2, patience=5, mode="max")
    plateau.set_model(model)
    plateau.on_train_begin()
    found = [0.001]
    for number, accuracy in enumerate(accuracies):
        plateau.on_epoch_end(number, {"val_accuracy": accuracy})
        found.append(float(model.optimizer.learning_rate))
    np.testing.assert_allclose(rates, found, rtol=1e-5)


def test_cosine_begins_low_and_falls_to_a_hundredth():
    rates = [ROBUST.rate(n, ()) for n in range(ROBUST.epochs)]
    assert rates[0] == pytest.approx(ROBUST.learning_rate / 10)
    assert rates[1] == pytest.approx(ROBUST.learning_rate, rel=0.01)
    assert rates[-1] == pytest.approx(ROBUST.learning_rate / 100)
    assert all(a > b for a, b in pairwise(rates[1:]))


def test_early_stop_counts_from_the_best():
    recipe = replace(PAPER, patience=2)
    assert [recipe.is_over(a) for a in ([], [0.5], [0.5, 0.4], [0.5, 0.5, 0.5], [0.5, 0.4, 0.6])] == [
        False, False, False, True, False,
    ]  # fmt: skip


def test_faces_are_drawn_beside_photographs_of_faces_alone(drawings):
    photographs = replace(drawings, name="photographs")
    assert fitted(ROBUST, photographs) == ROBUST
    assert fitted(ROBUST, drawings).drawings == 0
    assert fitted(ROBUST, replace(photographs, labels=("cat", "dog"))).drawings == 0
    recipe = replace(ROBUST, drawings=6)
    assert len(learned_from(photographs, recipe, seed=0)) == len(photographs.splits["Train"]) + 6


def test_copies_are_of_sets_that_are_there(drawings):
    assert fitted(PAPER, drawings, {"synthetic": 7}).epoch.copies == {"synthetic": 7}
    with pytest.raises(UsageError, match="no set is called 'kaggle'; there are synthetic"):
        fitted(PAPER, drawings, {"kaggle": 7})
    with pytest.raises(UsageError, match="one number of copies for all sets"):
        fitted(ROBUST, drawings, {"synthetic": 7})
