"""One image set of one or several folders: screened, with splits that near-duplicates do not straddle."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from generator.errors import UsageError
from generator.pictures.layouts import PictureFolder, class_key, find_pictures, printable, share_of
from generator.pictures.leaks import apart_from_test
from generator.pictures.screening import Fingerprint, Progress, clusters, fingerprints
from generator.pictures.sets import (
    MASK_LABELS,
    SPLITS,
    SYNTHETIC,
    FileLoader,
    ImageSet,
    LeftOut,
    Picture,
    Split,
    SplitName,
    some_of,
    synthetic_set,
)

Splitting: TypeAlias = Literal["given", "clean"]
SPLITTINGS: tuple[Splitting, ...] = ("given", "clean")

_WEIGHTS: Mapping[SplitName, int] = {"Train": 8, "Validation": 1, "Test": 1}
_FEWEST = len(_WEIGHTS)  # pictures of a class, one for each split


@dataclass(frozen=True)
class _Entry:
    """A picture on its way into a split; ``choices`` are the splits that it may go to, one if it is given."""

    path: Path
    file: str
    source: str
    label: int
    choices: tuple[SplitName, ...]


@dataclass(frozen=True)
class _Read:
    """A picture that could be read."""

    entry: _Entry
    print: Fingerprint
    cluster: int


def open_data(
    sources: str | Path | Sequence[str | Path],
    *,
    held_out: Sequence[str | Path] = (),
    splitting: Splitting = "given",
    seed: int = 0,
    progress: Progress | None = None,
) -> ImageSet:
    """Return the image set in one or several folders, or drawings for ``synthetic``: :func:`folder_set`.

    Args:
        sources: folders, or ``synthetic`` alone.
        held_out: folders whose pictures become Test.
        splitting: see :func:`folder_set`.
        seed: of the drawings.
        progress: is told how many pictures were read.
    """
    named = [sources] if isinstance(sources, (str, Path)) else list(sources)
    if SYNTHETIC not in map(str, (*named, *held_out)):
        return folder_set(*named, held_out=held_out, splitting=splitting, progress=progress)
    if len(named) + len(held_out) > 1:
        raise UsageError(f"'{SYNTHETIC}' goes alone: drawings and photographs do not make one set")
    return synthetic_set(seed=seed)


def folder_set(
    *roots: str | Path,
    held_out: Sequence[str | Path] = (),
    splitting: Splitting = "given",
    progress: Progress | None = None,
) -> ImageSet:
    """Return the image set in folders of the layouts of :func:`~generator.pictures.layouts.find_pictures`.

    All pictures are read once, in parallel, and a fingerprint of some 8 KB is kept of each. What cannot
    be read, what stands in two classes, and all but the first of equal pictures in a split is left out and
    listed.

    Splits that folders give are kept, and may leak (:func:`~generator.pictures.leaks.find_leaks`). A split
    that a set lacks is taken from its Train, a set without any is split 80/10/10: by the content of
    near-duplicates together, so that another picture does not move the others (but for sets so small
    that chance leaves a class without pictures in a split: then one moves there).

    Args:
        roots: folders; without any, ``held_out`` is all there is. The names of their classes must be the
            same, in any case; names for with and without a mask are the same in all spellings.
        held_out: folders whose pictures become Test, whatever splits they have. Test pictures that ``roots``
            give are then left aside.
        splitting: ``given``, or ``clean``: given splits are ignored, and no picture leaks.
        progress: is told how many pictures were read.

    Raises:
        UsageError: a folder is missing or has another layout, classes do not fit, or one has no picture in a
            split.
        MissingToolError: OpenCV is not installed.
    """
    folders = [find_pictures(Path(root)) for root in (*roots, *held_out)]
    if len({folder.root.resolve() for folder in folders}) < len(folders):
        raise UsageError("a folder is named twice; name each once")
    for folder in folders[: len(roots)]:
        if splitting == "given" and folder.splits and "Train" not in folder.splits:
            raise UsageError(
                f"{folder.root}: has {' and '.join(folder.splits)} but no folder Train; "
                "with --held-out it can be a Test set as a whole"
            )
    names = _source_names(folders)
    labels = _common_classes(folders)
    entries: list[_Entry] = []
    left_out: list[LeftOut] = []
    for order, (folder, name) in enumerate(zip(folders, names, strict=True)):
        is_held_out = order >= len(roots)
        for found in folder.pictures:
            relative = printable(found.path.relative_to(folder.root).as_posix())
            file = relative if len(folders) == 1 else f"{name}/{relative}"
            choices = _choices(folder, found.split, is_held_out, bool(held_out), splitting)
            if not choices:
                left_out.append(LeftOut(file, "aside", "its Test split gives way to the held-out set"))
                continue
            label = labels.index(class_key(folder.classes[found.label]))
            entries.append(_Entry(found.path, file, name, label, choices))

    read, bad = _screened(entries, folders[0].classes, progress)
    left_out += bad
    chosen = _assigned(read, len(labels))
    splits, digest = {}, hashlib.sha256()
    for split in SPLITS:
        members, twice = _without_twins(
            [one for one in read if chosen[one.cluster, one.entry.choices] == split]
        )
        left_out += twice
        splits[split] = _split(split, members)
        for one in members:
            digest.update(f"{one.entry.file}\0{one.print.file_sha256}\n".encode())
    shown = folders[0].classes
    data = ImageSet(
        " + ".join(names),
        MASK_LABELS if set(labels) == set(MASK_LABELS) else shown,
        splits,
        digest.hexdigest(),
        tuple(left_out),
        {name: folder.left_alone for folder, name in zip(folders, names, strict=True)},
    )
    if splitting == "clean" and held_out:
        data = apart_from_test(data)
    splits_made = any(len(one.entry.choices) > 1 for one in read)
    _check(data, shown, SPLITS if roots else ("Test",), folders, splits_made=splits_made)
    return data


def _source_names(folders: Sequence[PictureFolder]) -> list[str]:
    """A name for each set: its folder's, with a number where another has that."""
    names: list[str] = []
    for folder in folders:
        numbered = (f"{folder.name}-{number}" for number in range(2, len(folders) + 2))
        names.append(next(name for name in (folder.name, *numbered) if name not in names))
    return names


