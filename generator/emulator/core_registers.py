"""The core's own registers: cycle counter, SysTick, system control block, memory protection.

DDI0403E is the ARMv7-M architecture, DDI0489 the Cortex-M7 manual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from generator.emulator.bus import WORD, Bus, Peripheral, RefusedError

_LOCK_KEY = 0xC5ACCE55
# ICIALLU to DCCISW (DDI0403E B2.2.7).
_CACHE_MAINTENANCE = range(0xF50, 0xF78, 4)


class Dwt(Peripheral):
    """Data watchpoint and trace (DDI0403E C1.8): the cycle counter."""

    def __init__(self, cycles: Callable[[], float], trace_enabled: Callable[[], bool], bus: Bus) -> None:
        super().__init__("DWT", 0xE0001000, size_bytes=0x1000, reset={0x00: 0x40000000})
        self._cycles, self._trace_enabled, self._bus = cycles, trace_enabled, bus
        self._locked = True
        self._offset = 0
        self._stopped_at: int | None = 0

    def reset(self) -> None:
        """Locked, stopped at zero."""
        super().reset()
        self._locked, self._offset, self._stopped_at = True, 0, 0

    def read(self, offset: int) -> int:
        """CYCCNT counts modelled cycles."""
        if offset == 0x04:
            return self._count()
        if offset == 0xFB4:  # LSR: a lock exists, and is closed or open
            return 1 | self._locked << 1
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Ignored while locked (DDI0489 on DWT_LAR) or while DEMCR.TRCENA is clear."""
        if offset == 0xFB0:
            self._locked = value != _LOCK_KEY
            return
        if self._locked or not self._trace_enabled():
            missing = "DWT_LAR was not unlocked" if self._locked else "DEMCR.TRCENA is clear"
            self._bus.diagnose(f"DWT was written while {missing}: ignored (DDI0403E C1.6.5)")
            return
        if offset == 0x04:
            self._offset = value - int(self._cycles())
            self._stopped_at = value if self._stopped_at is not None else None
        elif offset == 0x00:
            count = self._count()
            self.registers[0x00] = 0x40000000 | value & 0x0FFFFFFF
            self._offset = count - int(self._cycles())
            self._stopped_at = None if value & 1 else count
        else:
            self.registers[offset] = value

    def _count(self) -> int:
        if self._stopped_at is not None or not self._trace_enabled():
            return (self._stopped_at or 0) & WORD
        return self._offset + int(self._cycles()) & WORD


@dataclass(frozen=True)
class Protection:
    """What the MPU lets privileged code do at an address."""

    read: bool
    write: bool
    execute: bool


@dataclass(frozen=True)
class Attributes:
    """How caches treat an address; no cache serves what is not ``cacheable``, peripherals among it."""

    cacheable: bool
    write_back: bool = False
    write_allocate: bool = False


_NON_CACHEABLE = Attributes(False)
_WRITE_THROUGH = Attributes(True)
_WRITE_BACK = Attributes(True, True)
_WRITE_ALLOCATE = Attributes(True, True, True)
# By TEX, then C and B (DDI0403E table B3-13); TEX = 4 stands for 4 to 7, whose inner policy C and B are.
_POLICIES = {
    0: (_NON_CACHEABLE, _NON_CACHEABLE, _WRITE_THROUGH, _WRITE_BACK),
    1: (_NON_CACHEABLE, _NON_CACHEABLE, _NON_CACHEABLE, _WRITE_ALLOCATE),
    4: (_NON_CACHEABLE, _WRITE_ALLOCATE, _WRITE_THROUGH, _WRITE_BACK),
}

_ALL = Protection(True, True, True)
_NOTHING = Protection(False, False, False)
# RASR.AP (DDI0403E table B3-15), privileged side.
_ACCESS = {0: (0, 0), 1: (1, 1), 2: (1, 1), 3: (1, 1), 5: (1, 0), 6: (1, 0), 7: (1, 0)}


