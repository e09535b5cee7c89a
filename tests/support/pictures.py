"""Pictures that are made, not found."""

from __future__ import annotations

import numpy as np
import pytest


def blobs(seed: int, height: int = 96, width: int = 96) -> np.ndarray:
    """A picture with structure, as photographs have it, unlike that of any other seed."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
