"""Oscillators, PLLs, bus dividers, core voltage and flash wait states: RCC, PWR, FLASH and SYSCFG.

Section numbers are RM0433 rev 8. A step that the manual forbids ends the emulation: on silicon it
would hang, or worse, work on the desk and fail in the cold.
"""

from __future__ import annotations

from collections.abc import Callable

from generator.emulator.bus import Peripheral, RefusedError
from generator.targets import Board, ClockEnable, Usart

_HSI_HZ = 64_000_000
_CSI_HZ = 4_000_000
_SOURCES = ("HSI", "CSI", "HSE", "PLL1")
_PLL_SOURCES = ("HSI", "CSI", "HSE", "none")
# PLLxRGE: reference ranges in hertz (8.7.11).
_REFERENCE_RANGES = (
    (1_000_000, 2_000_000),
    (2_000_000, 4_000_000),
    (4_000_000, 8_000_000),
    (8_000_000, 16_000_000),
)
_CR, _CFGR, _D1CFGR, _D2CFGR, _D3CFGR = 0x00, 0x10, 0x18, 0x1C, 0x20
_PLLCKSELR, _PLLCFGR, _PLLDIVR, _PLLFRACR = 0x28, 0x2C, (0x30, 0x38, 0x40), (0x34, 0x3C, 0x44)
_D2CCIP2R = 0x54
# Ready bits of RCC_CR stand behind their enable bits (8.7.2).
_READY = {0: 2, 7: 8, 12: 13, 16: 17, 24: 25, 26: 27, 28: 29}
_PLL_ON = (24, 26, 28)


def _mhz(hz: float) -> str:
    return f"{hz / 1e6:g} MHz"


