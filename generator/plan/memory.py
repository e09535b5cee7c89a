"""Waiting for memory: an estimate, from where constants and activations lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from generator.plan.kernels import Candidate, Table
from generator.targets import MemoryCost, Part

_SWEEPS = 40  # of the equation below; it has settled long before


@dataclass(frozen=True)
class Memories:
    """A part's memories as the planner sees them. Without ``costs`` (of a part whose figures are not known)
    nothing waits.
    """

    part: Part
    costs: Mapping[str, MemoryCost] = field(default_factory=dict)

    @property
    def flash(self) -> str:
        """Where constants lie unless they are copied."""
        return next(m.name for m in self.part.memories if m.kind == "flash")

    def stall_cycles(self, table: Table, candidate: Candidate, region: str) -> float:
        """Waiting for one of the tables of ``candidate`` in ``region``.

        What ran before has taken the cache, so the first pass misses every line; further passes find what
        survived. A miss holds the core up until its first word is there; if the line was asked for ahead, as
        those of weights may be, less the work on the one before.
        """
        cost = self.costs.get(region)
        system = self.part.memory_system
        if cost is None or system is None:
            return 0.0
        cache = system.data_cache
        fill = sum(t.size_bytes for t in candidate.tables) / cache.size_bytes
        late = cost.first_word_cycles
        if candidate.line_cycles is not None and table is candidate.tables[0]:
            late = max(late - candidate.line_cycles, 0.0)
        lines = table.size_bytes / cache.line_bytes
        if candidate.lookups is not None:
            lines = min(lines, candidate.lookups)
        return lines * _misses(candidate.passes, fill) * late

    def arena_stall_cycles(self, moved_bytes: int, candidate: Candidate, region: str) -> float:
        """Waiting for an arena in ``region``: a miss for each line of inputs and outputs
        (``moved_bytes``), and of scratch as often as it is read through.
        """
        cost = self.costs.get(region)
        system = self.part.memory_system
        if cost is None or system is None:
            return 0.0
        cache = system.data_cache
        scratch_bytes = candidate.scratch_bytes
        sweeps = _misses(candidate.scratch_passes, scratch_bytes / cache.size_bytes)
        return (moved_bytes + scratch_bytes * sweeps) / cache.line_bytes * cost.first_word_cycles


def _misses(passes: int, fill: float) -> float:
    """How often a line is missed in so many passes over ``fill`` times the cache's size."""
    return 1 + max(passes - 1, 0) * _missed_share(fill)


def _missed_share(fill: float) -> float:
    """Share of the lines that miss when data of ``fill`` times the cache's size is read over and over.

    Replacement is random: a line survives each miss of the sweep with probability 1 - 1 / lines of the cache,
    so the share m solves m = 1 - exp(-m * fill); it is 0 where everything fits.
    """
    if fill <= 1:
        return 0.0
    share = 1.0
    for _ in range(_SWEEPS):
        share = 1 - math.exp(-share * fill)
    return share
