"""Running inputs through target and oracle, and finding the first step that departs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator.graph import Tensor
from generator.link import Client
from generator.plan import Plan
from generator.reference import Oracle
from generator.validate.inputs import Array, TestInput


@dataclass(frozen=True)
class FirstDifference:
    """The first step of the plan whose result differs, on one input."""

    input_name: str
    step_name: str
    op: str
    operator_index: int
    tensor_name: str
    differing: int
    elements: int
    index: tuple[int, ...]
    expected: float
    computed: float

    def __str__(self) -> str:
        return (
            f"on {self.input_name}, {self.step_name} ({self.op}, operator {self.operator_index}) "
            f"is the first to differ: {self.differing} of {self.elements} elements of '{self.tensor_name}', "
            f"the first at {list(self.index)}: {self.computed:g} instead of {self.expected:g}"
        )


@dataclass(frozen=True)
class Comparison:
    """All inputs, all outputs. ``max_abs_diff`` is in quantized steps, of float outputs in their unit;
    float32's largest number where one side is NaN or infinite.
    """

    reference: str
    inputs: int
    elements: int
    mismatches: int
    max_abs_diff: float
    first_difference: FirstDifference | None

    @property
    def bit_exact(self) -> bool:
        """True if nothing differs."""
        return self.mismatches == 0


def compare(
    client: Client,
    plan: Plan,
    model: bytes,
    inputs: Sequence[TestInput],
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Run every input on both. Raises what oracle and client raise."""
    oracle = Oracle(model)
    elements = mismatches = 0
    largest = 0.0
    culprit: TestInput | None = None
    for number, given in enumerate(inputs):
        expected = oracle.run(given.values)
        computed = run_on_target(client, plan, given)
        for want, have in zip(expected, computed, strict=True):
            flat = want.reshape(-1)
            differing = int(np.count_nonzero(_bits(flat) != _bits(have)))
            elements += flat.size
            mismatches += differing
            if differing:
                largest = max(largest, _largest_difference(flat, have))
                culprit = culprit or given
        if progress is not None:
            progress(number + 1, len(inputs))
    first = first_difference(client, plan, model, culprit) if culprit is not None else None
    return Comparison(oracle.name, len(inputs), elements, mismatches, largest, first)


def run_on_target(client: Client, plan: Plan, given: TestInput) -> list[Array]:
    """Flat outputs of one inference."""
    _write(client, given)
    client.run()
    return [
        _values(client.read_output(index), endpoint.tensor) for index, endpoint in enumerate(plan.outputs)
    ]


def first_difference(client: Client, plan: Plan, model: bytes, given: TestInput) -> FirstDifference | None:
    """Run the network step by step; None if every step agrees."""
    oracle = Oracle(model, keep_all=True)
    oracle.run(given.values)
    for step in plan.steps:
        _write(client, given)
        client.run(stop_after=step.index)
        have = _values(client.read_step(step.index), step.output)
        want, comparable = _as_simplified(oracle.tensor(step.output.index), step.output)
        wrong = np.flatnonzero(comparable & (_bits(want) != _bits(have)))
        if wrong.size:
            place = int(wrong[0])
            return FirstDifference(
                given.name,
                step.name,
                step.op,
                step.operator_index,
                step.output.name,
                int(wrong.size),
                int(np.count_nonzero(comparable)),
                _place_as_read(place, step.output),
                float(want[place]),
                float(have[place]),
            )
    return None


def _as_simplified(values: Array, tensor: Tensor) -> tuple[Array, NDArray[np.bool_]]:
    """The oracle's values in the channels that ``tensor`` still has, flat, and which of them mean a thing."""
    if tensor.origin is None:
        return values.reshape(-1), np.ones(tensor.element_count, np.bool_)
    rows = tensor.element_count // len(tensor.origin)
    kept = values.reshape(rows, -1)[:, [0 if channel is None else channel for channel in tensor.origin]]
    meant = np.array([channel is not None for channel in tensor.origin])
    return kept.reshape(-1), np.tile(meant, rows)


def _place_as_read(place: int, tensor: Tensor) -> tuple[int, ...]:
    """Index of an element in the tensor as the model file has it."""
    *outer, channel = (int(i) for i in np.unravel_index(place, tensor.shape))
    origin = channel if tensor.origin is None else tensor.origin[channel]
    return (*outer, channel if origin is None else origin)


def _write(client: Client, given: TestInput) -> None:
    for index, values in enumerate(given.values):
        client.write_input(np.ascontiguousarray(values), index)


def _values(raw: bytes, tensor: Tensor) -> Array:
    return np.frombuffer(raw, tensor.dtype.numpy)


def _largest_difference(want: Array, have: Array) -> float:
    """Where one is NaN or infinite, float32's largest: a number that JSON holds too."""
    endless = float(np.finfo(np.float32).max)
    differing = _bits(want) != _bits(have)
    with np.errstate(invalid="ignore"):
        distances = np.abs(want[differing].astype(np.float64) - have[differing].astype(np.float64))
    return float(np.nan_to_num(distances, nan=endless, posinf=endless).max())


def _bits(values: Array) -> Array:
    """Floats by their bits, so that NaN equals NaN and 0 differs from -0."""
    return values.view(np.uint32) if values.dtype == np.float32 else values
