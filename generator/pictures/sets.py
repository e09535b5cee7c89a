"""Labelled pictures: folders, or drawings, in a fixed order and with a hash over their content."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.errors import FirmcastError, MissingToolError, UsageError
from generator.imaging import Image, area_average, crop_square, prepare_image, read_image
from generator.pictures.synthetic import draw_face

SplitName: TypeAlias = Literal["Train", "Validation", "Test"]
SPLITS: tuple[SplitName, ...] = ("Train", "Validation", "Test")
SYNTHETIC = "synthetic"

MASK_LABELS = ("no mask", "mask")

_SPLIT_FOLDERS: Mapping[SplitName, tuple[str, ...]] = {
    "Train": ("train", "training"),
    "Validation": ("validation", "valid", "val"),
    "Test": ("test", "testing"),
}
_POSITIVE = ("withmask", "mask", "masked")
_NEGATIVE = ("withoutmask", "nomask", "unmasked")
_SUFFIXES = (".jpg", ".jpeg", ".png")
_NAMED_IN_A_MESSAGE = 10
_LARGEST_KEPT = 256  # side in pixels: what training keeps of a picture in memory


@dataclass(frozen=True)
class Split:
    """Part of an image set.

    Attributes:
        name: Train, Validation or Test.
        files: name of every picture, relative to the set, in order.
        labels: 0 or 1 for each.
        load: reads picture ``i``.
    """

    name: SplitName
    files: tuple[str, ...]
    labels: tuple[int, ...]
    load: Callable[[int], Image]

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
            shown = problems[:_NAMED_IN_A_MESSAGE]
            more = [f"and {len(problems) - len(shown)} more"] if len(problems) > len(shown) else []
            raise UsageError("\n".join(["Replace or remove what cannot be read:", *shown, *more]))


@dataclass(frozen=True)
class ImageSet:
    """A two-class image set.

    Attributes:
        name: folder name, or ``synthetic``.
        labels: names of class 0 and class 1; the network's output is the probability of class 1.
        splits: Train, Validation and Test.
        content_sha256: over names and bytes of all files (if synthetic: over the arguments and some pixels).
    """

    name: str
    labels: tuple[str, str]
    splits: Mapping[SplitName, Split]
    content_sha256: str

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


def open_data(source: str | Path, *, seed: int = 0) -> ImageSet:
    """Return the image set in a folder, or drawings for ``synthetic``."""
    return synthetic_set(seed=seed) if str(source) == SYNTHETIC else folder_set(Path(source))


def folder_set(root: Path) -> ImageSet:
    """Return the image set in ``root``.

    Two layouts are understood, both with exactly two class folders holding JPEG or PNG files: ``Train``,
    ``Validation`` and ``Test`` with the class folders in each (as in the Kaggle "Face Mask 12K Images
    Dataset"), or the class folders alone, which are then split 80/10/10 by the files' content, so that equal
    files stay together. ``WithMask`` (also ``mask``, ``masked``) is class 1; of other names the second in
    alphabetical order is.

    Raises:
        UsageError: the folder is missing or has another layout; the message says what was found.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; name a folder of images, or '{SYNTHETIC}'")
    split_roots = split_folders(root)
    absent = [split for split, folder in split_roots.items() if folder is None]
    if len(absent) == len(SPLITS):
        return _from_class_folders(root)
    if absent:
        raise UsageError(
            f"{root}: has no folder {' and no folder '.join(absent)}; the set needs all three splits"
        )

    classes: dict[SplitName, tuple[Path, Path]] = {}
    for split, folder in split_roots.items():
        assert folder is not None
        classes[split] = _class_folders(folder)
    names = {tuple(folder.name for folder in pair) for pair in classes.values()}
    if len(names) > 1:
        raise UsageError(f"{root}: the splits have different classes: {sorted(names)}")
    files = {
        split: [(path, label) for label, folder in enumerate(pair) for path in image_files(folder)]
        for split, pair in classes.items()
    }
    return _assemble(root, classes["Train"], files)


def synthetic_set(*, seed: int = 0, train: int = 600, held_out: int = 120, size: int = 96) -> ImageSet:
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
        drawn: dict[int, Image] = {}

        def load(index: int) -> Image:
            if index not in drawn:
                drawn[index] = draw_face(
                    np.random.default_rng((seed, order, index)), bool(labels[index]), size
                )
            return drawn[index]

        if count:
            digest.update(load(0).tobytes())
        return Split(name, tuple(f"{name}/{index:05}" for index in range(count)), labels, load)

    sizes: dict[SplitName, int] = {"Train": train, "Validation": held_out, "Test": held_out}
    splits = {name: split(order, name, count) for order, (name, count) in enumerate(sizes.items())}
    return ImageSet(SYNTHETIC, MASK_LABELS, splits, digest.hexdigest())


def split_folders(root: Path) -> Mapping[SplitName, Path | None]:
    """The folder of each split in ``root``, by its usual names in any case, or None."""
    folders = {entry.name.lower(): entry for entry in sorted(root.iterdir()) if entry.is_dir()}
    return {
        split: next((folders[name] for name in names if name in folders), None)
        for split, names in _SPLIT_FOLDERS.items()
    }


def image_files(folder: Path, *, deep: bool = False) -> list[Path]:
    """The JPEG and PNG files of a folder, in order; ``deep``: and of the folders in it."""
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(path for path in found if path.suffix.lower() in _SUFFIXES and path.is_file())


def content_share(path: Path) -> float:
    """A number from 0 to below 1 that follows from a file's bytes alone, so that copies stay together."""
    return int(hashlib.sha256(_read(path)).hexdigest()[:8], 16) / 2**32


def network_inputs(split: Split, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """Every picture of a split as the firmware would hand it to the network: N x H x W x C, ``uint8``."""
    prepared = [prepare_image(image, height, width, channels) for image in split.images()]
    if not prepared:
        raise UsageError(f"{split.name}: holds no image")
    return np.stack(prepared)


def squares(split: Split) -> list[Image]:
    """Every picture of a split cut to its central square, as training augments them (at most 256 pixels)."""
    result = []
    for image in split.images():
        square = crop_square(image)
        side = min(square.shape[0], _LARGEST_KEPT)
        result.append(np.ascontiguousarray(area_average(square, side, side)))
    return result


def _from_class_folders(root: Path) -> ImageSet:
    pair = _class_folders(root)
    files: dict[SplitName, list[tuple[Path, int]]] = {split: [] for split in SPLITS}
    for label, folder in enumerate(pair):
        for path in image_files(folder):
            share = content_share(path)
            split: SplitName = "Train" if share < 0.8 else "Validation" if share < 0.9 else "Test"
            files[split].append((path, label))
    return _assemble(root, pair, files)


def _assemble(
    root: Path, classes: tuple[Path, Path], files: Mapping[SplitName, list[tuple[Path, int]]]
) -> ImageSet:
    digest = hashlib.sha256()
    splits: dict[SplitName, Split] = {}
    for name, members in files.items():
        paths, labels = tuple(path for path, _ in members), tuple(label for _, label in members)
        for label, folder in enumerate(classes):
            if label not in labels:
                raise UsageError(f"{root}: {name} has no JPEG or PNG image of class {folder.name}")
        relative = tuple(path.relative_to(root).as_posix() for path in paths)
        for path, shown in zip(paths, relative, strict=True):
            digest.update(f"{shown}\0{hashlib.sha256(_read(path)).hexdigest()}\n".encode())
        splits[name] = Split(name, relative, labels, lambda index, paths=paths: read_image(paths[index]))  # type: ignore[misc]
    names = tuple(folder.name for folder in classes)
    known = _plain(names[1]) in _POSITIVE and _plain(names[0]) in _NEGATIVE
    return ImageSet(
        root.resolve().name, MASK_LABELS if known else (names[0], names[1]), splits, digest.hexdigest()
    )


def _class_folders(root: Path) -> tuple[Path, Path]:
    """The folders of class 0 and class 1."""
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(folders) != 2:
        found = ", ".join(folder.name for folder in folders) or "no folder at all"
        raise UsageError(
            f"{root}: needs two class folders, such as WithMask and WithoutMask (or Train, Validation and"
            f" Test with these in each); found {found}"
        )
    first, second = folders
    if _plain(first.name) in _POSITIVE or _plain(second.name) in _NEGATIVE:
        return second, first
    return first, second


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
