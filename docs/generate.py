"""Writes what the documentation shows from what the code and the shipped firmware really are.

    python docs/generate.py          # after a build: rewrite the marked parts of documents, and the picture
    python docs/generate.py --check  # exit 1 if anything would change

Marked parts stand between ``<!-- NAME -->`` and ``<!-- end of NAME -->``.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from rich.console import Console

from generator.convert.onnx import NOTES as ONNX_NOTES
from generator.convert.onnx import supported_onnx_operators
from generator.evaluate import PAPER
from generator.read import supported_operators
from generator.read.notes import NOTES
from generator.report import Report
from generator.report.tables import print_report
from generator.targets import board_names, load_board, load_part, part_names
from generator.validate.rules import meanings_table, rules_table

README = ROOT / "README.md"
DIFFERENCES = ROOT / "docs" / "differences.md"
OPERATORS = ROOT / "docs" / "operators.md"
ONNX = ROOT / "docs" / "onnx.md"
PICTURE = ROOT / "docs" / "img" / "build.svg"
FIGURES = ROOT / "benchmarks" / "figures.json"
PEERS = ROOT / "benchmarks" / "peers.toml"
REPORT = ROOT / "build" / "mask_cnn" / "report.json"


def main(arguments: list[str]) -> int:
    """Rewrite or check."""
    if not REPORT.is_file():
        print(f"{REPORT} is missing: ./run.sh build", file=sys.stderr)
        return 2
    report = Report.model_validate(json.loads(REPORT.read_text()))
    wanted = {
        README: marked(
            README,
            {"figures": figures(report), "paper": paper(), "peers": peers(), "support": support()},
        ),
        DIFFERENCES: marked(DIFFERENCES, {"rules": rules_table(), "meanings": meanings_table()}),
        OPERATORS: marked(OPERATORS, {"operators": operators()}),
        ONNX: marked(ONNX, {"onnx": onnx_operators()}),
        PICTURE: picture(report),
    }
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: python docs/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


def marked(document: Path, parts: Mapping[str, str]) -> str:
    """A document with its marked parts made anew."""
    text = document.read_text()
    for name, content in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        assert pattern.search(text), name
        text = pattern.sub(lambda match, new=content: f"{match[1]}{new}\n{match[2]}", text)
    return text


def figures(report: Report) -> str:
    """The shipped model's figures beside the paper's and TFLM's."""
    latency, memory, validation = report.latency, report.memory, report.validation
    assert latency is not None
    assert validation is not None
    assert latency.silicon_ms_range is not None
    low, high = latency.silicon_ms_range
    rows = [
        ("parameters", f"{report.model.parameters:,}", "128,193", ""),
        ("multiply-accumulates", f"{report.model.macs:,}", "", ""),
        ("cycles of an inference, modelled", f"{latency.cycles:,}", "", "8,670,608"),
        (
            f"milliseconds at {latency.clock_mhz:g} MHz, modelled",
            f"{latency.ms:.2f} (silicon: {low:.1f} to {high:.1f} expected)",
            "33.3 (30 per second, camera included)",
            "18.06",
        ),
        ("flash, all of the firmware", f"{memory.flash.used:,} B", "", ""),
        ("RAM, all of the firmware", f"{memory.ram.used:,} B", "496 KB of frame buffer", ""),
        ("activations and scratch", f"{memory.activations_bytes:,} B", "", "40,292 B"),
        (
            "outputs that differ from TFLM's",
            f"{validation.mismatches} on {validation.inputs} inputs",
            "",
            "0 on 3 inputs",
        ),
    ]
    columns = (
        "mask_cnn",
        "Firmcast, native engine",
        "paper, OpenMV Cam H7",
        "TFLM + CMSIS-NN, by a model without memory",
    )
    head = f"| {' | '.join(columns)} |"
    return "\n".join([head, "|---|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows)])


def paper() -> str:
    """The paper's three networks as they ship, by their cards and as benchmarks/figures.py recorded them."""
    recorded = json.loads(FIGURES.read_text())["models"]
    rows = []
    for name, theirs in PAPER.items():
        card = json.loads((ROOT / "models" / name / "model.json").read_text())
        (test,) = (e for e in card["evaluation"] if (e["engine"], e["split"]) == ("tflm-int8", "Test"))
        own = recorded[name]
        rows.append(
            (
                f"[{name}](models/{name}/README.md)",
                f"{card['parameters']:,}",
                f"{card['tflite']['size_bytes'] / 1024:.0f} KiB",
                theirs.int8_file,
                f"{test['accuracy']:.2%}",
                f"{theirs.int8_accuracy:.2%}",
                f"{own['cycles']:,}",
                f"{own['weights_bytes'] + own['code_bytes']:,} B",
                f"{own['activations_bytes']:,} B",
            )
        )
    columns = (
        "network",
        "parameters",
        ".tflite",
        "paper's",
        "accuracy, int8",
        "paper's, its pictures",
        "cycles, modelled",
        "weights and code",
        "activations and scratch",
    )
    return _table(columns, rows)


def peers() -> str:
    """MLPerf Tiny's networks beside what others need, as benchmarks/figures.py recorded them."""
    ours = json.loads(FIGURES.read_text())["models"]
    theirs = tomllib.loads(PEERS.read_text())["peers"]
    rows = []
    for name in sorted(set(ours) - set(PAPER)):
        own = ours[name]
        published = [p["cycles"][name] for p in theirs if p["kind"] == "silicon" and name in p["cycles"]]
        tflm = next(p for p in theirs if p["name"].startswith("TFLM"))
        rows.append(
            (
                name.removesuffix("_int8"),
                f"{own['macs']:,}",
                f"{own['cycles']:,}",
                f"{published[0]:,}" if published else "",
                f"{tflm['cycles'][name]:,}",
                f"{own['activations_bytes']:,} B",
                f"{tflm['arena_bytes'][name]:,} B",
                f"{own['code_bytes']:,} B",
            )
        )
    columns = (
        "MLPerf Tiny",
        "multiply-accumulates",
        "cycles, modelled",
        "X-CUBE-AI, silicon",
        "TFLM + CMSIS-NN, modelled without memory",
        "activations and scratch",
        "TFLM's arena",
        "code beside the weights",
    )
    return _table(columns, rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = f"| {' | '.join(columns)} |"
    line = f"|---|{'---:|' * (len(columns) - 1)}"
    return "\n".join([head, line, *("| " + " | ".join(row) + " |" for row in rows)])


def support() -> str:
    """Operators, boards and parts, from the registries."""
    boards = [load_board(name) for name in board_names()]
    others = [name for name in part_names() if not load_part(name).buildable]
    return "\n".join(
        [
            "* **Models**: int8 `.tflite`; `.onnx` quantized as QDQ, or float and then quantized here "
            "([docs/onnx.md](docs/onnx.md)).",
            f"* **Operators**: {', '.join(supported_operators())} (types and limits: "
            "[docs/operators.md](docs/operators.md)).",
            f"* **Boards**: {'; '.join(f'`{b.name}` ({b.description})' for b in boards)}.",
            f"* **Parts** on which `analyze` says whether a model would fit: {', '.join(others)}.",
        ]
    )


def operators() -> str:
    """What can be read, from the registry of readers."""
    rows = [f"| {name} | {NOTES.get(name, '')} |" for name in supported_operators()]
    return "\n".join(["| operator | how, limits |", "|---|---|", *rows])


def onnx_operators() -> str:
    """What can be converted, from the registry of the conversion."""
    rows = [f"| {name} | {' | '.join(ONNX_NOTES[name])} |" for name in supported_onnx_operators()]
    return "\n".join(["| ONNX | becomes | limits |", "|---|---|---|", *rows])


def picture(report: Report) -> str:
    """What `build` prints, as SVG."""
    console = Console(record=True, width=112, file=io.StringIO(), markup=False, highlight=False)
    print_report(report, console)
    return console.export_svg(title="./run.sh build", unique_id="firmcast") + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
