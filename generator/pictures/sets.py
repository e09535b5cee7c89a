"""Labelled pictures in splits, read when they are asked for, with a hash over their content."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.errors import FirmcastError, MissingToolError, UsageError
from generator.imaging import Image, prepare_image, read_image
from generator.pictures.synthetic import draw_face

SplitName: TypeAlias = Literal["Train", "Validation", "Test"]
SPLITS: tuple[SplitName, ...] = ("Train", "Validation", "Test")
SYNTHETIC = "synthetic"

MASK_LABELS = ("no mask", "mask")

NAMED_IN_A_MESSAGE = 10


@dataclass(frozen=True)
class Picture:
    """What is known of a picture without its pixels.

    Attributes:
        source: name of the set that it comes from.
        cluster: pictures with the same number are near-duplicates of each other, in any split.
        sha256: of its pixels, whatever its file; empty for drawings.
        height: in pixels.
        width: in pixels.
    """

    source: str
    cluster: int
    sha256: str
    height: int
    width: int


@dataclass(frozen=True)
class LeftOut:
    """A picture that is in a folder but not in the set.

    Attributes:
        file: its name, as a split would have it.
        kind: ``unreadable``; ``duplicate`` of one in the same split; ``conflict``: it stands in two classes;
            ``aside``: it is of a ready-made Test split, whose place a held-out set has taken.
        reason: in words.
    """

    file: str
    kind: Literal["unreadable", "duplicate", "conflict", "aside"]
    reason: str


@dataclass(frozen=True)
class Split:
    """Part of an image set.

    Attributes:
        name: Train, Validation or Test.
        files: name of every picture, relative to the set, in order; of several sets, behind the set's name.
        labels: number of its class for each.
        load: reads picture ``i``; other processes can have it (it can be pickled).
        pictures: what else is known of each.
    """

    name: SplitName
    files: tuple[str, ...]
    labels: tuple[int, ...]
    load: Callable[[int], Image]
    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.files)

    def images(self) -> Iterator[Image]:
        """Yield every picture in order.

        Raises:
            UsageError: pictures cannot be read; up to ten are named, after the last was tried.
        """
        problems: list[str] = []
        for index in range(len(self)):
            try:
                image = self.load(index)
            except MissingToolError:
                raise
            except FirmcastError as error:
                problems.append(str(error))
            else:
                yield image
        if problems:
            raise UsageError("\n".join(["Replace or remove what cannot be read:", *some_of(problems)]))

    def part(self, kept: Sequence[int]) -> Split:
        """The pictures with these numbers, in this order."""
        return replace(
            self,
            files=tuple(self.files[i] for i in kept),
            labels=tuple(self.labels[i] for i in kept),
            load=_Chosen(self.load, tuple(kept)),
            pictures=tuple(self.pictures[i] for i in kept),
        )


@dataclass(frozen=True)
class _Chosen:
    """Reads some of the pictures that ``load`` reads. A class, so that other processes can have it."""

    load: Callable[[int], Image]
    kept: tuple[int, ...]

    def __call__(self, index: int) -> Image:
        return self.load(self.kept[index])


@dataclass(frozen=True)
class FileLoader:
    """Reads pictures from files."""

    paths: tuple[Path, ...]

    def __call__(self, index: int) -> Image:
        """Read picture ``index``. Raises UsageError, naming the file."""
        return read_image(self.paths[index])


@dataclass(frozen=True)
class ImageSet:
    """Pictures of two classes or more.

    Attributes:
        name: of the folders, or ``synthetic``.
        labels: names of the classes; of two, the network's output is the probability of the second.
        splits: Train, Validation and Test.
        content_sha256: over names and bytes of all files in the splits (if synthetic: over the arguments and
            some pixels).
        left_out: what was found but is in no split, each with the reason.
        left_alone: for each set, what else lies in its folder, with the number of files (1 for a folder).
    """

    name: str
    labels: tuple[str, ...]
    splits: Mapping[SplitName, Split]
    content_sha256: str
    left_out: tuple[LeftOut, ...] = ()
    left_alone: Mapping[str, Mapping[str, int]] | None = None

    @property
    def is_synthetic(self) -> bool:
        """Whether the pictures are drawings, fit for a smoke test only."""
        return self.name == SYNTHETIC

    def counts(self) -> dict[str, dict[str, int]]:
        """Pictures per split and class name."""
        return {
            name: {label: Counter(split.labels)[index] for index, label in enumerate(self.labels)}
            for name, split in self.splits.items()
        }

    def unreadable(self) -> tuple[str, ...]:
        """What could not be read, each with the reason."""
        return tuple(f"{one.file}: {one.reason}" for one in self.left_out if one.kind == "unreadable")


def some_of(lines: Sequence[str]) -> list[str]:
    """Up to ten lines, and how many more there are."""
    more = len(lines) - NAMED_IN_A_MESSAGE
    return [*lines[:NAMED_IN_A_MESSAGE], *([f"and {more} more"] if more > 0 else [])]


@dataclass(frozen=True)
class _Drawings:
    """Draws pictures; every second one is masked."""

    seed: int
    order: int
    size: int

    def __call__(self, index: int) -> Image:
        return _drawing(self.seed, self.order, index, self.size)


@lru_cache(maxsize=2048)  # drawing takes longer than reading a file
def _drawing(seed: int, order: int, index: int, size: int) -> Image:
    return draw_face(np.random.default_rng((seed, order, index)), bool(index % 2), size)


def synthetic_set(*, seed: int = 0, train: int = 160, held_out: int = 40, size: int = 96) -> ImageSet:
    """Return drawings, half of them masked; the same arguments give the same pixels.

    Args:
        seed: 0 or above.
        train: pictures in Train.
        held_out: pictures in Validation and in Test, each.
        size: side length in pixels.
    """
    digest = hashlib.sha256(f"firmcast synthetic {seed} {train} {held_out} {size}".encode())

    def split(order: int, name: SplitName, count: int) -> Split:
        labels = tuple(index % 2 for index in range(count))
        load = _Drawings(seed, order, size)
        if count:
            digest.update(load(0).tobytes())
        files = tuple(f"{name}/{index:05}" for index in range(count))
        pictures = tuple(Picture(SYNTHETIC, order * 10**6 + index, "", size, size) for index in range(count))
        return Split(name, files, labels, load, pictures)

    sizes: dict[SplitName, int] = {"Train": train, "Validation": held_out, "Test": held_out}
    splits = {name: split(order, name, count) for order, (name, count) in enumerate(sizes.items())}
    return ImageSet(SYNTHETIC, MASK_LABELS, splits, digest.hexdigest())


def with_drawings(split: Split, count: int, *, seed: int = 0) -> Split:
    """Return a split of faces with ``count`` drawings behind its pictures, every second one masked."""
    drawings = synthetic_set(seed=seed, train=count, held_out=0).splits["Train"]
    return replace(
        split,
        files=(*split.files, *(f"{SYNTHETIC}/{file}" for file in drawings.files)),
        labels=(*split.labels, *drawings.labels),
        load=_Joined(split.load, len(split), drawings.load),
        pictures=(*split.pictures, *drawings.pictures),
    )


@dataclass(frozen=True)
class _Joined:
    """Reads ``count`` pictures by ``first``, and what follows by ``then``."""

    first: Callable[[int], Image]
    count: int
    then: Callable[[int], Image]

    def __call__(self, index: int) -> Image:
        return self.first(index) if index < self.count else self.then(index - self.count)


def network_inputs(split: Split, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """Every picture of a split as the firmware would hand it to the network: N x H x W x C, ``uint8``."""
    prepared = [prepare_image(image, height, width, channels) for image in split.images()]
    if not prepared:
        raise UsageError(f"{split.name}: holds no image")
    return np.stack(prepared)