def _common_classes(folders: Sequence[PictureFolder]) -> list[str]:
    keys = [[class_key(name) for name in folder.classes] for folder in folders]
    if any(set(other) != set(keys[0]) for other in keys):
        found = "\n".join(f"  {folder.root}: {', '.join(folder.classes)}" for folder in folders)
        raise UsageError(f"the sets have different classes; name their folders alike:\n{found}")
    return keys[0]


def _choices(
    folder: PictureFolder,
    given: SplitName | None,
    is_held_out: bool,
    has_held_out: bool,
    splitting: Splitting,
) -> tuple[SplitName, ...]:
    if is_held_out:
        return ("Test",)
    wanted = tuple(split for split in SPLITS if not (has_held_out and split == "Test"))
    if given is None or splitting == "clean":
        return wanted
    if given not in wanted:
        return ()
    if given == "Train":
        return tuple(split for split in wanted if split == given or split not in folder.splits)
    return (given,)


def _screened(
    entries: Sequence[_Entry], classes: Sequence[str], progress: Progress | None
) -> tuple[list[_Read], list[LeftOut]]:
    """Pictures that can be used, and those that cannot be read or contradict each other."""
    left_out = []
    readable: list[tuple[_Entry, Fingerprint]] = []
    alike: dict[str, list[_Entry]] = defaultdict(list)
    prints = fingerprints([entry.path for entry in entries], progress)
    for entry, made in zip(entries, prints, strict=True):
        if isinstance(made, UsageError):
            reason = str(made).removeprefix(f"{entry.path}: ")
            left_out.append(LeftOut(entry.file, "unreadable", reason))
        else:
            readable.append((entry, made))
            alike[made.pixels_sha256].append(entry)
    kept = []
    for entry, made in readable:
        other = next((one for one in alike[made.pixels_sha256] if one.label != entry.label), None)
        if other is None:
            kept.append((entry, made))
        else:
            reason = f"the same picture is {other.file}, of class {classes[other.label]}"
            left_out.append(LeftOut(entry.file, "conflict", reason))
    numbers = clusters([made for _, made in kept])
    return [_Read(entry, made, number) for (entry, made), number in zip(kept, numbers, strict=True)], left_out


_Chosen: TypeAlias = dict[tuple[int, tuple[SplitName, ...]], SplitName]


