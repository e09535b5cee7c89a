"""What a memory costs the core in cycles, from the part's data and its clocks.

The caches move whole lines. A line that misses holds the core up until its first word is there; the rest
follows while the core goes on (DDI0489F 5.9), so a loop that reads every word of a line pays at most
``read_line_cycles`` for it, and one that does much work per word little more than ``first_word_cycles``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from generator.targets.clock import ClockTree
from generator.targets.types import BusAccess, Memory, MemorySystem, Part

_TRANSFER_BYTES = 8


@dataclass(frozen=True)
class MemoryCost:
    """Core cycles beyond those of a cache hit. All zero for a tightly coupled memory."""

    first_word_cycles: float
    """Until the wanted word is there: an uncached load, or the least that a miss costs."""
    next_word_cycles: float
    """Between 64-bit words that follow."""
    read_line_cycles: float
    """Until the whole line is there."""
    write_line_cycles: float
    """A line written back. The core does not wait for it unless another one follows before that is done."""
    bus_cycles: float
    """The part of ``first_word_cycles`` that is spent on the bus."""


NO_COST = MemoryCost(0.0, 0.0, 0.0, 0.0, 0.0)


def memory_cost(
    access: BusAccess | None, system: MemorySystem, *, core_hz: float, bus_hz: float, wait_states: int
) -> MemoryCost:
    """Cost of the road ``access`` when the AXI bus runs at ``bus_hz``.

    A request waits half a bus clock on average for the next edge, less half a core cycle.
    """
    if access is None:
        return NO_COST
    ratio = core_hz / bus_hz
    first_clocks = access.first_clocks + (wait_states if access.wait_states else 0)
    transfers = system.data_cache.line_bytes // _TRANSFER_BYTES
    bus = ratio * first_clocks
    first = system.miss_cycles + (ratio - 1) / 2 + bus
    following = ratio * access.next_clocks
    line = first + (transfers - 1) * following
    # Address and data go together; the answer closes the write.
    write = ratio * (transfers * access.next_clocks + 1)
    return MemoryCost(first, following, line, write, bus)


def memory_costs(part: Part, clock: ClockTree) -> Mapping[str, MemoryCost]:
    """Cost of each memory of a buildable part by name, the firmware's clocks being ``clock``."""
    system = part.memory_system
    if system is None:
        raise KeyError(f"{part.name} has no memory system in its data")

    def cost(memory: Memory) -> MemoryCost:
        return memory_cost(
            memory.access,
            system,
            core_hz=clock.cpu_hz,
            bus_hz=clock.hclk_hz,
            wait_states=clock.flash_wait_states,
        )

    return {memory.name: cost(memory) for memory in part.memories}
