"""Comparison finds what differs, where first, and how much: a target that runs the wrong weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from generator.commands import attach
from generator.commands.build import _judge, _validation
from generator.commands.validate import validate
from generator.errors import MismatchError
from generator.fuse import fuse
from generator.graph import Graph
from generator.plan import Plan, make_plan
from generator.read import read_tflite_bytes
from generator.reference import Oracle, open_reference, run_graph
from generator.report import Report
from generator.simplify import simplify
from generator.targets import load_board
from generator.validate import Comparison, TestInput, compare, make_inputs
from tests.app.host import Host, host_program
from tests.plan.networks import Network, edited
from tests.simplify.networks import Plain
from tests.support import models
from tests.support.models import ModelBuilder

CONV, DEPTHWISE, DENSE = 0, 1, 4


def _model() -> bytes:
    """conv, depthwise, pool, reshape, dense, quantize; outputs: the end and the depthwise."""
    net = Network(11)
    source = net.activation(1, 6, 6, 3)
    branch = net.conv(net.conv(source, 4), 4, depthwise=True)
    flat = net.reshape(net.pool(branch), 1, 36)
    return net.finish([source], [net.quantize(net.dense(flat, 5)), branch])


def _with_other_weights(model: bytes, operator: int, channel: int) -> bytes:
    """One channel of one layer's weights with the sign turned."""

    def change(tree: Any) -> None:
        graph = tree.subgraphs[0]
        tensor = graph.tensors[graph.operators[operator].inputs[1]]
        buffer = tree.buffers[tensor.buffer]
        weights = np.array(buffer.data, np.uint8).view(np.int8).reshape(tensor.shape).copy()
        selected = weights[..., channel] if operator == DEPTHWISE else weights[channel]
        selected[...] = -selected
        buffer.data = weights.reshape(-1).view(np.uint8)

    return edited(model, change)


def _plan(model: bytes) -> tuple[Graph, Plan]:
    graph = fuse(simplify(read_tflite_bytes(model, "net", "net")).graph)
    return graph, make_plan(graph, load_board("nucleo_h743zi2").part)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with host_program(_model(), tmp_path_factory.mktemp("target") / "out") as host:
        yield host


def _inputs(graph: Graph) -> tuple[TestInput, ...]:
    return make_inputs(graph, Path("nowhere"), None, realistic=2, noise=4)


def test_equal_weights_agree(target: Host) -> None:
    comparison = compare(target.client, target.plan, target.model, _inputs(target.graph))
    assert comparison.bit_exact
    assert (comparison.inputs, comparison.mismatches, comparison.max_abs_diff) == (6, 0, 0.0)
    assert comparison.elements == 6 * (5 + 144)
    assert comparison.first_difference is None
    assert comparison.reference.startswith("tflite-micro ")


@pytest.mark.parametrize(("operator", "step"), [(CONV, 0), (DEPTHWISE, 1), (DENSE, 3)])
def test_first_step_that_differs_is_found(operator: int, step: int, target: Host) -> None:
    other = _with_other_weights(_model(), operator, 2)
    graph, plan = _plan(other)
    inputs = _inputs(graph)
    progress: list[tuple[int, int]] = []
    comparison = compare(target.client, plan, other, inputs, lambda *p: progress.append(p))
    assert progress == [(i + 1, 6) for i in range(6)]

    # The same by hand, from both models' values.
    wrong = [run_graph(target.graph, i.values) for i in inputs]
    right = [run_graph(graph, i.values) for i in inputs]
    differences = [
        [np.abs(w[o].astype(int) - r[o].astype(int)) for o in graph.outputs]
        for w, r in zip(wrong, right, strict=True)
    ]
    assert comparison.mismatches == sum(np.count_nonzero(d) for ds in differences for d in ds) > 0
    assert comparison.max_abs_diff == max(d.max() for ds in differences for d in ds)
    assert not comparison.bit_exact

    culprit = next(i for i, ds in enumerate(differences) if any(d.any() for d in ds))
    first = comparison.first_difference
    assert first is not None
    assert first.input_name == inputs[culprit].name
    assert (first.step_name, first.op) == (plan.steps[step].name, plan.steps[step].op)
    assert first.operator_index == operator
    output = plan.steps[step].output
    assert first.tensor_name == output.name
    want, have = right[culprit][output.index], wrong[culprit][output.index]
    places = np.argwhere(want != have)
    assert (first.differing, first.elements) == (len(places), want.size)
    assert first.index == tuple(places[0])
    assert (first.expected, first.computed) == (want[first.index], have[first.index])
    for word in (first.step_name, f"operator {operator}", f"'{output.name}'", str(list(first.index))):
        assert word in str(first)


def test_only_the_first_layer_counts(target: Host) -> None:
    """Two layers wrong: the earlier is named."""
    other = _with_other_weights(_with_other_weights(_model(), DENSE, 0), CONV, 1)
    graph, plan = _plan(other)
    first = compare(target.client, plan, other, _inputs(graph)).first_difference
    assert first is not None
    assert first.operator_index == CONV


