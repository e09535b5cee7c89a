"""Steps that share one compiled kernel instead of having code of their own, where time hardly counts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from generator.plan.goal import Goal
from generator.plan.types import Argument, BufferArgument, Constant, ListArgument, SharedKernel, Step

_SMALL_SHARE = 0.08
"""Of a network's time: below it, a kernel that learns its sizes at run time is not noticed."""
_LEAST_STEPS = 3
"""General code takes about as much flash as two specialised steps."""
_CHOOSES_CODE = re.compile(r"kernel|stride|window|run$")
"""Members that decide how loops are compiled, beside those that are no integers."""
_INTEGER = re.compile(r"-?\d+")


def round_alike(steps: Sequence[Step], goal: Goal) -> tuple[Step, ...]:
    """Steps whose kernels come with two ways of rounding all take the general one if any of them has to.

    An inner function in assembly is 0.5 to 2 KB, and what it gains is a hundredth of a layer's time.
    """
    general = {step.kernel.function for step in steps if ("one_sided", "false") in step.params}
    if goal.optimize == "time":
        return tuple(steps)
    return tuple(
        replace(
            step,
            params=tuple(
                ("one_sided", "false") if name == "one_sided" else (name, value)
                for name, value in step.params
            ),
        )
        if step.kernel.function in general
        else step
        for step in steps
    )


def share_kernels(
    steps: Sequence[Step], constants: Sequence[Constant], goal: Goal
) -> tuple[tuple[Step, ...], tuple[SharedKernel, ...]]:
    """The steps, with those that share a kernel marked, and the kernels that they share."""
    if goal.optimize == "time":
        return tuple(steps), ()
    total = sum(step.kernel.estimated_cycles for step in steps)
    alike: defaultdict[tuple[object, ...], list[Step]] = defaultdict(list)
    for step in steps:
        if step.kernel.estimated_cycles < _SMALL_SHARE * total:
            alike[_code(step)].append(step)
    types = {constant.symbol: constant.c_type for constant in constants}
    kernels: list[SharedKernel] = []
    shared: dict[int, SharedKernel] = {}
    for own in alike.values():
        if len(own) >= _LEAST_STEPS:
            kernels.append(_shared(own, types, len(kernels)))
            shared.update((step.index, kernels[-1]) for step in own)
    marked = tuple(replace(step, shared_kernel=shared.get(step.index)) for step in steps)
    return marked, tuple(kernels)


def _code(step: Step) -> tuple[object, ...]:
    """What steps must have in common for one compiled kernel to serve them all well."""
    chosen = (
        (name, value)
        for name, value in step.params
        if not _INTEGER.fullmatch(value) or _CHOOSES_CODE.search(name)
    )
    return step.kernel.function, len(step.arguments), *chosen


def _shared(steps: Sequence[Step], types: Mapping[str, str], number: int) -> SharedKernel:
    first = steps[0]
    common = set(first.params).intersection(*(step.params for step in steps))
    return SharedKernel(
        f"shared_{number}_{first.kernel.function.removeprefix('fc_')}",
        first.kernel.function,
        first.params_type,
        tuple(_argument_type(argument, types) for argument in first.arguments),
        tuple(member for member in first.params if member in common),
        tuple(member[0] for member in first.params if member not in common),
    )


def _argument_type(argument: Argument, types: Mapping[str, str]) -> str:
    if isinstance(argument, BufferArgument):
        return f"{'const ' if argument.constant else ''}{argument.c_type} *"
    if isinstance(argument, ListArgument):
        return f"const {argument.c_type} *const *"
    return f"const {types[argument.symbol]} *"
