"""What ``analyze`` says beforehand is near what the emulated firmware then takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import firmcast

NETWORKS = ("ad01_int8", "ic01_resnet8_int8", "kws01_dscnn_int8", "sww01_int8", "vww01_mobilenet_int8")
TOLERANCE = 0.10


def _check(model: object, folder: Path) -> None:
    estimated = firmcast("analyze", model, "--json", cwd=folder).json()
    report = firmcast("build", model, "--no-validate", "--json", cwd=folder).json()
    assert estimated["estimated"]["cycles"] == pytest.approx(report["latency"]["cycles"], rel=TOLERANCE)
    assert [layer["kernel"] for layer in estimated["layers"]] == [
        layer["kernel"] for layer in report["latency"]["layers"]
    ]


def test_the_shipped_network(tmp_path: Path) -> None:
    _check("mask_cnn", tmp_path)


@pytest.mark.parametrize("name", NETWORKS)
def test_mlperf_tiny(mlperf_tiny: Path, tmp_path: Path, name: str) -> None:
    _check(mlperf_tiny / f"{name}.tflite", tmp_path)
