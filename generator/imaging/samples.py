"""Pictures shipped with a model, readable without an image library."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from generator.errors import UsageError
from generator.imaging.resample import Image

ARCHIVE = "samples.npz"
"""File inside ``samples/`` that holds the arrays ``names``, ``labels`` and one ``image_NN`` per sample."""

_NO_LABEL = -1


@dataclass(frozen=True)
class Sample:
    """One picture of a model's ``samples/``.

    Attributes:
        name: file name of the same picture as PNG, inside ``samples/``.
        image: H x W x 3 RGB, ``uint8``.
        expected_label: index into the model's labels, None where nobody said.
    """

    name: str
    image: Image
    expected_label: int | None


def load_samples(model_dir: Path) -> tuple[Sample, ...]:
    """Return the pictures of ``model_dir/samples/samples.npz`` in shipped order; empty if there are none.

    Raises:
        UsageError: the archive is there but damaged.
    """
    path = model_dir / "samples" / ARCHIVE
    if not path.is_file():
        return ()
    try:
        with np.load(path, allow_pickle=False) as archive:
            names, labels = archive["names"], archive["labels"]
            return tuple(
                Sample(str(name), archive[f"image_{index:02}"], None if label == _NO_LABEL else int(label))
                for index, (name, label) in enumerate(zip(names, labels, strict=True))
            )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: is damaged ({error}); restore it") from error


def save_samples(model_dir: Path, samples: tuple[Sample, ...]) -> Path:
    """Write ``samples.npz``; the same samples give the same bytes (no dates inside the archive)."""
    arrays: dict[str, np.ndarray] = {
        "names": np.array([sample.name for sample in samples], dtype=np.str_),
        "labels": np.array(
            [_NO_LABEL if s.expected_label is None else s.expected_label for s in samples], dtype=np.int8
        ),
    }
    arrays |= {f"image_{index:02}": sample.image for index, sample in enumerate(samples)}
    path = model_dir / "samples" / ARCHIVE
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
    return path
