"""Folders of pictures as people have them: with splits, with class folders alone, unpacked one deeper."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.errors import UsageError
from generator.imaging import IMAGE_SUFFIXES
from generator.pictures.sets import MASK_LABELS, SYNTHETIC, SplitName

_SPLIT_FOLDERS: Mapping[SplitName, tuple[str, ...]] = {
    "Train": ("train", "training"),
    "Validation": ("validation", "valid", "val"),
    "Test": ("test", "testing"),
}
_POSITIVE = ("withmask", "mask", "masked")
_NEGATIVE = ("withoutmask", "nomask", "unmasked")
_BETWEEN_WORDS = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")
_JUNK_FOLDERS = ("__MACOSX",)
_DEEPEST = 4  # folders that hold nothing but the next one, as archives unpack


@dataclass(frozen=True)
class Found:
    """A picture's file, the number of its class, and the split that its folder says."""

    path: Path
    label: int
    split: SplitName | None


@dataclass(frozen=True)
class PictureFolder:
    """What a folder holds.

    Attributes:
        root: as it was named.
        name: of the folder, printable.
        classes: names of the class folders in order; of two classes the second is the positive one.
        pictures: class by class, in the order of their paths.
        splits: that have a folder, in order; empty for class folders alone.
        left_alone: folders, and endings of files with their number, that are no part of the set.
    """

    root: Path
    name: str
    classes: tuple[str, ...]
    pictures: tuple[Found, ...]
    splits: tuple[SplitName, ...]
    left_alone: Mapping[str, int]


def find_pictures(root: Path) -> PictureFolder:
    """Return the pictures in ``root`` with class and split.

    Understood are two layouts, in ``root`` or in the only folder within it: ``Train``, ``Validation`` and
    ``Test`` (also ``val``, ``testing`` and the like; some may be absent) with a folder for each class in
    them, and class folders alone. Names are taken in any case. Pictures may lie deeper in a class folder.
    Hidden files and folders are passed over.

    Raises:
        UsageError: the folder is missing, or has another layout or a single class; the message says what was
            found.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; name a folder of images, or '{SYNTHETIC}'")
    top = _unwrapped(root)
    splits = {split: folder for split, folder in split_folders(top).items() if folder is not None}
    sources: list[tuple[SplitName | None, Path]] = list(splits.items()) or [(None, top)]
    classes: dict[str, str] = {}
    found: dict[str, list[tuple[Path, SplitName | None]]] = {}
    alone = Counter(_ending(path) for path in _loose_files({root, top, *splits.values()}))
    for split, folder in sources:
        for class_folder in _folders(folder):
            key = class_key(class_folder.name)
            classes.setdefault(key, printable(class_folder.name))
            files, links = _files(class_folder)
            alone.update(f"{printable(link.name)}/" for link in links)
            for path in files:
                if path.suffix.lower() in IMAGE_SUFFIXES:
                    found.setdefault(key, []).append((path, split))
                else:
                    alone[_ending(path)] += 1
    if len(classes) < 2:
        names = ", ".join(printable(folder.name) for folder in _folders(top)) or "no folder at all"
        raise UsageError(
            f"{root}: needs at least two class folders, such as WithMask and WithoutMask (or Train, "
            f"Validation and Test with these in each); found {names}"
        )
    if splits:
        others = (folder for folder in _folders(top) if folder not in splits.values())
        alone.update(f"{printable(folder.name)}/" for folder in others)
    elif nested := next((folder for folder in _folders(top) if any(split_folders(folder).values())), None):
        raise UsageError(
            f"{root}: {printable(nested.name)} holds splits of its own: name each set alone, as in "
            f"{nested}; folders of splits hold folders of classes, not the other way round"
        )
    order = _in_order(classes)
    return PictureFolder(
        root,
        printable(root.resolve().name),
        tuple(classes[key] for key in order),
        tuple(
            Found(path, label, split) for label, key in enumerate(order) for path, split in found.get(key, [])
        ),
        tuple(splits),
        dict(sorted(alone.items())),
    )


def split_folders(root: Path) -> Mapping[SplitName, Path | None]:
    """The folder of each split in ``root``, by its usual names in any case, or None."""
    folders = {folder.name.lower(): folder for folder in _folders(root)}
    return {
        split: next((folders[name] for name in names if name in folders), None)
        for split, names in _SPLIT_FOLDERS.items()
    }


def image_files(folder: Path) -> list[Path]:
    """The pictures of a folder and of the folders in it, in order, by the endings of their names."""
    return [path for path in _files(folder)[0] if path.suffix.lower() in IMAGE_SUFFIXES]


def content_share(path: Path) -> float:
    """A number from 0 to below 1 that follows from a file's bytes alone, so that copies stay together."""
    try:
        return share_of(hashlib.sha256(path.read_bytes()).hexdigest())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def share_of(sha256: str) -> float:
    """A number from 0 to below 1 made of a hash."""
    return int(sha256[:8], 16) / 2**32


def class_key(name: str) -> str:
    """What folders of one class have in common: ``With_Mask`` and ``mask`` are the same.

    Case, accents as one character or two, and spaces, dashes and underscores between words say nothing.
    """
    plain = _BETWEEN_WORDS.sub("", unicodedata.normalize("NFC", name.strip()).casefold())
    if plain in _POSITIVE:
        return MASK_LABELS[1]
    return MASK_LABELS[0] if plain in _NEGATIVE else plain


def printable(name: str) -> str:
    """A stranger's file name as it may be shown and hashed: what is no text becomes ``?``."""
    return "".join(character if character.isprintable() else "?" for character in name)


def _unwrapped(root: Path) -> Path:
    for _ in range(_DEEPEST):
        folders = _folders(root)
        if len(folders) != 1 or any(split_folders(root).values()) or not _folders(folders[0]):
            break
        root = folders[0]
    return root


def _in_order(classes: Mapping[str, str]) -> list[str]:
    """Keys of the classes by name, except that a mask is the second of two."""
    keys = sorted(classes, key=lambda key: (classes[key].casefold(), key))
    swapped = len(keys) == 2 and (keys[0] == MASK_LABELS[1] or keys[1] == MASK_LABELS[0])
    return keys[::-1] if swapped else keys


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(entry for entry in root.iterdir() if not _is_junk(entry.name) and entry.is_dir())
    except OSError as error:
        raise UsageError(f"{root}: cannot be read: {error.strerror}") from error


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files in a folder and in those within it, and links to folders, which are not followed."""
    found, links = [], []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_junk(name)]
        links += [path for name in folders if (path := Path(place, name)).is_symlink()]
        found += [Path(place, name) for name in files if not _is_junk(name)]
    return sorted(path for path in found if path.is_file()), links


def _loose_files(folders: Iterable[Path]) -> list[Path]:
    """Files that lie beside folders of splits or classes."""
    entries = (entry for folder in folders for entry in folder.iterdir())
    return [entry for entry in entries if not _is_junk(entry.name) and entry.is_file()]


def _ending(path: Path) -> str:
    return printable(path.suffix.lower() or "no ending")


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name in _JUNK_FOLDERS
