"""The C half of the profile: a block callback that counts edges at native speed (``profile.c``).

A Python callback costs about a microsecond a block, which would be ten seconds for one inference; the C
one costs some nanoseconds. It is compiled once per process with the host's C compiler.
"""

from __future__ import annotations

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from generator.emulator.engine import library, unicorn
from generator.emulator.thumb import SELF_LOOP, USES_FPU, block_flags, count_instructions
from generator.errors import MissingToolError

_SOURCE = Path(__file__).with_name("profile.c")
_NONE = -1
_NO_LIMIT = 2**64 - 1


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
    )


class _Edge(ctypes.Structure):
    _fields_ = (
        ("phase", ctypes.c_int32),
        ("predecessor", ctypes.c_int32),
        ("block", ctypes.c_int32),
        ("costed", ctypes.c_int32),
        ("count", ctypes.c_uint64),
        ("cost", ctypes.c_double),
    )


class _Frame(ctypes.Structure):
    _fields_ = (("phase", ctypes.c_int32), ("return_address", ctypes.c_uint32), ("sp", ctypes.c_uint32))


_DESCRIBE = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(_Block))


class _Counter(ctypes.Structure):
    _fields_ = (
        ("emu_stop", ctypes.c_void_p),
        ("reg_read", ctypes.c_void_p),
        ("describe", _DESCRIBE),
        ("limit", ctypes.c_uint64),
        ("stack_low", ctypes.c_uint32),
        ("stack_high", ctypes.c_uint32),
        ("stop_flags", ctypes.c_uint32),
        ("ask_stop", ctypes.c_uint32),
        ("stop_reason", ctypes.c_uint32),
        ("current", ctypes.c_int32),
        ("last_edge", ctypes.c_int32),
        ("depth", ctypes.c_int32),
        ("instructions", ctypes.c_uint64),
        ("cycles", ctypes.c_double),
        ("blocks", ctypes.POINTER(_Block)),
        ("edges", ctypes.POINTER(_Edge)),
        ("block_count", ctypes.c_int32),
        ("edge_count", ctypes.c_int32),
        ("first_uncosted", ctypes.c_int32),
        ("out_of_memory", ctypes.c_int32),
        ("block_slots", ctypes.c_void_p),
        ("edge_slots", ctypes.c_void_p),
        ("block_capacity", ctypes.c_uint32),
        ("edge_capacity", ctypes.c_uint32),
        ("frames", _Frame * 64),
    )


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
    command = [compiler, "-std=c11", "-O2", "-fPIC", "-shared", "-o", str(library), str(_SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingToolError(
            f"{compiler} cannot compile the emulator's profile.c; install the packages gcc and libc6-dev:\n"
            f"{done.stderr.strip()}"
        )
    loaded = ctypes.CDLL(str(library))
    loaded.counter_cut.argtypes = (ctypes.POINTER(_Counter), ctypes.c_uint32)
    loaded.counter_cut.restype = None
    loaded.counter_clear.argtypes = (ctypes.POINTER(_Counter),)
    loaded.counter_clear.restype = None
    loaded.counter_free.argtypes = (ctypes.POINTER(_Counter),)
    loaded.counter_free.restype = None
    return loaded


class BlockCounter:
    """Counts the block edges of one unicorn engine, and stops it for the reasons of :class:`Stop`.

    ``phase_entries`` are the addresses of the functions that start a phase. ``read_code`` returns code
    bytes. ``edge_cycles(predecessor, block)`` prices an edge, both as (address, size in bytes); it is
    asked once per edge, and only when cycles are wanted.
    """

    def __init__(
        self,
        engine: Any,
        phase_entries: Sequence[int],
        read_code: Callable[[int, int], bytes],
        edge_cycles: Callable[[tuple[int, int] | None, tuple[int, int]], float],
    ) -> None:
        self._library = _library()
        self._read_code = read_code
        self._edge_cycles = edge_cycles
        self._phases = {address: index for index, address in enumerate(phase_entries)}
        self._describe = _DESCRIBE(self._describe_block)
        self._state = _Counter(
            emu_stop=ctypes.cast(library.uc_emu_stop, ctypes.c_void_p),
            reg_read=ctypes.cast(library.uc_reg_read, ctypes.c_void_p),
            describe=self._describe,
            limit=_NO_LIMIT,
            stop_flags=SELF_LOOP | USES_FPU,
            current=_NONE,
            last_edge=_NONE,
        )
        self._pointer = ctypes.pointer(self._state)
        self._handle = ctypes.c_size_t()
        status = library.uc_hook_add(
            engine._uch,
            ctypes.byref(self._handle),
            unicorn.UC_HOOK_BLOCK,
            ctypes.cast(self._library.counter_on_block, ctypes.c_void_p),
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
        state = self._state
        if state.first_uncosted < state.edge_count:
            for index in range(state.first_uncosted, state.edge_count):
                edge = state.edges[index]
                predecessor = self._block(edge.predecessor) if edge.predecessor != _NONE else None
                edge.cost = self._edge_cycles(predecessor, self._block(edge.block))
                edge.costed = 1
                state.cycles += edge.cost * edge.count
            state.first_uncosted = state.edge_count
        return float(state.cycles)

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
        self._settle()
        self._library.counter_cut(self._pointer, size_bytes)

    def discontinue(self) -> None:
        """Control did not flow from the last block to the next (an exception, a reset)."""
        self._state.current = self._state.last_edge = _NONE

    def leave_phases(self) -> None:
        """What runs next belongs to no phase."""
        self._state.depth = 0

    def clear(self) -> None:
        """Start the counts of :meth:`edges` anew; totals go on."""
        self._settle()
        self._library.counter_clear(self._pointer)

    def edges(self) -> list[tuple[int | None, tuple[int, int] | None, tuple[int, int], int, int, float]]:
        """(phase, predecessor, block, instructions of the block, passages, cycles of one passage) each."""
        self._settle()
        state = self._state
        result = []
        for index in range(state.edge_count):
            edge = state.edges[index]
            if not edge.count:
                continue
            phase = None if edge.phase == _NONE else int(edge.phase)
            predecessor = None if edge.predecessor == _NONE else self._block(edge.predecessor)
            instructions = int(state.blocks[edge.block].instructions)
            result.append(
                (phase, predecessor, self._block(edge.block), instructions, int(edge.count), float(edge.cost))
            )
        return result

    def _settle(self) -> None:
        """Price what is not priced yet, so that a change of counts leaves no cost behind."""
        _ = self.cycles

    def _block(self, index: int) -> tuple[int, int]:
        block = self._state.blocks[index]
        return int(block.address), int(block.size_bytes)

    def _describe_block(self, address: int, size_bytes: int, block: Any) -> None:
        code = self._read_code(address, size_bytes)
        block.contents.instructions = count_instructions(code)
        block.contents.flags = block_flags(code)
        block.contents.phase = self._phases.get(address, _NONE)
