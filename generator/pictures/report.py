"""What an image set is made of: counts, balance, sizes, what is bad, what leaks; and some of its pictures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from generator.errors import UsageError
from generator.imaging import Image, area_average
from generator.imaging.opencv import opencv
from generator.pictures.leaks import Leak, find_leaks, straddling
from generator.pictures.sets import ImageSet, LeftOut

_TILE = 96  # side of a picture on the sample sheet, in pixels
_ACROSS = 10  # pictures in a row of it
_CAPTION = 20  # height of the line above a row, in pixels


@dataclass(frozen=True)
class Sizes:
    """Smallest, median and largest of a number of pixels."""

    min: int
    median: float
    max: int


@dataclass(frozen=True)
class DataReport:
    """What an image set is made of.

    Attributes:
        name: of the set.
        synthetic: whether the pictures are drawings.
        labels: names of the classes.
        content_sha256: of the set.
        pictures: in all splits.
        splits: pictures per split and class.
        sources: pictures per set, split and class.
        balance: pictures of the smallest class over those of the largest, 0..1.
        width: of the pictures, None without any.
        height: of the pictures, None without any.
        left_out: what is in the folders but in no split, with the reason.
        left_alone: what else lies in the folder of each set.
        near_duplicates: file names of pictures that are copies of each other, without the mere equal ones
            that were left out; a group for each picture.
        groups_of_several_classes: how many of these groups hold pictures of more than one class.
        leaks: pictures of Validation and Test that stand in an earlier split.
        straddling: pictures per class that stand in more than one split.
    """

    name: str
    synthetic: bool
    labels: tuple[str, ...]
    content_sha256: str
    pictures: int
    splits: Mapping[str, Mapping[str, int]]
    sources: Mapping[str, Mapping[str, Mapping[str, int]]]
    balance: float
    width: Sizes | None
    height: Sizes | None
    left_out: tuple[LeftOut, ...]
    left_alone: Mapping[str, Mapping[str, int]]
    near_duplicates: tuple[tuple[str, ...], ...]
    groups_of_several_classes: int
    leaks: tuple[Leak, ...]
    straddling: Mapping[str, int]


def describe(data: ImageSet) -> DataReport:
    """Return the report of a set; no picture is read."""
    groups: dict[int, list[tuple[str, int]]] = defaultdict(list)
    sources: dict[str, dict[str, Counter[int]]] = {}
    classes: Counter[int] = Counter()
    for name, split in data.splits.items():
        for file, label, picture in zip(split.files, split.labels, split.pictures, strict=True):
            groups[picture.cluster].append((file, label))
            sources.setdefault(picture.source, defaultdict(Counter))[name][label] += 1
            classes[label] += 1
    pictures = [picture for split in data.splits.values() for picture in split.pictures]
    several = [group for group in groups.values() if len(group) > 1]
    counts = [classes[label] for label in range(len(data.labels))]
    return DataReport(
        name=data.name,
        synthetic=data.is_synthetic,
        labels=data.labels,
        content_sha256=data.content_sha256,
        pictures=len(pictures),
        splits=data.counts(),
        sources={
            source: {
                split: {label: counted[index] for index, label in enumerate(data.labels)}
                for split, counted in splits.items()
            }
            for source, splits in sorted(sources.items())
        },
        balance=min(counts) / max(1, *counts),
        width=_sizes([picture.width for picture in pictures]),
        height=_sizes([picture.height for picture in pictures]),
        left_out=data.left_out,
        left_alone=data.left_alone or {},
        near_duplicates=tuple(tuple(file for file, _ in group) for group in several),
        groups_of_several_classes=sum(len({label for _, label in group}) > 1 for group in several),
        leaks=find_leaks(data),
        straddling=straddling(data),
    )


def draw_sheet(data: ImageSet, path: Path) -> None:
    """Write a PNG with up to ten pictures of each class and split, evenly from the whole of it.

    Raises:
        UsageError: a picture can no longer be read, or the file cannot be written.
        MissingToolError: OpenCV is not installed.
    """
    cv2 = opencv("drawing the sample sheet")
    rows: list[Image] = []
    for split in data.splits.values():
        for number, label in enumerate(data.labels):
            chosen = [index for index, other in enumerate(split.labels) if other == number]
            row = np.full((_CAPTION + _TILE, _ACROSS * _TILE, 3), 255, np.uint8)
            # OpenCV's letters are ASCII.
            caption = f"{split.name}: {label}, {len(chosen)}".encode("ascii", "replace").decode()
            cv2.putText(row, caption, (3, _CAPTION - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1)
            places = np.linspace(0, len(chosen) - 1, min(_ACROSS, len(chosen))).round().astype(int)
            for column, place in enumerate(places):
                left = column * _TILE
                row[_CAPTION:, left : left + _TILE] = area_average(split.load(chosen[place]), _TILE, _TILE)
            rows.append(row)
    done, content = cv2.imencode(".png", np.concatenate(rows)[..., ::-1])
    if not done:
        raise UsageError(f"{path}: cannot be written as PNG")
    path.write_bytes(content.tobytes())


def _sizes(values: list[int]) -> Sizes | None:
    return Sizes(min(values), median(values), max(values)) if values else None
