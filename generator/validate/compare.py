"""Running inputs through target and oracle, and finding the first step that departs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from generator.graph import Tensor
from generator.link import Client
from generator.plan import Plan, Step
from generator.reference import open_reference
from generator.validate.arrays import Array, as_read, bits, distances
from generator.validate.inputs import TestInput
from generator.validate.results import results


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
    *,
    stepwise: bool = True,
) -> Comparison:
    """Run every input on both, one after the other from the networks' first state on. Raises what oracle and
    client raise.

    Without ``stepwise`` no first difference is looked for: an interpreter runs whole inferences only.
    """
    oracle = open_reference(model)
    _restart(client, plan)
    elements = mismatches = 0
    largest = 0.0
    culprit: int | None = None
    for number, given in enumerate(inputs):
        expected = oracle.run(given.values)
        computed = run_on_target(client, plan, given)
        for want, have in zip(expected, computed, strict=True):
            flat = want.reshape(-1)
            differing = int(np.count_nonzero(bits(flat) != bits(have)))
            elements += flat.size
            mismatches += differing
            if differing:
                largest = max(largest, float(distances(flat, have).max()))
                culprit = number if culprit is None else culprit
        if progress is not None:
            progress(number + 1, len(inputs))
    first = None
    if culprit is not None and stepwise:
        first = first_difference(client, plan, model, inputs[: culprit + 1])
    return Comparison(oracle.name, len(inputs), elements, mismatches, largest, first)


def run_on_target(client: Client, plan: Plan, given: TestInput) -> list[Array]:
    """Flat outputs of one inference."""
    _write(client, given)
    client.run()
    return [
        _values(client.read_output(index), endpoint.tensor) for index, endpoint in enumerate(plan.outputs)
    ]


def run_step(client: Client, plan: Plan, step: Step, inputs: Sequence[TestInput]) -> Array:
    """Flat output of one step on the last of ``inputs``, in the tensor's layout as planned.

    A network with state is brought into that of the last input by those before it.
    """
    *history, given = inputs if plan.variables else inputs[-1:]
    _restart(client, plan)
    for earlier in history:
        _write(client, earlier)
        client.run()
    _write(client, given)
    client.run(stop_after=step.index)
    return _values(client.read_step(step.index), step.output)


def first_difference(
    client: Client, plan: Plan, model: bytes, inputs: Sequence[TestInput]
) -> FirstDifference | None:
    """Run the network step by step on the last of ``inputs``, which follows the others; None if every step
    agrees. Between the pieces that an operator was read as there is nothing to compare with.
    """
    oracle = open_reference(model, keep_all=True)
    for given in inputs if plan.variables else inputs[-1:]:
        oracle.run(given.values)
    shown = {result.index for result in results(model)}
    for step in (step for step in plan.steps if step.output.index in shown):
        want = oracle.tensor(step.output.index)
        have, known = as_read(run_step(client, plan, step, inputs), step.output, want.shape)
        wrong = np.argwhere(known & (bits(want) != bits(have)))
        if wrong.size:
            place = tuple(int(index) for index in wrong[0])
            return FirstDifference(
                inputs[-1].name,
                step.name,
                step.op,
                step.operator_index,
                step.output.name,
                len(wrong),
                int(np.count_nonzero(known)),
                place,
                float(want[place]),
                float(have[place]),
            )
    return None


def _restart(client: Client, plan: Plan) -> None:
    """The state before the first run, if the network keeps any: what a session begins with."""
    if plan.variables:
        client.identify()


def _write(client: Client, given: TestInput) -> None:
    for index, values in enumerate(given.values):
        client.write_input(np.ascontiguousarray(values), index)


def _values(raw: bytes, tensor: Tensor) -> Array:
    return np.frombuffer(raw, tensor.dtype.numpy)
