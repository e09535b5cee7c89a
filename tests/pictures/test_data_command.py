"""``data``, and pictures by ``--data`` and ``--held-out``, as a user calls them."""

from __future__ import annotations

import json
import shutil

import pytest

from generator.imaging import read_image
from tests.support.cli import ROOT, firmcast

pytest.importorskip("cv2", reason="OpenCV is not installed")

MODEL = ROOT / "models" / "mask_cnn" / "mask_cnn.tflite"


@pytest.fixture
def leaking(kaggle):
    shutil.copy(kaggle / "Train" / "WithMask" / "0.png", kaggle / "Test" / "WithMask" / "again.png")
    (kaggle / "Train" / "WithMask" / "bad one.png").write_bytes(b"bad")
    return kaggle


def test_report_is_printed_and_written(leaking, tmp_path):
    done = firmcast("data", leaking, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "1 unreadable" in done.err
    assert "Train/WithMask/bad one.png: is neither a JPEG" in done.err
    assert "Test/WithMask/again.png is equal to Train/WithMask/0.png" in done.out
    assert "2 of 10 pictures of mask stand in more than one split" in done.out
    report = json.loads((tmp_path / "build" / "data" / "faces" / "report.json").read_text())
    assert report["splits"]["Test"] == {"no mask": 3, "mask": 4}
    assert report["height"] == {"min": 40, "median": 40, "max": 40}
    assert str(tmp_path) not in json.dumps(report)
    assert read_image(tmp_path / "build" / "data" / "faces" / "sheet.png").shape == (6 * 116, 960, 3)


def test_json_is_the_report_and_splits_can_be_made_clean(leaking, tmp_path):
    done = firmcast("data", leaking, "--split", "clean", "--json", "--out", "out here", cwd=tmp_path)
    report = done.json()
    assert report == json.loads((tmp_path / "out here" / "report.json").read_text())
    assert report["leaks"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "out here"]


def test_mistakes(kaggle, tmp_path):
    for arguments in (["evaluate", MODEL], ["data", tmp_path / "absent"]):
        done = firmcast(*arguments, cwd=tmp_path)
        assert done.code == 2
        assert not (tmp_path / "build").exists()
    (tmp_path / "file").write_text("in the way")
    done = firmcast("data", kaggle, "--out", tmp_path / "file" / "below", cwd=tmp_path)
    assert done.code == 2
    assert "cannot be written" in done.err


def test_all_of_test_leaks(kaggle, tmp_path):
    shutil.rmtree(kaggle / "Test")
    shutil.copytree(kaggle / "Train", kaggle / "Test")
    done = firmcast("evaluate", MODEL, "--data", kaggle, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "6 of 6 pictures of Test stand in an earlier split, too" in done.out
    assert "there are no others" in done.out
    done = firmcast("evaluate", MODEL, "--data", kaggle, "--json", cwd=tmp_path)
    assert (done.json()["leaks"], done.json()["without_leaks"]) == (6, None)


def test_a_split_without_pictures_is_named(kaggle, tmp_path):
    done = firmcast("evaluate", MODEL, "--held-out", kaggle, "--split", "Train", cwd=tmp_path)
    assert done.code == 2
    assert "Train holds no picture" in done.err


def test_training_tells_accuracy_both_ways(leaking, tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    options = ("--data", leaking, "--epochs", "1", "--workers", "0", "--out", "made")
    done = firmcast("train", "mask_cnn", *options, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "1 of 7 pictures of Test stand in an earlier split, too" in done.err
    found = [(one["split"], one["count"]) for one in done.json()["evaluations"]]
    assert found == [("Validation", 6), ("Test", 7), ("Test without leaks", 6)] * 2
    card = json.loads((tmp_path / "made" / "model.json").read_text())
    assert [one["split"] for one in card["evaluation"]] == [split for split, _ in found]


def test_training_mistakes(kaggle, tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    train = ("train", "mask_cnn", "--data", kaggle, "--epochs", "1")
    (tmp_path / "file").write_text("in the way")
    done = firmcast(*train, "--out", tmp_path / "file" / "below", cwd=tmp_path)
    assert done.code == 2
    assert "cannot make the folder" in done.err
    held_out = tmp_path / "masks"
    shutil.copytree(kaggle / "Test", held_out)
    for file in (kaggle / "Train" / "WithMask").iterdir():
        shutil.copy(file, held_out / "WithMask" / f"train {file.name}")
    done = firmcast(*train, "--held-out", held_out, "--out", "made", cwd=tmp_path)
    assert done.code == 2
    assert "Train has no picture of mask once those that stand in the held-out set" in done.err
    assert not (tmp_path / "made").exists()


def test_accuracy_both_ways(leaking, tmp_path):
    done = firmcast("evaluate", MODEL, "--data", leaking, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "1 of 7 pictures of Test stand in an earlier split, too" in done.out
    assert " on all, " in done.out
    assert " on the 6 others" in done.out
    done = firmcast("evaluate", MODEL, "--held-out", leaking, "--json", cwd=tmp_path)
    assert done.json()["count"] == 18
    assert done.json()["without_leaks"] is None
    assert done.json()["left_out"][1]["kind"] == "duplicate"
