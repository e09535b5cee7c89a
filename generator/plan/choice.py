"""Which kernel runs each step: the plan that costs least when bytes are worth cycles (goal.py).

Starts from the choice that needs the least memory, then takes the change that gains most, one at a time,
until none gains: a faster kernel, more pixels gathered at once so that weights are read less often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from generator.graph import Graph
from generator.plan.goal import Goal
from generator.plan.kernels import Candidate
from generator.plan.layout import Draft, Layout, Layouts
from generator.plan.memory import Memories

_FIRMWARE_BYTES = 40 << 10
"""Flash beside the plan's constants: platform, link, application and kernels' code, rounded up."""


@dataclass(frozen=True)
class Option:
    """A candidate for a step, priced."""

    candidate: Candidate
    cycles: float
    """Reading its constants from flash included."""
    flash_bytes: int
    step_bytes: int
    """What it needs beside its input while it runs."""


def choose(
    graph: Graph, drafts: Sequence[Draft], memories: Memories, goal: Goal
) -> tuple[list[Draft], Layout]:
    """The drafts with kernels chosen, and their layout. Deterministic."""
    options = [[_price(graph, draft, c, memories) for c in (draft.chosen, *draft.losers)] for draft in drafts]
    layouts = Layouts(graph)
    picked = [own.index(min(own, key=lambda option: _leanness(option, goal))) for own in options]
    current = layouts.best(_with(drafts, options, picked))
    while True:
        found = _best_change(drafts, options, picked, layouts, current, goal)
        if found is None:
            break
        step, option, current = found
        picked[step] = option
    chosen = _with(drafts, options, picked)
    return chosen, layouts.best(chosen)


def _price(graph: Graph, draft: Draft, candidate: Candidate, memories: Memories) -> Option:
    size_bytes = sum(table.size_bytes for table in candidate.tables)
    stall = memories.stall_cycles(size_bytes, candidate, memories.flash)
    operator = draft.operator
    result_bytes = graph.result(operator).size_bytes
    input_bytes = max((t.size_bytes for t in graph.activations_in(operator)), default=0)
    if candidate.in_place and result_bytes <= input_bytes:
        beside = 0
    elif candidate.overlap_bytes is not None:
        beside = max(candidate.overlap_bytes, result_bytes - input_bytes)
    else:
        beside = result_bytes
    return Option(candidate, candidate.estimated_cycles + stall, size_bytes, candidate.scratch_bytes + beside)


def _leanness(option: Option, goal: Goal) -> tuple[float, ...]:
    bytes_first = (option.step_bytes, option.flash_bytes)
    return (*(reversed(bytes_first) if goal.optimize == "flash" else bytes_first), option.cycles)


def _with(drafts: Sequence[Draft], options: Sequence[Sequence[Option]], picked: Sequence[int]) -> list[Draft]:
    return [
        replace(
            draft,
            chosen=own[pick].candidate,
            losers=tuple(o.candidate for i, o in enumerate(own) if i != pick),
        )
        for draft, own, pick in zip(drafts, options, picked, strict=True)
    ]


def _best_change(
    drafts: Sequence[Draft],
    options: Sequence[Sequence[Option]],
    picked: Sequence[int],
    layouts: Layouts,
    current: Layout,
    goal: Goal,
) -> tuple[int, int, Layout] | None:
    """Step, option and layout of the change that gains most; gains are guessed first, then laid out."""
    arena_bytes = current.packing.size_bytes
    flash_bytes = sum(own[pick].flash_bytes for own, pick in zip(options, picked, strict=True))
    guesses = []
    for step, (own, pick) in enumerate(zip(options, picked, strict=True)):
        room = arena_bytes - current.occupied_bytes[step]
        for index, option in enumerate(own):
            grows = max(option.step_bytes - own[pick].step_bytes - room, 0)
            gain = _gain(own[pick], option, grows, goal)
            if index != pick and gain > 0 and _flash_fits(flash_bytes, own[pick], option, goal):
                guesses.append((-gain, step, index))
    best: tuple[float, int, int, Layout] | None = None
    for guess, step, index in sorted(guesses):
        if best is not None and -guess <= best[0]:
            break
        changed = list(picked)
        changed[step] = index
        layout = layouts.best(_with(drafts, options, changed), quick=True)
        grows = layout.packing.size_bytes - arena_bytes
        gain = _gain(options[step][picked[step]], options[step][index], grows, goal)
        fits = goal.ram_bytes is None or grows <= 0 or layout.packing.size_bytes <= goal.ram_bytes
        if gain > 0 and fits and (best is None or gain > best[0]):
            best = gain, step, index, layout
    return None if best is None else best[1:]


def _gain(old: Option, new: Option, grows_bytes: int, goal: Goal) -> float:
    """In cycles, bytes priced."""
    return (
        old.cycles
        - new.cycles
        - goal.cycles_per_arena_byte * grows_bytes
        - goal.cycles_per_flash_byte * (new.flash_bytes - old.flash_bytes)
    )


def _flash_fits(flash_bytes: int, old: Option, new: Option, goal: Goal) -> bool:
    grown = flash_bytes + new.flash_bytes - old.flash_bytes
    return (
        goal.flash_bytes is None
        or new.flash_bytes <= old.flash_bytes
        or grown + _FIRMWARE_BYTES <= goal.flash_bytes
    )
