"""Accuracy on pictures that are worse than those of the test set: the paper's open point.

Pictures are spoilt before they are scaled, as a camera would, so a spoilt pixel counts less the larger the
picture is. The same seed, picture number, corruption and strength give the same pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from generator.errors import UsageError
from generator.evaluate.evaluation import answers
from generator.evaluate.scorers import Progress, Scorer
from generator.imaging import Image
from generator.imaging.opencv import opencv

STRENGTHS = 5
_WHITE_ELECTRONS = 1000.0  # of a small sensor's pixel in full light
_READ_NOISE_ELECTRONS = 5.0

_Spoil = Callable[[Image, float, np.random.Generator], Image]


def _noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    return _pixels(image + rng.normal(0.0, sigma, image.shape))


def _gaussian_blur(image: Image, percent: float, rng: np.random.Generator) -> Image:
    return _image(opencv("robustness").GaussianBlur(image, (0, 0), percent / 100 * min(image.shape[:2])))


def _motion_blur(image: Image, percent: float, rng: np.random.Generator) -> Image:
    cv2 = opencv("robustness")
    length = percent / 100 * min(image.shape[:2])
    size = 2 * int(np.ceil(length / 2)) + 1
    centre = (size - 1) / 2
    # A line through the middle, in any direction.
    angle = rng.uniform(0, np.pi)
    across, down = length / 2 * np.cos(angle), length / 2 * np.sin(angle)
    kernel = np.zeros((size, size), np.float32)
    for step in np.linspace(-1, 1, 4 * size):
        kernel[round(centre + step * down), round(centre + step * across)] += 1
    return _image(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101))


def _low_light(image: Image, percent: float, rng: np.random.Generator) -> Image:
    electrons = rng.poisson(image / 255.0 * _WHITE_ELECTRONS * percent / 100)
    read = electrons + rng.normal(0.0, _READ_NOISE_ELECTRONS, image.shape)
    return _pixels(read / _WHITE_ELECTRONS * 255.0)


def _jpeg(image: Image, quality: float, rng: np.random.Generator) -> Image:
    cv2 = opencv("robustness")
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    assert done, "JPEG takes every 8-bit picture"
    return np.ascontiguousarray(_image(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])


def _rotation(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    cv2 = opencv("robustness")
    height, width = image.shape[:2]
    turn = degrees if rng.random() < 0.5 else -degrees
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, 1.0)
    return _image(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101))


def _occlusion(image: Image, percent: float, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    side = np.sqrt(percent / 100)
    rows, columns = max(1, round(height * side)), max(1, round(width * side))
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    covered = image.copy()
    covered[top : top + rows, left : left + columns] = rng.integers(0, 256, 3)
    return _image(covered)


@dataclass(frozen=True)
class Corruption:
    """A way to spoil pictures.

    Attributes:
        name: what tables call it.
        unit: of ``levels``.
        levels: from the mildest to the strongest, :data:`STRENGTHS` of them.
        spoil: the picture, a level and a generator, into a picture of the same size.
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    spoil: _Spoil


CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption("noise", "sigma in grey levels of 255", (10, 20, 35, 55, 80), _noise),
    Corruption("Gaussian blur", "sigma in % of the shorter side", (1, 2, 3, 4.5, 6), _gaussian_blur),
    Corruption("motion blur", "length in % of the shorter side", (5, 10, 15, 20, 30), _motion_blur),
    Corruption("low light", "% of the light, with sensor noise", (60, 40, 25, 15, 8), _low_light),
    Corruption("JPEG", "quality of 100", (40, 25, 15, 8, 4), _jpeg),
    Corruption("rotation", "degrees, either way", (5, 10, 15, 20, 30), _rotation),
    Corruption("occlusion", "% of the area, one rectangle of any colour", (5, 10, 15, 25, 35), _occlusion),
)

_BY_NAME = MappingProxyType({corruption.name: corruption for corruption in CORRUPTIONS})


@dataclass(frozen=True)
class CorruptionAccuracy:
    """Accuracy (0..1) at each of ``levels``, and their mean."""

    name: str
    unit: str
    levels: tuple[float, ...]
    accuracies: tuple[float, ...]
    mean: float


@dataclass(frozen=True)
class Robustness:
    """Accuracies under corruption.

    Attributes:
        engine: what computed.
        count: pictures, each spoilt in every way.
        seed: of noise, places and directions.
        clean: accuracy on the pictures as they are, 0..1.
        corruptions: one row each.
        mean: over all rows.
    """

    engine: str
    count: int
    seed: int
    clean: float
    corruptions: tuple[CorruptionAccuracy, ...]
    mean: float


def corrupt(image: Image, name: str, strength: int, *, index: int = 0, seed: int = 0) -> Image:
    """Spoil an H x W x 3 picture.

    Args:
        image: RGB, ``uint8``.
        name: of a row of :data:`CORRUPTIONS`.
        strength: 1 (mild) to :data:`STRENGTHS`.
        index: the picture's number in its set, so that each gets a noise of its own.
        seed: 0 or above.

    Raises:
        UsageError: there is no such corruption or strength.
        MissingToolError: OpenCV is not installed.
    """
    if name not in _BY_NAME or not 1 <= strength <= STRENGTHS:
        raise UsageError(
            f"there is no corruption '{name}' of strength {strength}: there are {', '.join(_BY_NAME)}, 1 to "
            f"{STRENGTHS}"
        )
    corruption = _BY_NAME[name]
    rng = np.random.default_rng((seed, index, zlib.crc32(name.encode()), strength))
    return corruption.spoil(image, corruption.levels[strength - 1], rng)


def measure_robustness(
    scorer: Scorer,
    images: Iterable[Image],
    truth: Sequence[int],
    *,
    threshold: float | None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Robustness:
    """Give ``scorer`` every picture clean and spoilt in every way, and count (as :func:`answers` does)."""
    cells = [(c.name, strength) for c in CORRUPTIONS for strength in range(1, STRENGTHS + 1)]

    def spoilt() -> Iterator[Image]:
        for index, image in enumerate(images):
            yield image
            for name, strength in cells:
                yield corrupt(image, name, strength, index=index, seed=seed)

    given = answers(scorer(spoilt(), progress), threshold).reshape(-1, 1 + len(cells))
    right = (given == np.asarray(truth)[:, np.newaxis]).mean(axis=0)
    table = right[1:].reshape(len(CORRUPTIONS), STRENGTHS)
    return Robustness(
        engine=scorer.engine,
        count=len(given),
        seed=seed,
        clean=float(right[0]),
        corruptions=tuple(
            CorruptionAccuracy(c.name, c.unit, c.levels, tuple(float(a) for a in row), float(row.mean()))
            for c, row in zip(CORRUPTIONS, table, strict=True)
        ),
        mean=float(table.mean()),
    )


def pictures_in_all(count: int) -> int:
    """Pictures that :func:`measure_robustness` makes of ``count``."""
    return count * (1 + len(CORRUPTIONS) * STRENGTHS)


def _pixels(values: npt.NDArray[Any]) -> Image:
    return _image(np.clip(np.rint(values), 0, 255))


def _image(values: Any) -> Image:
    return np.asarray(values, np.uint8)
