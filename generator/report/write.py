"""``report.json`` onto the disk."""

from __future__ import annotations

from pathlib import Path

from generator.records import write_whole
from generator.report.schema import Report

FILE_NAME = "report.json"


def write_report(report: Report, folder: Path) -> Path:
    """Replace the report in ``folder`` whole or not at all. Raises UsageError if it cannot be."""
    path = folder / FILE_NAME
    write_whole(path, (report.model_dump_json(indent=2) + "\n").encode())
    return path