class Rcc(Peripheral):
    """Reset and clock control (RM0433 8): clock switches, ready bits, enables, and the resulting clocks."""

    def __init__(self, board: Board) -> None:
        self.on_write: Callable[[], None] = lambda: None
        super().__init__(
            "RCC",
            0x58024400,
            reset={_CR: 0x1, _PLLCKSELR: 0x02020200, _PLLCFGR: 0x01FF0000}
            | dict.fromkeys(_PLLDIVR, 0x01010280),
        )
        self._board = board
        self.on_change: Callable[[], None] = lambda: None
        self.remark: Callable[[str], None] = lambda message: None

    def is_clocked(self, enable: ClockEnable) -> bool:
        """Whether an enable bit is set."""
        return bool(self.registers.get(enable.offset, 0) >> enable.bit & 1)

    def read(self, offset: int) -> int:
        """Ready and status bits follow at once."""
        offset = self._canonical(offset)
        value = super().read(offset)
        if offset == _CR:
            for on, ready in _READY.items():
                if value >> on & 1 and (on != 16 or self._hse_runs(value)):
                    value |= 1 << ready
            value |= 3 << 14 | 1 << 5  # D1CKRDY, D2CKRDY, HSIDIVF
        elif offset == _CFGR:
            value |= (value & 7) << 3  # SWS
        return value

    def write(self, offset: int, value: int) -> None:
        """Check a step before it is taken."""
        offset = self._canonical(offset)
        old = self.registers.get(offset, 0)
        if offset == _CR:
            value &= ~sum(1 << ready for ready in _READY.values())
            self._check_switches(old, value)
        elif offset in (_PLLCKSELR, _PLLCFGR, *_PLLDIVR):
            self._check_pll_is_off(offset, old, value)
        elif offset == _CFGR:
            value &= ~0x38
            self._check_source(value & 7)
        self.registers[offset] = value
        if offset == _CR:
            for number in range(3):
                if (value & ~old) >> _PLL_ON[number] & 1:
                    self._check_pll(number)
        if offset in (_CR, _CFGR, _D1CFGR, _D2CFGR, _D3CFGR):
            self.on_change()
        self.on_write()

    @property
    def sysclk_hz(self) -> float:
        """System clock."""
        return self.source_hz(_SOURCES[self.registers.get(_CFGR, 0) & 7])

    @property
    def cpu_hz(self) -> float:
        """Core clock."""
        return self.sysclk_hz / self._ahb_divider(self.registers.get(_D1CFGR, 0) >> 8)

    @property
    def hclk_hz(self) -> float:
        """Clock of AXI, AHB and flash."""
        return self.cpu_hz / self._ahb_divider(self.registers.get(_D1CFGR, 0))

    @property
    def pclk_hz(self) -> dict[int, float]:
        """Clocks of APB1 to APB4."""
        codes = {
            1: self.registers.get(_D2CFGR, 0) >> 4,
            2: self.registers.get(_D2CFGR, 0) >> 8,
            3: self.registers.get(_D1CFGR, 0) >> 4,
            4: self.registers.get(_D3CFGR, 0) >> 4,
        }
        return {bus: self.hclk_hz / (2 << (code & 3) if code & 4 else 1) for bus, code in codes.items()}

    def source_hz(self, name: str) -> float:
        """Frequency of an oscillator or of PLL1's P output."""
        cr = self.registers.get(_CR, 0)
        if name == "HSI":
            return _HSI_HZ / (1 << (cr >> 3 & 3))
        if name == "CSI":
            return _CSI_HZ
        if name == "HSE":
            return self._board.hse_hz
        return self.pll_hz(0, "P")

    def pll_hz(self, number: int, output: str) -> float:
        """Frequency of an output of PLL ``number`` + 1."""
        return self._vco_hz(number) / (
            (self.registers[_PLLDIVR[number]] >> {"P": 9, "Q": 16, "R": 24}[output] & 0x7F) + 1
        )

    def usart_clock_hz(self, usart: Usart) -> float:
        """Clock of a port's baud generator (8.7.21); 0 if the chosen source does not run."""
        selector = self.registers.get(_D2CCIP2R, 0) >> (3 if usart.bus == "apb2" else 0) & 7
        cr = self.registers.get(_CR, 0)
        if selector == 0:
            return self.pclk_hz[2 if usart.bus == "apb2" else 1]
        if selector in (1, 2):
            enabled = self.registers[_PLLCFGR] >> (17 + 3 * selector) & 1  # DIVQ2EN, DIVQ3EN
            return self.pll_hz(selector, "Q") if cr >> _PLL_ON[selector] & 1 and enabled else 0
        if selector == 3:
            return self.source_hz("HSI") if cr & 1 else 0
        return _CSI_HZ if selector == 4 and cr >> 7 & 1 else 0

    @staticmethod
    def _canonical(offset: int) -> int:
        """RCC_C1_* registers are the same ones (8.7.1)."""
        return offset - 0x60 if 0x130 <= offset < 0x160 else offset

    @staticmethod
    def _ahb_divider(code: int) -> int:
        code &= 0xF
        return (2, 4, 8, 16, 64, 128, 256, 512)[code & 7] if code & 8 else 1

    def _hse_runs(self, cr: int) -> bool:
        # A crystal does not oscillate while the oscillator is bypassed (8.5.2).
        return self._board.hse_bypass or not cr >> 18 & 1

    def _is_ready(self, name: str) -> bool:
        return bool(self.read(_CR) >> {"HSI": 2, "CSI": 8, "HSE": 17, "PLL1": 25}[name] & 1)

    def _in_use(self, name: str) -> bool:
        used = _SOURCES[self.registers.get(_CFGR, 0) & 7]
        pll_source = _PLL_SOURCES[self.registers[_PLLCKSELR] & 3]
        plls_on = any(self.registers[_CR] >> on & 1 for on in _PLL_ON)
        return name == used or (plls_on and name == pll_source)

    def _check_switches(self, old: int, new: int) -> None:
        for name, bit in (("HSI", 0), ("CSI", 7), ("HSE", 16), ("PLL1", 24)):
            if (old & ~new) >> bit & 1 and self._in_use(name):
                # The core's own clock, or that of a PLL which stays on.
                used = _SOURCES[self.registers.get(_CFGR, 0) & 7]
                if name == used or any(new >> on & 1 for on in _PLL_ON):
                    raise RefusedError(
                        f"RCC_CR: {name}ON was cleared while {name} is in use; the hardware keeps it on "
                        "(RM0433 8.7.2)"
                    )
        if (old ^ new) >> 18 & 1 and old >> 16 & 1:
            raise RefusedError("RCC_CR: HSEBYP was changed while HSE is on (RM0433 8.7.2)")
        if (new & ~old) >> 16 & 1:
            if self._board.hse_bypass and not new >> 18 & 1:
                self.remark(
                    f"RCC_CR: HSE was started as a crystal oscillator, but {self._board.name} feeds a clock: "
                    "set HSEBYP first (RM0433 8.5.2)"
                )
            if not self._hse_runs(new):
                self.remark(
                    f"RCC_CR: HSE was bypassed, but {self._board.name} has a crystal: HSERDY never comes "
                    "(RM0433 8.5.2)"
                )

    def _check_source(self, code: int) -> None:
        if code >= len(_SOURCES):
            raise RefusedError(f"RCC_CFGR: SW = {code} is reserved (RM0433 8.7.6)")
        if not self._is_ready(_SOURCES[code]):
            raise RefusedError(
                f"RCC_CFGR: the system clock was switched to {_SOURCES[code]}, which is not ready: start it "
                "in RCC_CR and wait for its RDY bit (RM0433 8.5.6)"
            )
        if code == 3 and not self.registers[_PLLCFGR] >> 16 & 1:
            raise RefusedError(
                "RCC_CFGR: the system clock was switched to PLL1, whose P output is off: set DIVP1EN in "
                "RCC_PLLCFGR (RM0433 8.7.11)"
            )

    def _check_pll_is_off(self, offset: int, old: int, new: int) -> None:
        changed = old ^ new
        for number, on in enumerate(_PLL_ON):
            if not self.registers[_CR] >> on & 1:
                continue
            name, mask, section = "RCC_PLLCKSELR", 3 | 0x3F << 4 + 8 * number, "8.7.10"
            if offset == _PLLCFGR:
                # The fraction latch may toggle while the PLL runs; range and VCO may not.
                name, mask, section = "RCC_PLLCFGR", 0xE << 4 * number, "8.7.11"
            elif offset == _PLLDIVR[number]:
                name, mask, section = f"RCC_PLL{number + 1}DIVR", 0x7F7FFFFF, "8.7.12"
            elif offset != _PLLCKSELR:
                continue
            if changed & mask:
                raise RefusedError(
                    f"{name} was changed while PLL{number + 1} is on: switch the system clock away, clear "
                    f"PLL{number + 1}ON and wait for PLL{number + 1}RDY to fall (RM0433 {section})"
                )

    def _reference_hz(self, number: int) -> float:
        source = _PLL_SOURCES[self.registers[_PLLCKSELR] & 3]
        divider = self.registers[_PLLCKSELR] >> 4 + 8 * number & 0x3F
        return 0.0 if source == "none" or not divider else self.source_hz(source) / divider

    def _vco_hz(self, number: int) -> float:
        fraction = 0
        if self.registers[_PLLCFGR] >> 4 * number & 1:
            fraction = self.registers.get(_PLLFRACR[number], 0) >> 3 & 0x1FFF
        multiplier = (self.registers[_PLLDIVR[number]] & 0x1FF) + 1 + fraction / 8192
        return self._reference_hz(number) * multiplier

    def _check_pll(self, number: int) -> None:
        """Everything that PLLxON wants to find in order (8.5.5)."""
        name = f"PLL{number + 1}"
        limits = self._board.part.clocks
        source = _PLL_SOURCES[self.registers[_PLLCKSELR] & 3]
        if source == "none" or not self._is_ready(source):
            raise RefusedError(f"RCC_CR: {name} was started from {source}, which is not ready (RM0433 8.5.5)")
        reference_hz = self._reference_hz(number)
        low, high = _REFERENCE_RANGES[self.registers[_PLLCFGR] >> 4 * number + 2 & 3]
        if not low <= reference_hz <= high:
            raise RefusedError(
                f"RCC_PLLCFGR: {name}RGE says {_mhz(low)} to {_mhz(high)}, but the reference after DIVM is "
                f"{_mhz(reference_hz)} (RM0433 8.7.11)"
            )
        medium = self.registers[_PLLCFGR] >> 4 * number + 1 & 1
        vco_low, vco_high = 150_000_000, 420_000_000
        if not medium and limits is not None:
            vco_low, vco_high = limits.vco_min_hz, limits.vco_max_hz
        vco_hz = self._vco_hz(number)
        if not vco_low <= vco_hz <= vco_high:
            raise RefusedError(
                f"RCC_PLL{number + 1}DIVR: {_mhz(reference_hz)} times DIVN is a VCO of {_mhz(vco_hz)}; the "
                f"range chosen by VCOSEL is {_mhz(vco_low)} to {_mhz(vco_high)} (DS12110 6.3.11)"
            )
        divp = (self.registers[_PLLDIVR[number]] >> 9 & 0x7F) + 1
        if number == 0 and divp % 2 and divp != 1:
            raise RefusedError(
                f"RCC_PLL1DIVR: DIVP1 divides by {divp}; odd divisors do not work (RM0433 8.7.12)"
            )


