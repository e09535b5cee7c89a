"""Other poses, framings, cameras and light: what a picture could have looked like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generator.imaging import Image
from generator.imaging.opencv import opencv


@dataclass(frozen=True)
class Framing:
    """How far a picture is moved.

    Attributes:
        rotation_degrees: standard deviation of the turn.
        shift: largest shift either way, part of the side.
        smaller, larger: range of the scale, as factors.
        aspect: largest change of width against height either way, part of 1.
        shear: standard deviation, as a tangent.
        coarsest, finest: range of the side that the picture is brought to before it is scaled to the
            network's, in multiples of that; below 1 is what a distant or blurred camera leaves.
        blurred: part of the pictures that are out of focus, by up to ``blur``.
        blur: largest standard deviation of the blur, part of the side.
        flip: whether half of the pictures are mirrored.
        reflected: whether edges are always mirrored outwards, never smeared or filled with a colour.
    """

    rotation_degrees: float = 17.0
    shift: float = 0.14
    smaller: float = 0.7
    larger: float = 1.35
    aspect: float = 0.12
    shear: float = 0.05
    coarsest: float = 0.65
    finest: float = 3.4
    blurred: float = 0.25
    blur: float = 0.06
    flip: bool = True
    reflected: bool = False


def reframe(image: Image, rng: np.random.Generator, how: Framing, network_side: int) -> Image:
    """Return a square turned, scaled, moved, sheared and mirrored, of another side."""
    cv2 = opencv("augmentation")
    side = image.shape[0]
    target = max(1, int(network_side * np.exp(rng.uniform(np.log(how.coarsest), np.log(how.finest)))))
    scale = np.exp(rng.uniform(np.log(how.smaller), np.log(how.larger))) * target / side
    aspect = 1 + rng.uniform(-1, 1) * how.aspect
    angle = np.deg2rad(rng.normal(0, how.rotation_degrees))
    mirror = -1.0 if how.flip and rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    shear = rng.normal(0, how.shear)
    matrix = np.array([[cos * aspect * mirror, shear * scale + sin, 0.0], [-sin * mirror, cos / aspect, 0.0]])
    shift = (rng.uniform(-1, 1, 2) * how.shift + 0.5) * target - 0.5
    matrix[:, 2] = shift - matrix[:, :2] @ ((side - 1) / 2, (side - 1) / 2)
    borders = (cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)
    border = borders[0 if how.reflected else rng.integers(3)]
    fill = [float(v) for v in rng.integers(0, 256, 3)] if border == cv2.BORDER_CONSTANT else 0
    # Reducing by more than two would skip pixels.
    if scale < 0.5:
        half = cv2.resize(image, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5)
        matrix[:, :2] *= 2
        image = half
    moved: Image = cv2.warpAffine(
        image, matrix, (target, target), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=fill
    )
    if rng.random() < how.blurred:
        moved = cv2.GaussianBlur(moved, (0, 0), max(0.1, rng.random() * how.blur * target))
    return moved


@dataclass(frozen=True)
class Light:
    """How far light and camera change.

    Attributes:
        gamma: standard deviation of its logarithm.
        contrast: standard deviation of the logarithm of the slope.
        brightness: standard deviation of the offset, grey levels.
        tint: standard deviation of the logarithm of each channel's gain.
        saturation: range of the factor is 1 - this .. 1 + this.
        grey: part of the pictures that lose all colour.
        noise: part of the pictures with sensor noise, up to ``noise_sigma`` grey levels.
        shadow: part of the pictures lit from one side.
    """

    gamma: float = 0.28
    contrast: float = 0.22
    brightness: float = 18.0
    tint: float = 0.10
    saturation: float = 0.6
    grey: float = 0.06
    noise: float = 0.4
    noise_sigma: float = 14.0
    shadow: float = 0.3


def relight(image: npt.NDArray[np.uint8], rng: np.random.Generator, how: Light) -> npt.NDArray[np.uint8]:
    """Return a small picture (H x W x 3) as another camera in other light would have taken it."""
    cv2 = opencv("augmentation")
    height, width, _ = image.shape
    draws = rng.standard_normal(6)
    level = np.arange(256, dtype=np.float32)[:, np.newaxis] / 255
    gains = np.exp(draws[:3] * how.tint).astype(np.float32)
    curve = level ** np.float32(np.exp(draws[3] * how.gamma)) * gains
    curve = (curve - 0.5) * np.float32(np.exp(draws[4] * how.contrast)) + np.float32(0.5)
    table = np.clip(curve * 255 + np.float32(draws[5] * how.brightness), 0, 255).astype(np.uint8)
    lit = cv2.LUT(image, table[np.newaxis])
    saturation = 0.0 if rng.random() < how.grey else 1 + rng.uniform(-1, 1) * how.saturation
    mixing = np.eye(3) * saturation + np.array([0.299, 0.587, 0.114]) * (1 - saturation)
    result: npt.NDArray[np.uint8] = cv2.transform(lit, mixing.astype(np.float32))
    if rng.random() < how.shadow:
        slope = rng.normal(0, 0.35, 2).astype(np.float32)
        x, y = (np.linspace(-1, 1, n, dtype=np.float32) for n in (width, height))
        light = np.clip(1 + slope[0] * x + slope[1] * y[:, np.newaxis], 0.3, 1.5)
        result = as_bytes(result * light[..., np.newaxis])
    if rng.random() < how.noise:
        sigma = np.float32(rng.random() ** 2 * how.noise_sigma)
        result = as_bytes(result + rng.standard_normal(result.shape, dtype=np.float32) * sigma)
    return result


def as_bytes(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Round and clip to 0..255."""
    rounded: npt.NDArray[np.float32] = np.clip(pixels + np.float32(0.5), 0, 255)
    return rounded.astype(np.uint8)
