"""The shipped mask classifiers: what their cards say is what their files are and do."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tflite

from generator.assets import models_dir
from generator.evaluate import Scorer, TflmScorer, evaluate
from generator.imaging import load_samples, read_image
from generator.imaging.samples import ARCHIVE
from generator.learn.keras_scorer import KerasScorer
from generator.pictures import folder_set
from generator.quantize.calibration import PIXELS
from generator.quantize.tflite_file import parse

NETWORKS = ("mask_cnn", "squeezenet", "squeezenet_modified")
PAPER_KIB = {"mask_cnn": 138, "squeezenet": 780, "squeezenet_modified": 386}
SAMPLES_DIR = models_dir() / "mask_cnn"
FACES = Path(__file__).parents[3] / "shared" / "data" / "faces"


@pytest.fixture(scope="module", params=NETWORKS)
def folder(request):
    return models_dir() / request.param


@pytest.fixture(scope="module")
def card(folder):
    return json.loads((folder / "model.json").read_text())


@pytest.fixture(scope="module")
def model_path(folder, card):
    return folder / card["tflite"]["file"]


@pytest.fixture(scope="module")
def faces():
    if not FACES.is_dir():
        pytest.skip("the face images are not beside the checkout (../shared/data/faces)")
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    return folder_set(FACES)


def recorded(card, engine, split):
    return next(e for e in card["evaluation"] if (e["engine"], e["split"]) == (engine, split))


def measured(scorer: Scorer, faces, split):
    part = faces.splits[split]
    return evaluate(
        scorer(part.images()), part.labels, faces.labels, engine=scorer.engine, split=split, threshold=0.5
    )


def test_card_is_of_this_file(card, model_path):
    content = model_path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["tflite"]["sha256"]
    assert len(content) == card["tflite"]["size_bytes"]
    assert len(content) / 1024 == pytest.approx(PAPER_KIB[card["name"]], rel=0.03)
    assert list(parse(content).kinds) == card["tflite"]["operators"]
    assert card["labels"][card["positive"]] == "mask"
    assert card["normalization"] == {"scale": 1 / 255, "offset": 0.0}
    assert card["provenance"]["data"]["synthetic"] is False
    assert "/work" not in json.dumps(card)


def test_model_is_int8_with_a_batch_of_one(model_path):
    graph = tflite.Model.GetRootAs(model_path.read_bytes()).Subgraphs(0)
    image, score = graph.Tensors(graph.Inputs(0)), graph.Tensors(graph.Outputs(0))
    assert (image.Type(), score.Type()) == (tflite.TensorType.INT8, tflite.TensorType.INT8)
    assert image.ShapeAsNumpy().tolist() == [1, 32, 32, 3]
    assert score.ShapeAsNumpy().tolist() == [1, 1]
    # Pixel / 255 must be a shift of the pixel: the firmware then needs no table.
    assert image.Quantization().Scale(0) == pytest.approx(1 / 255, rel=1e-6)
    assert image.Quantization().ZeroPoint(0) == -128


def test_mask_cnn_uses_only_the_papers_operators():
    block = ["CONV_2D", "MAX_POOL_2D"]
    expected = [*block * 3, "RESHAPE", *["FULLY_CONNECTED"] * 3, "LOGISTIC"]
    assert list(parse((SAMPLES_DIR / "mask_cnn.tflite").read_bytes()).kinds) == expected


@pytest.mark.parametrize("split", ["Validation", "Test"])
def test_int8_figures_are_those_on_the_card(card, model_path, faces, split):
    assert faces.content_sha256 == card["provenance"]["data"]["content_sha256"]
    scorer = TflmScorer(model_path.read_bytes(), card["name"], PIXELS, 2)
    found = json.loads(json.dumps(asdict(measured(scorer, faces, split))))
    expected = recorded(card, "tflm-int8", split)
    assert {name: found[name] for name in expected} == expected
    assert found["accuracy"] > 0.97


def test_float32_figures_are_those_on_the_card(folder, card, faces):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")
    found = measured(KerasScorer(folder / f"{folder.name}.keras", PIXELS), faces, "Test")
    # Another processor may round a score at the threshold to the other side.
    assert found.accuracy == pytest.approx(recorded(card, "keras-float32", "Test")["accuracy"], abs=1.5 / 319)


def test_quantizing_costs_at_most_one_point(card):
    for split in ("Validation", "Test"):
        accuracies = [recorded(card, engine, split)["accuracy"] for engine in ("keras-float32", "tflm-int8")]
        assert abs(accuracies[0] - accuracies[1]) < 0.01


def test_samples_need_no_image_library():
    samples = load_samples(SAMPLES_DIR)
    assert len(samples) >= 16
    assert {sample.expected_label for sample in samples} == {0, 1}
    assert all(min(sample.image.shape[:2]) >= 96 for sample in samples)


def test_samples_are_their_png_files():
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    for sample in load_samples(SAMPLES_DIR):
        np.testing.assert_array_equal(read_image(SAMPLES_DIR / "samples" / sample.name), sample.image)
    assert (SAMPLES_DIR / "samples" / ARCHIVE).stat().st_size < 400_000
