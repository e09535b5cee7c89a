"""Spoilt pictures: repeatable, of the right kind, worse with strength."""

from __future__ import annotations

import numpy as np
import pytest

from generator.assets import models_dir
from generator.errors import UsageError
from generator.evaluate import CORRUPTIONS, TflmScorer, corrupt, measure_robustness
from generator.evaluate.robustness import STRENGTHS, pictures_in_all
from generator.imaging import load_samples

pytest.importorskip("cv2", reason="OpenCV is not installed")
pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")

MODEL = models_dir() / "mask_cnn"
NAMES = [corruption.name for corruption in CORRUPTIONS]


@pytest.fixture(scope="module")
def samples():
    return load_samples(MODEL)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_pixels_and_stronger_is_farther(name, samples):
    image = samples[0].image
    before = image.copy()
    distances = []
    for strength in range(1, STRENGTHS + 1):
        spoilt = corrupt(image, name, strength, index=3, seed=1)
        assert spoilt.shape == image.shape
        assert spoilt.dtype == np.uint8
        np.testing.assert_array_equal(spoilt, corrupt(image, name, strength, index=3, seed=1))
        distances.append(
            np.mean([np.abs(corrupt(image, name, strength, index=i).astype(int) - image) for i in range(8)])
        )
    assert distances == sorted(distances)
    assert distances[0] > 0
    np.testing.assert_array_equal(image, before)


def test_each_picture_and_seed_has_a_noise_of_its_own(samples):
    image = samples[0].image
    one = corrupt(image, "noise", 1)
    assert not np.array_equal(one, corrupt(image, "noise", 1, index=1))
    assert not np.array_equal(one, corrupt(image, "noise", 1, seed=1))


def test_levels_mean_what_the_table_says():
    grey = np.full((100, 80, 3), 128, np.uint8)
    assert corrupt(grey, "noise", 3).std() == pytest.approx(35, rel=0.05)
    changed = (corrupt(grey, "occlusion", 4, index=1) != grey).any(axis=2).mean()
    assert changed == pytest.approx(0.25, abs=0.01)
    assert corrupt(grey, "low light", 2).mean() == pytest.approx(128 * 0.4, rel=0.05)
    for name in ("Gaussian blur", "motion blur", "rotation"):
        np.testing.assert_array_equal(corrupt(grey, name, STRENGTHS), grey)


def test_table_counts_what_corrupting_by_hand_counts(samples):
    chosen = [sample for sample in samples if sample.expected_label is not None][:6]
    scorer = TflmScorer((MODEL / "mask_cnn.tflite").read_bytes(), "mask_cnn", None, 2)
    images, truth = [s.image for s in chosen], [s.expected_label for s in chosen]
    told = []
    result = measure_robustness(scorer, images, truth, threshold=0.5, seed=2, progress=told.append)
    assert told[-1] == pictures_in_all(6)
    assert [row.name for row in result.corruptions] == NAMES
    clean = scorer(images)[:, 1] >= 0.5
    assert result.clean == (clean == truth).mean()
    row = result.corruptions[NAMES.index("occlusion")]
    spoilt = [corrupt(image, "occlusion", 5, index=i, seed=2) for i, image in enumerate(images)]
    assert row.accuracies[-1] == ((scorer(spoilt)[:, 1] >= 0.5) == truth).mean()
    assert row.mean == pytest.approx(np.mean(row.accuracies))
    assert result.mean == pytest.approx(np.mean([row.mean for row in result.corruptions]))


@pytest.mark.parametrize(("name", "strength"), [("fog", 1), ("noise", 0), ("noise", 6)])
def test_what_is_not_in_the_table(name, strength):
    with pytest.raises(UsageError, match="there is no corruption"):
        corrupt(np.zeros((4, 4, 3), np.uint8), name, strength)
