"""Where every byte lies: the packing alone, and plans whose memory is played through."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.fuse import fuse
from generator.graph import Graph
from generator.plan import BufferArgument, Plan, make_plan
from generator.plan.arena import Packing, Request, Segment, pack
from generator.plan.kernels import KERNELS, Candidate
from generator.plan.types import ARENA_ALIGNMENT_BYTES, Step
from generator.read import read_tflite_bytes
from generator.reference import run_graph
from generator.targets import load_board
from tests.plan.networks import Network, random_network
from tests.support import models
from tests.support.recurrent import add_lstm, add_svdf

PART = load_board("nucleo_h743zi2").part


@st.composite
def requests(draw: st.DrawFn) -> list[Request]:
    """Lives of up to three segments."""
    result = []
    for number in range(draw(st.integers(0, 14))):
        size, step = draw(st.integers(1, 5000)), draw(st.integers(-1, 12))
        segments = []
        for _ in range(draw(st.integers(1, 3))):
            last = step + draw(st.integers(0, 5))
            segments.append(Segment(size, step, last, draw(st.sampled_from([0, 0, 16, 1000]))))
            size, step = draw(st.integers(1, 5000)), last + 1
        result.append(Request(f"r{number}", tuple(segments)))
    return result


def _overlaps(a: tuple[int, Segment], b: tuple[int, Segment]) -> bool:
    (x, s), (y, t) = a, b
    in_time = s.first_step <= t.last_step and t.first_step <= s.last_step
    return in_time and x + s.offset < y + t.end and y + t.offset < x + s.end


@settings(max_examples=400, deadline=None, derandomize=True)
@given(given_requests=requests(), alignment=st.sampled_from([1, 4, 16]))
def test_packings_hold(given_requests: list[Request], alignment: int) -> None:
    packing = pack(given_requests, alignment)
    placed = [(packing.offsets[r.key], r, s) for r in given_requests for s in r.segments]
    for i, (x, r, s) in enumerate(placed):
        assert x % alignment == 0
        assert x + s.end <= packing.size_bytes
        for y, other, t in placed[i + 1 :]:
            assert r is other or not _overlaps((x, s), (y, t))
    by_step = {
        step: sum(
            -(-s.end // alignment) * alignment - s.offset // alignment * alignment
            for _, _, s in placed
            if _alive(s, step)
        )
        for step in range(-1, 32)
    }
    assert packing.lower_bound_bytes == max(by_step.values())
    assert packing.size_bytes >= packing.lower_bound_bytes
    assert pack(given_requests, alignment) == packing


def _alive(segment: Segment, step: int) -> bool:
    return segment.first_step <= step <= segment.last_step


@settings(max_examples=200, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(1, 100_000), min_size=1, max_size=30))
def test_chains_meet_the_lower_bound(sizes: list[int]) -> None:
    """Each tensor is read by the next step alone: two alive at a time."""
    chain = [Request(str(i), (Segment(size, i - 1, i),)) for i, size in enumerate(sizes)]
    packing = pack(chain, 16)
    assert packing.size_bytes == packing.lower_bound_bytes


def test_nothing_packs_into_nothing() -> None:
    assert pack([], 16) == Packing({}, 0, 0)


def _graph(seed: int) -> Graph:
    return fuse(read_tflite_bytes(random_network(seed), "net", "net.tflite"))


def _play(graph: Graph, plan: Plan, values: dict[int, np.ndarray], seed: int) -> None:
    """A run alone."""
    _play_runs(graph, plan, [values], seed)


def _play_runs(graph: Graph, plan: Plan, runs: list[dict[int, np.ndarray]], seed: int) -> None:
    """Every step of every run finds its inputs and its state whole, after its scratch has been filled with
    rubbish.
    """
    rng = np.random.default_rng(seed)
    arena = np.frombuffer(rng.bytes(plan.arena_bytes), np.uint8).copy()
    kept = {v.tensor.index: v.tensor.initial for v in plan.variables}
    for variable in plan.variables:
        place = slice(variable.offset, variable.offset + variable.tensor.size_bytes)
        arena[place] = np.frombuffer(variable.tensor.initial.tobytes(), np.uint8)
    for values in runs:
        _play_run(graph, plan, kept, values, arena, rng)
        kept = values


def _play_run(
    graph: Graph,
    plan: Plan,
    kept: dict[int, np.ndarray],
    values: dict[int, np.ndarray],
    arena: np.ndarray,
    rng: np.random.Generator,
) -> None:

    def store(offset: int, data: bytes) -> None:
        assert offset + len(data) <= plan.arena_bytes
        arena[offset : offset + len(data)] = np.frombuffer(data, np.uint8)

    def load(offset: int, size: int) -> bytes:
        return arena[offset : offset + size].tobytes()

    for endpoint in plan.inputs:
        store(endpoint.offset, values[endpoint.tensor.index].tobytes())
    for step in plan.steps:
        *operands, last = (a for a in step.arguments if isinstance(a, BufferArgument))
        assert last.offset == step.output_offset
        reads, others = operands[: len(step.inputs)], operands[len(step.inputs) :]
        states, scratches = others[: len(step.state)], others[len(step.state) :]
        needed = _candidate(graph, step).scratch_bytes
        assert len(scratches) == (needed > 0)
        for scratch in scratches:
            assert scratch.offset % 4 == 0
            store(scratch.offset, rng.bytes(needed))
        for argument, tensor in zip(reads, step.inputs, strict=True):
            assert load(argument.offset, tensor.size_bytes) == values[tensor.index].tobytes(), step.name
        for argument, tensor in zip(states, step.state, strict=True):
            assert load(argument.offset, tensor.size_bytes) == kept[tensor.index].tobytes(), step.name
            store(argument.offset, values[tensor.index].tobytes())
        _check_aliasing(graph, plan, step.index)
        store(step.output_offset, values[step.output.index].tobytes())
    for endpoint in plan.outputs:
        found = load(endpoint.offset, endpoint.tensor.size_bytes)
        assert found == values[endpoint.tensor.index].tobytes(), endpoint.tensor.name


def _candidate(graph: Graph, step: Step) -> Candidate:
    """The step's kernel; test_kernel_facts.py and tests/nn hold what it asks for to the firmware."""
    operator = next(o for o in graph.operators if o.index == step.operator_index)
    candidates = KERNELS[type(operator.attributes)](graph, operator)
    return next(c for c in candidates if c.name == step.kernel.name)


