"""The NumPy twin of the firmware's resampling, against fractions and against OpenCV."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.imaging import area_average, crop_centre, crop_square, prepare_image, to_luma


def by_fractions(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The definition, pixel by pixel: the mean over the area that a result covers, halves rounded up."""
    rows, columns = image.shape[:2]
    crop_rows = min(rows, max(1, columns * height // width))
    crop_columns = min(columns, max(1, rows * width // height))
    top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2

    def overlap(pixel: int, cell: int, size: int, count: int) -> Fraction:
        cell_size = Fraction(size, count)
        start, end = max(Fraction(pixel), cell * cell_size), min(Fraction(pixel + 1), (cell + 1) * cell_size)
        return max(Fraction(0), end - start) / cell_size

    result = np.empty((height, width, image.shape[2]), np.uint8)
    for y, x, c in np.ndindex(result.shape):
        mean = sum(
            overlap(i, y, crop_rows, height)
            * overlap(j, x, crop_columns, width)
            * int(image[top + i, left + j, c])
            for i in range(crop_rows)
            for j in range(crop_columns)
        )
        result[y, x, c] = floor(mean + Fraction(1, 2))
    return result


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    extreme=st.booleans(),
)
def test_area_average_is_the_exact_mean(rows, columns, height, width, seed, extreme):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (rows, columns, 2), dtype=np.uint8)
    if extreme:
        image = np.where(image > 127, np.uint8(255), np.uint8(0))
    np.testing.assert_array_equal(area_average(image, height, width), by_fractions(image, height, width))


def test_large_image_does_not_overflow():
    image = np.full((3000, 4001), 255, np.uint8)
    assert (area_average(image, 32, 32) == 255).all()


@pytest.mark.parametrize("shape", [(96, 96, 3), (200, 200, 3), (240, 320, 3), (101, 67, 3)])
def test_close_to_opencv_when_shrinking(shape):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    theirs = cv2.resize(np.ascontiguousarray(crop_square(image)), (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(area_average(image, 32, 32).astype(int) - theirs.astype(int)).max() <= 1


def test_halves_are_rounded_up():
    assert area_average(np.array([[0, 1]], np.uint8).reshape(1, 2, 1), 1, 2).ravel().tolist() == [0, 1]
    assert area_average(np.array([[0, 1], [1, 0]], np.uint8), 1, 1).item() == 1
    assert area_average(np.array([[0, 1], [0, 0]], np.uint8), 1, 1).item() == 0


def test_crop_is_centred_with_the_odd_pixel_below_and_right():
    image = np.arange(4 * 7, dtype=np.uint8).reshape(4, 7)
    assert crop_square(image)[0, 0] == 1  # (7 - 4) // 2 columns are cut at the left
    assert crop_square(image).shape == (4, 4)
    assert crop_centre(image, 1, 7).shape == (1, 7)
    assert crop_centre(image, 1, 7)[0, 0] == 7  # (4 - 1) // 2 rows above
    assert crop_centre(image, 100, 1).shape == (4, 1)


def test_luma_before_averaging():
    image = np.random.default_rng(2).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    r, g, b = (image[..., i].astype(int) for i in range(3))
    expected = (77 * r + 150 * g + 29 * b + 128) >> 8
    np.testing.assert_array_equal(to_luma(image)[..., 0], expected)
    np.testing.assert_array_equal(prepare_image(image, 2, 2, 1), area_average(to_luma(image), 2, 2))
    assert to_luma(np.full((1, 1, 3), 255, np.uint8)).item() == 255


def test_refuses_what_is_no_image():
    with pytest.raises(ValueError, match="float64"):
        area_average(np.zeros((2, 2)), 1, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0x4"):
        area_average(np.zeros((2, 2), np.uint8), 0, 4)
    with pytest.raises(ValueError, match="channels"):
        prepare_image(np.zeros((2, 2, 3), np.uint8), 1, 1, 2)
