"""Masks that were never worn: drawn on bare faces, dyed anew on masked ones, moved between pictures.

A small network learns the colours of the masks that it has seen, and the faces of the people who wore them.
These break both apart. All take and return square RGB pictures of at least 32 pixels that show one face,
eyes in the upper half, as detectors cut them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.augment.variation import as_bytes
from generator.imaging import Image
from generator.imaging.opencv import opencv

_Colour: TypeAlias = npt.NDArray[np.float32]
_Matte: TypeAlias = npt.NDArray[np.float32]

_CLOTHS = np.array(
    [
        (242, 243, 245), (225, 232, 238), (165, 205, 230), (120, 180, 215), (140, 200, 190), (90, 160, 130),
        (25, 26, 30), (45, 47, 55), (85, 88, 95), (130, 132, 138), (40, 50, 90), (50, 80, 160), (60, 45, 40),
        (235, 170, 190), (225, 90, 140), (180, 30, 50), (120, 20, 40), (235, 200, 70), (225, 160, 40),
        (225, 225, 60), (200, 110, 50), (150, 120, 190), (200, 175, 145), (175, 140, 110),
    ],
    np.float32,
)  # fmt: skip
"""Fabrics on sale: whites, surgical blues and greens, blacks, greys, and the colours that are missed."""

_SUBPIXELS = 4  # fractional bits of polygon corners
_CHIN = 0.90  # of the side: where the chin is in a tight cut-out, give or take


def draw_mask(image: Image, rng: np.random.Generator) -> Image:
    """Return a bare face with a mask from the bridge or tip of the nose to below the chin."""
    side = image.shape[0]
    middle = side * (0.5 + rng.normal(0, 0.04))
    top = side * rng.uniform(0.46, 0.60)
    bottom = side * rng.uniform(_CHIN - 0.08, _CHIN + 0.14)
    half_width = side * rng.uniform(0.30, 0.48)
    outline = _outline(rng, middle, top, bottom, half_width)
    return _wear(image, outline, rng, straps=side * rng.uniform(0.40, 0.6))


def draw_chin_mask(image: Image, rng: np.random.Generator) -> Image:
    """Return a bare face with a mask pulled down below the mouth, or a scarf: still no mask."""
    side = image.shape[0]
    middle = side * (0.5 + rng.normal(0, 0.04))
    top = side * rng.uniform(_CHIN - 0.02, _CHIN + 0.06)
    outline = _outline(rng, middle, top, side * 1.25, side * rng.uniform(0.3, 0.6))
    return _wear(image, outline, rng, straps=0.0)


def dye_mask(image: Image, rng: np.random.Generator) -> Image:
    """Return a masked face whose mask has another colour, and perhaps a pattern; folds and light stay."""
    side = image.shape[0]
    matte = _alike(image, (0.38, 0.62), (0.66, 0.86), spread=rng.uniform(0.8, 1.3))
    rows = np.arange(side, dtype=np.float32)[:, np.newaxis] / side
    matte = matte * np.clip((rows - 0.36) / 0.12, 0, 1)
    cloth = _cloth(side, _cloth_colour(image, rng), rng)
    return _blend(image, as_bytes(cloth * _shading(image, matte, rng)[..., np.newaxis]), matte)


def dye_skin(image: Image, rng: np.random.Generator) -> Image:
    """Return a face whose skin is darker, lighter, redder or paler."""
    matte = _alike(image, (0.3, 0.7), (0.2, 0.5), spread=1.0)
    tone = np.array([1.0, rng.uniform(0.82, 1.02), rng.uniform(0.65, 1.05)], np.float32)
    gain = np.exp(rng.uniform(np.log(0.4), np.log(1.25)))
    return _blend(image, as_bytes(image * (tone * np.float32(gain))), matte)


def transplant(lower: Image, upper: Image, rng: np.random.Generator) -> Image:
    """Return the lower half of one picture below the upper half of another, of the same side."""
    side = lower.shape[0]
    rows = np.arange(side, dtype=np.float32)[:, np.newaxis]
    columns = np.arange(side, dtype=np.float32)[np.newaxis]
    seam = side * rng.uniform(0.38, 0.50) + (columns - side / 2) * rng.normal(0, 0.12)
    matte = np.clip((rows - seam) / (side * rng.uniform(0.02, 0.15)) + 0.5, 0, 1)
    return _blend(upper, lower, matte.astype(np.float32))


def occlude(image: Image, rng: np.random.Generator) -> Image:
    """Return a picture with something of cloth, skin or hair in front of a part that is not the mouth."""
    cv2 = opencv("augmentation")
    side = image.shape[0]
    across, down = rng.uniform(0, 1), rng.choice([rng.uniform(0, 0.4), rng.uniform(0.9, 1.1)])
    matte = np.zeros((side, side), np.float32)
    axes = (int(side * rng.uniform(0.06, 0.3)), int(side * rng.uniform(0.04, 0.16)))
    angle = float(rng.uniform(0, 180))
    centre = (int(side * across), int(side * down))
    if rng.random() < 0.5:
        cv2.ellipse(matte, (centre, (2.0 * axes[0], 2.0 * axes[1]), angle), 1.0, -1)
    else:
        corners = cv2.boxPoints((centre, (2.0 * axes[0], 2.0 * axes[1]), angle))
        cv2.fillConvexPoly(matte, np.int32(corners), 1.0)
    return _blend(image, as_bytes(_cloth(side, _cloth_colour(image, rng), rng)), matte)


def _outline(
    rng: np.random.Generator, middle: float, top: float, bottom: float, half_width: float
) -> npt.NDArray[np.float64]:
    """Corners, clockwise from the bridge of the nose; sides higher or lower than it, chin round or cut."""
    height = bottom - top
    turn = rng.normal(0, 0.25)  # a turned head: one side is longer
    left, right = half_width * (1 - turn), half_width * (1 + turn)
    sag = height * rng.uniform(0.0, 0.22)
    jaw = rng.uniform(0.55, 0.85)
    points = [
        (0, 0), (0.35 * right, sag * rng.uniform(0.1, 0.6)), (right, sag),
        (right * rng.uniform(0.92, 1.0), 0.5 * height), (right * jaw, 0.8 * height),
        (0.3 * right, height), (-0.3 * left, height),
        (-left * jaw, 0.8 * height), (-left * rng.uniform(0.92, 1.0), 0.5 * height),
        (-left, sag), (-0.35 * left, sag * rng.uniform(0.1, 0.6)),
    ]  # fmt: skip
    angle = rng.normal(0, 0.12)
    cos, sin = np.cos(angle), np.sin(angle)
    turned: npt.NDArray[np.float64] = np.array(points) @ np.array([[cos, sin], [-sin, cos]])
    turned += np.array((middle, top))
    return turned


def _wear(
    image: Image, outline: npt.NDArray[np.float64], rng: np.random.Generator, *, straps: float
) -> Image:
    cv2 = opencv("augmentation")
    side = image.shape[0]
    colour = _cloth_colour(image, rng)
    matte = np.zeros((side, side), np.uint8)
    if straps and rng.random() < 0.6:
        _draw_straps(cv2, matte, outline, straps, rng)
    cv2.fillPoly(matte, [np.rint(outline * 2**_SUBPIXELS).astype(np.int32)], 255, cv2.LINE_AA, _SUBPIXELS)
    if rng.random() < 0.5:
        matte = cv2.blur(matte, (3, 3))
    opacity = matte.astype(np.float32) * np.float32(1 / 255)
    cloth = _cloth(side, colour, rng)
    if rng.random() < 0.4:
        _draw_folds(cv2, cloth, outline, rng)
    shade = _shading(image, opacity, rng)
    # Round: darker to one side and towards the edge of the face.
    slope = np.linspace(-1, 1, side, dtype=np.float32) * np.float32(rng.normal(0, 0.25))
    shade = np.clip(shade * (1 + slope), 0.25, 1.6)
    return _blend(image, as_bytes(cloth * shade[..., np.newaxis]), opacity)


def _draw_straps(cv2: Any, matte: Any, outline: npt.NDArray[np.float64], reach: float, rng: Any) -> None:
    thickness = int(rng.integers(1, 3))
    for corner, direction in ((2, 1), (4, 1), (9, -1), (7, -1)):
        start = outline[corner]
        end = start + np.array((direction * reach * 0.6, reach * rng.uniform(-0.5, 0.1)))
        cv2.line(
            matte,
            tuple(int(v) for v in start),
            tuple(int(v) for v in end),
            int(rng.integers(120, 256)),
            thickness,
            cv2.LINE_AA,
        )


def _draw_folds(cv2: Any, cloth: Any, outline: npt.NDArray[np.float64], rng: np.random.Generator) -> None:
    left, right = outline[9], outline[2]
    height = outline[5][1] - outline[0][1]
    for share in np.linspace(0.25, 0.75, int(rng.integers(2, 5))):
        factor = float(rng.uniform(0.75, 0.95))
        down = np.array((0, height * share))
        start, end = left + down, right + down
        colour = [float(v) * factor for v in cloth[cloth.shape[0] * 3 // 4, cloth.shape[1] // 2]]
        cv2.line(cloth, tuple(int(v) for v in start), tuple(int(v) for v in end), colour, 1, cv2.LINE_AA)


def _cloth_colour(image: Image, rng: np.random.Generator) -> _Colour:
    """A fabric's colour, any colour, or that of the wearer's skin."""
    kind = rng.random()
    if kind < 0.62:
        base = _CLOTHS[rng.integers(len(_CLOTHS))]
    elif kind < 0.80:
        base = rng.uniform(10, 250, 3).astype(np.float32)
    else:
        base = _patch_colour(image, (0.35, 0.65), (0.25, 0.5)) * np.float32(rng.uniform(0.75, 1.2))
    dyed: _Colour = base + rng.normal(0, 10, 3).astype(np.float32)
    return dyed.clip(4, 252)


def _cloth(side: int, colour: _Colour, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A piece of fabric, side x side x 3: plain, woven, striped, dotted, chequered, printed."""
    cv2 = opencv("augmentation")
    cloth = np.empty((side, side, 3), np.float32)
    cloth[:] = colour
    kind = rng.random()
    if kind < 0.5:
        return cloth
    other = _CLOTHS[rng.integers(len(_CLOTHS))] if rng.random() < 0.7 else rng.uniform(0, 255, 3)
    strength = np.float32(rng.uniform(0.3, 1.0))
    if kind < 0.62:  # woven or knitted: noise of some grain
        grain = int(rng.integers(6, 48))
        noise = rng.random((grain, grain), dtype=np.float32)
        pattern = cv2.resize(noise, (side, side), interpolation=cv2.INTER_LINEAR)
    elif kind < 0.78:  # stripes and checks, of any direction
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(3, 16)
        x = np.arange(side, dtype=np.float32)
        wave = np.cos(angle) * x[np.newaxis] + np.sin(angle) * x[:, np.newaxis]
        pattern = np.sin(wave * np.float32(2 * np.pi / pitch))
        if rng.random() < 0.5:
            across = np.cos(angle) * x[:, np.newaxis] - np.sin(angle) * x[np.newaxis]
            pattern = pattern * np.sin(across * np.float32(2 * np.pi / pitch))
        pattern = np.clip(pattern * 3 + rng.uniform(-1, 1), 0, 1)
    else:  # dots, flowers, letters: blobs of several colours
        for _ in range(int(rng.integers(3, 28))):
            centre = (int(rng.integers(side)), int(side * rng.uniform(0.4, 1.0)))
            size = (float(rng.uniform(1, 12)), float(rng.uniform(1, 8)))
            tint = [float(v) for v in (_CLOTHS[rng.integers(len(_CLOTHS))] if rng.random() < 0.4 else other)]
            cv2.ellipse(cloth, (centre, size, float(rng.uniform(0, 180))), tint, -1, cv2.LINE_AA)
        return cloth
    pattern = (pattern * strength)[..., np.newaxis]
    woven: npt.NDArray[np.float32] = cloth + (np.asarray(other, np.float32) - cloth) * pattern
    return woven