# The kernels whose headers allow an output that starts where an input starts.
IN_PLACE = {
    "add",
    "add_linear",
    "depthwise_planes",
    "depthwise_planes_3x3",
    "lookup_8",
    "softmax_table",
    "quantize_f32",
    "max_pool_2d",
    "average_pool_2d",
}


def _check_aliasing(graph: Graph, plan: Plan, number: int) -> None:
    """Output and inputs share nothing, or their first byte where the kernel is of those that allow it, or the
    output starts as far below its first input as its kernel asks.
    """
    step = plan.steps[number]
    operands = [a for a in step.arguments if isinstance(a, BufferArgument)]
    start, end = step.output_offset, step.output_offset + step.output.size_bytes
    for argument, tensor in zip(operands, step.inputs, strict=False):
        if argument.offset < end and start < argument.offset + tensor.size_bytes:
            distance = _candidate(graph, step).overlap_bytes
            if argument is operands[0] and distance is not None:
                assert argument.offset - start >= distance
                continue
            assert argument.offset == start
            assert step.kernel.name in IN_PLACE
            if "_pool_" in step.kernel.name:
                assert dict(step.params)["pad_top"] == dict(step.params)["pad_left"] == "0"


def test_no_step_finds_its_inputs_overwritten() -> None:
    taken_over = reshaped = 0
    for seed in range(250):
        graph = _graph(seed)
        rng = np.random.default_rng(seed)
        given = [rng.integers(-128, 128, t.shape).astype(np.int8) for t in graph.input_tensors()]
        values = run_graph(graph, given)
        plan = make_plan(graph, PART)
        _play(graph, plan, values, seed)
        taken_over += sum(b.shares_with is not None for b in plan.buffers)
        reshaped += len(graph.operators) - len(plan.steps)
    assert taken_over > 200
    assert reshaped > 100


def test_state_outlasts_runs() -> None:
    """Two operators with state, among layers that need more room than they do."""
    for seed in range(20):
        net = Network(seed)
        source = net.activation(1, 4, 4, 4)
        image = net.reshape(net.conv(source, 6), 1, 16, 6)
        scale = float(net.tensors[image].quantization.scale[0])
        sequence = net.reshape(add_lstm(net, net.rng, image, 5, scale=scale), 1, 80)
        filtered = add_svdf(net, net.rng, net.dense(sequence, 40), 7, rank=2)
        graph = fuse(read_tflite_bytes(net.finish([source], [net.dense(filtered, 9)]), "net", "net"))
        runs: list[dict[int, np.ndarray]] = []
        for _ in range(3):
            given = net.rng.integers(-128, 128, (1, 4, 4, 4)).astype(np.int8)
            runs.append(run_graph(graph, [given], runs[-1] if runs else None))
        plan = make_plan(graph, PART)
        _play_runs(graph, plan, runs, seed)
        states = [b for b in plan.buffers if b.role == "state"]
        assert sorted(b.size_bytes for b in states) == [5, 10, 112]
        assert {(b.first_step, b.last_step) for b in states} == {(-1, len(plan.steps))}
        assert len(plan.variables) == 3


