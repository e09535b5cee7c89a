"""What is done to a picture, how far and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generator.augment.masks import draw_chin_mask, draw_mask, dye_mask, dye_skin, occlude, transplant
from generator.augment.variation import Framing, Light, reframe, relight
from generator.imaging import Image
from generator.imaging.opencv import opencv

INTERPOLATIONS = ("INTER_AREA", "INTER_CUBIC", "INTER_NEAREST", "INTER_LINEAR", "INTER_LANCZOS4")
"""OpenCV's names of the paper's five ways to scale (arXiv 2011.14858, section 3)."""

BARE, MASKED = 0, 1


@dataclass(frozen=True)
class Disguises:
    """How often faces change; shares are 0..1. For sets whose classes are bare (0) and masked (1) faces.

    Attributes:
        drawn: of the masked faces, those that are bare faces with a drawn mask.
        chin: of the bare faces, those that get a mask below the mouth.
        dyed: of the masked faces, those whose mask gets another colour.
        skin: of all, those whose skin gets another tone.
        moved: of all, those whose upper half comes from another picture of any class.
        occluded: of all, those with something in front of eyes, forehead or throat.
    """

    drawn: float = 0.4
    chin: float = 0.03
    dyed: float = 0.4
    skin: float = 0.25
    moved: float = 0.15
    occluded: float = 0.2


@dataclass(frozen=True)
class Augmentation:
    """What a copy of a picture goes through, in this order; None leaves a step out."""

    disguises: Disguises | None = None
    framing: Framing | None = None
    light: Light | None = None


STANDARD = Augmentation(
    framing=Framing(
        rotation_degrees=8,
        shift=0.08,
        smaller=0.88,
        larger=1.12,
        aspect=0,
        shear=0,
        coarsest=2.5,
        finest=3.5,
        blurred=0,
        reflected=True,
    ),
    light=Light(gamma=0, contrast=0.12, brightness=0, tint=0, saturation=0, grey=0, noise=0, shadow=0),
)
"""The usual one, mild: flips, turns, shifts, scale, brightness."""

STRONG = Augmentation(framing=Framing(), light=Light())
"""For pictures of any kind from cameras, sites and light that training has not seen."""

FACES = Augmentation(disguises=Disguises(), framing=Framing(), light=Light())
"""STRONG, and masks and faces that training has not seen."""


def disguise(
    image: Image,
    label: int,
    other: Callable[[], Image],
    rng: np.random.Generator,
    how: Disguises,
    *,
    draw: bool,
) -> Image:
    """Return a face that looks different and has the same label, but if ``draw``, which puts a mask on it.

    Args:
        image: square.
        label: BARE or MASKED.
        other: gives any picture of the set, to take an upper half from.
        rng: decides.
        how: how often.
        draw: whether a bare face gets a mask.
    """
    cv2 = opencv("augmentation")
    if rng.random() < how.skin:
        image = dye_skin(image, rng)
    if rng.random() < how.moved:
        upper = other()
        if upper.shape != image.shape:
            upper = cv2.resize(upper, image.shape[:2])
        image = transplant(image, upper, rng)
    if draw:
        image = draw_mask(image, rng)
    elif label == BARE and rng.random() < how.chin:
        image = draw_chin_mask(image, rng)
    elif label == MASKED and rng.random() < how.dyed:
        image = dye_mask(image, rng)
    if rng.random() < how.occluded:
        image = occlude(image, rng)
    return image


def scaled(image: Image, side: int, interpolation: int) -> npt.NDArray[np.uint8]:
    """Return a square scaled to ``side`` pixels; ``interpolation`` counts in INTERPOLATIONS."""
    cv2 = opencv("augmentation")
    result: npt.NDArray[np.uint8] = cv2.resize(
        image, (side, side), interpolation=getattr(cv2, INTERPOLATIONS[interpolation])
    )
    return result


def varied(
    image: Image, rng: np.random.Generator, how: Augmentation, side: int, interpolation: int
) -> npt.NDArray[np.uint8]:
    """Return a square framed, scaled to ``side`` pixels and lit otherwise."""
    if how.framing is not None:
        image = reframe(image, rng, how.framing, side)
    small = scaled(image, side, interpolation)
    return small if how.light is None else relight(small, rng, how.light)
