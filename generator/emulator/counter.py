"""The C half of the profile: callbacks that count edges and follow memory at native speed (``profile.c``).

A Python callback costs about a microsecond a block, which would be ten seconds for one inference; the C
ones cost some nanoseconds. They are compiled once per process with the host's C compiler.

Addresses come from a callback before each instruction, which reads the registers that make them. unicorn's
memory hooks would give them too, but they spoil the state of IT blocks.
"""

from __future__ import annotations

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from generator.emulator.accesses import Access
from generator.emulator.causes import Causes
from generator.emulator.engine import arm, library, unicorn
from generator.emulator.memory_model import MemoryModel, MemoryState
from generator.emulator.thumb import SELF_LOOP, USES_FPU, block_flags, count_instructions
from generator.emulator.timing import Block, TimingModel
from generator.errors import MissingToolError

_SOURCES = [Path(__file__).with_name(name) for name in ("profile.c", "memory.c")]
_NONE = -1
_NO_LIMIT = 2**64 - 1
# States of a two-bit predictor. A branch that was not seen before is predicted by its direction.
_WEAKLY_NOT_TAKEN, _WEAKLY_TAKEN = 1, 2
# unicorn's numbers of r0 to r14.
_REGISTERS: dict[int | None, int] = {
    None: _NONE,
    **{number: getattr(arm, f"UC_ARM_REG_R{number}") for number in range(13)},
    13: arm.UC_ARM_REG_SP,
    14: arm.UC_ARM_REG_LR,
}


class Stop(IntEnum):
    """Why the callback stopped the core; the numbers are those of ``profile.c``."""

    NONE = 0
    LIMIT = 1
    ENDLESS = 2
    FPU = 3
    STACK = 4
    ASKED = 5


class _Block(ctypes.Structure):
    _fields_ = (
        ("address", ctypes.c_uint32),
        ("size_bytes", ctypes.c_uint32),
        ("instructions", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("phase", ctypes.c_int32),
        ("last_edge", ctypes.c_int32),
        ("first_access", ctypes.c_int32),
        ("access_count", ctypes.c_int32),
        ("penalty", ctypes.c_uint32),
        ("prediction", ctypes.c_uint32),
        ("first_prediction", ctypes.c_uint32),
    )


class _Access(ctypes.Structure):
    _fields_ = (
        ("pc", ctypes.c_uint32),
        ("base", ctypes.c_int32),
        ("index", ctypes.c_int32),
        ("displacement", ctypes.c_int32),
        ("shift", ctypes.c_uint32),
        ("size_bytes", ctypes.c_uint32),
        ("unit", ctypes.c_uint32),
        ("kind", ctypes.c_uint32),
        ("offset", ctypes.c_double),
        ("conflict", ctypes.c_double),
    )


class _Edge(ctypes.Structure):
    _fields_ = (
        ("phase", ctypes.c_int32),
        ("predecessor", ctypes.c_int32),
        ("block", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("count", ctypes.c_uint64),
        ("cost", ctypes.c_double),
        ("memory", ctypes.c_double),
        ("load_port", ctypes.c_double),
        ("branch", ctypes.c_double),
    )


class _Frame(ctypes.Structure):
    _fields_ = (("phase", ctypes.c_int32), ("return_address", ctypes.c_uint32), ("sp", ctypes.c_uint32))


_DESCRIBE = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(_Block))
_PRICE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int32, ctypes.c_int32)
_REFRESH = ctypes.CFUNCTYPE(None)


class _Counter(ctypes.Structure):
    _fields_ = (
        ("emu_stop", ctypes.c_void_p),
        ("reg_read", ctypes.c_void_p),
        ("describe", _DESCRIBE),
        ("price", _PRICE),
        ("refresh", _REFRESH),
        ("memory", ctypes.POINTER(MemoryState)),
        ("limit", ctypes.c_uint64),
        ("stack_low", ctypes.c_uint32),
        ("stack_high", ctypes.c_uint32),
        ("stop_flags", ctypes.c_uint32),
        ("ask_stop", ctypes.c_uint32),
        ("memory_stale", ctypes.c_uint32),
        ("stop_reason", ctypes.c_uint32),
        ("current", ctypes.c_int32),
        ("last_edge", ctypes.c_int32),
        ("depth", ctypes.c_int32),
        ("instructions", ctypes.c_uint64),
        ("cycles", ctypes.c_double),
        ("power_on", ctypes.c_double),
        ("redirected", ctypes.c_double),
        ("blocks", ctypes.POINTER(_Block)),
        ("edges", ctypes.POINTER(_Edge)),
        ("accesses", ctypes.POINTER(_Access)),
        ("block_count", ctypes.c_int32),
        ("edge_count", ctypes.c_int32),
        ("access_count", ctypes.c_int32),
        ("access_capacity", ctypes.c_int32),
        ("next_access", ctypes.c_int32),
        ("last_access", ctypes.c_int32),
        ("last_address", ctypes.c_uint32),
        ("passage_memory", ctypes.c_double),
        ("passage_port", ctypes.c_double),
        ("passage_branch", ctypes.c_double),
        ("out_of_memory", ctypes.c_int32),
        ("block_slots", ctypes.c_void_p),
        ("edge_slots", ctypes.c_void_p),
        ("block_capacity", ctypes.c_uint32),
        ("edge_capacity", ctypes.c_uint32),
        ("frames", _Frame * 64),
    )


