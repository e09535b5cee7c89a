"""What is wrong with pictures: those that cannot be read, and those that stand there twice, changed or not.

Near-duplicates are copies that were mirrored, recoloured, lit otherwise, compressed, scaled or cut by up to
a tenth. They are looked for in thumbnails of brightness, 48 x 48, of which only detail of a middle size is
compared: colour, light and compression change little of it, and two faces cut out alike differ in it.

1. For each picture the 32 most similar ones at 12 x 12, mirrored ones too: one product of matrices.
2. Of these, the ones that some window of the picture, the whole or nine tenths of it, equals at 32 x 32 with
   a correlation of at least 0.9.

docs/data.md has the shares that are found and mistaken.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.errors import UsageError
from generator.imaging import Image, decode_image
from generator.imaging.opencv import opencv

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many pictures are done, and of how many."""

SAME = 0.9
"""Correlation from which two pictures count as copies of each other."""

_SIDE = 48  # of a thumbnail, pixels
_FINE = 32  # of what is compared
_COARSE = 12  # of what candidates are found with
_DETAIL = 1.05, 3.75  # standard deviations in thumbnail pixels between which detail counts
_COARSE_BLUR = 3.0  # standard deviation in coarse pixels above which nothing counts
_NEAREST = 32  # candidates for each picture
_WINDOWS = ((0.95, 3), (0.9, 5))  # part of the side, positions along each axis
_BLOCK = 256  # pictures looked up at a time

_Rows: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of a picture, some 3 KB.

    Attributes:
        file_sha256: of the file.
        pixels_sha256: of size and pixels.
        height: in pixels.
        width: in pixels.
        thumbnail: 48 x 48 brightness.
    """

    file_sha256: str
    pixels_sha256: str
    height: int
    width: int
    thumbnail: Image


def fingerprint(path: Path) -> Fingerprint:
    """Read a picture.

    Raises:
        UsageError: it cannot be read.
        MissingToolError: OpenCV is not installed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    return fingerprint_of(decode_image(data, path), hashlib.sha256(data).hexdigest())


def fingerprint_of(image: Image, file_sha256: str = "") -> Fingerprint:
    """Return what is kept of an H x W x 3 RGB picture."""
    cv2 = opencv("comparing images")
    height, width = image.shape[:2]
    pixels = hashlib.sha256(f"{height} {width}\n".encode())
    pixels.update(image.data)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return Fingerprint(file_sha256, pixels.hexdigest(), height, width, small)


def fingerprints(paths: Sequence[Path], progress: Progress | None = None) -> list[Fingerprint | UsageError]:
    """Read pictures in parallel, in order; in place of one that cannot be read stands the error.

    Raises:
        MissingToolError: OpenCV is not installed.
    """

    def one(path: Path) -> Fingerprint | UsageError:
        try:
            return fingerprint(path)
        except UsageError as error:
            return error

    result = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for made in pool.map(one, paths):
            result.append(made)
            if progress is not None:
                progress(len(result), len(paths))
    return result


def clusters(prints: Sequence[Fingerprint]) -> list[int]:
    """For each picture the number of the first one that it is a copy of, at any remove; else its own."""
    first: dict[str, int] = {}
    parents = [first.setdefault(one.pixels_sha256, index) for index, one in enumerate(prints)]
    distinct = list(first.values())

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = index = parents[parents[index]]
        return index

    if len(distinct) > 1:
        for one, other in near_duplicates(np.stack([prints[index].thumbnail for index in distinct])):
            low, high = sorted((root(distinct[one]), root(distinct[other])))
            parents[high] = low
    return [root(index) for index in range(len(parents))]


def near_duplicates(thumbnails: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Pairs of thumbnails, N x 48 x 48, that show the same picture."""
    cv2 = opencv("comparing images")
    count = len(thumbnails)
    fine = _unit(_resized(cv2, _detail(cv2, thumbnail), _FINE) for thumbnail in thumbnails)
    coarse = _unit(_coarse(cv2, thumbnail) for thumbnail in thumbnails)
    mirrored = _unit(_coarse(cv2, np.ascontiguousarray(thumbnail[:, ::-1])) for thumbnail in thumbnails)
    both = np.concatenate([coarse, mirrored])
    nearest = min(_NEAREST, 2 * count - 1)

    def confirmed(index: int, candidates: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        windows = _unit(_windows(cv2, _detail(cv2, thumbnails[index])))
        found = []
        for flipped in (False, True):
            others = candidates[candidates >= count] - count if flipped else candidates[candidates < count]
            others = others[others != index]
            sides = windows.reshape(-1, _FINE, _FINE)[:, :, ::-1] if flipped else windows
            likeness = fine[others] @ sides.reshape(len(windows), -1).T
            found += [(index, int(other)) for other in others[likeness.max(axis=1) >= SAME]]
        return found

    pairs: list[tuple[int, int]] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, count, _BLOCK):
            block = range(start, min(start + _BLOCK, count))
            likeness = coarse[block.start : block.stop] @ both.T
            near = np.argpartition(-likeness, nearest, axis=1)[:, : nearest + 1]
            for found in pool.map(confirmed, block, near):
                pairs += found
    return pairs


def _windows(cv2: Any, detail: _Rows) -> Iterable[_Rows]:
    """The whole of a thumbnail, then parts of it, each at the size of comparison."""
    yield _resized(cv2, detail, _FINE)
    for part, positions in _WINDOWS:
        side = _SIDE * part
        scale = side / _FINE
        for top in np.linspace(0, _SIDE - side, positions):
            for left in np.linspace(0, _SIDE - side, positions):
                centre = (scale - 1) / 2
                matrix = np.array([[scale, 0, left + centre], [0, scale, top + centre]], np.float32)
                flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
                yield cv2.warpAffine(
                    detail, matrix, (_FINE, _FINE), flags=flags, borderMode=cv2.BORDER_REPLICATE
                )


def _resized(cv2: Any, detail: _Rows, side: int) -> _Rows:
    resized: _Rows = cv2.resize(detail, (side, side), interpolation=cv2.INTER_LINEAR)
    return resized


def _detail(cv2: Any, thumbnail: Image) -> _Rows:
    return _band(cv2, thumbnail.astype(np.float32), *_DETAIL)


def _coarse(cv2: Any, thumbnail: Image) -> _Rows:
    small = cv2.resize(thumbnail.astype(np.float32), (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    return _band(cv2, small, 0.0, _COARSE_BLUR)


def _band(cv2: Any, image: _Rows, finest: float, coarsest: float) -> _Rows:
    smooth = cv2.GaussianBlur(image, (0, 0), finest) if finest else image
    band: _Rows = smooth - cv2.GaussianBlur(image, (0, 0), coarsest)
    return band


def _unit(images: Iterable[_Rows]) -> _Rows:
    """A row for each image, without its mean and of length 1; of an even image zeros, which equal nothing."""
    rows = np.stack([image.reshape(-1) for image in images]).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: _Rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-2)
    return result
