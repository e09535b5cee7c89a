"""Fixtures for all tests: the shipped model built once, and data that may be absent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import FACES, MLPERF_TINY, firmcast


@dataclass(frozen=True)
class Built:
    """The shipped mask_cnn, built by the command line."""

    folder: Path
    report: dict[str, Any]
    messages: str

    @property
    def elf(self) -> Path:
        return self.folder / "cmake-build" / "firmware.elf"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("build") / "mask_cnn"
    result = firmcast("build", "--json", "--out", folder, cwd=folder.parent)
    assert result.code == 0, result.err
    return Built(folder, result.json(), result.err)


@pytest.fixture(scope="session")
def faces() -> Path:
    if not FACES.is_dir():
        pytest.skip(f"the face images are not beside this checkout ({FACES})")
    return FACES


@pytest.fixture(scope="session")
def mlperf_tiny() -> Path:
    if not MLPERF_TINY.is_dir():
        pytest.skip(f"the MLPerf Tiny models are not beside this checkout ({MLPERF_TINY})")
    return MLPERF_TINY
