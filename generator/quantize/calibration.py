"""Samples that a network's ranges are found with, for any list of inputs, wherever the network comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from generator.catalog import Normalization
from generator.errors import FirmcastError, MissingToolError, UsageError
from generator.imaging import Image, prepare_image, read_image
from generator.pictures import SYNTHETIC, ImageSet, synthetic_set
from generator.pictures.layouts import content_share, image_files, split_folders
from generator.quantize.arrays import array_pool, is_array_source
from generator.quantize.pool import NetworkInput, Pool, Sample, expected

DEFAULT_SAMPLES = 256
FEW_SAMPLES = 100
HELD_OUT_SAMPLES = 32
PIXELS = Normalization(scale=1 / 255)
"""Pixels 0..255 as 0..1."""

_HELD_OUT_SHARE = 0.2
_NAMED_IN_A_MESSAGE = 10

SampleSource: TypeAlias = Callable[[Sequence[NetworkInput]], "Samples"]


@dataclass(frozen=True)
class Samples:
    """Samples that were read.

    Attributes:
        source: name of the folder or file, or ``synthetic``.
        calibration: what sets the ranges, at least one.
        held_out: others, to measure errors with; empty where there are too few to spare any.
        seed: that chose them.
        unreadable: what was left out, each with the reason.
        scaling: what was done to the values, for people.
    """

    source: str
    calibration: tuple[Sample, ...]
    held_out: tuple[Sample, ...]
    seed: int
    unreadable: tuple[str, ...]
    scaling: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before trusting the ranges."""
        found = [f"left out {problem}" for problem in self.unreadable[:_NAMED_IN_A_MESSAGE]]
        if len(self.unreadable) > _NAMED_IN_A_MESSAGE:
            found.append(f"left out {len(self.unreadable) - _NAMED_IN_A_MESSAGE} more")
        if self.source == SYNTHETIC:
            found.append("calibrated on made-up values: a smoke test; the ranges say nothing of real data")
        if len(self.calibration) < FEW_SAMPLES:
            found.append(
                f"calibrated on {len(self.calibration)} samples; below {FEW_SAMPLES}, rare values are missed "
                "and will be clipped"
            )
        return tuple(found)


def open_samples(
    source: str,
    inputs: Sequence[NetworkInput],
    *,
    count: int = DEFAULT_SAMPLES,
    seed: int = 0,
    normalization: Normalization | None = None,
) -> Samples:
    """Read samples for a network.

    Args:
        source: a folder of JPEG, PNG, BMP and WebP files (in itself, or in folders of any depth; of ``Train``
            and ``Validation`` the first sets ranges, the second is held out); a folder of ``.npy`` files, a
            ``.npy`` or ``.npz`` file, see :func:`~generator.quantize.arrays.array_pool`; or ``synthetic``.
        inputs: of the network, in its order.
        count: samples that set ranges, at most.
        seed: chooses them.
        normalization: real = value * scale + offset. Without it pixels are divided by 255 and arrays are
            taken as they are.

    Raises:
        UsageError: there is nothing usable, or it does not fit the inputs.
        MissingToolError: reading pictures needs OpenCV.
    """
    if count < 1:
        raise UsageError("calibration needs at least one sample")
    if source == SYNTHETIC:
        image = _only_image(inputs)
        if image is None:
            pools, scaling = _noise(inputs, count, seed), "standard normal noise"
        else:
            return image_set_samples(
                synthetic_set(seed=seed), inputs, count=count, seed=seed, normalization=normalization
            )
    elif is_array_source(Path(source)):
        pools = _apart_by_position(array_pool(Path(source), inputs, normalization), seed)
        scaling = "arrays as they are" if normalization is None else _in_words("value", normalization)
    else:
        pools = _folder_of_images(Path(source), inputs, normalization or PIXELS)
        scaling = _in_words("pixel", normalization or PIXELS)
    name = source if source == SYNTHETIC else Path(source).resolve().name
    return _drawn(name, *pools, count=count, seed=seed, scaling=scaling)


def image_set_samples(
    data: ImageSet,
    inputs: Sequence[NetworkInput],
    *,
    count: int = DEFAULT_SAMPLES,
    seed: int = 0,
    normalization: Normalization | None = None,
) -> Samples:
    """Pictures of Train to set ranges, pictures of Validation held out. Raises UsageError as above."""
    how = normalization or PIXELS
    train, held_out = (
        _image_pool(split.files, split.load, _image_or_refuse(inputs, data.name), how)
        for split in (data.splits["Train"], data.splits["Validation"])
    )
    return _drawn(data.name, train, held_out, count=count, seed=seed, scaling=_in_words("pixel", how))


def _drawn(source: str, calibration: Pool, held_out: Pool, *, count: int, seed: int, scaling: str) -> Samples:
    rng = np.random.default_rng(seed)
    chosen, problems = _read(calibration, count, rng)
    others, more_problems = _read(held_out, HELD_OUT_SAMPLES, rng)
    if not chosen:
        reasons = "".join(f"\n  - {problem}" for problem in problems[:_NAMED_IN_A_MESSAGE])
        raise UsageError(f"{source}: holds no sample that can be used{':' if reasons else ''}{reasons}")
    return Samples(source, chosen, others, seed, (*problems, *more_problems), scaling)


