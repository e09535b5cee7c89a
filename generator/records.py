"""Files that are there complete or not at all, and what they say of how something was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.errors import UsageError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there complete or not at all. Raises UsageError if it cannot be."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder, unless it is there. Raises UsageError if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {path}: {error.strerror}") from error


def read_record(path: Path) -> Mapping[str, Any] | None:
    """A JSON object; None if there is no such file, or it holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def as_read(value: object) -> Any:
    """A value as JSON gives it back, to be compared with what was read."""
    return json.loads(json.dumps(value))
