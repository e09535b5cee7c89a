"""What it costs to read constants from where they lie: an estimate of the cycles that the core waits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from generator.plan.kernels import Candidate
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

    def stall_cycles(self, size_bytes: int, candidate: Candidate, region: str) -> float:
        """Waiting for a table of ``size_bytes`` in ``region`` that ``candidate`` reads.

        What ran before has taken the cache, so the first pass misses every line; further passes find what
        survived. A miss holds the core up until its first word is there; if the line was asked for
        ahead, less the work on the one before.
        """
        cost = self.costs.get(region)
        system = self.part.memory_system
        if cost is None or system is None:
            return 0.0
        cache = system.data_cache
        lines = size_bytes / cache.line_bytes
        missed = 1 + max(candidate.passes - 1, 0) * _missed_share(size_bytes / cache.size_bytes)
        late = cost.first_word_cycles
        if candidate.line_cycles is not None:
            late = max(late - candidate.line_cycles, 0.0)
        return lines * missed * late


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