class Pwr(Peripheral):
    """Power control (RM0433 6): supply, voltage scaling."""

    def __init__(self) -> None:
        super().__init__("PWR", 0x58024800, reset={0x0C: 0x6, 0x18: 1 << 14})
        self.on_change: Callable[[], None] = lambda: None
        self.supplied = False

    @property
    def vos(self) -> int:
        """PWR_D3CR.VOS."""
        return self.registers[0x18] >> 14 & 3

    def reset(self) -> None:
        """The supply setting survives a system reset (6.8.4)."""
        supply = self.registers[0x0C]
        super().reset()
        self.registers[0x0C] = supply

    def read(self, offset: int) -> int:
        """Ready bits follow at once."""
        value = super().read(offset)
        if offset == 0x04:
            return value | (self.vos << 14 | 1 << 13 if self.supplied else 0)
        return value | 1 << 13 if offset == 0x18 else value

    def write(self, offset: int, value: int) -> None:
        """Check the order: supply, then voltage."""
        if offset == 0x0C:
            if self.supplied:
                return  # written once after power-on (6.8.4)
            self.supplied = True
        elif offset == 0x18:
            if value >> 14 & 3 != self.vos and not self.supplied:
                raise RefusedError(
                    "PWR_D3CR: VOS was changed before PWR_CR3 fixed the supply and PWR_CSR1.ACTVOSRDY rose "
                    "(RM0433 6.4.1)"
                )
            if not value >> 14 & 3:
                raise RefusedError(
                    "PWR_D3CR: VOS = 0 is reserved; VOS0 is VOS1 and SYSCFG_PWRCR.ODEN (RM0433 6.6.2)"
                )
        self.registers[offset] = value
        self.on_change()


