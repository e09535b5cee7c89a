"""Peripherals as the core sees them: words at offsets, behind a clock that must be on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from generator.targets import ClockEnable

WORD = 0xFFFFFFFF


class RefusedError(Exception):
    """The firmware asked for what the silicon does not do; ends the emulation with this explanation."""


class Peripheral:
    """A page of registers. What is not overridden reads back what was written.

    ``enable`` is the RCC bit without which the page reads as zero and ignores writes.
    """

    def __init__(
        self,
        name: str,
        base: int,
        *,
        size_bytes: int = 0x400,
        enable: ClockEnable | None = None,
        reset: Mapping[int, int] | None = None,
    ) -> None:
        self.name = name
        self.base = base
        self.size_bytes = size_bytes
        self.enable = enable
        self._at_reset = dict(reset or {})
        self.registers = dict(self._at_reset)
        self.writes = 0
        """Number of writes so far: whoever derives something from this page can tell that it is stale."""

    def reset(self) -> None:
        """State after a system reset."""
        self.registers = dict(self._at_reset)
        self.writes += 1

    def read(self, offset: int) -> int:
        """Word at ``offset``, a multiple of 4; may have side effects."""
        return self.registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write the word at ``offset``, a multiple of 4."""
        self.registers[offset] = value


class Bus:
    """Routes accesses of any width to word registers, and keeps what deserves a remark."""

    def __init__(self, is_clocked: Callable[[ClockEnable], bool]) -> None:
        self._is_clocked = is_clocked
        self.diagnostics: list[str] = []

    def diagnose(self, message: str) -> None:
        """Record a remark, once."""
        if message not in self.diagnostics:
            self.diagnostics.append(message)

    def read(self, peripheral: Peripheral, offset: int, size_bytes: int) -> int:
        """Value of ``size_bytes`` bytes at ``offset`` of a peripheral."""
        if not self._reachable(peripheral):
            return 0
        shift = 8 * (offset & 3)
        return peripheral.read(offset & ~3) >> shift & (1 << 8 * size_bytes) - 1

    def write(self, peripheral: Peripheral, offset: int, size_bytes: int, value: int) -> None:
        """Write ``size_bytes`` bytes at ``offset`` of a peripheral."""
        if not self._reachable(peripheral):
            return
        word, shift = offset & ~3, 8 * (offset & 3)
        mask = ((1 << 8 * size_bytes) - 1) << shift
        if mask != WORD:
            value = peripheral.registers.get(word, 0) & ~mask | value << shift & mask
        peripheral.writes += 1
        peripheral.write(word, value & WORD)

    def _reachable(self, peripheral: Peripheral) -> bool:
        enable = peripheral.enable
        if enable is None or self._is_clocked(enable):
            return True
        self.diagnose(
            f"{peripheral.name} was accessed without its clock (RCC_{enable.register} bit {enable.bit}): "
            "it reads as zero and ignores writes"
        )
        return False
