"""Real networks: MLPerf Tiny's vww01 is full of such channels, the others have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.graph import Graph, operator_macs, operator_parameters
from generator.read import read_tflite_bytes
from generator.simplify import simplify
from tests.support.cli import ROOT, firmcast

VWW01 = "vww01_mobilenet_int8.tflite"


def _read(path: Path) -> Graph:
    return read_tflite_bytes(path.read_bytes(), path.stem, str(path))


def _weights(graph: Graph) -> int:
    parameters = (operator_parameters(graph, operator) for operator in graph.operators)
    return sum(tensors[0].element_count for tensors in parameters if tensors)


def test_vww01_as_an_independent_analysis_found_it(mlperf_tiny: Path) -> None:
    graph = _read(mlperf_tiny / VWW01)
    simplified = simplify(graph, multiple=1)
    assert (simplified.removal.macs, _weights(graph)) == (7_489_664, 208_112)
    left = sum(operator_macs(simplified.graph, operator) for operator in simplified.graph.operators)
    assert (left, _weights(simplified.graph)) == (3_727_313, 29_066)


@pytest.mark.parametrize("name", ["ad01_int8", "ic01_resnet8_int8", "kws01_dscnn_int8", "sww01_int8"])
def test_others_stay_as_they_are(name: str, mlperf_tiny: Path) -> None:
    graph = _read(mlperf_tiny / f"{name}.tflite")
    assert simplify(graph).graph is graph


def test_mask_cnn_stays_as_it_is() -> None:
    graph = _read(ROOT / "models" / "mask_cnn" / "mask_cnn.tflite")
    assert simplify(graph).graph is graph


def test_vww01_is_cast_without_them_and_bit_exact(mlperf_tiny: Path, tmp_path: Path) -> None:
    done = firmcast("build", mlperf_tiny / VWW01, "--json", "--out", tmp_path / "vww01", cwd=tmp_path)
    assert done.code == 0, done.err
    report = done.json()
    assert report["validation"]["inputs"] == 32
    assert report["validation"]["bit_exact"] is True
    removed = report["simplification"]
    assert report["model"]["macs"] == 7_489_664
    assert report["model"]["parameters"] == 210_850
    executed = sum(layer["macs"] for layer in report["latency"]["layers"])
    assert executed == 7_489_664 - removed["macs"] < 3_800_000
    assert removed["channels"] == sum(layer["constant"] + layer["unread"] for layer in removed["layers"])
    assert removed["parameter_bytes"] > 180_000
    assert report["memory"]["flash"]["used"] < 100_000