class Flash(Peripheral):
    """Flash interface (RM0433 4): the access control register; programming is not modelled."""

    def __init__(self) -> None:
        super().__init__("FLASH", 0x52002000, size_bytes=0x400, reset={0x00: 0x37})
        self.on_write: Callable[[], None] = lambda: None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def wait_states(self) -> int:
        """FLASH_ACR.LATENCY."""
        return self.registers[0] & 0xF

    @property
    def wrhighfreq(self) -> int:
        """FLASH_ACR.WRHIGHFREQ."""
        return self.registers[0] >> 4 & 3

    def write(self, offset: int, value: int) -> None:
        """Only wait states may change."""
        if offset != 0:
            raise RefusedError(
                f"FLASH + {offset:#05x} was written: erasing and programming are not modelled by the emulator"
            )
        self.registers[0] = value & 0x3F
        self.on_change()
        self.on_write()


class Syscfg(Peripheral):
    """System configuration (RM0433 12): the overdrive bit."""

    def __init__(self) -> None:
        super().__init__("SYSCFG", 0x58000400, enable=ClockEnable("APB4ENR", 0xF4, 1))
        self.on_change: Callable[[], None] = lambda: None

    @property
    def overdrive(self) -> bool:
        """SYSCFG_PWRCR.ODEN."""
        return bool(self.registers.get(0x2C, 0) & 1)

    def write(self, offset: int, value: int) -> None:
        """See :class:`ClockGuard`."""
        self.registers[offset] = value
        self.on_change()


