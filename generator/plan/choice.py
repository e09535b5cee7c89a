"""Which kernel runs each step: the plan that costs least when bytes are worth cycles (goal.py).

Starts from the choice that needs the least memory, the least flash where that one exceeds its budget, then
takes the change that gains most, one at a time, until none gains: a faster kernel, more pixels gathered at
once so that weights are read less often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from generator.graph import Graph
from generator.plan.goal import Goal
from generator.plan.kernels import Candidate
from generator.plan.layout import Draft, Layout, Layouts
from generator.plan.memory import Memories
from generator.plan.types import Alternative

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


@dataclass(frozen=True)
class Choice:
    """The drafts with kernels chosen, their layout, and by step what was not chosen."""

    drafts: tuple[Draft, ...]
    layout: Layout
    alternatives: tuple[tuple[Alternative, ...], ...]


def choose(graph: Graph, drafts: Sequence[Draft], memories: Memories, goal: Goal) -> Choice:
    """Deterministic."""
    options = [[_price(graph, draft, c, memories) for c in (draft.chosen, *draft.losers)] for draft in drafts]
    layouts = Layouts(graph)
    picked = _leanest(options, flash_first=goal.optimize == "flash")
    if goal.flash_bytes is not None and _flash_bytes(options, picked) + _FIRMWARE_BYTES > goal.flash_bytes:
        picked = _leanest(options, flash_first=True)
    current = layouts.best(_with(drafts, options, picked))
    while True:
        found = None
        for hopeful in (False, True):
            found = found or _best_change(drafts, options, picked, layouts, current, goal, hopeful=hopeful)
        if found is not None:
            step, option, current = found
            picked[step] = option
            continue
        alternatives = _alternatives(drafts, options, picked, layouts, current, goal)
        chosen = _with(drafts, options, picked)
        settled = layouts.best(chosen)
        if settled.packing.size_bytes >= current.packing.size_bytes:
            return Choice(tuple(chosen), settled, alternatives)
        current = settled


def _price(graph: Graph, draft: Draft, candidate: Candidate, memories: Memories) -> Option:
    size_bytes = sum(table.size_bytes for table in candidate.tables)
    stall = sum(memories.stall_cycles(table, candidate, memories.flash) for table in candidate.tables)
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


def _leanest(options: Sequence[Sequence[Option]], *, flash_first: bool) -> list[int]:
    def leanness(option: Option) -> tuple[float, ...]:
        bytes_first = (option.step_bytes, option.flash_bytes)
        return (*(reversed(bytes_first) if flash_first else bytes_first), option.cycles)

    return [own.index(min(own, key=leanness)) for own in options]


def _flash_bytes(options: Sequence[Sequence[Option]], picked: Sequence[int]) -> int:
    return sum(own[pick].flash_bytes for own, pick in zip(options, picked, strict=True))


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
    *,
    hopeful: bool,
) -> tuple[int, int, Layout] | None:
    """Step, option and layout of the change that gains most; gains are guessed first, then laid out.
    ``hopeful`` guesses that the arena does not grow, else it grows by what is more than its free bytes.
    """
    arena_bytes = current.packing.size_bytes
    flash_bytes = _flash_bytes(options, picked)
    guesses = []
    for step, (own, pick) in enumerate(zip(options, picked, strict=True)):
        room = arena_bytes - current.occupied_bytes[step]
        for index, option in enumerate(own):
            grows = 0 if hopeful else max(option.step_bytes - own[pick].step_bytes - room, 0)
            gain = _gain(own[pick], option, grows, goal)
            if index != pick and gain > 0 and _flash_fits(flash_bytes, own[pick], option, goal):
                guesses.append((-gain, step, index))
    best: tuple[float, int, int, Layout] | None = None
    for guess, step, index in sorted(guesses):
        if layouts.exhausted or (best is not None and -guess <= best[0]):
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


def _alternatives(
    drafts: Sequence[Draft],
    options: Sequence[Sequence[Option]],
    picked: Sequence[int],
    layouts: Layouts,
    current: Layout,
    goal: Goal,
) -> tuple[tuple[Alternative, ...], ...]:
    """By step. Only what is faster has to be laid out to say why it was not chosen; where too much has been
    laid out already, the arena is taken to grow by what the step does.
    """
    arena_bytes = current.packing.size_bytes
    found = []
    for step, (own, pick) in enumerate(zip(options, picked, strict=True)):
        chosen = own[pick]
        ranked = []
        for index, option in enumerate(own):
            if index == pick:
                continue
            grows = max(option.step_bytes - chosen.step_bytes, 0) if option.cycles < chosen.cycles else 0
            if option.cycles < chosen.cycles and not layouts.exhausted:
                changed = [*picked[:step], index, *picked[step + 1 :]]
                layout = layouts.best(_with(drafts, options, changed), quick=True)
                grows = layout.packing.size_bytes - arena_bytes
            ranked.append((-_gain(chosen, option, grows, goal), index, _why_not(chosen, option, grows)))
        found.append(
            tuple(
                Alternative(
                    own[index].candidate.name, own[index].candidate.variant, round(own[index].cycles), why
                )
                for _, index, why in sorted(ranked)
            )
        )
    return tuple(found)


def _why_not(chosen: Option, other: Option, grows_bytes: int) -> str:
    """``grows_bytes`` of the arena count where it is faster."""
    more = round(other.cycles) - round(chosen.cycles)
    flash_bytes = other.flash_bytes - chosen.flash_bytes
    if more >= 0:
        slower = f"{more:,} cycles more" if more else "no faster"
        return f"{slower}, {-flash_bytes:,} B less flash" if flash_bytes < 0 else slower
    grown = ((grows_bytes, "arena"), (flash_bytes, "flash"))
    prices = [f"{count:,} B more {where}" for count, where in grown if count > 0]
    return f"{-more:,} cycles fewer, but {' and '.join(prices)}"
