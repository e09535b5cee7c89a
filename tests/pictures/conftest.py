"""Pictures of their own kind, written as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.pictures import blobs

Write = Callable[..., Path]


@pytest.fixture
def write() -> Write:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")

    def written(path: Path, picture: int | np.ndarray = 0, size: tuple[int, int] = (40, 48)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = blobs(picture, *size) if isinstance(picture, int) else picture
        done, content = cv2.imencode(path.suffix.lower(), image)
        assert done
        path.write_bytes(content.tobytes())
        return path

    return written


@pytest.fixture
def kaggle(tmp_path: Path, write: Write) -> Path:
    """Train, Validation and Test with three pictures of each class."""
    root = tmp_path / "faces"
    for order, split in enumerate(("Train", "Validation", "Test")):
        for index in range(3):
            write(root / split / "WithMask" / f"{index}.png", 100 * order + index)
            write(root / split / "WithoutMask" / f"{index}.jpg", 100 * order + 50 + index)
    return root
