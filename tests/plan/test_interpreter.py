"""What TFLM is given: operators by their methods, and an arena that is large enough and not lavish."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from generator.plan import Interpreter, plan_interpreter
from generator.plan.interpreter import ABSENT, resolver_method
from generator.read import operator_names, read_tflite_bytes, supported_operators
from generator.targets import load_board
from tests.plan.networks import Network, every_operator
from tests.support.cli import MLPERF_TINY, ROOT
from tests.tflm.trees import STAND_IN

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


def _planned(model: bytes, reserve_bytes: int = 0, arena_bytes: int | None = None) -> Interpreter:
    graph = read_tflite_bytes(model, "net", "net")
    names = operator_names(model)
    return plan_interpreter(graph, names, PART, reserve_bytes=reserve_bytes, arena_bytes=arena_bytes)


@pytest.mark.parametrize("name", RECORDED)
def test_estimated_arena_holds_what_the_library_used(name: str) -> None:
    """The arena that tflite-micro with CMSIS-NN used on this core, and 1 to 5 KiB for the rest."""
    if name != "mask_cnn" and not MLPERF_TINY.is_dir():
        pytest.skip(f"the MLPerf Tiny models are not beside this checkout ({MLPERF_TINY})")
    planned = _planned(_file(name).read_bytes(), reserve_bytes=16 << 10)
    assert 1024 < planned.arena_bytes - RECORDED[name] < 5 << 10
    assert planned.arena_fits
    assert planned.arena_bytes % 16 == 0


def test_operators_are_those_of_the_file_once_each() -> None:
    planned = _planned(every_operator())
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
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "UnidirectionalSequenceLSTM"),
        ("TRANSPOSE_CONV", "TransposeConv"),
        ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighbor"),
    ],
)
def test_methods_are_named_as_the_resolver_names_them(operator: str, method: str) -> None:
    assert resolver_method(operator) == method


def test_every_operator_that_is_read_is_in_the_resolver_or_known_to_be_absent() -> None:
    """The stand-in's resolver lists what the library's has of the operators read here."""
    header = (STAND_IN / "tensorflow/lite/micro/micro_mutable_op_resolver.h").read_text()
    there = set(re.findall(r"STAND_IN_ADD\((\w+)\)", header)) - {"name"}
    assert {resolver_method(name) for name in supported_operators() if name not in ABSENT} == there


def test_operators_are_named_as_in_the_file_not_as_the_graph_sees_them() -> None:
    """SQUEEZE is a reshape to the graph; the library must be asked for SQUEEZE."""
    net = Network(1)
    source = net.activation(1, 2, 1, 3)
    squeezed = net.like(source, (1, 2, 3))
    net.operator("SQUEEZE", [source], [squeezed])
    planned = _planned(net.finish([source], [net.logistic(squeezed)]))
    assert planned.operators == ("Squeeze", "Logistic")


def test_operators_that_the_library_lacks_are_told() -> None:
    net = Network(1)
    source = net.activation(1, 8)
    result = net.like(source)
    net.operator("RELU_N1_TO_1", [source], [result])
    planned = _planned(net.finish([source], [net.logistic(result)]))
    assert (planned.operators, planned.missing) == (("Logistic",), ("RELU_N1_TO_1",))


def test_a_given_arena_replaces_the_estimate() -> None:
    planned = _planned(every_operator(), arena_bytes=70_000)
    assert (planned.arena_bytes, planned.persistent_bytes) == (70_000, 0)
    large = _planned(every_operator(), arena_bytes=900_000)
    assert not large.arena_fits
    assert "no memory of" in large.arena_why
