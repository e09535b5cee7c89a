"""What reaching memory costs, as the firmware has set clocks, caches and protection up.

The simulation itself is ``memory.c``: both caches line by line, the buses in time. This gives it the roads
and attributes of every address range, and keeps them up to date. What it does:

* Tightly coupled memories take no wait. A byte, halfword or unaligned store there is a read and a write,
  which shows when they come faster than the store buffer drains.
* Caches: critical word first, the core goes on with it, later words as they come; two linefill buffers for
  data; write-back and write-through, allocation as the MPU or the default map says; no allocation of lines
  that stores overwrite as a whole (dynamic read allocate mode); a line that is written back leaves before
  the next one may.
* Instruction fetch runs ahead of execution by the prefetch queue, from the last taken jump on.
* Everything else goes over the bus one by one; stores through a buffer of four entries that merges.

Left out: contention with DMA, ordering of different interfaces, barriers that wait for the store buffer,
loads that wait for a store to the same address, TCM accesses of both sides at once.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from generator.emulator.clocks import Flash, Rcc
from generator.emulator.core_registers import Attributes, SystemControl
from generator.errors import UsageError
from generator.targets import BusAccess, Cache, MemorySystem, Part, memory_cost

# More than the MPU's 16 regions of 8 subregions and the memories can make.
_MAX_REGIONS = 256
_CACHEABLE, _WRITE_BACK, _WRITE_ALLOCATE, _TCM = 1, 2, 4, 8
_TOP = 0xFFFFFFFF
_PRIVATE_BUS = 0xE0000000
_DATA_CACHE_ON, _INSTRUCTION_CACHE_ON = 16, 17


class _Region(ctypes.Structure):
    _fields_ = (
        ("start", ctypes.c_uint32),
        ("end", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("first", ctypes.c_double),
        ("next", ctypes.c_double),
    )


class _Cache(ctypes.Structure):
    _fields_ = (
        ("on", ctypes.c_uint32),
        ("sets", ctypes.c_uint32),
        ("ways", ctypes.c_uint32),
        ("line_shift", ctypes.c_uint32),
        ("random", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("lookups", ctypes.c_uint64),
        ("misses", ctypes.c_uint64),
        ("write_backs", ctypes.c_uint64),
        ("tags", ctypes.POINTER(ctypes.c_uint32)),
        ("states", ctypes.POINTER(ctypes.c_uint8)),
    )


class _Fill(ctypes.Structure):
    _fields_ = (
        ("line", ctypes.c_uint32),
        ("written", ctypes.c_uint32),
        ("first_word", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("arrival", ctypes.c_double),
        ("next", ctypes.c_double),
        ("done", ctypes.c_double),
    )


class MemoryState(ctypes.Structure):
    """``memory_t`` of ``memory.h``."""

    _fields_ = (
        ("regions", _Region * _MAX_REGIONS),
        ("region_count", ctypes.c_uint32),
        ("fills", ctypes.c_uint32),
        ("stores", ctypes.c_uint32),
        ("prefetch_bytes", ctypes.c_uint32),
        ("miss_cycles", ctypes.c_double),
        ("ratio", ctypes.c_double),
        ("code", _Cache),
        ("data", _Cache),
        ("code_fill", _Fill),
        ("data_fills", _Fill * 8),
        ("read_free", ctypes.c_double),
        ("write_free", ctypes.c_double),
        ("stored", ctypes.c_double * 8),
        ("store_slot", ctypes.c_uint32),
        ("last_store", ctypes.c_uint32),
        ("tcm_stored", ctypes.c_double * 8),
        ("bank_free", ctypes.c_double * 2),
        ("tcm_slot", ctypes.c_uint32),
        ("full_lines", ctypes.c_uint32),
        ("streaming", ctypes.c_uint32),
        ("stream_line", ctypes.c_uint32),
        ("stream_written", ctypes.c_uint32),
        ("last_region", ctypes.c_uint32),
        ("fetched_line", ctypes.c_uint32),
        ("uncached", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class CacheCounts:
    """What a cache has done since power-on."""

    lookups: int
    misses: int
    write_backs: int


class MemoryModel:
    """Roads and attributes of the address space for ``memory.c``; UsageError if the part's data lack them."""

    def __init__(self, part: Part, rcc: Rcc, flash: Flash, system: SystemControl) -> None:
        if part.memory_system is None:
            raise UsageError(f"{part.name} has no memory system in its data: it cannot be emulated")
        self._part, self._rcc, self._flash, self._system = part, rcc, flash, system
        self._core: MemorySystem = part.memory_system
        self.state = MemoryState()
        self._kept: list[ctypes.Array[ctypes.c_uint32] | ctypes.Array[ctypes.c_uint8]] = []
        self.state.code = self._cache(self._core.instruction_cache)
        self.state.data = self._cache(self._core.data_cache)
        self.state.fills = self._core.linefill_buffers
        self.state.stores = self._core.store_buffer_entries
        self.state.prefetch_bytes = self._core.prefetch_bytes
        self.state.miss_cycles = self._core.miss_cycles

    @property
    def instruction_cache(self) -> CacheCounts:
        """Counts of the instruction cache."""
        return _counts(self.state.code)

    @property
    def data_cache(self) -> CacheCounts:
        """Counts of the data cache."""
        return _counts(self.state.data)

    def invalidate(self) -> None:
        """Empty both caches."""
        for cache in (self.state.code, self.state.data):
            ctypes.memset(cache.states, 0, cache.sets * cache.ways)

    def refresh(self) -> None:
        """Follow clocks, wait states, cache enables and protection."""
        control = self._system.registers.get(0xD14, 0)
        self.state.code.on = control >> _INSTRUCTION_CACHE_ON & 1
        self.state.data.on = control >> _DATA_CACHE_ON & 1
        self.state.ratio = self._rcc.cpu_hz / self._rcc.hclk_hz if self._rcc.hclk_hz else 1.0
        regions = self._regions()
        self.state.region_count = len(regions)
        self.state.last_region = 0
        for index, region in enumerate(regions):
            self.state.regions[index] = region

    def _regions(self) -> list[_Region]:
        """One after the other in the order of addresses, neighbours that are alike joined."""
        memories = self._part.memories
        starts = {0, 0x40000000, 0x60000000, _PRIVATE_BUS}
        starts |= {edge for memory in memories for edge in (memory.origin, memory.end)}
        starts |= self._system.mpu.boundaries() if self._system.mpu.enabled else set()
        regions: list[_Region] = []
        for start in sorted(starts):
            region = self._region(start)
            last = regions[-1] if regions else None
            if last is not None and _kind(last) == _kind(region):
                continue
            if last is not None:
                last.end = start - 1
            regions.append(region)
        return regions

    def _region(self, start: int) -> _Region:
        memory = next((m for m in self._part.memories if m.origin <= start < m.end), None)
        attributes = self._system.mpu.attributes_at(start)
        if start >= _PRIVATE_BUS or (memory is not None and memory.access is None):
            return _Region(start, _TOP, _TCM)
        access = self._core.peripheral if memory is None or memory.access is None else memory.access
        cost = self._cost(access)
        flags = _flags(attributes) if memory is not None and memory.cacheable else 0
        return _Region(start, _TOP, flags, 0, cost[0], cost[1])

    def _cost(self, access: BusAccess) -> tuple[float, float]:
        """Core cycles to the first data and between the following, the way to the bus left out."""
        cost = memory_cost(
            access,
            self._core,
            core_hz=self.state.ratio,
            bus_hz=1.0,
            wait_states=self._flash.wait_states,
        )
        return cost.bus_cycles, cost.next_word_cycles

    def _cache(self, cache: Cache) -> _Cache:
        lines = cache.sets * cache.ways
        tags, states = (ctypes.c_uint32 * lines)(), (ctypes.c_uint8 * lines)()
        self._kept += [tags, states]
        return _Cache(
            sets=cache.sets,
            ways=cache.ways,
            line_shift=cache.line_bytes.bit_length() - 1,
            tags=ctypes.cast(tags, ctypes.POINTER(ctypes.c_uint32)),
            states=ctypes.cast(states, ctypes.POINTER(ctypes.c_uint8)),
        )


def _kind(region: _Region) -> tuple[int, float, float]:
    return region.flags, region.first, region.next


def _flags(attributes: Attributes) -> int:
    return (
        _CACHEABLE * attributes.cacheable
        | _WRITE_BACK * attributes.write_back
        | _WRITE_ALLOCATE * attributes.write_allocate
    )


def _counts(cache: _Cache) -> CacheCounts:
    return CacheCounts(int(cache.lookups), int(cache.misses), int(cache.write_backs))
