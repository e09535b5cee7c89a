"""More pictures from few: the paper's two augmentations (arXiv 2011.14858, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from generator.imaging import Image, to_luma
from generator.imaging.opencv import opencv

INTERPOLATIONS = ("INTER_AREA", "INTER_CUBIC", "INTER_NEAREST", "INTER_LINEAR", "INTER_LANCZOS4")


@dataclass(frozen=True)
class Augmentation:
    """How far standard augmentation goes.

    Attributes:
        share: part of the pictures that is transformed at all, 0..1, drawn anew every epoch.
        rotation_degrees: largest turn either way.
        shift: largest shift either way, part of the side.
        zoom: largest change of scale either way, part of 1.
        brightness: largest change of brightness either way, part of 1.
        resolution: largest change of the side in pixels either way, part of 1. Where the side is an odd
            multiple of the network's (96 and 32), linear, cubic and Lanczos interpolation pick the same
            pixels; with other sides they differ.
        flip: whether half of the transformed pictures are mirrored.
    """

    share: float = 0.75
    rotation_degrees: float = 15.0
    shift: float = 0.08
    zoom: float = 0.12
    brightness: float = 0.25
    resolution: float = 0.15
    flip: bool = True


def standard(image: Image, rng: np.random.Generator, how: Augmentation) -> Image:
    """Return a flipped, turned, shifted, scaled and lit variant; edges are mirrored outwards."""
    cv2 = opencv("augmentation")
    side = image.shape[0]
    result_side = max(1, round(side * (1 + rng.uniform(-1, 1) * how.resolution)))
    turn, zoom = rng.uniform(-1, 1) * how.rotation_degrees, 1 + rng.uniform(-1, 1) * how.zoom
    across, down = rng.uniform(-1, 1, 2) * how.shift * side
    gain = 1 + rng.uniform(-1, 1) * how.brightness
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), turn, zoom)
    matrix[:, 2] += [across, down]
    matrix *= result_side / side
    if how.flip and rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    moved = cv2.warpAffine(
        image, matrix, (result_side, result_side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    lit: npt.NDArray[Any] = np.clip(np.rint(moved * gain), 0, 255)
    return lit.astype(np.uint8)


def interpolated(image: Image, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """Return a square scaled in five ways: 5 x H x W x C."""
    cv2 = opencv("augmentation")
    source = image if channels == 3 else to_luma(image)
    resized = [
        cv2.resize(source, (width, height), interpolation=getattr(cv2, name)).reshape(height, width, channels)
        for name in INTERPOLATIONS
    ]
    return np.stack(resized)


def epoch_images(
    images: Sequence[Image], rng: np.random.Generator, how: Augmentation | None, shape: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    """Return one epoch's pictures, five in a row from each source, standard augmentation drawn anew."""
    result = np.empty((len(images), len(INTERPOLATIONS), *shape), np.uint8)
    for index, image in enumerate(images):
        changed = standard(image, rng, how) if how is not None and rng.random() < how.share else image
        result[index] = interpolated(changed, *shape)
    return result.reshape(-1, *shape)
