"""Networks that keep state: target and reference see the same sequence of inputs, from the same beginning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generator.fuse import fuse
from generator.graph import Lstm
from generator.plan import make_plan
from generator.read import read_tflite_bytes
from generator.reference import Oracle, run_graph
from generator.targets import load_board
from generator.validate import compare, make_inputs
from tests.app.host import host_program
from tests.plan.networks import Network, edited
from tests.support.cli import firmcast
from tests.support.recurrent import add_svdf, converted_lstm

SVDF, TIME_WEIGHTS = 0, 2


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")
    folder = tmp_path_factory.mktemp("keras") / "saved"
    return converted_lstm(folder, steps=6, depth=5, units=7, classes=3)


def test_converted_lstm_is_exact_over_a_sequence_of_inputs(lstm: bytes, tmp_path: Path) -> None:
    with host_program(lstm, tmp_path / "out") as host:
        assert isinstance(host.graph.operators[0].attributes, Lstm)
        inputs = make_inputs(host.graph, Path("nowhere"), None, realistic=4, noise=6)
        for _ in range(2):  # the second comparison begins anew, on a target that has run before
            comparison = compare(host.client, host.plan, lstm, inputs)
            assert comparison.bit_exact
            assert (comparison.inputs, comparison.elements) == (10, 30)
        header = (host.folder / "net.h").read_text()
        assert "keeps state from one run to the next, 21 bytes" in header
    oracle = Oracle(lstm)
    followed = [oracle.run(given.values)[0] for given in inputs]
    alone = [Oracle(lstm).run(given.values)[0] for given in inputs]
    assert (followed[0] == alone[0]).all()
    assert any((a != b).any() for a, b in zip(followed[1:], alone[1:], strict=True)), (
        "state makes no difference"
    )


def test_converted_lstm_is_exact_when_emulated(lstm: bytes, tmp_path: Path) -> None:
    (tmp_path / "lstm.tflite").write_bytes(lstm)
    result = firmcast("validate", "lstm.tflite", "--inputs", "8", "--json", cwd=tmp_path)
    assert result.code == 0, result.err
    assert (result.json()["bit_exact"], result.json()["elements"]) == (True, 24)


def _filter() -> bytes:
    net = Network(4)
    source = net.tensor((1, 6), scale=0.05, zero_point=2)
    return net.finish([source], [net.dense(add_svdf(net, net.rng, source, 5, memory=3), 4)])


def _with_another_past(tree: Any) -> None:
    """Weights of the features before the newest ones: the first run is the same."""
    graph = tree.subgraphs[0]
    buffer = tree.buffers[graph.tensors[graph.operators[SVDF].inputs[TIME_WEIGHTS]].buffer]
    weights = np.array(buffer.data, np.uint8).view(np.int16).reshape(-1, 3).copy()
    weights[:, 1] = -weights[:, 1]
    buffer.data = weights.reshape(-1).view(np.uint8)


def test_first_difference_is_found_in_the_state_of_its_input(tmp_path: Path) -> None:
    model, other = _filter(), edited(_filter(), _with_another_past)
    graph, target_graph = (fuse(read_tflite_bytes(m, "net", "net")) for m in (other, model))
    plan = make_plan(graph, load_board("nucleo_h743zi2").part)
    inputs = make_inputs(graph, Path("nowhere"), None, realistic=1, noise=4)
    with host_program(model, tmp_path / "out") as host:
        assert compare(host.client, host.plan, model, inputs).bit_exact
        comparison = compare(host.client, plan, other, inputs)
    right, wrong = (
        run_graph(g, inputs[1].values, run_graph(g, inputs[0].values)) for g in (graph, target_graph)
    )
    output = plan.steps[0].output
    first = comparison.first_difference
    assert first is not None
    assert (first.input_name, first.op) == (inputs[1].name, "SVDF")
    assert first.differing == np.count_nonzero(right[output.index] != wrong[output.index]) > 0
    assert (first.expected, first.computed) == (
        right[output.index][first.index],
        wrong[output.index][first.index],
    )
