"""On random networks and extreme inputs: outputs stay to the bit, intervals hold, TFLM agrees."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.fuse import fuse
from generator.graph import DType, Graph, operator_macs
from generator.read import read_tflite_bytes
from generator.reference import Oracle, run_graph
from generator.simplify import simplify
from generator.simplify.intervals import analyse
from generator.simplify.layers import channels
from tests.simplify.networks import extreme_inputs, sparse_network

SEEDS = st.integers(0, 2**32 - 1)


def _read(seed: int) -> Graph:
    return read_tflite_bytes(sparse_network(seed), "net", "net")


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, multiple=st.sampled_from([1, 2, 4]))
def test_outputs_and_all_channels_that_matter_stay_to_the_bit(seed: int, multiple: int) -> None:
    graph = _read(seed)
    simplified = simplify(graph, multiple).graph
    assert (simplified.inputs, simplified.outputs) == (graph.inputs, graph.outputs)
    for values in extreme_inputs(graph, seed):
        before, after = run_graph(graph, values), run_graph(fuse(simplified), values)
        for index in graph.outputs:
            np.testing.assert_array_equal(before[index], after[index])
        for index, computed in run_graph(simplified, values).items():
            origin = simplified.tensors[index].origin
            if origin is not None:
                for channel, source in enumerate(origin):
                    if source is not None:
                        np.testing.assert_array_equal(computed[..., channel], before[index][..., source])


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS)
def test_intervals_hold_every_value(seed: int) -> None:
    graph = _read(seed)
    intervals = analyse(graph).tensors
    for values in extreme_inputs(graph, seed):
        for index, computed in run_graph(graph, values).items():
            tensor = graph.tensors[index]
            if tensor.dtype is DType.FLOAT32:
                continue
            rows = computed.reshape(-1, channels(tensor)).astype(np.int64)
            assert (intervals[index].low <= rows.min(axis=0)).all()
            assert (rows.max(axis=0) <= intervals[index].high).all()


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_tflm_agrees_with_what_is_left(seed: int) -> None:
    model = sparse_network(seed)
    graph = read_tflite_bytes(model, "net", "net")
    simplified, oracle = simplify(graph).graph, Oracle(model)
    for values in extreme_inputs(graph, seed):
        computed = run_graph(simplified, values)
        for index, expected in zip(graph.outputs, oracle.run(values), strict=True):
            np.testing.assert_array_equal(computed[index].reshape(-1), expected.reshape(-1))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_simplifying_twice_changes_nothing_more(seed: int) -> None:
    once = simplify(_read(seed)).graph
    assert simplify(once).graph is once


def test_these_networks_do_have_such_channels() -> None:
    """And the account of them adds up."""
    constant = unread = filled = 0
    for seed in range(60):
        graph = _read(seed)
        done = simplify(graph, multiple=1 + 3 * (seed % 2))
        simplified, removal = done.graph, done.removal
        constant += sum(layer.constant for layer in removal.layers)
        unread += sum(layer.unread for layer in removal.layers)
        filled += sum(None in (t.origin or ()) for t in simplified.tensors.values())
        assert removal.macs == sum(operator_macs(graph, o) for o in graph.operators)
        left = sum(operator_macs(simplified, o) for o in simplified.operators)
        assert removal.macs - removal.macs_removed == left
        for layer in removal.layers:
            result = simplified.operators[layer.operator_index].outputs[0]
            assert layer.channels - layer.constant - layer.unread == channels(simplified.tensors[result])
    assert min(constant, unread, filled) > 20