def _shading(image: Image, matte: _Matte, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Brightness of a picture relative to its mean where ``matte`` is, smoothed some."""
    cv2 = opencv("augmentation")
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = int(rng.choice([1, 3, 7, 13]))
    if size > 1:
        luma = cv2.blur(luma, (size, size))
    shade = luma.astype(np.float32) + 20
    mean = float((shade * matte).sum() / max(float(matte.sum()), 1.0))
    relative: npt.NDArray[np.float32] = shade / np.float32(max(mean, 1.0))
    relative = relative.clip(0.35, 1.7) ** np.float32(rng.uniform(0.3, 1.1))
    return relative


def _alike(image: Image, across: tuple[float, float], down: tuple[float, float], *, spread: float) -> _Matte:
    """How alike in colour each pixel is to a patch of the picture, 0..1."""
    side = image.shape[0]
    patch = image[int(side * down[0]) : int(side * down[1]), int(side * across[0]) : int(side * across[1])]
    pixels = patch.reshape(-1, 3).astype(np.float32)
    mean = np.median(pixels, axis=0)
    width = np.clip(np.abs(pixels - mean).mean(axis=0) * 2.2, 14, 40) * np.float32(spread)
    cv2 = opencv("augmentation")
    away = (image - mean.astype(np.float32)) / width.astype(np.float32)
    distance = cv2.transform(away * away, np.ones((1, 3), np.float32))
    alike = np.clip(1.6 - np.float32(0.2) * distance, 0, 1)
    matte: _Matte = cv2.blur(alike, (3, 3))
    return matte


def _patch_colour(image: Image, across: tuple[float, float], down: tuple[float, float]) -> _Colour:
    side = image.shape[0]
    patch = image[int(side * down[0]) : int(side * down[1]), int(side * across[0]) : int(side * across[1])]
    colour: _Colour = np.median(patch.reshape(-1, 3), axis=0).astype(np.float32)
    return colour


def _blend(below: Image, above: Image, matte: _Matte) -> Image:
    cv2 = opencv("augmentation")
    mixed: Image = cv2.blendLinear(above, below, matte, 1 - matte)
    return mixed
