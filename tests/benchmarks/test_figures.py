"""What `benchmarks/figures.py` makes of figures; the figures themselves are the benchmark's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import figures
from generator.catalog import shipped_models
from tests.conftest import Built

RECORD = json.loads(figures.RECORD.read_text())
PEERS = figures.tomllib.loads(figures.PEERS.read_text())["peers"]


def test_the_record_is_canonical_and_whole() -> None:
    assert figures.as_text(RECORD) == figures.RECORD.read_text()
    assert set(shipped_models()) <= set(RECORD["models"])
    for name, recorded in RECORD["models"].items():
        assert set(figures.JUDGED) <= set(recorded), name
        assert recorded["mismatches"] == 0, name


def test_every_peer_tells_its_origin_and_knows_recorded_models() -> None:
    for peer in PEERS:
        assert len(peer["origin"]) > 40
        for key in ("cycles", "arena_bytes", "code_bytes"):
            assert set(peer.get(key, {})) <= set(RECORD["models"])


@pytest.mark.parametrize("key", figures.JUDGED)
def test_what_grew_is_named(key: str) -> None:
    recorded = {"net": dict.fromkeys(figures.JUDGED, 1000)}
    assert list(figures.worse(recorded, recorded)) == []
    better = {"net": {**recorded["net"], key: 999}}
    assert list(figures.worse(recorded, better)) == []
    (line,) = figures.worse(recorded, {"net": {**recorded["net"], key: 1010}})
    for word in ("net", key, "1,000", "1,010", "+1.00%"):
        assert word in line


def test_a_first_mismatch_and_an_unknown_network_are_named() -> None:
    recorded = {"net": {**dict.fromkeys(figures.JUDGED, 5), "mismatches": 0}}
    measured = {"net": {**recorded["net"], "mismatches": 2}, "new": recorded["net"]}
    assert list(figures.worse(recorded, measured)) == [
        "net: mismatches 0 -> 2",
        "new: nothing recorded",
    ]


def test_what_is_kept_of_a_report(built: Built) -> None:
    kept = figures.figures_of(built.report)
    assert kept["cycles"] == built.report["latency"]["cycles"]
    assert kept["macs"] == kept["macs_executed"] == 5_107_104
    assert kept["code_bytes"] + kept["weights_bytes"] == built.report["memory"]["flash"]["used"]
    assert 10_000 < kept["code_bytes"] < 60_000
    assert (kept["inputs"], kept["mismatches"]) == (32, 0)


def test_keeping_then_checking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    net = dict.fromkeys(figures.JUDGED, 50)
    slower = {"a": {**net, "cycles": 51}}
    figures.keep(path, "gcc 12", {"a": net, "b": net})
    assert figures.check(path, "gcc 12", {"a": net}) == 0
    assert capsys.readouterr().err == ""
    assert figures.check(path, "gcc 12", slower) == 1
    assert capsys.readouterr().err == "a: cycles 50 -> 51 (+2.00%)\n"
    assert figures.check(path, "gcc 13", slower) == 2
    assert "not comparable" in capsys.readouterr().err

    figures.keep(path, "gcc 12", slower)
    assert json.loads(path.read_text()) == {"compiler": "gcc 12", "models": {"b": net, **slower}}
    figures.keep(path, "gcc 13", {"a": net})
    assert json.loads(path.read_text()) == {"compiler": "gcc 13", "models": {"a": net}}
