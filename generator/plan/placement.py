"""Which constants are copied from flash to faster memories when the firmware starts.

The most cycles saved per byte first, fastest memory first: what a copy saves is the waiting that reading it
from flash would cost (memory.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator.plan.goal import Goal
from generator.plan.layout import Draft
from generator.plan.memory import Memories

_ITCM_RESERVE_BYTES = 4 << 10
"""The guard of address 0, and code that a user puts there."""
_ALIGNMENT_BYTES = 16


@dataclass(frozen=True)
class Place:
    """Where one constant of a step lies, and what that saves, estimated."""

    region: str
    saved_cycles: float
    why: str


def place_constants(
    drafts: Sequence[Draft],
    memories: Memories,
    goal: Goal,
    arena: tuple[str, int],
    reserve_bytes: int,
) -> Mapping[tuple[int, int], Place]:
    """By step and number of the table. ``arena``: region and size; ``reserve_bytes`` stay free beside it."""
    free = _free_bytes(memories, goal, arena, reserve_bytes)
    left = _ram_left(goal, arena, reserve_bytes)
    places: dict[tuple[int, int], Place] = {}
    found = []
    for draft in drafts:
        for number, table in enumerate(draft.chosen.tables):
            waits = memories.stall_cycles(table, draft.chosen, memories.flash)
            why = f"waits {waits:,.0f} cycles, estimated: not worth its RAM" if waits >= 1 else ""
            places[draft.index, number] = Place(memories.flash, 0.0, why)
            if waits / table.size_bytes >= goal.least_saved_per_byte:
                found.append((-waits / table.size_bytes, draft.index, number, waits))
    for _, step, number, waits in sorted(found):
        draft = drafts[step]
        table = draft.chosen.tables[number]
        size_bytes = -(-table.size_bytes // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
        reasons = []
        for region in free:
            saved = waits - memories.stall_cycles(table, draft.chosen, region)
            if size_bytes > free[region]:
                reasons.append(f"{free[region]:,} B left in {region}")
            elif left is not None and size_bytes > left:
                reasons.append(f"{left:,} B left of the RAM budget")
            elif saved > 0:
                free[region] -= size_bytes
                left = None if left is None else left - size_bytes
                places[step, number] = Place(
                    region, saved, f"copied at boot: saves {saved:,.0f} cycles, estimated"
                )
                break
        else:
            why = "; ".join(reasons) or "no memory to copy to"
            places[step, number] = Place(memories.flash, 0.0, f"{why}; waits {waits:,.0f} cycles, estimated")
    return places


def _free_bytes(memories: Memories, goal: Goal, arena: tuple[str, int], reserve_bytes: int) -> dict[str, int]:
    """Bytes of each memory that constants may be copied to, fastest first."""
    free = {}
    for kind in goal.copies_to:
        for memory in memories.part.memories:
            if memory.kind != kind or memory.name not in memories.costs or memory.enable is not None:
                continue
            taken = {"dtcm": reserve_bytes, "itcm": _ITCM_RESERVE_BYTES}.get(kind, 0)
            taken += arena[1] if memory.name == arena[0] else 0
            free[memory.name] = max(memory.size_bytes - taken, 0)
    return free


def _ram_left(goal: Goal, arena: tuple[str, int], reserve_bytes: int) -> int | None:
    return None if goal.ram_bytes is None else max(goal.ram_bytes - arena[1] - reserve_bytes, 0)
