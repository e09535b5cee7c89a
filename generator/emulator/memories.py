"""The part's memories in the engine: which exist, which are clocked, what the MPU leaves of them."""

from __future__ import annotations

from typing import Any

from generator.emulator.clocks import Rcc
from generator.emulator.core_registers import Mpu
from generator.emulator.engine import unicorn
from generator.errors import UsageError
from generator.targets import Board, Memory
from generator.toolchain.elf import ElfImage

# Granularity of the engine's permissions.
_PAGE = 1024
# Silicon powers up with anything in RAM: whoever relies on zeros shall notice. Erased flash is ones.
_RAM_FILLER, _FLASH_FILLER = b"\xa5", b"\xff"


class Memories:
    """Maps memories when they are clocked, and gives their pages the permissions that the MPU leaves."""

    def __init__(self, engine: Any, board: Board, image: ElfImage, rcc: Rcc, mpu: Mpu) -> None:
        self._uc, self._board, self._image, self._rcc, self._mpu = engine, board, image, rcc, mpu
        self._mapped: set[str] = set()
        self._layouts: dict[str, list[tuple[int, int, int]]] = {}
        self._check_fit()
        for memory in board.part.memories:
            if memory.enable is None:
                self._map(memory)

    def at(self, address: int) -> Memory | None:
        """Memory that the part has at an address, clocked or not."""
        return next((m for m in self._board.part.memories if m.origin <= address < m.end), None)

    def mapped_at(self, address: int, size_bytes: int) -> Memory | None:
        """Memory that holds all of a range and is clocked."""
        memory = self.at(address)
        inside = memory is not None and address + size_bytes <= memory.end and memory.name in self._mapped
        return memory if inside else None

    def map_if_clocked(self, memory: Memory) -> bool:
        """Memories behind a clock appear at the first access after their clock is on."""
        if memory.enable is None or memory.name in self._mapped or not self._rcc.is_clocked(memory.enable):
            return False
        self._map(memory)
        self._uc.mem_write(memory.origin, _RAM_FILLER * memory.size_bytes)
        return True

    def power_on(self) -> None:
        """Contents and clocks after power-on, the image flashed."""
        for memory in self._board.part.memories:
            if memory.enable is not None and memory.name in self._mapped:
                self._uc.mem_unmap(memory.origin, memory.size_bytes)
                self._mapped.discard(memory.name)
                self._layouts.pop(memory.name, None)
        self.load()

    def load(self) -> None:
        """Write the image where a flash tool, or a debugger for what lies in RAM, puts it."""
        for memory in self._board.part.memories:
            if memory.name in self._mapped:
                filler = _RAM_FILLER if memory.is_ram else _FLASH_FILLER
                self._uc.mem_write(memory.origin, filler * memory.size_bytes)
        for segment in (s for s in self._image.segments if s.data):
            self._uc.mem_write(segment.lma, segment.data)
            home = self.at(segment.vma)
            if segment.vma == segment.lma and home is not None and home.is_ram:
                # An image for RAM: nobody else clears what must be zero.
                tail = segment.mem_size_bytes - len(segment.data)
                self._uc.mem_write(segment.vma + len(segment.data), bytes(tail))
        self._uc.ctl_flush_tb()

    def read_code(self, address: int, size_bytes: int) -> bytes:
        """Up to ``size_bytes`` at ``address``, less at the end of the memory."""
        memory = self.at(address)
        end = memory.end if memory else address + size_bytes
        return bytes(self._uc.mem_read(address, min(size_bytes, end - address)))

    def protect(self, applies: bool) -> None:
        """Give the engine's pages the MPU's permissions, or all if it does not apply.

        A page that lies in several regions gets the union of what they allow.
        """
        edges = sorted(self._mpu.boundaries()) if applies else []
        inner = {edge // _PAGE * _PAGE for edge in edges} | {-(-edge // _PAGE) * _PAGE for edge in edges}
        for memory in self._board.part.memories:
            if memory.name not in self._mapped:
                continue
            starts = [memory.origin, *sorted(start for start in inner if memory.origin < start < memory.end)]
            layout: list[tuple[int, int, int]] = []
            for start, end in zip(starts, [*starts[1:], memory.end], strict=True):
                points = [start, *(edge for edge in edges if start < edge < end)]
                allowed = _permissions(memory)
                if applies:
                    allowed &= self._union(points)
                joined = bool(layout) and layout[-1][2] == allowed
                layout.append((layout.pop()[0] if joined else start, end, allowed))
            if layout != self._layouts.get(memory.name, [(memory.origin, memory.end, _permissions(memory))]):
                for start, end, allowed in layout:
                    self._uc.mem_protect(start, end - start, allowed)
            self._layouts[memory.name] = layout

    def _union(self, points: list[int]) -> int:
        """Engine permissions of everything that begins at ``points``."""
        allowed = 0
        for protection in map(self._mpu.protection, points):
            allowed |= unicorn.UC_PROT_READ * protection.read
            allowed |= unicorn.UC_PROT_WRITE * protection.write
            allowed |= unicorn.UC_PROT_EXEC * protection.execute
        return allowed

    def _map(self, memory: Memory) -> None:
        self._uc.mem_map(memory.origin, memory.size_bytes, _permissions(memory))
        self._mapped.add(memory.name)

    def _check_fit(self) -> None:
        """UsageError unless every segment lies in a memory that is there after reset."""
        part, path = self._board.part.name, self._image.path
        for segment in self._image.segments:
            for what, address, size in (
                ("is loaded", segment.lma, len(segment.data)),
                ("runs", segment.vma, segment.mem_size_bytes),
            ):
                memory = self.at(address)
                if size and (memory is None or address + size > memory.end):
                    raise UsageError(
                        f"{path}: a segment of {size} bytes {what} at {address:#010x}, outside the memories "
                        f"of {part}; link it for that part"
                    )
                if what == "is loaded" and size and memory is not None and memory.enable is not None:
                    raise UsageError(
                        f"{path}: a segment is loaded to {memory.name} at {address:#010x}, which has no "
                        "clock after reset; load it to flash and copy it"
                    )


def _permissions(memory: Memory) -> int:
    if memory.kind == "flash":
        return int(unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
    return int(unicorn.UC_PROT_ALL)
