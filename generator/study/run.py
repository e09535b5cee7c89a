"""Parts to sections, and sections to the study's README; each is written as soon as it is finished."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from generator.errors import UsageError
from generator.learn.pipeline import library_versions
from generator.records import write_whole
from generator.report.plotting import require_matplotlib
from generator.study.ablation import ablation
from generator.study.below8bits import below8bits
from generator.study.bench import Bench, Progress, Section, Study
from generator.study.data import data
from generator.study.float_io import float_io
from generator.study.models import models
from generator.study.robustness import robustness
from generator.study.source_gap import source_gap

Part: TypeAlias = Callable[[Bench], Section]

PARTS: Mapping[str, Part] = MappingProxyType(
    {part.__name__: part for part in (data, models, float_io, ablation, robustness, source_gap, below8bits)}
)
"""By name, in the README's order: what is quick, or goes on with what was trained, first."""

README = "README.md"

_HEAD = """# The paper's study, on other pictures

*A Tiny CNN Architecture for Medical Face Mask Detection for Resource-Constrained Endpoints* (arXiv
2011.14858): its tables and figures made again by `python -m generator study` (docs/study.md). Below each
part stand the command, seeds, time and versions; `NAME.json` beside this file has the figures of part
NAME.

**What can be compared, and what cannot.** The paper's test pictures are not public (594 of its own
camera, 4,794 after augmentation), nor are the 1,979 training pictures that the same camera took.
Networks, recipe, quantization and arithmetic follow the paper; the pictures here come from elsewhere. So
parameters, sizes and reductions can be held against the paper's, and a difference in accuracy is no
verdict on either side: where ours is lower, other pictures, fewer pictures, and details that the paper
does not tell (its dropout rates; its architecture is a drawing) may all have a part in it. A claim that
holds here holds of these pictures and seeds.
"""


def run_study(
    study: Study, names: Sequence[str] = tuple(PARTS), progress: Progress = lambda _: None
) -> Mapping[str, Section]:
    """Make parts of a study; whatever was finished with the same settings is taken as it is.

    Writes ``NAME.md``, ``NAME.json`` and figures of each part into ``study.out``, and after each the
    ``README.md`` of all parts that are there.

    Raises:
        UsageError: a folder cannot be written, or whatever trainings raise.
        MissingToolError: TensorFlow, OpenCV or Matplotlib is not installed.
    """
    require_matplotlib()  # before anything takes time
    sections = {}
    for name in (name for name in PARTS if name in names):
        progress(f"part {name}")
        bench = Bench(study, progress)
        try:
            section = PARTS[name](bench)
            origin = _origin(bench)
            facts = {"title": section.title, "made": origin, "figures": section.facts}
            write_whole(study.out / f"{name}.json", _encoded(facts))
            write_whole(study.out / f"{name}.md", _section(section, origin).encode())
            write_whole(study.out / README, _readme(study.out).encode())
        except OSError as error:
            raise UsageError(
                f"{error.filename}: cannot be written: {error.strerror}; "
                "name other folders with --out and --work"
            ) from error
        sections[name] = section
    return sections


def _origin(bench: Bench) -> Mapping[str, Any]:
    study = bench.study
    return {
        "command": study.command,
        "seeds": list(study.seeds),
        "seconds": round(bench.seconds, 1),
        "pictures": {"name": study.data.name, "content_sha256": study.data.content_sha256},
        "synthetic": study.data.is_synthetic,
        "libraries": {**library_versions(), "matplotlib": version("matplotlib")},
    }


def _section(section: Section, origin: Mapping[str, Any]) -> str:
    drawings = "**Drawings, not photographs: a smoke test, which says nothing about people.**\n\n"
    libraries = ", ".join(f"{name} {number}" for name, number in origin["libraries"].items())
    pictures = origin["pictures"]
    return (
        f"## {section.title}\n\n"
        f"{drawings if origin['synthetic'] else ''}{_single_spaced(section.text)}\n\n"
        f"*Made by* `{origin['command']}`, *seeds* {', '.join(map(str, origin['seeds']))}, *in* "
        f"{origin['seconds']:,.0f} s of training and measuring; *pictures:* {pictures['name']} "
        f"(`{pictures['content_sha256'][:16]}`); *with* {libraries}.\n"
    )


def _single_spaced(text: str) -> str:
    """What a part left out leaves no gap."""
    return re.sub(r"\n{3,}", "\n\n", text.strip())


def _readme(out: Path) -> str:
    texts = {name: _read(out / f"{name}.md") for name in PARTS}
    missing = [name for name, text in texts.items() if text is None]
    lines = [_HEAD]
    if missing:
        lines.append(f"Not made yet: {', '.join(missing)}.\n")
    if len(_pictures(out)) > 1:
        lines.append(
            "**Parts below were made with different pictures; the last line of each tells which.**\n"
        )
    return "\n".join([*lines, *(text for text in texts.values() if text is not None)])


def _pictures(out: Path) -> set[str]:
    """Hashes of what the parts that are there were made with."""
    facts = (json.loads(text) for text in (_read(out / f"{name}.json") for name in PARTS) if text is not None)
    return {str(one["made"]["pictures"]["content_sha256"]) for one in facts}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _encoded(facts: Mapping[str, Any]) -> bytes:
    return (json.dumps(facts, indent=2, allow_nan=False) + "\n").encode()
