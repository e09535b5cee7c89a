"""What TFLM is given: operators by their methods, and an arena that is large enough and not lavish."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from generator.plan import plan_interpreter
from generator.plan.interpreter import resolver_method
from generator.read import read_tflite_bytes
from generator.targets import load_board
from tests.plan.networks import every_operator
from tests.support.cli import MLPERF_TINY, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PART = load_board("nucleo_h743zi2").part
RECORDED: dict[str, int] = next(
    peer["arena_bytes"]
    for peer in tomllib.loads((ROOT / "benchmarks" / "peers.toml").read_text())["peers"]
    if peer["name"].startswith("TFLM")
)


def _file(name: str) -> Path:
    return next(p for folder in (ROOT / "models", MLPERF_TINY) for p in folder.rglob(f"{name}.tflite"))


@pytest.mark.parametrize("name", RECORDED)
def test_estimated_arena_holds_what_the_library_used(name: str) -> None:
    """The arena that tflite-micro with CMSIS-NN used on this core, and 1 to 5 KiB for the rest."""
    if name != "mask_cnn" and not MLPERF_TINY.is_dir():
        pytest.skip(f"the MLPerf Tiny models are not beside this checkout ({MLPERF_TINY})")
    graph = read_tflite_bytes(_file(name).read_bytes(), name, name)
    planned = plan_interpreter(graph, PART, reserve_bytes=16 << 10)
    assert 1024 < planned.arena_bytes - RECORDED[name] < 5 << 10
    assert planned.arena_fits
    assert planned.arena_bytes % 16 == 0


def test_operators_are_those_of_the_file_once_each() -> None:
    graph = read_tflite_bytes(every_operator(), "net", "net")
    planned = plan_interpreter(graph, PART, reserve_bytes=0)
    assert planned.operators == (
        *("Conv2D", "DepthwiseConv2D", "Add", "MaxPool2D", "AveragePool2D", "Quantize", "Reshape"),
        *("FullyConnected", "Logistic", "Softmax"),
    )


@pytest.mark.parametrize(
    ("operator", "method"),
    [
        ("CONV_2D", "Conv2D"),
        ("L2_POOL_2D", "L2Pool2D"),
        ("PADV2", "PadV2"),
        ("RELU6", "Relu6"),
        ("SPACE_TO_BATCH_ND", "SpaceToBatchNd"),
        ("SPLIT_V", "SplitV"),
        ("TRANSPOSE_CONV", "TransposeConv"),
        ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighbor"),
    ],
)
def test_methods_are_named_as_the_resolver_names_them(operator: str, method: str) -> None:
    assert resolver_method(operator) == method


def test_a_given_arena_replaces_the_estimate() -> None:
    graph = read_tflite_bytes(every_operator(), "net", "net")
    planned = plan_interpreter(graph, PART, reserve_bytes=0, arena_bytes=70_000)
    assert (planned.arena_bytes, planned.persistent_bytes) == (70_000, 0)
    large = plan_interpreter(graph, PART, reserve_bytes=0, arena_bytes=900_000)
    assert not large.arena_fits
    assert "no memory of" in large.arena_why