@dataclass(frozen=True)
class CountedEdge:
    """One way into a block, how often it was taken, and the cycles of all its passages."""

    phase: int | None
    predecessor: Block | None
    block: Block
    block_instructions: int
    count: int
    causes: Causes


@cache
def _library() -> ctypes.CDLL:
    """The compiled callback; MissingToolError without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise MissingToolError(
            "the emulator needs a C compiler of the host and found none: install the package gcc "
            "(apt-get install gcc)"
        )
    folder = Path(tempfile.mkdtemp(prefix="firmcast-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / "profile.so"
    command = [compiler, "-std=c11", "-O2", "-fPIC", "-shared", "-o", str(library), *map(str, _SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingToolError(
            f"{compiler} cannot compile the emulator's callbacks; install the packages gcc and libc6-dev:\n"
            f"{done.stderr.strip()}"
        )
    loaded = ctypes.CDLL(str(library))
    loaded.counter_cut.argtypes = (ctypes.POINTER(_Counter), ctypes.c_uint32)
    loaded.counter_cut.restype = None
    loaded.counter_clear.argtypes = (ctypes.POINTER(_Counter),)
    loaded.counter_clear.restype = None
    loaded.counter_power_on.argtypes = (ctypes.POINTER(_Counter),)
    loaded.counter_power_on.restype = None
    loaded.counter_free.argtypes = (ctypes.POINTER(_Counter),)
    loaded.counter_free.restype = None
    loaded.counter_add_access.argtypes = (ctypes.POINTER(_Counter), ctypes.POINTER(_Access))
    loaded.counter_add_access.restype = None
    loaded.memory_maintain.argtypes = (ctypes.POINTER(MemoryState), ctypes.c_uint32, ctypes.c_uint32)
    loaded.memory_maintain.restype = None
    return loaded


class BlockCounter:
    """Counts the block edges of one unicorn engine, and stops it for the reasons of :class:`Stop`.

    ``phase_entries`` are the addresses of the functions that start a phase. ``read_code`` returns code
    bytes. ``timing`` prices an edge and schedules a block, once each; ``memory`` is what it costs to reach
    memory, for data only with ``data_timing``, which asks for a callback before each instruction.
    """

    def __init__(
        self,
        engine: Any,
        phase_entries: Sequence[int],
        read_code: Callable[[int, int], bytes],
        timing: TimingModel,
        memory: MemoryModel,
        *,
        data_timing: bool = True,
    ) -> None:
        self._library = _library()
        self._read_code = read_code
        self._timing = timing
        self._memory = memory
        self._phases = {address: index for index, address in enumerate(phase_entries)}
        self._describe = _DESCRIBE(self._describe_block)
        self._price = _PRICE(self._price_edge)
        self._refresh = _REFRESH(memory.refresh)
        self._state = _Counter(
            emu_stop=ctypes.cast(library.uc_emu_stop, ctypes.c_void_p),
            reg_read=ctypes.cast(library.uc_reg_read, ctypes.c_void_p),
            describe=self._describe,
            price=self._price,
            refresh=self._refresh,
            memory=ctypes.pointer(memory.state),
            memory_stale=1,
            limit=_NO_LIMIT,
            stop_flags=SELF_LOOP | USES_FPU,
            current=_NONE,
            last_edge=_NONE,
        )
        self._pointer = ctypes.pointer(self._state)
        self.power_on()
        self._hook(engine, unicorn.UC_HOOK_BLOCK, self._library.counter_on_block)
        if data_timing:
            self._hook(engine, unicorn.UC_HOOK_CODE, self._library.counter_on_code)

    def _hook(self, engine: Any, kind: int, callback: Any) -> None:
        status = library.uc_hook_add(
            engine._uch,
            ctypes.byref(ctypes.c_size_t()),
            kind,
            ctypes.cast(callback, ctypes.c_void_p),
            ctypes.cast(self._pointer, ctypes.c_void_p),
            1,  # begin above end: everywhere
            0,
        )
        if status != unicorn.UC_ERR_OK:
            raise unicorn.UcError(status)

    def __del__(self) -> None:
        if hasattr(self, "_pointer"):
            self._library.counter_free(self._pointer)

    @property
    def instructions(self) -> int:
        """Instructions executed since construction."""
        return int(self._state.instructions)

    @property
    def cycles(self) -> float:
        """Modelled cycles since construction."""
        return float(self._state.cycles)

    @property
    def limit(self) -> int:
        """The core stops before the first block that starts at or after so many instructions."""
        return int(self._state.limit)

    @limit.setter
    def limit(self, value: int | None) -> None:
        self._state.limit = _NO_LIMIT if value is None else value

    def watch_stack(self, low: int, high: int) -> None:
        """Stop when the stack pointer leaves ``low`` .. ``high``; 0, 0 to stop watching."""
        self._state.stack_low, self._state.stack_high = low, high

    def allow_fpu(self, allowed: bool) -> None:
        """Whether blocks with floating-point instructions run, or stop the core."""
        self._state.stop_flags = SELF_LOOP if allowed else SELF_LOOP | USES_FPU

    def ask_stop(self) -> None:
        """Stop before the next block; safe in any callback."""
        self._state.ask_stop = 1

    def take_stop(self) -> Stop:
        """Why the core was stopped last; forgets it."""
        if self._state.out_of_memory:
            raise MemoryError("the profile does not fit into memory")
        reason = Stop(self._state.stop_reason)
        self._state.stop_reason = Stop.NONE
        self._state.ask_stop = 0
        return reason

    def current_block(self) -> tuple[int, int] | None:
        """(address, size in bytes) of the block that was entered last."""
        return None if self._state.current == _NONE else self._block(self._state.current)

    def cut(self, size_bytes: int) -> None:
        """Correct the block that was entered last: only its first ``size_bytes`` ran."""
        self._library.counter_cut(self._pointer, size_bytes)

    def discontinue(self) -> None:
        """Control did not flow from the last block to the next (an exception, a reset)."""
        self._state.current = self._state.last_edge = _NONE

    def leave_phases(self) -> None:
        """What runs next belongs to no phase."""
        self._state.depth = 0

    def clear(self) -> None:
        """Start the counts of :meth:`edges` anew; totals go on."""
        self._library.counter_clear(self._pointer)

    def edges(self) -> list[CountedEdge]:
        """Every edge that was taken since the counts were cleared."""
        state = self._state
        result = []
        for index in range(state.edge_count):
            edge = state.edges[index]
            if not edge.count:
                continue
            predecessor, block = self._ends(edge.predecessor, edge.block)
            count = int(edge.count)
            causes = self._timing.edge_cost(predecessor, block).causes.scaled(count)
            causes = replace(
                causes,
                load_port=causes.load_port + float(edge.load_port),
                memory=float(edge.memory),
                branch=causes.branch + float(edge.branch),
            )
            result.append(
                CountedEdge(
                    phase=None if edge.phase == _NONE else int(edge.phase),
                    predecessor=predecessor,
                    block=block,
                    block_instructions=int(state.blocks[edge.block].instructions),
                    count=count,
                    causes=causes,
                )
            )
        return result

    def power_on(self) -> None:
        """Caches are empty, buses idle, branches not seen before."""
        self._library.counter_power_on(self._pointer)
        self.memory_changed()

    def memory_changed(self) -> None:
        """Clocks, wait states, protection or caches are not what they were."""
        self._state.memory_stale = 1

    def maintain_cache(self, offset: int, value: int) -> None:
        """The firmware wrote a cache maintenance register of the system control space."""
        self._library.memory_maintain(ctypes.byref(self._memory.state), offset, value)

    def _ends(self, predecessor: int, block: int) -> tuple[Block | None, Block]:
        return None if predecessor == _NONE else Block(*self._block(predecessor)), Block(*self._block(block))

    def _block(self, index: int) -> tuple[int, int]:
        block = self._state.blocks[index]
        return int(block.address), int(block.size_bytes)

    def _price_edge(self, predecessor: int, block: int) -> float:
        return self._timing.edge_cycles(*self._ends(predecessor, block))

    def _describe_block(self, address: int, size_bytes: int, block: Any) -> None:
        code = self._read_code(address, size_bytes)
        block.contents.instructions = count_instructions(code)
        block.contents.flags = block_flags(code)
        block.contents.phase = self._phases.get(address, _NONE)
        branch = self._timing.branch(Block(address, size_bytes))
        if branch is not None:
            block.contents.penalty = branch.penalty_cycles
            block.contents.prediction = _WEAKLY_TAKEN if branch.backward else _WEAKLY_NOT_TAKEN
        for timed in self._timing.schedule(Block(address, size_bytes)):
            if timed.operation.access is not None:
                access = _c_access(timed.operation.access, timed.offset, timed.conflict_cycles)
                self._library.counter_add_access(self._pointer, ctypes.byref(access))


_LOAD, _STORE, _PRELOAD = range(3)  # as in memory.h


def _c_access(access: Access, offset: float, conflict_cycles: float) -> _Access:
    return _Access(
        pc=access.pc,
        base=_REGISTERS[access.base],
        index=_REGISTERS[access.index],
        displacement=access.displacement,
        shift=access.shift,
        size_bytes=access.size_bytes,
        unit=access.unit_bytes,
        kind=_PRELOAD if access.preload else _STORE if access.store else _LOAD,
        offset=offset,
        conflict=conflict_cycles,
    )
