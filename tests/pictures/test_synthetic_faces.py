"""Drawn faces: repeatable, of the size asked for, and different where the classes differ."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from generator.errors import MissingToolError
from generator.pictures import open_data, synthetic_set, with_drawings
from generator.pictures.synthetic import MASK_KINDS, draw_face, draw_mask_on

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")


@pytest.mark.parametrize("masked", [False, True])
def test_equal_seeds_draw_equal_pictures(masked):
    first, again, other = (draw_face(np.random.default_rng(seed), masked, 64) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert np.abs(first.astype(int) - other).mean() > 5


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_every_kind_of_mask_can_be_drawn(kind):
    image = draw_face(np.random.default_rng(3), True, 96, mask=kind)
    assert image.std() > 10


def test_a_yellow_mask_is_yellow_and_a_black_one_dark():
    def middle_of_mask(kind):
        images = [draw_face(np.random.default_rng(seed), True, 96, mask=kind) for seed in range(6)]
        return np.mean([image[56:68, 40:56].reshape(-1, 3).mean(0) for image in images], axis=0)

    yellow, black = middle_of_mask("yellow"), middle_of_mask("black")
    assert yellow[0] - yellow[2] > 40
    assert black.mean() < yellow.mean() - 40


def test_a_mask_on_a_photograph_covers_the_mouth_and_nothing_far_away():
    photograph = np.full((120, 100, 3), 200, np.uint8)
    masked = draw_mask_on(photograph, (50, 50), (50, 90), 50)
    assert masked.shape == photograph.shape
    assert (masked[70, 50] != 200).any()
    assert (masked[:35] == 200).all()
    assert (masked[:, :10] == 200).all()


def test_set_is_balanced_and_repeatable():
    one, two, other = (synthetic_set(seed=seed, train=10, held_out=4, size=32) for seed in (1, 1, 2))
    assert one.counts() == {
        "Train": {"no mask": 5, "mask": 5},
        "Validation": {"no mask": 2, "mask": 2},
        "Test": {"no mask": 2, "mask": 2},
    }
    assert one.is_synthetic
    assert one.content_sha256 == two.content_sha256 != other.content_sha256
    for a, b in zip(one.splits["Test"].images(), two.splits["Test"].images(), strict=True):
        np.testing.assert_array_equal(a, b)
    train, test = one.splits["Train"].load(0), one.splits["Test"].load(0)
    assert (train != test).any()


def test_drawings_join_a_split():
    split = synthetic_set(seed=1, train=6, held_out=2, size=32).splits["Train"]
    joined = pickle.loads(pickle.dumps(with_drawings(split, 4, seed=5)))
    drawn = synthetic_set(seed=5, train=4, held_out=0).splits["Train"]
    assert joined.labels == (*split.labels, 0, 1, 0, 1)
    assert len(joined) == len(joined.files) == len(joined.pictures) == 10
    assert len(set(joined.files)) == 10
    for found, made in zip(joined.images(), (*split.images(), *drawn.images()), strict=True):
        np.testing.assert_array_equal(found, made)


def test_synthetic_is_a_source_name():
    assert open_data("synthetic").is_synthetic


def test_missing_opencv_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingToolError, match=r"firmcast\[image\]"):
        draw_face(np.random.default_rng(0), True)
