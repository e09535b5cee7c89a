"""Which of its three collections each picture of the faces comes from, by the name that it had there.

    python benchmarks/face_sources.py ../shared/data/faces > build/face_sources.csv
    python -m generator study --data ../shared/data/faces --groups build/face_sources.csv --part source_gap

    python benchmarks/face_sources.py ../shared/data/faces --without numbered --out build/apart
    python -m generator train mask_cnn --data build/apart/rest --held-out build/apart/numbered

The first prints a table; the second makes two folders of links, one collection and the rest.

Their origin is not written down; names of one collection look alike: ``0_0_anhu_0157.jpg`` are of the
Real-World Masked Face Dataset, ``288.jpg`` of one that numbers its pictures, all others of web searches.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Mapping
from pathlib import Path

COLLECTIONS = ("rmfd", "numbered", "web")


def collection(original: str) -> str:
    """Of a file's name in the public repository."""
    name = Path(original).name
    if re.match(r"\d+_\d+_", name):
        return "rmfd"
    return "numbered" if re.fullmatch(r"\d+\.\w+", name) else "web"


def collections(folder: Path) -> Mapping[str, str]:
    """By file, SPLIT/CLASS/NAME."""
    with (folder / "sources.csv").open(encoding="utf-8", newline="") as lines:
        return {row["file"]: collection(row["original"]) for row in csv.DictReader(lines)}


def link_apart(folder: Path, without: str, out: Path) -> None:
    """Make folders of links: a collection's pictures by class, and all others by split and class."""
    for file, name in collections(folder).items():
        split, label, picture = Path(file).parts
        place = Path(without, label, f"{split}-{picture}") if name == without else Path("rest", file)
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).symlink_to((folder / file).resolve())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the faces, with sources.csv")
    parser.add_argument("--without", choices=COLLECTIONS, help="collection that gets a folder of its own")
    parser.add_argument("--out", type=Path, default=Path("build/apart"), help="a new folder [%(default)s]")
    wanted = parser.parse_args()
    if wanted.without:
        link_apart(wanted.folder, wanted.without, wanted.out)
        return
    table = csv.writer(sys.stdout)
    table.writerow(("file", "group"))
    table.writerows(collections(wanted.folder).items())


if __name__ == "__main__":
    main()
