"""Which of its three collections each picture of the faces comes from, by the name that it had there.

    python benchmarks/face_sources.py ../shared/data/faces > build/face_sources.csv
    python -m generator study --data ../shared/data/faces --groups build/face_sources.csv --part source_gap

Their origin is not written down; names of one collection look alike: ``0_0_anhu_0157.jpg`` are of the
Real-World Masked Face Dataset, ``288.jpg`` of one that numbers its pictures, all others of web searches.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path


def collection(original: str) -> str:
    """Of a file's name in the public repository."""
    name = Path(original).name
    if re.match(r"\d+_\d+_", name):
        return "rmfd"
    return "numbered" if re.fullmatch(r"\d+\.\w+", name) else "web"


def main(folder: Path) -> None:
    """Print the table."""
    table = csv.writer(sys.stdout)
    table.writerow(("file", "group"))
    with (folder / "sources.csv").open(encoding="utf-8", newline="") as lines:
        table.writerows((row["file"], collection(row["original"])) for row in csv.DictReader(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