def _assigned(read: Sequence[_Read], classes: int) -> _Chosen:
    """The split of every cluster's pictures, for those of the same choices: free ones follow given ones."""
    by_cluster: dict[int, list[_Read]] = defaultdict(list)
    for one in read:
        by_cluster[one.cluster].append(one)
    chosen: _Chosen = {}
    free: dict[int, float] = {}
    for cluster, members in by_cluster.items():
        loose = {one.entry.choices for one in members if len(one.entry.choices) > 1}
        common = tuple(split for split in SPLITS if loose and all(split in choices for choices in loose))
        given = {one.entry.choices[0] for one in members if len(one.entry.choices) == 1}
        together = next((split for split in common if split in given), None)
        if loose and together is None:
            free[cluster] = share_of(min(one.print.file_sha256 for one in members))
            together = _by_share(free[cluster], common)
        for one in members:
            choices = one.entry.choices
            chosen[cluster, choices] = choices[0] if len(choices) == 1 or together is None else together
    _fill(by_cluster, chosen, free, classes)
    return chosen


def _by_share(share: float, choices: Sequence[SplitName]) -> SplitName:
    share *= sum(_WEIGHTS[split] for split in choices)
    for split in choices:
        share -= _WEIGHTS[split]
        if share < 0:
            return split
    return choices[-1]


def _fill(
    by_cluster: Mapping[int, Sequence[_Read]], chosen: _Chosen, free: Mapping[int, float], classes: int
) -> None:
    """Move clusters of small sets that chance has left without a class in a split, largest shares first."""
    for label in range(classes):
        places: dict[SplitName, list[int]] = {split: [] for split in SPLITS}
        for cluster, members in by_cluster.items():
            for choices in {one.entry.choices for one in members if one.entry.label == label}:
                places[chosen[cluster, choices]].append(cluster)
        for split in SPLITS[::-1]:
            if places[split]:
                continue
            spare = [
                cluster
                for other in SPLITS
                if len(set(places[other])) > 1
                for cluster in places[other]
                if cluster in free and all(split in one.entry.choices for one in by_cluster[cluster])
            ]
            if not spare:
                continue
            moved = max(spare, key=lambda cluster: free[cluster])
            for one in by_cluster[moved]:
                chosen[moved, one.entry.choices] = split
            for other in SPLITS:
                places[other] = [cluster for cluster in places[other] if cluster != moved]
            places[split].append(moved)


def _without_twins(members: Sequence[_Read]) -> tuple[list[_Read], list[LeftOut]]:
    """The pictures of a split in order of class, the first of equal ones only."""
    first: dict[str, _Read] = {}
    left_out = []
    for one in sorted(members, key=lambda one: one.entry.label):
        twin = first.setdefault(one.print.pixels_sha256, one)
        if twin is not one:
            left_out.append(LeftOut(one.entry.file, "duplicate", f"the same picture is {twin.entry.file}"))
    return list(first.values()), left_out


def _split(name: SplitName, members: Sequence[_Read]) -> Split:
    paths = tuple(one.entry.path for one in members)
    return Split(
        name,
        tuple(one.entry.file for one in members),
        tuple(one.entry.label for one in members),
        FileLoader(paths),
        tuple(
            Picture(one.entry.source, one.cluster, one.print.pixels_sha256, one.print.height, one.print.width)
            for one in members
        ),
    )


def _check(
    data: ImageSet,
    classes: Sequence[str],
    needed: Sequence[SplitName],
    folders: Sequence[PictureFolder],
    *,
    splits_made: bool,
) -> None:
    empty = [
        f"{split} has no picture of class {name}"
        for split in needed
        for label, name in enumerate(classes)
        if label not in data.splits[split].labels
    ]
    if not empty:
        return
    lines = [f"{' + '.join(str(folder.root) for folder in folders)}: {', '.join(empty)}"]
    groups = {p.cluster for split in data.splits.values() for p in split.pictures}
    pictures = sum(map(len, data.splits.values()))
    if splits_made and len(groups) < pictures:
        lines.append(
            f"  {pictures} pictures are {len(groups)} apart from near-duplicates, which stay in one split; "
            "folders Train, Validation and Test, or another set held out, say what goes where"
        )
    elif splits_made and pictures < _FEWEST * len(classes):
        lines.append(f"  splits are made of {_FEWEST} pictures of each class, or more")
    bad = [f"{one.file}: {one.reason}" for one in data.left_out if one.kind in ("unreadable", "conflict")]
    lines += [f"  left out {line}" for line in some_of(bad)]
    raise UsageError("\n".join(lines))
