"""From a picture of any size to the network's input, exact to the bit with the firmware.

The firmware has no floating-point resampling: it crops the centre and averages areas with
rational weights in integers. These functions are its twin, so that accuracy measured here
is the accuracy of the device.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]

# Luma weights of BT.601 in 1/256, the rounding half last: Y = (77 R + 150 G + 29 B + 128) >> 8.
_LUMA_R, _LUMA_G, _LUMA_B, _LUMA_HALF = 77, 150, 29, 128


def crop_centre(image: Image, height: int, width: int) -> Image:
    """Return the largest centred part of ``image`` with the aspect ratio ``height:width``.

    For an image of ``h`` rows and ``w`` columns the part has ``min(h, max(1, w * height // width))`` rows and
    ``min(w, max(1, h * width // height))`` columns; its origin is half of what is cut off, rounded down.

    Raises:
        ValueError: a size is below 1, or the array is not ``uint8`` with 2 or 3 axes.
    """
    _check(image)
    if height < 1 or width < 1:
        raise ValueError(f"an image of {height}x{width} pixels cannot be made")
    rows, columns = image.shape[:2]
    crop_rows = min(rows, max(1, columns * height // width))
    crop_columns = min(columns, max(1, rows * width // height))
    top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2
    return image[top : top + crop_rows, left : left + crop_columns]


def crop_square(image: Image) -> Image:
    """Return the largest centred square of ``image``."""
    return crop_centre(image, 1, 1)


def to_luma(image: Image) -> Image:
    """Return the brightness of an H x W x 3 RGB image as H x W x 1, ``(77 R + 150 G + 29 B + 128) >> 8``."""
    _check(image)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"brightness needs an H x W x 3 image, not {image.shape}")
    wide = image.astype(np.uint32)
    luma = wide[..., 0] * _LUMA_R + wide[..., 1] * _LUMA_G + wide[..., 2] * _LUMA_B + _LUMA_HALF
    return (luma >> 8).astype(np.uint8)[..., np.newaxis]


def area_average(image: Image, height: int, width: int) -> Image:
    """Crop the centre (:func:`crop_centre`) and scale it to ``height`` x ``width`` by area averaging.

    Along an axis of S source pixels and n results, source pixel i covers ``[i*n, (i+1)*n)`` and result j
    covers ``[j*S, (j+1)*S)``; a weight is the length of the overlap, so the weights of a result add up to S.
    The result is ``(sum(pixel * wx * wy) + Sy*Sx // 2) // (Sy*Sx)``: exact, halves rounded up. It enlarges,
    too.

    Args:
        image: H x W or H x W x C, ``uint8``.
        height: rows of the result, at least 1.
        width: columns of the result, at least 1.

    Raises:
        ValueError: a size is below 1, or the array is not ``uint8`` with 2 or 3 axes.
    """
    part = crop_centre(image, height, width)
    area = part.shape[0] * part.shape[1]
    sums = _axis_sums(_axis_sums(part.astype(np.uint64), height, axis=0), width, axis=1)
    means: npt.NDArray[np.uint64] = (sums + np.uint64(area // 2)) // np.uint64(area)
    return means.astype(np.uint8)


def prepare_image(image: Image, height: int, width: int, channels: int) -> Image:
    """Return ``image`` (H x W x 3 RGB) as the network wants it: height x width x 1 or 3, ``uint8``.

    Brightness, where the network takes one channel, is computed before averaging, per source pixel.
    """
    if channels not in (1, 3):
        raise ValueError(f"an image has 1 or 3 channels, not {channels}")
    return area_average(to_luma(image) if channels == 1 else image, height, width)


def _axis_sums(values: npt.NDArray[np.uint64], count: int, axis: int) -> npt.NDArray[np.uint64]:
    """Weighted sums of the ``count`` results along ``axis``: differences of the running sum at the borders.

    Border j lies at ``j * S`` in units of 1/count pixel: ``whole`` pixels and ``part`` of the next one.
    """
    values = np.moveaxis(values, axis, 0)
    size = values.shape[0]
    padding = np.zeros((1, *values.shape[1:]), np.uint64)
    running = np.concatenate([padding, np.cumsum(values, axis=0, dtype=np.uint64)])
    borders = np.arange(count + 1, dtype=np.uint64) * np.uint64(size)
    whole, part = borders // np.uint64(count), borders % np.uint64(count)
    # The last border has part 0; it may read the padding row beyond the image.
    following = np.concatenate([values, padding])[whole]
    at_border = running[whole] * np.uint64(count) + following * part.reshape(-1, *[1] * (values.ndim - 1))
    sums: npt.NDArray[np.uint64] = np.moveaxis(np.diff(at_border, axis=0), 0, axis)
    return sums


def _check(image: Image) -> None:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"not an 8-bit image: {image.dtype} of shape {image.shape}")
