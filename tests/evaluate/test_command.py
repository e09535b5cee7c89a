"""``evaluate`` as a user calls it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from generator.assets import models_dir
from tests.support.cli import firmcast

pytest.importorskip("cv2", reason="OpenCV is not installed")
pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")

MODEL = models_dir() / "mask_cnn" / "mask_cnn.tflite"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The shipped network without its float file, in a folder as in models/, and with wishes."""
    folder = tmp_path_factory.mktemp("alone") / "mask_cnn"
    folder.mkdir()
    (folder / "mask_cnn.tflite").write_bytes(MODEL.read_bytes())
    (folder / "model.json").write_bytes((MODEL.parent / "model.json").read_bytes())
    return folder


@pytest.fixture(scope="module")
def two_folders(tmp_path_factory):
    """Pictures of two classes in the order that the model does not have."""
    import cv2

    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split in ("Train", "Validation", "Test"):
        for name in ("first", "second"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(3):
                cv2.imwrite(str(folder / f"{index}.png"), rng.integers(0, 256, (20, 24, 3), np.uint8))
    return root


def test_all_figures_in_one_object(alone, tmp_path):
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed")
    call = ("evaluate", alone, "--data", "synthetic", "--limit", 8, "--robustness", "--json", "--plots", "p")
    result = firmcast(*call, cwd=tmp_path)
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found["engine"] == "tflm-int8"
    assert found["count"] == 8 == sum(map(sum, found["confusion"]))
    assert {"accuracy", "confusion", "classes", "accuracy_interval", "auc", "calibration"} <= found.keys()
    assert found["best_threshold"]["chosen_on"] == "Validation"
    assert found["float32"] is None
    assert found["size_reduction"] is None
    assert found["paper"]["int8_accuracy"] == 0.9983
    assert len(found["robustness"]["corruptions"]) == 7
    for name in ("roc", "reliability", "confusion"):
        assert (tmp_path / "p" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_papers_figures_stand_beside(alone, tmp_path):
    result = firmcast("evaluate", alone, "--data", "synthetic", "--limit", 4, cwd=tmp_path)
    assert result.code == 0, result.err
    for words in ("paper int8", "99.83%", "138 KB", "best threshold on Validation"):
        assert words in result.out
    assert "drawn pictures" in result.err


def test_firmware_answers_for_the_test_set(alone, tmp_path):
    result = firmcast(
        *("evaluate", alone, "--data", "synthetic", "--on", "emulator", "--limit", 6, "--json"), cwd=tmp_path
    )
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found["engine"] == "firmware-int8"
    assert found["firmware"]["mismatches"] == 0
    assert found["firmware"]["pictures"] == found["count"] == 6
    assert (tmp_path / "build" / "mask_cnn" / "MANIFEST.json").is_file()


def test_a_float_network_has_its_classes_beside_it(two_folders, tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    done = firmcast("evaluate", MODEL.with_suffix(".keras"), "--data", two_folders, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "the model's classes are no mask, mask, those of the pictures first, second" in done.err


def test_other_class_names_are_told(alone, two_folders, tmp_path):
    result = firmcast("evaluate", alone, "--data", two_folders, cwd=tmp_path)
    assert result.code == 0, result.err
    assert "the model's classes are no mask, mask, those of the pictures first, second" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("absent.tflite", "--data", "synthetic"), 2, "there is no model 'absent.tflite'"),
        (("mask_cnn", "--data", "nowhere"), 2, "nowhere: no such folder"),
        (("broken.tflite", "--data", "synthetic"), 3, "TFLM does not take it"),
        (("own.keras", "--data", "synthetic", "--on", "emulator"), 2, "own.keras is a float network"),
        (("mask_cnn", "--data", "synthetic", "--float", "absent.keras"), 2, "does not exist"),
        (("mask_cnn", "--data", "synthetic", "--limit", "1"), 2, "--limit"),
    ],
)
def test_mistakes(arguments, code, words, tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"not a flatbuffer at all, by no means")
    result = firmcast("evaluate", *arguments, cwd=tmp_path)
    assert result.code == code, result.err
    assert words in result.err
