"""Pictures that stand in more than one split: figures on them tell what a model remembers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from generator.errors import UsageError
from generator.pictures.sets import SPLITS, ImageSet, SplitName

_BEFORE: dict[SplitName, tuple[SplitName, ...]] = {"Validation": ("Train",), "Test": ("Train", "Validation")}


@dataclass(frozen=True)
class Leak:
    """A picture of Validation or Test that stands in an earlier split, too.

    Attributes:
        split: Validation or Test.
        file: name of the picture.
        label: name of its class.
        also_in: the first split with a copy, or with a copy of a copy.
        like: the copy's name there.
        equal: whether its pixels are the same; otherwise it is mirrored, recoloured, scaled or the like.
    """

    split: SplitName
    file: str
    label: str
    also_in: SplitName
    like: str
    equal: bool


def find_leaks(data: ImageSet) -> tuple[Leak, ...]:
    """Return what stands in an earlier split of Train, Validation and Test, in order."""
    seen: dict[int, list[tuple[SplitName, int]]] = defaultdict(list)
    leaks = []
    for name in SPLITS:
        split = data.splits[name]
        for index, picture in enumerate(split.pictures):
            copies = [copy for copy in seen[picture.cluster] if copy[0] != name]
            if copies:
                equal = [
                    copy for copy in copies if data.splits[copy[0]].pictures[copy[1]].sha256 == picture.sha256
                ]
                where, at = (equal or copies)[0]
                leaks.append(
                    Leak(
                        name,
                        split.files[index],
                        data.labels[split.labels[index]],
                        where,
                        data.splits[where].files[at],
                        bool(equal),
                    )
                )
            seen[picture.cluster].append((name, index))
    return tuple(leaks)


def without_leaks(data: ImageSet) -> ImageSet:
    """Return the set without the pictures of Validation and Test that stand in an earlier split.

    ``content_sha256`` stays that of the whole set. A class may be left without pictures.
    """
    return _without(data, _BEFORE)


def apart_from_test(data: ImageSet) -> ImageSet:
    """Return the set without the pictures of Train and Validation that stand in Test, too.

    So nothing of a held-out set meets training. ``content_sha256`` stays that of the whole set.

    Raises:
        UsageError: a class is left without pictures.
    """
    apart = _without(data, {"Train": ("Test",), "Validation": ("Test",)})
    for name in ("Train", "Validation"):
        lost = set(data.splits[name].labels) - set(apart.splits[name].labels)
        if lost:
            classes = ", ".join(data.labels[label] for label in sorted(lost))
            raise UsageError(
                f"{name} has no picture of {classes} once those that stand in the held-out set, too, are "
                "kept out of it: hold out another set"
            )
    return apart


def straddling(data: ImageSet) -> dict[str, int]:
    """Pictures of each class that stand in more than one split, counted in all of them."""
    places = defaultdict(set)
    for split in data.splits.values():
        for picture in split.pictures:
            places[picture.cluster].add(split.name)
    counts = dict.fromkeys(data.labels, 0)
    for split in data.splits.values():
        for picture, label in zip(split.pictures, split.labels, strict=True):
            counts[data.labels[label]] += len(places[picture.cluster]) > 1
    return counts


def _without(data: ImageSet, others: dict[SplitName, tuple[SplitName, ...]]) -> ImageSet:
    splits = dict(data.splits)
    for name, elsewhere in others.items():
        taken = {picture.cluster for other in elsewhere for picture in data.splits[other].pictures}
        pictures = data.splits[name].pictures
        splits[name] = data.splits[name].part(
            [index for index, picture in enumerate(pictures) if picture.cluster not in taken]
        )
    return replace(data, splits=splits)
