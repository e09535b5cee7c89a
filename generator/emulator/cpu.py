"""Registers of the emulated core, and how it enters and leaves an exception (DDI0403E B1.5).

unicorn has the instructions but no exceptions; this does what the hardware does on entry and return.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

from generator.emulator.engine import arm

_GENERAL = (
    *(getattr(arm, f"UC_ARM_REG_R{i}") for i in range(13)),
    arm.UC_ARM_REG_SP,
    arm.UC_ARM_REG_LR,
    arm.UC_ARM_REG_PC,
)
_NAMES = (*(f"r{i}" for i in range(13)), "sp", "lr", "pc")
_D0_TO_D7 = tuple(getattr(arm, f"UC_ARM_REG_D{i}") for i in range(8))
_IT_MASK = 0x0600FC00
_BASIC_BYTES, _EXTENDED_BYTES = 32, 104


class Cpu:
    """A Cortex-M7's programmer's model on top of a unicorn engine."""

    def __init__(self, engine: Any) -> None:
        self._uc = engine
        self._ipsr_offset = self._find_ipsr()
        self.active: list[int] = []
        """Exceptions being handled, innermost last."""

    @property
    def pc(self) -> int:
        """Program counter, without the Thumb bit."""
        return int(self._uc.reg_read(arm.UC_ARM_REG_PC))

    @pc.setter
    def pc(self, value: int) -> None:
        self._uc.reg_write(arm.UC_ARM_REG_PC, value | 1)

    @property
    def sp(self) -> int:
        """Stack pointer in use."""
        return int(self._uc.reg_read(arm.UC_ARM_REG_SP))

    @sp.setter
    def sp(self, value: int) -> None:
        self._uc.reg_write(arm.UC_ARM_REG_SP, value)

    @property
    def lr(self) -> int:
        """Link register."""
        return int(self._uc.reg_read(arm.UC_ARM_REG_LR))

    @lr.setter
    def lr(self, value: int) -> None:
        self._uc.reg_write(arm.UC_ARM_REG_LR, value)

    @property
    def thumb(self) -> bool:
        """EPSR.T; the core has no other state, so False is about to fault."""
        return bool(self._uc.reg_read(arm.UC_ARM_REG_XPSR) >> 24 & 1)

    def argument(self, number: int) -> int:
        """r0 to r3."""
        return int(self._uc.reg_read(_GENERAL[number]))

    def set_argument(self, number: int, value: int) -> None:
        """r0 to r3."""
        self._uc.reg_write(_GENERAL[number], value & 0xFFFFFFFF)

    def registers(self) -> dict[str, int]:
        """r0 to r12, sp, lr, pc and xpsr."""
        values = {name: int(self._uc.reg_read(r)) for name, r in zip(_NAMES, _GENERAL, strict=True)}
        xpsr = int(self._uc.reg_read(arm.UC_ARM_REG_XPSR)) & ~0x1FF
        values["xpsr"] = xpsr | (self.active[-1] if self.active else 0)
        return values

    def reset(self, sp: int, pc: int) -> None:
        """State after a reset (DDI0403E B1.5.5); registers whose content is unknown hold a pattern."""
        self.active.clear()
        self._set_ipsr(0)
        self._uc.reg_write(arm.UC_ARM_REG_CONTROL, 0)
        for special in (arm.UC_ARM_REG_PRIMASK, arm.UC_ARM_REG_FAULTMASK, arm.UC_ARM_REG_BASEPRI):
            self._uc.reg_write(special, 0)
        for register in _GENERAL[:13]:
            self._uc.reg_write(register, 0xA5A5A5A5)
        self._uc.reg_write(arm.UC_ARM_REG_FPSCR, 0)
        self._set_flags_and_it(0)
        self.sp, self.lr, self.pc = sp, 0xFFFFFFFF, pc

    def priority(self, of: Callable[[int], int]) -> int:
        """Execution priority (B1.5.4); ``of`` tells the priority of an exception."""
        priorities = [256, *(of(number) for number in self.active)]
        base = int(self._uc.reg_read(arm.UC_ARM_REG_BASEPRI))
        if base:
            priorities.append(base)
        if self._uc.reg_read(arm.UC_ARM_REG_PRIMASK) & 1:
            priorities.append(0)
        if self._uc.reg_read(arm.UC_ARM_REG_FAULTMASK) & 1:
            priorities.append(-1)
        return min(priorities)

    def enter(
        self, number: int, return_address: int, handler: int, is_writable: Callable[[int, int], bool]
    ) -> bool:
        """Take an exception; False if its frame could not be stored, which the core survives (B1.5.6)."""
        control = int(self._uc.reg_read(arm.UC_ARM_REG_CONTROL))
        extended, process_stack = bool(control & 4), bool(control & 2) and not self.active
        sp, values = self.sp, self.registers()
        frame = sp - (_EXTENDED_BYTES if extended else _BASIC_BYTES)
        padded = frame & 4
        frame = (frame & ~7) & 0xFFFFFFFF
        xpsr = values["xpsr"] & ~0x200 | (0x200 if padded else 0)
        words = [values[name] for name in ("r0", "r1", "r2", "r3", "r12", "lr")]
        stored = struct.pack("<8I", *words, return_address, xpsr)
        if extended:
            stored += b"".join(struct.pack("<Q", self._uc.reg_read(d)) for d in _D0_TO_D7)
            stored += struct.pack("<II", self._uc.reg_read(arm.UC_ARM_REG_FPSCR), 0)
        writable = is_writable(frame, len(stored))
        if writable:
            self._uc.mem_write(frame, stored)
        self.sp = frame
        exc_return = 0xFFFFFFF1 if self.active else 0xFFFFFFFD if process_stack else 0xFFFFFFF9
        self._uc.reg_write(arm.UC_ARM_REG_CONTROL, control & 1)  # main stack, no floating-point state yet
        self._set_flags_and_it(values["xpsr"] & ~_IT_MASK)
        self.active.append(number)
        self._set_ipsr(number)
        self.lr = exc_return & ~0x10 if extended else exc_return
        self.pc = handler
        return writable

    def leave(self, exc_return: int, is_readable: Callable[[int, int], bool]) -> str | None:
        """Return from an exception (B1.5.8); the reason if that is not possible."""
        if exc_return == 0xFFFFFFFF:
            return "return with lr = 0xffffffff: the reset handler ended"
        if not self.active or exc_return & 0xF not in (0x1, 0x9, 0xD):
            return f"EXC_RETURN {exc_return:#010x} outside a handler, or invalid"
        if (exc_return & 0xF == 1) != (len(self.active) > 1):
            return f"EXC_RETURN {exc_return:#010x} does not fit the number of active handlers"
        extended, process_stack = not exc_return & 0x10, exc_return & 0xF == 0xD
        self.active.pop()
        self._set_ipsr(0)
        control = int(self._uc.reg_read(arm.UC_ARM_REG_CONTROL)) & 1
        self._uc.reg_write(arm.UC_ARM_REG_CONTROL, control | process_stack << 1 | extended << 2)
        frame = self.sp
        size = _EXTENDED_BYTES if extended else _BASIC_BYTES
        if not is_readable(frame, size):
            return f"the frame at sp = {frame:#010x} cannot be read"
        stored = bytes(self._uc.mem_read(frame, size))
        *words, lr, pc, xpsr = struct.unpack_from("<8I", stored)
        for register, value in zip((*_GENERAL[:4], _GENERAL[12]), words, strict=True):
            self._uc.reg_write(register, value)
        if extended:
            for index, register in enumerate(_D0_TO_D7):
                self._uc.reg_write(register, struct.unpack_from("<Q", stored, 32 + 8 * index)[0])
            self._uc.reg_write(arm.UC_ARM_REG_FPSCR, struct.unpack_from("<I", stored, 96)[0])
        self.sp = frame + size + (4 if xpsr & 0x200 else 0)
        self._set_ipsr(self.active[-1] if self.active else 0)
        self.lr, self.pc = lr, pc
        self._set_flags_and_it(xpsr)
        return None

    def _set_flags_and_it(self, xpsr: int) -> None:
        # CPSR as unicorn shows it has the fields of XPSR, but T at bit 5.
        kept = int(self._uc.reg_read(arm.UC_ARM_REG_CPSR)) & 0x1FF
        self._uc.reg_write(arm.UC_ARM_REG_CPSR, kept | xpsr & 0xFE0FFC00 | 0x20)

    def _find_ipsr(self) -> int | None:
        """Where a saved context holds the exception number: near PRIMASK, which can be found by changing it.

        unicorn's register interface only reads IPSR. None (IPSR reads 0 in handlers) if it is not there.
        """
        before = self._context()
        self._uc.reg_write(arm.UC_ARM_REG_PRIMASK, 1)
        changed = self._context()
        self._uc.reg_write(arm.UC_ARM_REG_PRIMASK, 0)
        last = max(
            (i for i, (a, b) in enumerate(zip(before[1], changed[1], strict=True)) if a != b), default=0
        )
        for offset in (last // 4 * 4 - 4, last // 4 * 4 - 8):
            if offset < 0 or self._word(offset):
                continue
            self._patch(offset, 5)
            found = self._uc.reg_read(arm.UC_ARM_REG_IPSR) == 5
            self._patch(offset, 0)
            if found and self._uc.reg_read(arm.UC_ARM_REG_IPSR) == 0:
                return offset
        return None

    def _set_ipsr(self, number: int) -> None:
        if self._ipsr_offset is not None:
            self._patch(self._ipsr_offset, number)

    def _context(self) -> tuple[Any, ctypes.Array[ctypes.c_uint8]]:
        context = self._uc.context_save()
        return context, (ctypes.c_uint8 * context.size).from_address(context.context.value)

    def _word(self, offset: int) -> int:
        context = self._context()
        return int.from_bytes(bytes(context[1][offset : offset + 4]), "little")

    def _patch(self, offset: int, value: int) -> None:
        context, content = self._context()
        content[offset : offset + 4] = list(value.to_bytes(4, "little"))
        self._uc.context_restore(context)
