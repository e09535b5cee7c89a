"""The values a target consists of. All frozen; sizes in bytes, frequencies in hertz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MemoryKind = Literal["flash", "itcm", "dtcm", "sram"]


@dataclass(frozen=True)
class ClockEnable:
    """One clock-enable bit of the RCC."""

    register: str
    """Name of the register in the reference manual, e.g. ``AHB2ENR``."""
    offset: int
    """Byte offset of that register from the base of the RCC."""
    bit: int
    """Bit number, 0..31."""


@dataclass(frozen=True)
class BusAccess:
    """What the road from the core to a memory costs, in clocks of the AXI bus; none of it counts in a TCM."""

    first_clocks: int
    """From the request on the bus until its first data are back, without wait states."""
    next_clocks: int
    """Between one 64-bit transfer of a burst and the next."""
    wait_states: bool
    """Whether FLASH_ACR.LATENCY comes on top of the first transfer."""


@dataclass(frozen=True)
class Cache:
    """One of the core's L1 caches."""

    size_bytes: int
    ways: int
    line_bytes: int

    @property
    def sets(self) -> int:
        """Number of sets."""
        return self.size_bytes // (self.ways * self.line_bytes)


@dataclass(frozen=True)
class MemorySystem:
    """How the core reaches memory: caches and buffers (DDI0489F chapter 5)."""

    instruction_cache: Cache
    data_cache: Cache
    linefill_buffers: int
    """Lines that the data side can be waiting for at once."""
    store_buffer_entries: int
    """Of 64 bits each."""
    prefetch_bytes: int
    """How far instruction fetch runs ahead of execution."""
    miss_cycles: int
    """Core cycles between a lookup and its request on the bus."""
    peripheral: BusAccess
    """Loads from peripherals."""


@dataclass(frozen=True)
class Memory:
    """One contiguous memory of a part, as the core addresses it."""

    name: str
    """``FLASH``, ``ITCM``, ``DTCM``, ``AXI_SRAM``, ``SRAM1`` .. ``SRAM4``, ``BACKUP_SRAM``, ..."""
    origin: int
    """First address."""
    size_bytes: int
    kind: MemoryKind
    description: str
    bus: str
    """``tcm``, ``axi``, ``ahb_d2``, ``ahb_d3``, ``ahb``: the road from the core."""
    cacheable: bool
    """Whether the core's L1 caches serve it."""
    dma: bool
    """Whether the general DMA controllers reach it (TCM memories are the core's and MDMA's alone)."""
    enable: ClockEnable | None = None
    """The bit to set before the first access; None if the memory is always clocked."""
    access: BusAccess | None = None
    """None for the tightly coupled memories, which take no wait, and where it is not known."""

    @property
    def end(self) -> int:
        """First address behind the memory."""
        return self.origin + self.size_bytes

    @property
    def section(self) -> str:
        """What the names of its linker sections begin with: ``itcm``, ``dtcm``, ``axi``, ``sram1``, ..."""
        return self.name.lower().removesuffix("_sram")

    @property
    def is_ram(self) -> bool:
        """Whether programs can write it."""
        return self.kind != "flash"


@dataclass(frozen=True)
class FlashTiming:
    """Wait states that hold up to one flash (AXI) clock; RM0433 table 17."""

    up_to_hz: int
    wait_states: int
    wrhighfreq: int
    """Programming delay, FLASH_ACR.WRHIGHFREQ."""


@dataclass(frozen=True)
class VoltageScale:
    """One core voltage range: how fast it allows the part to run."""

    name: str
    """``VOS0`` .. ``VOS3``; a smaller number is a higher voltage."""
    code: int
    """Value of PWR_D3CR.VOS."""
    overdrive: bool
    """Whether SYSCFG_PWRCR.ODEN is set on top of ``code``."""
    sysclk_max_hz: int
    hclk_max_hz: int
    pclk_max_hz: int
    flash: tuple[FlashTiming, ...]
    """Ascending by ``up_to_hz``."""


