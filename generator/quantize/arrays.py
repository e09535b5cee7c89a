"""Samples from NumPy's files: spectrograms, sensor windows, whatever is no picture."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.catalog import Normalization
from generator.errors import UsageError
from generator.quantize.pool import NetworkInput, Pool, Sample, expected

_Array: TypeAlias = npt.NDArray[Any]
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, MemoryError)


@dataclass(frozen=True)
class _Rows:
    """Samples of one input in one array, which is opened whenever one of them is wanted."""

    name: str
    count: int
    given: NetworkInput
    open: Callable[[], _Array]

    def load(self, row: int, normalization: Normalization | None) -> _Array:
        array = self.open()
        if array.ndim == len(self.given.shape):
            array = array[row]
        values: _Array = np.asarray(array, np.float64)
        if normalization is not None:
            values = values * normalization.scale + normalization.offset
        if not np.isfinite(values).all():
            raise UsageError(f"{self.name}: sample {row} holds values that are not finite")
        return values.reshape(self.given.shape).astype(self.given.dtype)


def is_array_source(source: Path) -> bool:
    """Whether a path is a ``.npy`` or ``.npz`` file, or a folder that holds ``.npy`` files."""
    if source.is_dir():
        return any(source.glob("*.npy"))
    return source.suffix in (".npy", ".npz")


def array_pool(
    source: Path, inputs: Sequence[NetworkInput], normalization: Normalization | None = None
) -> Pool:
    """Samples in a ``.npz`` file, a ``.npy`` file, or a folder of ``.npy`` files.

    An array has the shape of its input without the batch, or one more axis in front, along which samples
    lie. For a network of one input, all files of a folder are samples. For one of several, a folder or a
    ``.npz`` holds one array for each: by the input's name, or as many arrays as inputs in the order of
    their names (folder) or of the file. Sample ``i`` is then row ``i`` of each.

    Raises:
        UsageError: the file is missing or unreadable, or its arrays do not fit the inputs.
    """
    named = _archive(source) if source.suffix == ".npz" and not source.is_dir() else _files(source)
    if len(inputs) == 1:
        return _single(named, inputs[0], normalization)
    arrays = _by_input(source, named, inputs)
    rows = []
    for given, (name, opener) in zip(inputs, arrays, strict=True):
        rows.append(_rows(name, given, opener))
    counts = {r.given.name: r.count for r in rows}
    if len(set(counts.values())) > 1:
        raise UsageError(
            f"{source}: the inputs have different numbers of samples: "
            + ", ".join(f"{name} {count}" for name, count in counts.items())
        )

    def load(index: int) -> Sample:
        return tuple(r.load(index, normalization) for r in rows)

    return Pool(tuple(f"{source.name}[{index}]" for index in range(rows[0].count)), load)


def _single(
    named: Mapping[str, Callable[[], _Array]], given: NetworkInput, normalization: Normalization | None
) -> Pool:
    """All samples of one input. A file that does not fit counts as one sample, which cannot be read."""
    places: list[tuple[str, Callable[[], _Array], _Rows | None, int]] = []
    for name, opener in named.items():
        try:
            rows = _rows(name, given, opener)
        except UsageError:
            places.append((name, opener, None, 0))
        else:
            places.extend((f"{name}[{row}]", opener, rows, row) for row in range(rows.count))

    def load(index: int) -> Sample:
        name, opener, rows, row = places[index]
        return ((rows or _rows(name, given, opener)).load(row, normalization),)

    return Pool(tuple(place[0] for place in places), load)


def _rows(name: str, given: NetworkInput, opener: Callable[[], _Array]) -> _Rows:
    try:
        array = opener()
    except _UNREADABLE as error:
        raise UsageError(f"{name}: cannot be read: {error or type(error).__name__}") from error
    if array.dtype.kind not in "fiub":
        raise UsageError(f"{name}: holds values of type {array.dtype}, not numbers")
    shape = given.shape[1:]
    if array.shape == shape:
        return _Rows(name, 1, given, opener)
    if array.shape[1:] == shape and array.ndim == len(given.shape):
        return _Rows(name, array.shape[0], given, opener)
    found = " x ".join(map(str, array.shape)) or "a single number"
    raise UsageError(f"{name}: has shape {found}; needed are {expected([given])}")


def _by_input(
    source: Path, named: Mapping[str, Callable[[], _Array]], inputs: Sequence[NetworkInput]
) -> list[tuple[str, Callable[[], _Array]]]:
    by_stem = {_stem(name): name for name in named}
    if all(given.name in by_stem for given in inputs):
        chosen = [by_stem[given.name] for given in inputs]
    elif len(named) == len(inputs):
        chosen = list(named)
    else:
        raise UsageError(
            f"{source}: holds {', '.join(map(_stem, named)) or 'no array'}; needed are {expected(inputs)}"
        )
    return [(name, named[name]) for name in chosen]


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].removesuffix(".npy")


def _files(source: Path) -> Mapping[str, Callable[[], _Array]]:
    paths = sorted(source.glob("*.npy")) if source.is_dir() else [source]

    def opener(path: Path) -> Callable[[], _Array]:
        # Mapped, so that neither large files nor many of them are held in memory.
        return lambda: np.load(path, mmap_mode="r", allow_pickle=False)

    return {str(path): opener(path) for path in paths}


def _archive(source: Path) -> Mapping[str, Callable[[], _Array]]:
    try:
        with np.load(source, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        raise UsageError(f"{source}: cannot be read: {error or type(error).__name__}") from error
    return {f"{source}/{name}": lambda array=array: array for name, array in arrays.items()}  # type: ignore[misc]