class ClockGuard:
    """Judges voltage, wait states and frequencies together after each change (RM0433 4.3.8, 6.6.2)."""

    def __init__(self, board: Board, rcc: Rcc, pwr: Pwr, flash: Flash, syscfg: Syscfg) -> None:
        self._board, self._rcc, self._pwr, self._flash, self._syscfg = board, rcc, pwr, flash, syscfg
        for part in (rcc, pwr, flash, syscfg):
            part.on_change = self.check

    def check(self) -> None:
        """RefusedError when the part would run out of its specification."""
        limits = self._board.part.clocks
        if limits is None:
            return
        overdrive = self._syscfg.overdrive
        if overdrive and self._pwr.vos != 3:
            raise RefusedError(
                "SYSCFG_PWRCR: ODEN is set while PWR_D3CR.VOS is not VOS1 (0b11): choose VOS1, wait for "
                "VOSRDY, then set ODEN (RM0433 6.6.2)"
            )
        scale = next(s for s in limits.voltage_scales if s.code == self._pwr.vos and s.overdrive == overdrive)
        rcc = self._rcc
        if rcc.sysclk_hz > scale.sysclk_max_hz:
            better = next((s.name for s in limits.voltage_scales if s.sysclk_max_hz >= rcc.sysclk_hz), "none")
            raise RefusedError(
                f"the system clock is {_mhz(rcc.sysclk_hz)}, but {scale.name} allows "
                f"{_mhz(scale.sysclk_max_hz)}: it needs {better} in PWR_D3CR and SYSCFG_PWRCR "
                "(RM0433 6.6.2, DS12110 table 24)"
            )
        if rcc.hclk_hz > scale.hclk_max_hz:
            raise RefusedError(
                f"HCLK is {_mhz(rcc.hclk_hz)}, but {scale.name} allows {_mhz(scale.hclk_max_hz)}: divide "
                "more with HPRE in RCC_D1CFGR before switching (RM0433 8.7.7, DS12110 table 24)"
            )
        # The part wakes with 64 MHz on every bus in VOS3: what the reset state does is allowed.
        for bus, hz in rcc.pclk_hz.items():
            if hz > max(scale.pclk_max_hz, _HSI_HZ):
                register = {1: "D2CFGR", 2: "D2CFGR", 3: "D1CFGR", 4: "D3CFGR"}[bus]
                raise RefusedError(
                    f"PCLK{bus} is {_mhz(hz)}, but {scale.name} allows {_mhz(scale.pclk_max_hz)}: divide "
                    f"more in RCC_{register} before switching (RM0433 8.7.7, DS12110 table 24)"
                )
        needed = next(t for t in scale.flash if rcc.hclk_hz <= t.up_to_hz)
        if self._flash.wait_states < needed.wait_states or self._flash.wrhighfreq < needed.wrhighfreq:
            raise RefusedError(
                f"FLASH_ACR: LATENCY = {self._flash.wait_states}, WRHIGHFREQ = {self._flash.wrhighfreq}, but "
                f"the flash at {_mhz(rcc.hclk_hz)} in {scale.name} needs {needed.wait_states} and "
                f"{needed.wrhighfreq} (RM0433 4.3.8, table 17)"
            )
