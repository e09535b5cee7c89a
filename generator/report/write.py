"""``report.json`` onto the disk."""

from __future__ import annotations

import os
from pathlib import Path

from generator.errors import UsageError
from generator.report.schema import Report

FILE_NAME = "report.json"


def write_report(report: Report, folder: Path) -> Path:
    """Replace the report in ``folder`` whole or not at all."""
    path = folder / FILE_NAME
    unfinished = folder / f".{FILE_NAME}"
    try:
        unfinished.write_text(report.model_dump_json(indent=2) + "\n", "utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return path
