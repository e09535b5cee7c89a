"""What the firmware of each network costs, beside its peers and beside what was recorded last.

    python benchmarks/figures.py [MODEL...]           # build and run, print, rewrite benchmarks/figures.json
    python benchmarks/figures.py --check [MODEL...]   # rewrite nothing; exit 1 if anything got worse

Without arguments: the shipped models, and the MLPerf Tiny models where they lie beside the checkout.
Everything comes out of `python -m generator build`: cycles are the emulator's model, mismatches are against
TFLM. The same code gives the same figures on every computer, if the compiler is the one that figures.json
names. Peers' figures and their origin stand in benchmarks/peers.toml.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.networks import networks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECORD = ROOT / "benchmarks" / "figures.json"
PEERS = ROOT / "benchmarks" / "peers.toml"

# Two products a cycle is the most that a Cortex-M7's multiplier does.
CYCLES_PER_MAC_LINE = 0.5
# Whatever of these grows is worse.
JUDGED = ("cycles", "activations_bytes", "code_bytes", "weights_bytes", "mismatches")
# Exit codes of `build` that come with a report: done, over budget, target and reference disagree.
REPORTED = (0, 4, 5)

Figures = dict[str, int]


def main(arguments: Sequence[str]) -> int:
    """Measure all, print, then record or check."""
    measured: dict[str, Figures] = {}
    compilers = set()
    for model in [a for a in arguments if a != "--check"] or networks():
        report = build(model)
        measured[report["model"]["name"]] = figures_of(report)
        compilers.add(report["toolchain"]["compiler"])
    (compiler,) = compilers
    print_tables(measured, tomllib.loads(PEERS.read_text())["peers"])
    if "--check" in arguments:
        return check(RECORD, compiler, measured)
    keep(RECORD, compiler, measured)
    return 0


def keep(path: Path, compiler: str, measured: Mapping[str, Figures]) -> None:
    """Put figures into the record; those of other networks stay if the same compiler made them."""
    before = json.loads(path.read_text()) if path.is_file() else {}
    others = before["models"] if before.get("compiler") == compiler else {}
    path.write_text(as_text({"compiler": compiler, "models": {**others, **measured}}))


def check(path: Path, compiler: str, measured: Mapping[str, Figures]) -> int:
    """Exit code: 1 if anything is worse than the record, 2 if another compiler made that. Says what."""
    record = json.loads(path.read_text())
    if compiler != record["compiler"]:
        print(f"not comparable: recorded with {record['compiler']}, this is {compiler}", file=sys.stderr)
        return 2
    problems = list(worse(record["models"], measured))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def build(model: str) -> dict[str, Any]:
    """The report of `build`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "generator",
            "build",
            model,
            "--json",
            "-q",
            "--out",
            f"{folder}/out",
        ]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode not in REPORTED:
        raise SystemExit(f"{model}: build ended with exit code {done.returncode}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def figures_of(report: Mapping[str, Any]) -> Figures:
    """What is kept of a report: cycles of one inference and bytes."""
    model, memory, latency = report["model"], report["memory"], report["latency"]
    return {
        "macs": model["macs"],
        "macs_executed": sum(layer["macs"] for layer in latency["layers"]),
        "instructions": latency["instructions"],
        "cycles": latency["cycles"],
        "activations_bytes": memory["activations_bytes"],
        "code_bytes": memory["flash"]["used"] - model["weights_bytes"],
        "weights_bytes": model["weights_bytes"],
        "stack_bytes": memory["stack_bytes"],
        "inputs": report["validation"]["inputs"],
        "mismatches": report["validation"]["mismatches"],
    }


def worse(recorded: Mapping[str, Figures], measured: Mapping[str, Figures]) -> Iterator[str]:
    """A line for each judged figure that grew, and for each model without record."""
    for name, figures in measured.items():
        if name not in recorded:
            yield f"{name}: nothing recorded"
            continue
        for key in JUDGED:
            before, now = recorded[name][key], figures[key]
            if now > before:
                share = f" ({now / before - 1:+.2%})" if before else ""
                yield f"{name}: {key} {before:,} -> {now:,}{share}"


def as_text(record: Mapping[str, Any]) -> str:
    """Canonical JSON: the same record is the same text."""
    return json.dumps(record, indent=2, sort_keys=True) + "\n"


def print_tables(measured: Mapping[str, Figures], peers: Sequence[Mapping[str, Any]]) -> None:
    """Speed, then memory; peers of a kind share a column, each model has one at most."""
    silicon, modelled = ([peer for peer in peers if peer["kind"] == kind] for kind in ("silicon", "modelled"))
    speed, memory = [], []
    for name, f in measured.items():
        published, tflm = _of(silicon, "cycles", name), _of(modelled, "cycles", name)
        speed.append(
            [
                name,
                f"{f['macs']:,}",
                f"{f['macs_executed']:,}",
                f"{f['cycles']:,}",
                _ratio(f["cycles"], f["macs"]),
                _ratio(f["cycles"], f["macs_executed"]),
                _ratio(f["cycles"], CYCLES_PER_MAC_LINE * f["macs"]),
                _number(published),
                _ratio(f["cycles"], published),
                _number(tflm),
                _ratio(f["cycles"], tflm),
                f"{f['mismatches']} / {f['inputs']}",
            ]
        )
        memory.append(
            [
                name,
                f"{f['activations_bytes']:,}",
                _number(_of(modelled, "arena_bytes", name)),
                f"{f['code_bytes']:,}",
                _number(_of(modelled, "code_bytes", name)),
                f"{f['weights_bytes']:,}",
                f"{f['stack_bytes']:,}",
            ]
        )
    _print(
        "model",
        (
            *("MACs", "executed", "cycles", "/MAC", "/executed", "of 0.5 line"),
            *("X-CUBE-AI", "of it", "TFLM", "of it", "mismatches / inputs"),
        ),
        speed,
    )
    _print(
        "bytes",
        ("activations", "TFLM arena", "code", "TFLM code", "weights", "stack"),
        memory,
    )
    print("cycles: emulator's model; code: flash without weights and tables, whole firmware with host link.")
    for peer in peers:
        print(f"{peer['name']} ({peer['kind']}): {peer['origin']}")


def _of(peers: Sequence[Mapping[str, Any]], key: str, name: str) -> int | None:
    return next((peer[key][name] for peer in peers if name in peer.get(key, {})), None)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _ratio(value: int, other: float | None) -> str:
    return "-" if not other else f"{value / other:.2f}"


def _print(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = [[title, *headings], *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        numbers = [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *numbers]))
    print()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
