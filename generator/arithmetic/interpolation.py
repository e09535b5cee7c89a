"""Where the pixels of a resized image lie in the one that it is made from, in 1/1024 of a pixel.

Integer arithmetic as in ``reference/resize_bilinear.h``, ``ResizeBilinearInteger``.
"""

from __future__ import annotations

from dataclasses import dataclass

ONE = 1 << 10
"""Weights of two neighbours add up to this."""


@dataclass(frozen=True)
class Place:
    """Between the indices ``first`` and ``second``, which has ``weight`` of ONE."""

    first: int
    second: int
    weight: int


def places(source: int, result: int, *, align_corners: bool, half_pixel_centers: bool) -> tuple[Place, ...]:
    """Of ``result`` indices along an axis of ``source``."""
    if align_corners and result > 1:
        step = (ONE * (source - 1) + (result - 1) // 2) // (result - 1)
    else:
        step = (ONE * source + result // 2) // result
    shift = step // 2 - ONE // 2 if half_pixel_centers else 0
    return tuple(_place(index * step + shift, source) for index in range(result))


def _place(at: int, size: int) -> Place:
    second = min((at + ONE - 1) // ONE, size - 1)
    # Rounded steps add up: a long way to the right TFLM reads beyond the image.
    first = min(max(at // ONE, 0), second)
    return Place(first, second, at - ONE * first if first < second else 0)
