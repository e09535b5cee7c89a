"""Passes over the graph: what goes, what stays, and that outputs stay to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from generator.fuse import fuse
from generator.graph import Graph, Reshape
from generator.read import read_tflite_bytes
from generator.reference import Oracle, run_graph
from tests.plan.networks import Network, every_operator, random_network


def _inputs(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, t.shape).astype(np.int8) for t in graph.input_tensors()]


def test_outputs_stay_to_the_bit_and_equal_tflm() -> None:
    dropped = 0
    for seed in range(60):
        model = random_network(seed)
        graph = read_tflite_bytes(model, "net", "net")
        fused = fuse(graph)
        dropped += len(graph.operators) - len(fused.operators)
        values = _inputs(graph, seed)
        before, after = run_graph(graph, values), run_graph(fused, values)
        assert graph.outputs == fused.outputs
        for index in graph.outputs:
            np.testing.assert_array_equal(before[index], after[index])
        if seed < 20:
            for index, oracle in zip(graph.outputs, Oracle(model).run(values), strict=True):
                np.testing.assert_array_equal(after[index].reshape(-1), oracle.reshape(-1))
    assert dropped > 20  # these networks do have dead ends and reshapes


def test_reshapes_in_a_row_become_one() -> None:
    graph = read_tflite_bytes(every_operator(), "net", "net")
    fused = fuse(graph)
    assert sum(isinstance(o.attributes, Reshape) for o in graph.operators) == 2
    (reshape,) = (o for o in fused.operators if isinstance(o.attributes, Reshape))
    producer = next(o for o in graph.operators if o.name == "QUANTIZE")
    assert reshape.inputs == producer.outputs
    assert len(fused.tensors) == len(graph.tensors) - 1


def test_fusing_twice_changes_nothing_more() -> None:
    for seed in range(20):
        once = fuse(read_tflite_bytes(random_network(seed), "net", "net"))
        assert fuse(once) == once


def test_dead_operators_go_and_their_constants_with_them() -> None:
    net = Network()
    source = net.activation(1, 6, 6, 2)
    kept = net.conv(source, 3)
    net.logistic(net.conv(kept, 5, name="dead weights"))
    unread = net.activation(1, 3)
    graph = fuse(read_tflite_bytes(net.finish([source, unread], [kept]), "net", "net"))
    assert [o.index for o in graph.operators] == [0]
    assert not any(t.name == "dead weights" for t in graph.tensors.values())
    assert unread in graph.tensors  # an input stays one, read or not
    assert graph.inputs == (source, unread)


def test_reshaped_constants_become_constants() -> None:
    """Weights behind a reshape: the reader asks for plain ones, so the graph is made by hand."""
    graph = read_tflite_bytes(every_operator(), "net", "net")
    weights = next(o for o in graph.operators if o.name == "FULLY_CONNECTED").inputs[1]
    assert weights is not None
    flat_index = max(graph.tensors) + 1
    flat = replace(graph.tensors[weights], index=flat_index, shape=(384,), name="flat")
    behind = replace(graph.tensors[weights], data=None)
    reshape = next(o for o in graph.operators if isinstance(o.attributes, Reshape))
    unfolded = replace(
        graph,
        tensors={**graph.tensors, weights: behind, flat_index: flat},
        operators=(replace(reshape, inputs=(flat_index,), outputs=(weights,)), *graph.operators),
    )
    folded = fuse(unfolded)
    assert folded.tensors[weights].data == flat.data
    assert flat_index not in folded.tensors
    values = _inputs(graph)
    (output,) = graph.outputs
    np.testing.assert_array_equal(run_graph(folded, values)[output], run_graph(graph, values)[output])
