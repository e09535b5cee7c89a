"""Which pictures a study learns from, and which it judges by."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from generator.errors import UsageError
from generator.imaging import Image
from generator.pictures import ImageSet, Split, SplitName, apart_from_test, without_leaks
from generator.pictures.sets import some_of

HELD_OUT = "held-out"
_LEARNED_FROM: tuple[SplitName, ...] = ("Train", "Validation")


@dataclass(frozen=True)
class Judged:
    """Pictures that networks are judged by.

    Attributes:
        name: what tables call them.
        split: the pictures.
        identity: hash of what they are.
    """

    name: str
    split: Split
    identity: str


def judged(name: str, split: Split, content_sha256: str) -> Judged:
    """Pictures of a set with this hash."""
    pictures = "\n".join(f"{file}\0{label}" for file, label in zip(split.files, split.labels, strict=True))
    return Judged(name, split, hashlib.sha256(f"{content_sha256}\n{pictures}".encode()).hexdigest())


def study_sets(data: ImageSet, joint: ImageSet | None = None) -> tuple[ImageSet, tuple[Judged, ...]]:
    """What to learn from, and what to judge by.

    Args:
        data: with splits of its own.
        joint: the same folders with others held out as Test; nothing of them, nor copies, is then learned
            from, while Test of ``data`` still judges beside them.

    Raises:
        UsageError: there are not two classes, or one is left without pictures.
    """
    if len(data.labels) != 2:
        raise UsageError(f"the study is about two classes, these are {', '.join(data.labels)}")
    held = () if joint is None else (judged(HELD_OUT, joint.splits["Test"], joint.content_sha256),)
    if joint is not None:
        data = _apart(data, joint)
    sets = [judged(name, data.splits[name], data.content_sha256) for name in ("Validation", "Test")]
    alone = without_leaks(data).splits["Test"]
    if len(set(alone.labels)) == 2 and len(alone) < len(data.splits["Test"]):
        sets.append(judged("Test without leaks", alone, data.content_sha256))
    return data, (*sets, *held)


def read_groups(path: Path, data: ImageSet) -> Mapping[str, str]:
    """Sources of pictures from a CSV file with the columns ``file`` and ``group``.

    Raises:
        UsageError: it cannot be read, has other columns, or names a file that the set does not have.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            if not {"file", "group"} <= set(reader.fieldnames or ()):
                raise UsageError(f"{path}: its first line must name the columns file and group")
            groups = {row["file"]: row["group"] or "" for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as CSV: {error}") from error
    known = {file for split in data.splits.values() for file in split.files}
    left_out = {one.file for one in data.left_out}
    strange = [f"  {file}" for file in groups if file not in known | left_out]
    if strange or not known.intersection(groups):
        example = next(iter(sorted(known)), "")
        lines_of_it = "\n".join([f"{path}: names files that are not in the set:", *some_of(strange)])
        raise UsageError(f"{lines_of_it}\n  names are as in {example}")
    return groups


def groups_of(split: Split, groups: Mapping[str, str] | None) -> tuple[str, ...]:
    """The source of every picture of a split: by ``groups``, else the set that it comes from."""
    named = groups or {}
    pairs = zip(split.files, split.pictures, strict=True)
    return tuple(named.get(file) or picture.source for file, picture in pairs)


def without_group(
    data: ImageSet, group: str, groups: Mapping[str, str] | None
) -> tuple[ImageSet, Judged | None]:
    """The set without a source and without copies of its pictures, and the source's pictures of all splits.

    None instead of them where one of the classes has no picture in some split without the source.
    """
    members = {
        name: [i for i, other in enumerate(groups_of(split, groups)) if other == group]
        for name, split in data.splits.items()
    }
    taken = {data.splits[name].pictures[i].cluster for name, chosen in members.items() for i in chosen}
    splits: dict[SplitName, Split] = {
        name: split.part([i for i, p in enumerate(split.pictures) if p.cluster not in taken])
        for name, split in data.splits.items()
    }
    content = hashlib.sha256(f"{data.content_sha256} without {group}".encode()).hexdigest()
    rest = replace(data, splits=splits, content_sha256=content)
    if any(set(split.labels) != {0, 1} for split in rest.splits.values()):
        return rest, None
    return rest, judged(group, _joined(data, members), data.content_sha256)


def ordinary_test(data: ImageSet) -> Judged:
    """The Test split, without what stands in an earlier one if that leaves both classes."""
    alone = without_leaks(data).splits["Test"]
    split = alone if len(set(alone.labels)) == 2 else data.splits["Test"]
    return judged("Test", split, data.content_sha256)


def _joined(data: ImageSet, members: Mapping[SplitName, list[int]]) -> Split:
    """Pictures of several splits as one, Test's."""
    places = tuple((data.splits[name], index) for name, chosen in members.items() for index in chosen)
    return Split(
        "Test",
        tuple(split.files[i] for split, i in places),
        tuple(split.labels[i] for split, i in places),
        partial(_load_at, places),
        tuple(split.pictures[i] for split, i in places),
    )


def _load_at(places: Sequence[tuple[Split, int]], index: int) -> Image:
    split, place = places[index]
    return split.load(place)


def _apart(data: ImageSet, joint: ImageSet) -> ImageSet:
    """``data`` whose Train and Validation hold only what ``joint`` may learn from."""
    allowed = apart_from_test(joint)
    pixels = {picture.sha256 for name in _LEARNED_FROM for picture in allowed.splits[name].pictures}
    splits = dict(data.splits)
    digest = hashlib.sha256(data.content_sha256.encode())
    for name in _LEARNED_FROM:
        split = data.splits[name]
        kept = [i for i, picture in enumerate(split.pictures) if picture.sha256 in pixels]
        splits[name] = split.part(kept)
        if set(splits[name].labels) != {0, 1}:
            raise UsageError(
                f"{name} has pictures of one class alone once those of the held-out set are kept out of it"
            )
        digest.update("\n".join(splits[name].files).encode())
    return replace(data, splits=splits, content_sha256=digest.hexdigest())