def test_simplified_steps_compare_by_the_channels_that_are_left(tmp_path: Path) -> None:
    """Of ten channels two are constant and one is unread: seven are left, an empty one makes eight."""
    net = Plain()
    source = net.image(1, 4, 4, 2)
    weights = net.rng.integers(-9, 10, (10, 1, 1, 2)) | 1
    weights[[0, 4]] = 0
    image = net.layer(source, weights, [5, *[0] * 9], scale=20.0)
    spread = net.layer(image, np.ones((1, 3, 3, 10)), depthwise=True, scale=9.0)
    reader = net.rng.integers(-9, 10, (3, 1, 1, 10)) | 1
    reader[..., 7] = 0
    model = net.finish([source], [net.layer(spread, reader, scale=50.0)])
    other = _with_other_weights(model, CONV, 6)
    graph, plan = _plan(other)
    left = (0, 1, 2, 3, 5, 6, 8, 9)
    assert plan.steps[0].output.origin == tuple(None if channel == 0 else channel for channel in left)
    inputs = _inputs(graph)
    with host_program(model, tmp_path / "out") as host:
        assert compare(host.client, host.plan, model, inputs).bit_exact
        first = compare(host.client, plan, other, inputs).first_difference
    assert first is not None
    assert (first.step_name, first.operator_index, first.elements) == (plan.steps[0].name, CONV, 16 * 7)
    assert first.index[-1] == 6  # where the model file has it
    wrong = run_graph(read_tflite_bytes(model, "", ""), inputs[0].values)[image]
    right = run_graph(read_tflite_bytes(other, "", ""), inputs[0].values)[image]
    assert first.differing == np.count_nonzero(wrong != right)
    assert (first.expected, first.computed) == (right[first.index], wrong[first.index])


def test_a_mismatch_is_exit_code_5(target: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "other.tflite"
    file.write_bytes(_with_other_weights(_model(), DEPTHWISE, 0))

    @contextmanager
    def on_host(*_: object) -> Iterator[object]:
        yield target.client

    monkeypatch.setattr(attach, "on_host", on_host)
    result = CliRunner().invoke(validate, [str(file), "--on", "host", "--inputs", "4"])
    assert isinstance(result.exception, MismatchError)
    assert result.exception.exit_code == 5
    for word in ("DEPTHWISE_CONV_2D", "operator 1", "differ"):
        assert word in str(result.exception)


def test_build_judges_a_mismatch_before_a_budget(target: Host) -> None:
    other = _with_other_weights(_model(), DENSE, 1)
    graph, plan = _plan(other)
    comparison = compare(target.client, plan, other, _inputs(graph))
    report = Report.model_construct(validation=_validation(comparison), budgets=None)
    with pytest.raises(MismatchError, match="FULLY_CONNECTED") as raised:
        _judge(report)
    assert f"{comparison.mismatches:,} of {comparison.elements:,}" in str(raised.value)


class Parrot:
    """A target that answers always the same bytes."""

    def __init__(self, output: bytes) -> None:
        self._output = output

    def write_input(self, *_: object) -> None: ...

    def run(self, stop_after: int | None = None) -> None: ...

    def read_output(self, _index: int) -> bytes:
        return self._output

    def read_step(self, _step: int) -> bytes:
        return self._output


def _float_comparison(target_values: list[float]) -> Comparison:
    model = models.convert("DEQUANTIZE", 4, "int8", "float32", (0.5, 3), None)
    _, plan = _plan(model)
    given = TestInput("four", "noise", (np.array([[3, 4, 5, 2]], np.int8),))  # 0, 0.5, 1, -0.5
    (oracle,) = Oracle(model).run(given.values)
    assert oracle.reshape(-1).tolist() == [0.0, 0.5, 1.0, -0.5]
    output = np.array(target_values, np.float32).tobytes()
    return compare(Parrot(output), plan, model, [given])  # type: ignore[arg-type]


def test_floats_compare_by_their_bits() -> None:
    assert _float_comparison([0.0, 0.5, 1.0, -0.5]).bit_exact
    negative_zero = _float_comparison([-0.0, 0.5, 1.0, -0.5])
    assert (negative_zero.mismatches, negative_zero.max_abs_diff) == (1, 0.0)
    assert negative_zero.first_difference is not None
    assert negative_zero.first_difference.index == (0, 0)
    next_up = _float_comparison([0.0, 0.5, float(np.nextafter(np.float32(1), np.float32(2))), -0.5])
    assert (next_up.mismatches, next_up.max_abs_diff) == (1, 2.0**-23)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_endless_differences_are_not_shown_as_none(value: float) -> None:
    comparison = _float_comparison([0.0, value, 1.0, -0.5])
    assert comparison.mismatches == 1
    assert comparison.max_abs_diff == float(np.finfo(np.float32).max)


def test_inputs_are_the_same_every_time_and_differ_by_seed() -> None:
    graph, _ = _plan(_model())
    first, again = _inputs(graph), _inputs(graph)
    assert [(i.name, i.kind) for i in first] == [(i.name, i.kind) for i in again]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.values[0], b.values[0])
    other = make_inputs(graph, Path("nowhere"), None, realistic=2, noise=4, seed=1)
    assert any((a.values[0] != b.values[0]).any() for a, b in zip(first, other, strict=True))
    assert {i.kind for i in first} == {"image", "noise"}  # three channels: pictures of the shipped model


def test_numpy_stands_in_where_tflm_lacks_an_operator() -> None:
    """TILE is none of TFLM's; the reference says so, and computes all the same."""
    model = ModelBuilder()
    source, tiled, result = (model.tensor(shape, scale=0.1) for shape in ((1, 2), (1, 6), (1, 6)))
    times = model.tensor((2,), "int32", data=np.array([1, 3], np.int32))
    model.operator("TILE", [source, times], [tiled])
    model.operator("ABS", [tiled], [result])
    reference = open_reference(model.finish([source], [result]))
    assert reference.name.startswith("NumPy integers, as TFLM refuses")
    (output,) = reference.run([np.array([[-3, 5]], np.int8)])
    assert output.tolist() == [[3, 5, 3, 5, 3, 5]]
