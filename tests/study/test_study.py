"""The study on few drawings: one tiny network serves all tests that can do with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")
pytest.importorskip("cv2", reason="OpenCV is not installed")
pytest.importorskip("matplotlib", reason="Matplotlib is not installed: pip install 'firmcast[plot]'")

from generator.errors import UsageError
from generator.learn.architectures import architecture
from generator.learn.recipes import PAPER, ROBUST, fitted
from generator.learn.sweep import Cast, OnTarget
from generator.pictures import synthetic_set
from generator.study import PARTS, Study, run_study
from generator.study.ablation import _claims, _verdict
from generator.study.bench import Bench, one_epoch_alike
from generator.study.pictures import study_sets
from generator.study.statistics import spread
from tests.support.cli import firmcast

OWN = architecture("mask_cnn")


def on_target(path):
    return OnTarget(1000, 0.5, 480.0, len(path.read_bytes()), 2, 3, 8, 0)


CAST = Cast("a board", on_target)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    data, judged = study_sets(synthetic_set(seed=1, train=24, held_out=8, size=48))
    paper = replace(PAPER, epochs=1, batch_size=16)
    robust = fitted(replace(ROBUST, epochs=1, validation_copies=0), data, 16)
    return Study(
        data, judged, paper, robust, paper, (0,), root / "out", root / "work", CAST,
        command="python -m generator study --data synthetic", architectures=(OWN,), workers=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(study):
    """What a first run of the parts that one network serves says."""
    lines = []
    run_study(study, ("data", "models", "float_io", "source_gap"), lines.append)
    return lines


def facts(study, name):
    return json.loads((study.out / f"{name}.json").read_text())


def test_one_network_is_trained_once_for_all_parts(told):
    assert sum(line.startswith("epoch 1/1") for line in told) == 1
    assert [line for line in told if line.startswith("part ")] == [
        "part data", "part models", "part float_io", "part source_gap",
    ]  # fmt: skip


def test_finished_parts_are_not_made_again(study, told):
    before = {path.name: path.read_bytes() for path in study.out.iterdir()}
    lines = []
    run_study(study, ("data", "models", "float_io", "source_gap"), lines.append)
    assert lines == ["part data", "part models", "part float_io", "part source_gap"]
    assert {path.name: path.read_bytes() for path in study.out.iterdir()} == before


def test_readme_holds_what_is_there_and_names_what_is_not(study, told):
    text = (study.out / "README.md").read_text()
    assert "Not made yet: ablation, robustness, below8bits." in text
    for words in ("131,055", "99.83%", "1.52 MB", "smoke test", "tensorflow ", "seeds* 0", "not public"):
        assert words in text
    assert str(study.out.parent) not in text
    for name in re.findall(r"\]\(([^)]+)\)", text):
        assert (study.out / name).is_file(), name


def test_figures_are_png_and_svg(study, told):
    for name in ("model_mask_cnn.png", "predictions.png", "sheet.png"):
        assert (study.out / name).read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (study.out / "model_mask_cnn.svg").read_bytes()
    assert not [path for path in study.out.iterdir() if path.name.startswith(".")]


def test_sheets_of_pictures_can_be_left_out(study, told, tmp_path):
    plain = replace(study, sheets=False, out=tmp_path)
    run_study(plain, ("data", "models"), lambda _: None)
    text = (tmp_path / "README.md").read_text()
    assert (tmp_path / "model_mask_cnn.png").is_file()
    assert "\n\n\n" not in (tmp_path / "models.md").read_text(), "what is left out leaves no gap"
    for name in ("sheet", "predictions"):
        assert f"{name}.png" in (study.out / "README.md").read_text()
        assert f"{name}.png" not in text
        assert not (tmp_path / f"{name}.png").exists()


def test_models_stand_beside_the_paper_s(study, told):
    found = facts(study, "models")["figures"]["mask_cnn"]
    assert found["parameters"] == 128_193
    assert found["adam_bytes"] == pytest.approx(1_563 * 1024, rel=0.01)  # the paper's 1.52 MB
    assert found["adam_bytes"] > 2.8 * found["keras_bytes"]
    assert 1 - found["int8_bytes"] / found["adam_bytes"] == pytest.approx(
        found["paper"]["reduction"], abs=2e-3
    )
    assert [(e["engine"], e["split"]) for e in found["evaluations"]] == [
        (engine, split) for engine in ("float32", "int8") for split in ("Validation", "Test")
    ]


def test_types_of_input_and_output_differ_by_rounding_at_most(study, told):
    found = facts(study, "float_io")["figures"]
    assert set(found) == {"int8", "uint8", "float32"}
    assert found["float32"]["operators"][0] == "QUANTIZE"
    for one in found.values():
        assert abs(one["accuracies"]["Test"] - found["int8"]["accuracies"]["Test"]) <= 1 / 8


def test_one_source_has_no_gap(study, told):
    assert "there is none to leave out" in (study.out / "source_gap.md").read_text()


def test_time_of_all_work_is_told_whenever_it_was_done(study, told):
    assert facts(study, "models")["made"]["seconds"] > 0
    assert facts(study, "float_io")["made"]["seconds"] > 0


def test_other_settings_are_other_work(study, told):
    bench = Bench(study)
    assert bench.once("answer", {"of": 1}, lambda: 42) == 42
    assert bench.once("answer", {"of": 1}, lambda: 43) == 42
    assert bench.once("answer", {"of": 2}, lambda: 43) == 43


def test_parts_of_different_pictures_are_told_apart(study, told, tmp_path):
    words = "made with different pictures"
    run_study(replace(study, out=tmp_path), ("data",))
    assert words not in (tmp_path / "README.md").read_text()
    others, judged = study_sets(synthetic_set(seed=2, train=8, held_out=4, size=32))
    run_study(replace(study, out=tmp_path, data=others, judged=judged), ("source_gap",))
    assert words in (tmp_path / "README.md").read_text()


class Killed(Exception):
    """Stands for a machine that was switched off."""


def test_ablation_and_robustness_go_on_where_they_were_killed(study, told):
    lines = []

    def kill(line):
        lines.append(line)
        if line.startswith("quantizing") and lines.count(line) == 2:
            raise Killed

    with pytest.raises(Killed):
        run_study(study, ("ablation",), kill)
    assert not (study.out / "ablation.md").exists()
    again = []
    sections = run_study(study, ("ablation", "robustness"), again.append)
    # It was cut off at the third of four networks; the first was there from the parts before.
    assert not any("mask_cnn-paper-one_interpolation-seed0:" in line for line in again)
    accuracies = sections["ablation"].facts["accuracies"]
    assert [(one["dropout"], one["interpolation"]) for one in accuracies] == [
        (True, True), (True, False), (False, True), (False, False),
    ]  # fmt: skip
    assert "nothing: one seed" in sections["ablation"].text
    found = sections["robustness"].facts
    assert set(found) == {"paper", "robust"}
    assert len(found["paper"]["corruptions"]) == 7
    for name in ("ablation", "robustness"):
        assert (study.out / f"{name}.svg").is_file()


def test_verdicts_are_honest():
    assert _verdict(spread([0.01, 0.012, 0.011])) == "it helps"
    assert _verdict(spread([-0.01, -0.012, -0.011])) == "it hurts"
    assert _verdict(spread([0.01, -0.01, 0.02])) == "cannot tell"
    helps, unclear = spread([0.01, 0.012, 0.011]), spread([0.01, -0.01, 0.02])
    effects = [("dropout", beside, "Test", helps) for beside in "ab"]
    effects += [("interpolation", beside, "Test", unclear) for beside in "ab"]
    said = _claims(effects, "Test", 400)
    assert "that dropout helps holds here, with and without the other" in said
    assert "do not show whether interpolation helps" in said


def test_one_interpolation_is_as_many_pictures():
    alike = one_epoch_alike(PAPER)
    assert alike.epoch.size(7) == PAPER.epoch.size(7) == 35
    assert len(set(alike.epoch.interpolations)) == 1


def test_finished_models_are_taken(study, told, tmp_path):
    with pytest.raises(UsageError, match="holds no finished mask_cnn"):
        run_study(replace(study, models=tmp_path), ("models",))
    (tmp_path / "mask_cnn").symlink_to(study.work / "models" / "mask_cnn-paper-seed0")
    lines = []
    run_study(replace(study, models=tmp_path, out=tmp_path / "out"), ("models",), lines.append)
    assert lines == ["part models"]  # its scores are known by its content


def test_parts_have_a_stable_order(study):
    assert list(PARTS) == [
        "data", "models", "float_io", "ablation", "robustness", "source_gap", "below8bits",
    ]  # fmt: skip


def test_scores_are_kept_by_content(study, told):
    bench = Bench(study)
    model = study.work / "models" / "mask_cnn-paper-seed0" / "mask_cnn.tflite"
    scores = bench.scores(model, study.judged[-1])
    assert scores.shape == (8, 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no pictures are named"),
        (("--data", "synthetic", "--network", "resnet"), "resnet"),
        (("--data", "synthetic", "--part", "poetry"), "poetry"),
        (("--data", "synthetic", "--groups", "absent.csv"), "absent.csv"),
    ],
)
def test_mistakes(arguments, words, tmp_path):
    done = firmcast("study", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / "docs").exists()
