"""Drawn, dyed and moved masks: what changes and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from generator.augment import FACES, STRONG
from generator.augment.masks import draw_chin_mask, draw_mask, dye_mask, dye_skin, occlude, transplant
from generator.augment.recipe import varied
from generator.pictures.synthetic import draw_face

pytest.importorskip("cv2", reason="OpenCV is not installed")

SEEDS = range(40)


def face(masked, seed=0, side=64):
    return draw_face(np.random.default_rng((5, seed)), masked, side)


def change(before, after):
    """Mean absolute difference of forehead and of mouth, grey levels."""
    difference = np.abs(before.astype(int) - after.astype(int)).mean(axis=2)
    side = len(before)
    return difference[: side // 3].mean(), difference[
        2 * side // 3 : side * 4 // 5, side // 3 : -side // 3
    ].mean()


def test_drawn_mask_covers_the_mouth_and_not_the_forehead():
    changes = np.array(
        [change(face(False, s), draw_mask(face(False, s), np.random.default_rng(s))) for s in SEEDS]
    )
    assert changes[:, 0].max() < 4  # straps may reach up
    assert np.median(changes[:, 1]) > 25


def test_chin_mask_leaves_the_mouth():
    changes = [
        change(face(False, s), draw_chin_mask(face(False, s), np.random.default_rng(s))) for s in SEEDS
    ]
    assert np.max(changes) < 4


def test_dyed_mask_changes_and_the_forehead_does_not():
    changes = np.array(
        [change(face(True, s), dye_mask(face(True, s), np.random.default_rng(s))) for s in SEEDS]
    )
    assert changes[:, 0].max() == 0
    assert np.median(changes[:, 1]) > 15


def test_transplant_joins_two_halves():
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    for seed in SEEDS:
        joined = transplant(black, white, np.random.default_rng(seed))
        assert (joined[:8] == 255).mean() > 0.9
        assert (joined[-12:] == 0).mean() > 0.9


def test_occlusion_keeps_clear_of_the_mouth():
    changes = [change(face(False, s), occlude(face(False, s), np.random.default_rng(s)))[1] for s in SEEDS]
    assert np.median(changes) < 1


@pytest.mark.parametrize("step", [draw_mask, draw_chin_mask, dye_mask, dye_skin, occlude])
@pytest.mark.parametrize("side", [32, 33, 64, 200])
def test_any_picture_will_do_and_lots_decide(step, side):
    rng = np.random.default_rng(side)
    pictures = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8), np.zeros((side, side, 3), np.uint8)]
    for picture in pictures:
        before = picture.copy()
        made, again = (step(picture, np.random.default_rng(9)) for _ in range(2))
        assert made.shape == picture.shape
        assert made.dtype == np.uint8
        np.testing.assert_array_equal(made, again)
        np.testing.assert_array_equal(picture, before, "the original was written to")


@pytest.mark.parametrize("how", [STRONG, FACES])
def test_variations_are_of_the_networks_size_and_differ(how):
    rng = np.random.default_rng(0)
    made = [varied(face(True), rng, how, 32, index % 5) for index in range(20)]
    assert {image.shape for image in made} == {(32, 32, 3)}
    assert len({image.tobytes() for image in made}) == 20
    brightness = [image.mean() for image in made]
    assert np.std(brightness) > 8