@dataclass(frozen=True)
class ClockLimits:
    """What the phase-locked loop and the voltage scales allow."""

    pll_ref_min_hz: int
    pll_ref_max_hz: int
    vco_min_hz: int
    vco_max_hz: int
    pll_n_min: int
    pll_n_max: int
    voltage_scales: tuple[VoltageScale, ...]
    """Ascending by ``sysclk_max_hz``."""


@dataclass(frozen=True)
class Usart:
    """One serial port of a part."""

    name: str
    base: int
    bus: Literal["apb1", "apb2"]
    """The clock that feeds the baud generator by default."""
    enable: ClockEnable


@dataclass(frozen=True)
class GpioPort:
    """One bank of sixteen pins."""

    name: str
    """A single letter."""
    base: int
    enable: ClockEnable


@dataclass(frozen=True)
class Part:
    """A microcontroller. What follows ``source`` is filled for buildable parts."""

    name: str
    description: str
    core: str
    """``cortex-m7`` or ``cortex-m4``."""
    buildable: bool
    """Whether firmware exists for it; the others only answer the question what would fit."""
    max_clock_hz: int
    memories: tuple[Memory, ...]
    source: str
    """Document the figures come from."""
    clocks: ClockLimits | None = None
    memory_system: MemorySystem | None = None
    usarts: tuple[Usart, ...] = ()
    gpio_ports: tuple[GpioPort, ...] = ()

    def memory(self, name: str) -> Memory:
        """Memory called ``name``; KeyError if the part has none (see :meth:`has_memory`)."""
        for memory in self.memories:
            if memory.name == name:
                return memory
        raise KeyError(f"{self.name} has no memory {name}")

    def has_memory(self, name: str) -> bool:
        """Whether the part has a memory called ``name``."""
        return any(memory.name == name for memory in self.memories)

    @property
    def srams(self) -> tuple[Memory, ...]:
        """The memories behind the bus matrix, in the file's order."""
        return tuple(memory for memory in self.memories if memory.kind == "sram")

    def usart(self, name: str) -> Usart:
        """Serial port called ``name``; KeyError if the part has none."""
        return {usart.name: usart for usart in self.usarts}[name]

    def gpio_port(self, name: str) -> GpioPort:
        """Bank of pins called ``name``, a letter; KeyError if the part has none."""
        return {port.name: port for port in self.gpio_ports}[name]

    @property
    def flash_bytes(self) -> int:
        """All flash."""
        return sum(m.size_bytes for m in self.memories if m.kind == "flash")

    @property
    def ram_bytes(self) -> int:
        """All RAM, tightly coupled and backup memories included."""
        return sum(m.size_bytes for m in self.memories if m.is_ram)


@dataclass(frozen=True)
class Pin:
    """A pin, e.g. port ``D`` and number 8 for PD8."""

    port: str
    number: int

    def __str__(self) -> str:
        return f"P{self.port}{self.number}"


@dataclass(frozen=True)
class Console:
    """The serial port of the host link."""

    usart: str
    tx: Pin
    rx: Pin
    alternate_function: int
    """0..15, of both pins."""
    baud: int


@dataclass(frozen=True)
class Led:
    """An output that a person sees."""

    name: str
    pin: Pin
    active_high: bool


@dataclass(frozen=True)
class Board:
    """A part with its clock source and its pins."""

    name: str
    description: str
    part: Part
    hse_hz: int
    """External clock."""
    hse_bypass: bool
    """Whether HSE is a driven clock rather than a crystal."""
    supply: Literal["ldo"]
    """Who makes the core voltage (PWR_CR3)."""
    clock_mhz: int
    """Core clock when the user names none."""
    console: Console
    leds: tuple[Led, ...]
    door: Led
    """The output that stands for the door's actuator."""
    fault_led: Led
    """Lit when the firmware has stopped at a fault."""
    source: str
    """Document or schematic the pins come from."""

    @property
    def ports(self) -> tuple[GpioPort, ...]:
        """Every bank of pins in use, sorted."""
        pins = (self.console.tx, self.console.rx, *(led.pin for led in self.leds))
        return tuple(self.part.gpio_port(name) for name in sorted({pin.port for pin in pins}))