def _read(pool: Pool, count: int, rng: np.random.Generator) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """Up to ``count`` samples chosen by ``rng``; others take the place of those that cannot be read."""
    size = len(pool.names)
    chosen = sorted(rng.choice(size, min(count, size), replace=False).tolist())
    spare = sorted(set(range(size)).difference(chosen))
    samples: list[Sample] = []
    problems: list[str] = []
    for index in (*chosen, *spare):
        if len(samples) == count:
            break
        try:
            samples.append(pool.load(index))
        except MissingToolError:
            raise
        except FirmcastError as error:
            problems.append(str(error))
    return tuple(samples), tuple(problems)


def _folder_of_images(
    root: Path, inputs: Sequence[NetworkInput], normalization: Normalization
) -> tuple[Pool, Pool]:
    if not root.is_dir():
        raise UsageError(
            f"{root}: no such folder; name a folder of images, a folder of .npy files, a .npz file, "
            f"or '{SYNTHETIC}'"
        )
    folders = split_folders(root)
    train, held_out = folders["Train"] or root, folders["Validation"]
    files = image_files(train)
    if not files:
        raise UsageError(
            f"{root}: holds neither JPEG, PNG, BMP or WebP images nor .npy files; "
            f"needed are {expected(inputs)}"
        )
    image = _image_or_refuse(inputs, str(root))
    if held_out is not None and train != root:
        first, second = files, image_files(held_out)
    elif len(files) < FEW_SAMPLES:
        first, second = files, []
    else:
        # By content, so that copies of a picture that sets ranges are never held out.
        shares = [content_share(file) for file in files]
        first, second = (
            [file for file, share in zip(files, shares, strict=True) if (share < 1 - _HELD_OUT_SHARE) == low]
            for low in (True, False)
        )

    def pool(paths: list[Path]) -> Pool:
        names = tuple(path.relative_to(root).as_posix() for path in paths)
        return _image_pool(names, lambda index: read_image(paths[index]), image, normalization)

    return pool(first), pool(second)


def _image_pool(
    names: Iterable[str], load: Callable[[int], Image], image: NetworkInput, normalization: Normalization
) -> Pool:
    height, width, channels = image.shape[1:]
    scale, offset = np.float32(normalization.scale), np.float32(normalization.offset)

    def sample(index: int) -> Sample:
        pixels = prepare_image(load(index), height, width, channels)[np.newaxis].astype(np.float32)
        # Rounded as training rounds it.
        scaled = pixels / 255 if normalization == PIXELS else pixels * scale + offset
        return (scaled.astype(image.dtype),)

    return Pool(tuple(names), sample)


def _only_image(inputs: Sequence[NetworkInput]) -> NetworkInput | None:
    return inputs[0] if len(inputs) == 1 and inputs[0].takes_images else None


def _image_or_refuse(inputs: Sequence[NetworkInput], source: str) -> NetworkInput:
    image = _only_image(inputs)
    if image is None:
        raise UsageError(
            f"{source}: holds images, but the network does not take one image of 1 or 3 channels alone; "
            f"needed are {expected(inputs)}"
        )
    return image


def _apart_by_position(pool: Pool, seed: int) -> tuple[Pool, Pool]:
    size = len(pool.names)
    spared = 0 if size < FEW_SAMPLES else min(HELD_OUT_SAMPLES, int(size * _HELD_OUT_SHARE))
    order = np.random.default_rng((seed, size)).permutation(size).tolist()

    def part(indices: list[int]) -> Pool:
        return Pool(tuple(pool.names[i] for i in indices), lambda index: pool.load(indices[index]))

    return part(sorted(order[spared:])), part(sorted(order[:spared]))


def _noise(inputs: Sequence[NetworkInput], count: int, seed: int) -> tuple[Pool, Pool]:
    def pool(order: int, size: int) -> Pool:
        def sample(index: int) -> Sample:
            rng = np.random.default_rng((seed, order, index))
            return tuple(_noise_for(given, rng) for given in inputs)

        return Pool(tuple(f"{SYNTHETIC}/{index:05}" for index in range(size)), sample)

    return pool(0, count), pool(1, HELD_OUT_SAMPLES)


def _noise_for(given: NetworkInput, rng: np.random.Generator) -> npt.NDArray[np.generic]:
    if given.dtype.kind == "f":
        return rng.standard_normal(given.shape).astype(given.dtype)
    return rng.integers(0, 2, given.shape).astype(given.dtype)


def _in_words(value: str, how: Normalization) -> str:
    if how == PIXELS:
        return f"{value} / 255"
    return f"{value} * {how.scale:g} {'-' if how.offset < 0 else '+'} {abs(how.offset):g}"
