"""Where cycles go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Causes:
    """Cycles by what they are spent on: what kept its instructions from issuing a cycle earlier."""

    issue: float = 0.0
    """Two instructions a cycle, and the order they come in; division, which holds the pipeline."""
    dependency: float = 0.0
    """A result that is not there yet."""
    mac: float = 0.0
    """The one multiplier is taken."""
    load_port: float = 0.0
    """Loads and stores that cannot issue together, move many registers, are unaligned or meet in a bank."""
    memory: float = 0.0
    """Caches that miss, wait states, buffers that are full; code and data."""
    branch: float = 0.0
    """Jumps: the slot behind a taken one, and wrong predictions."""

    @property
    def total(self) -> float:
        """All cycles."""
        return float(sum(getattr(self, field.name) for field in fields(self)))

    def scaled(self, factor: float) -> Causes:
        """``factor`` times as many of each."""
        return Causes(*(getattr(self, field.name) * factor for field in fields(self)))

    def rounded(self) -> dict[str, int]:
        """Whole cycles by cause, whose sum is ``round(total)``: what is short goes where most was cut off."""
        counts = {name: int(getattr(self, name)) for name in CAUSES}
        by_rest = sorted(CAUSES, key=lambda name: counts[name] - getattr(self, name))
        for name in by_rest[: round(self.total) - sum(counts.values())]:
            counts[name] += 1
        return counts

    @staticmethod
    def sum(parts: Iterable[Causes]) -> Causes:
        """Of many."""
        totals = [0.0] * len(CAUSES)
        for part in parts:
            for index, name in enumerate(CAUSES):
                totals[index] += getattr(part, name)
        return Causes(*totals)


CAUSES = tuple(field.name for field in fields(Causes))
"""Their names."""
