"""What was executed: exact instruction counts, and the cycles a timing model gives them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from generator.emulator.causes import Causes
from generator.emulator.timing import Block


@dataclass(frozen=True)
class Edge:
    """One way into a block and how often it was taken."""

    phase: str | None
    """The function of ``Machine(phases=...)`` that this belongs to."""
    function: str | None
    """The function that the block lies in."""
    predecessor: Block | None
    """None after a reset, an exception or the start of the emulation."""
    block: Block
    block_instructions: int
    count: int
    causes: Causes
    """Modelled cycles of all passages."""

    @property
    def instructions(self) -> int:
        """Instructions executed over this edge; one that fails its condition in an IT block counts."""
        return self.block_instructions * self.count

    @property
    def cycles(self) -> float:
        """Modelled cycles over this edge."""
        return self.causes.total


@dataclass(frozen=True)
class Profile:
    """Everything executed between two moments. Instructions are exact, cycles are modelled.

    What lies in no phase, or in no known function, is under the key ``None``.
    """

    edges: tuple[Edge, ...]

    @cached_property
    def instructions(self) -> int:
        """Executed instructions."""
        return sum(edge.instructions for edge in self.edges)

    @cached_property
    def cycles(self) -> float:
        """Modelled cycles."""
        return self.causes.total

    @cached_property
    def causes(self) -> Causes:
        """Modelled cycles by cause."""
        return Causes.sum(edge.causes for edge in self.edges)

    @cached_property
    def instructions_by_phase(self) -> Mapping[str | None, int]:
        """Executed instructions of each phase, callees included."""
        return self._sum("phase", "instructions")

    @cached_property
    def instructions_by_function(self) -> Mapping[str | None, int]:
        """Executed instructions of each function, callees left out."""
        return self._sum("function", "instructions")

    @cached_property
    def cycles_by_phase(self) -> Mapping[str | None, float]:
        """Modelled cycles of each phase, callees included."""
        return self._sum("phase", "cycles")

    @cached_property
    def cycles_by_function(self) -> Mapping[str | None, float]:
        """Modelled cycles of each function, callees left out."""
        return self._sum("function", "cycles")

    @cached_property
    def causes_by_phase(self) -> Mapping[str | None, Causes]:
        """The cycles of each phase by cause."""
        return self._causes("phase")

    @cached_property
    def causes_by_function(self) -> Mapping[str | None, Causes]:
        """The cycles of each function by cause."""
        return self._causes("function")

    def _causes(self, key: str) -> Mapping[str | None, Causes]:
        parts: defaultdict[str | None, list[Causes]] = defaultdict(list)
        for edge in self.edges:
            parts[getattr(edge, key)].append(edge.causes)
        return {name: Causes.sum(causes) for name, causes in parts.items()}

    def _sum(self, key: str, figure: str) -> Mapping[str | None, int]:
        sums: defaultdict[str | None, int] = defaultdict(int)
        for edge in self.edges:
            sums[getattr(edge, key)] += getattr(edge, figure)
        return dict(sums)