class Mpu:
    """Memory protection unit, 16 regions (DDI0403E B3.5)."""

    regions = 16

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Off."""
        self.control = 0
        self.number = 0
        self.base = [0] * self.regions
        self.attributes = [0] * self.regions

    @property
    def enabled(self) -> bool:
        """MPU_CTRL.ENABLE."""
        return bool(self.control & 1)

    def read(self, offset: int) -> int:
        """Register at ``offset`` from 0xE000ED90."""
        if offset == 0x00:
            return self.regions << 8
        if offset == 0x04:
            return self.control
        if offset == 0x08:
            return self.number
        return (
            self.base[self.number] | self.number if (offset - 0x0C) % 8 == 0 else self.attributes[self.number]
        )

    def write(self, offset: int, value: int) -> None:
        """Write a register; the aliases stand for the same pair."""
        if offset == 0x04:
            self.control = value & 7
        elif offset == 0x08:
            self.number = value & 0xF
        elif offset >= 0x0C and (offset - 0x0C) % 8 == 0:
            if value & 0x10:
                self.number = value & 0xF
            self.base[self.number] = value & ~0x1F
        elif offset >= 0x10:
            self.attributes[self.number] = value

    def boundaries(self) -> set[int]:
        """Addresses where the protection may change."""
        edges = set()
        for base, attributes in zip(self.base, self.attributes, strict=True):
            if attributes & 1:
                size = 2 << (attributes >> 1 & 0x1F)
                step = size // 8 if attributes >> 8 & 0xFF and size >= 256 else size
                start = base & ~(size - 1)
                edges |= set(range(start, start + size + 1, step))
        return edges

    def protection(self, address: int) -> Protection:
        """The highest region that holds an address decides (B3.5.3); else the background map, or nothing."""
        if not self.enabled:
            return _ALL
        attributes = self._region_at(address)
        if attributes is None:
            return _ALL if self.control & 4 else _NOTHING
        readable, writable = _ACCESS.get(attributes >> 24 & 7, (0, 0))
        return Protection(bool(readable), bool(writable), bool(readable) and not attributes >> 28 & 1)

    def attributes_at(self, address: int) -> Attributes:
        """Of the same region. Shared memory is not cached (DDI0489F 3.3.8, CACR.SIWT = 0)."""
        attributes = self._region_at(address) if self.enabled else None
        if attributes is None:
            return _default_attributes(address)
        if attributes >> 18 & 1:
            return _NON_CACHEABLE
        tex = attributes >> 19 & 7
        policies = _POLICIES.get(4 if tex >= 4 else tex)
        return _NON_CACHEABLE if policies is None else policies[attributes >> 16 & 3]

    def _region_at(self, address: int) -> int | None:
        """RASR of the highest region that holds an address."""
        for base, attributes in zip(reversed(self.base), reversed(self.attributes), strict=True):
            size = 2 << (attributes >> 1 & 0x1F)
            start = base & ~(size - 1)
            if not attributes & 1 or not start <= address < start + size:
                continue
            if size >= 256 and attributes >> 8 >> ((address - start) * 8 // size) & 1:
                continue
            return attributes
        return None


def _default_attributes(address: int) -> Attributes:
    """The default memory map (DDI0403E table B3-1)."""
    if address < 0x20000000 or 0x80000000 <= address < 0xA0000000:
        return _WRITE_THROUGH
    if address < 0x40000000 or 0x60000000 <= address < 0x80000000:
        return _WRITE_ALLOCATE
    return _NON_CACHEABLE


class SystemControl(Peripheral):
    """System control space, 0xE000E000: SysTick, NVIC, SCB, MPU, FPU and cache maintenance.

    NVIC registers keep what is written; no interrupt is ever raised.
    """

    def __init__(self, cycles: Callable[[], float], bus: Bus) -> None:
        super().__init__("system control space", 0xE000E000, size_bytes=0x1000)
        self._cycles, self._bus = cycles, bus
        self.mpu = Mpu()
        self.active_exception: Callable[[], int] = lambda: 0
        self.on_fpu: Callable[[bool], None] = lambda allowed: None
        self.on_mpu: Callable[[], None] = lambda: None
        self.on_reset_request: Callable[[], None] = lambda: None
        self.on_cache_control: Callable[[], None] = lambda: None
        self.on_cache_maintenance: Callable[[int, int], None] = lambda offset, value: None
        self._systick_start = 0.0
        self._at_reset = {
            0x004: 4,  # ICTR: 150 interrupts
            0xD00: 0x411FC271,  # CPUID: Cortex-M7 r1p1 (DS12110 3.1)
            0xD0C: 0xFA050000,  # AIRCR
            0xD14: 0x00040200,  # CCR: branch prediction, aligned stack
            0xD78: 0x09000003,  # CLIDR: one level, separate caches
            0xD7C: 0x8303C003,  # CTR
            0xF34: 0xC0000000,  # FPCCR: automatic and lazy state
            0xF40: 0x10110221,  # MVFR0: single and double precision
            0xF44: 0x12000011,
            0xF48: 0x00000040,
        }
        self.registers = dict(self._at_reset)

    @property
    def cfsr(self) -> int:
        """Configurable fault status."""
        return self.registers.get(0xD28, 0)

    @property
    def hfsr(self) -> int:
        """HardFault status."""
        return self.registers.get(0xD2C, 0)

    @property
    def vtor(self) -> int:
        """Vector table."""
        return self.registers.get(0xD08, 0)

    @property
    def fpu_allowed(self) -> bool:
        """CPACR gives full access to coprocessors 10 and 11."""
        return self.registers.get(0xD88, 0) >> 20 & 0xF == 0xF

    @property
    def trace_enabled(self) -> bool:
        """DEMCR.TRCENA."""
        return bool(self.registers.get(0xDFC, 0) >> 24 & 1)

    def reset(self) -> None:
        """Caches, MPU and FPU off."""
        super().reset()
        self.mpu.reset()
        self._systick_start = 0.0

    def report(self, cfsr: int, hfsr: int, *, mmfar: int | None = None, bfar: int | None = None) -> None:
        """Set fault status bits and addresses."""
        self.registers[0xD28] = self.cfsr | cfsr
        self.registers[0xD2C] = self.hfsr | hfsr
        if mmfar is not None:
            self.registers[0xD34] = mmfar
        if bfar is not None:
            self.registers[0xD38] = bfar

    def priority(self, exception: int) -> int:
        """Priority of a system exception: smaller is more urgent."""
        if exception <= 3:
            return exception - 4  # reset -3, NMI -2, HardFault -1
        word = self.registers.get(0xD18 + 4 * (exception // 4 - 1), 0)
        return word >> 8 * (exception % 4) & 0xF0

    def read(self, offset: int) -> int:
        """Status that follows from elsewhere."""
        if 0xD90 <= offset < 0xDBC:
            return self.mpu.read(offset - 0xD90)
        if offset == 0x010:
            # COUNTFLAG: the counter came to zero since the last read.
            value = self.registers.get(0x010, 0) & 7
            elapsed, reload = self._systick_elapsed(), self.registers.get(0x014, 0) + 1
            if value & 1 and elapsed >= reload:
                self._systick_start += elapsed // reload * reload
                value |= 1 << 16
            return value
        if offset == 0x018:
            reload = self.registers.get(0x014, 0) + 1
            return (
                (reload - self._systick_elapsed() % reload) % reload
                if self.registers.get(0x010, 0) & 1
                else 0
            )
        if offset == 0xD04:
            return self.active_exception()
        if offset == 0xD80:
            # CCSIDR: 16 KiB each, lines of 32 bytes; data 4 ways, instructions 2 (DDI0489 3.3.4, DS12110 3.1)
            return 0xF01FE009 if self.registers.get(0xD84, 0) & 1 else 0xF00FE019
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:  # noqa: PLR0912 - one branch a register
        """Side effects of control registers."""
        if 0xD90 <= offset < 0xDBC:
            self.mpu.write(offset - 0xD90, value)
            self.on_mpu()
        elif offset in (0xD28, 0xD2C, 0xD30):
            self.registers[offset] = self.registers.get(offset, 0) & ~value  # write one to clear
        elif offset == 0xD0C:
            if value >> 16 == 0x05FA and value & 4:
                self.on_reset_request()
        elif offset == 0xD88:
            self.registers[offset] = value
            self.on_fpu(self.fpu_allowed)
        elif offset in (0x010, 0x018):
            self._systick_start = self._cycles()
            if offset == 0x010:
                self.registers[offset] = value & 7
                if value & 2:
                    self._bus.diagnose(
                        "SysTick's interrupt was enabled, but the emulator raises no interrupts"
                    )
        elif offset == 0xD04:
            if value & 0x94000000:
                raise RefusedError(
                    "ICSR: NMI, PendSV and SysTick cannot be pended: the emulator has no interrupts"
                )
        elif 0x100 <= offset < 0x120:
            self.registers[offset] = self.registers.get(offset, 0) | value
            if value:
                self._bus.diagnose("NVIC: an interrupt was enabled, but the emulator raises no interrupts")
        elif 0x180 <= offset < 0x1A0:
            self.registers[offset - 0x80] = self.registers.get(offset - 0x80, 0) & ~value
        elif offset == 0xD08:
            self.registers[offset] = value & ~0x7F
        elif offset in _CACHE_MAINTENANCE:
            self.on_cache_maintenance(offset, value)
        elif offset == 0xD14:
            self.registers[offset] = value
            self.on_cache_control()
        elif offset not in self._at_reset or offset == 0xF34:
            self.registers[offset] = value

    def _systick_elapsed(self) -> int:
        divider = 1 if self.registers.get(0x010, 0) & 4 else 8
        return int((self._cycles() - self._systick_start) / divider)
