"""More pictures from few: five interpolations, and what standard augmentation keeps to."""

from __future__ import annotations

import numpy as np
import pytest

from generator.imaging import area_average
from generator.learn.augment import INTERPOLATIONS, Augmentation, epoch_images, interpolated, standard

pytest.importorskip("cv2", reason="OpenCV is not installed")


def test_five_interpolations_differ():
    image = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    variants = interpolated(image, 32, 32, 3)
    assert variants.shape == (5, 32, 32, 3)
    assert len({variant.tobytes() for variant in variants}) == len(INTERPOLATIONS) == 5
    assert np.abs(variants[0].astype(int) - area_average(image, 32, 32)).max() <= 1


def test_augmentation_is_seeded_and_bounded():
    image = np.full((48, 48, 3), 100, np.uint8)
    how = Augmentation(share=1.0, brightness=0.2)
    one, two = (standard(image, np.random.default_rng(4), how) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert 79 <= one.min() <= one.max() <= 121
    sides = {standard(image, np.random.default_rng(seed), how).shape[0] for seed in range(20)}
    assert len(sides) > 5
    assert 40 <= min(sides) <= max(sides) <= 56
    plain = epoch_images([image], np.random.default_rng(0), None, (32, 32, 3))
    assert plain.shape == (5, 32, 32, 3)
    assert (plain == 100).all()