def test_playing_finds_an_arena_that_is_wrong() -> None:
    """The check above can fail: a step that writes over what a later one reads."""
    net = Network()
    source = net.activation(1, 4, 4, 4)
    first = net.conv(source, 4)
    graph = fuse(read_tflite_bytes(net.finish([source], [net.add(net.conv(first, 4), first)]), "net", "net"))
    plan = make_plan(graph, PART)
    values = run_graph(graph, [np.ones((1, 4, 4, 4), np.int8)])
    _play(graph, plan, values, 0)
    kept = plan.steps[0].output_offset
    broken = dataclasses.replace(
        plan.steps[1],
        output_offset=kept,
        arguments=(
            *plan.steps[1].arguments[:-1],
            BufferArgument("int8_t", kept, constant=False),
        ),
    )
    with pytest.raises(AssertionError):
        _play(graph, dataclasses.replace(plan, steps=(plan.steps[0], broken, plan.steps[2])), values, 0)


def test_plans_are_deterministic_aligned_and_bounded() -> None:
    for seed in range(40):
        plan, again = make_plan(_graph(seed), PART), make_plan(_graph(seed), PART)
        assert plan == again
        assert all(b.offset % ARENA_ALIGNMENT_BYTES == 0 for b in plan.buffers)
        assert plan.arena_bytes >= plan.arena_lower_bound_bytes
        assert plan.arena_lower_bound_bytes >= max(plan.occupied_bytes)
        for i, a in enumerate(plan.buffers):
            for b in plan.buffers[i + 1 :]:
                in_time = a.first_step <= b.last_step and b.first_step <= a.last_step
                in_space = a.offset < b.offset + b.size_bytes and b.offset < a.offset + a.size_bytes
                assert not (in_time and in_space), (a, b)


def test_reshapes_cost_no_memory_and_no_step() -> None:
    net = Network()
    source = net.activation(1, 4, 4, 4)
    convolved = net.conv(source, 4)
    plain = net.finish([source], [convolved])
    turned = net.finish([source], [net.reshape(net.reshape(convolved, 1, 64), 8, 8)])
    plans = [make_plan(fuse(read_tflite_bytes(m, "net", "net")), PART) for m in (plain, turned)]
    assert plans[0].arena_bytes == plans[1].arena_bytes
    assert len(plans[1].steps) == 1
    assert plans[1].outputs[0].offset == plans[1].steps[0].output_offset


def _plan_of_bytes(count: int, part: object = PART) -> Plan:
    """A network whose arena is ``count`` bytes: a lookup in place."""
    plan = make_plan(fuse(read_tflite_bytes(models.logistic(count, 0.1), "net", "net")), part)  # type: ignore[arg-type]
    assert plan.arena_bytes == -(-count // 16) * 16
    return plan


def test_the_fastest_memory_that_holds_the_arena_is_chosen() -> None:
    reserve = 16 << 10
    dtcm, axi = PART.memory("DTCM").size_bytes, PART.memory("AXI_SRAM").size_bytes
    for size, region, fits in (
        (100, "DTCM", True),
        (dtcm - reserve, "DTCM", True),
        (dtcm - reserve + 1, "AXI_SRAM", True),
        (axi - reserve, "AXI_SRAM", True),
        (axi - reserve + 1, "AXI_SRAM", False),
    ):
        plan = _plan_of_bytes(size)
        assert (plan.arena_region, plan.arena_fits) == (region, fits), size
        assert all(step.memory == region for step in plan.steps)
    assert "DTCM" in _plan_of_bytes(dtcm).arena_why  # says what was too small
    assert f"{axi:,}" in _plan_of_bytes(axi).arena_why


def test_regions_come_from_the_part_and_not_from_a_name() -> None:
    memories = tuple(
        dataclasses.replace(m, name="FAST" if m.kind == "dtcm" else m.name) for m in PART.memories
    )
    part = dataclasses.replace(PART, name="other", memories=memories)
    plan = _plan_of_bytes(100, part)
    assert (plan.arena_region, plan.part) == ("FAST", "other")
