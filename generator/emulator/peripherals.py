"""GPIO, UART and the pages that only need to be there. Section numbers are RM0433 rev 8."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from generator.emulator.bus import Bus, Peripheral, RefusedError
from generator.emulator.clocks import Rcc
from generator.targets import Board, GpioPort, Pin, Usart

_MAX_BAUD_ERROR = 0.02


class Gpio(Peripheral):
    """A bank of sixteen pins (RM0433 11.4)."""

    def __init__(self, port: GpioPort) -> None:
        analog = 0xFFFFFFFF
        # SWD and JTAG pins have their alternate function at reset.
        reset = {0x00: {"A": 0xABFFFFFF, "B": 0xFFFFFEBF}.get(port.name, analog)}
        super().__init__(f"GPIO{port.name}", port.base, enable=port.enable, reset=reset)
        self.inputs = 0
        """Levels that the outside drives, bit per pin."""
        self.on_output: Callable[[], None] = lambda: None

    def mode(self, pin: int) -> int:
        """0 input, 1 output, 2 alternate function, 3 analog."""
        return self.registers[0x00] >> 2 * pin & 3

    def alternate_function(self, pin: int) -> int:
        """AFR of a pin."""
        return self.registers.get(0x20 + 4 * (pin // 8), 0) >> 4 * (pin % 8) & 0xF

    def level(self, pin: int) -> bool:
        """Level at a pin: what it drives as an output, else what drives it."""
        source = self.registers.get(0x14, 0) if self.mode(pin) == 1 else self.inputs
        return bool(source >> pin & 1)

    def read(self, offset: int) -> int:
        """IDR shows the levels, BSRR reads as zero."""
        if offset == 0x10:
            return sum(self.level(pin) << pin for pin in range(16))
        return 0 if offset == 0x18 else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """BSRR sets and resets bits of ODR, set wins (11.4.7)."""
        if offset == 0x18:
            odr = self.registers.get(0x14, 0)
            self.registers[0x14] = odr & ~(value >> 16) & 0xFFFF | value & 0xFFFF
        elif offset != 0x10:
            self.registers[offset] = value
        self.on_output()


class Uart(Peripheral):
    """A serial port (RM0433 48) that sends and receives at once, so that no byte is ever lost to time."""

    def __init__(self, usart: Usart, board: Board, rcc: Rcc, bus: Bus, ports: dict[str, Gpio]) -> None:
        super().__init__(usart.name, usart.base, enable=usart.enable)
        self._usart, self._board, self._rcc, self._bus, self._ports = usart, board, rcc, bus, ports
        self._is_console = board.console.usart == usart.name
        self.received: deque[int] = deque()
        """Bytes on their way to the firmware."""
        self.sent = bytearray()
        """Bytes the firmware has sent."""
        self._settings = 0
        console = board.console
        self._pages = (rcc, ports[console.tx.port], ports[console.rx.port])
        self._judged_at: tuple[int, int, int, int] | None = None
        self._verdict = (False, False)
        self.on_empty_poll: Callable[[], None] = lambda: None
        self.on_transfer: Callable[[], None] = lambda: None

    def reset(self) -> None:
        """Registers only: bytes on the wire are not lost."""
        super().reset()
        self._settings += 1

    def read(self, offset: int) -> int:
        """ISR and RDR have a life of their own."""
        if offset == 0x1C:
            return self._status()
        if offset == 0x24:
            return self._receive()
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """TDR sends."""
        if offset == 0x28:
            self._send(value & 0xFF)
            return
        control = self.registers.get(0, 0)
        self._settings += 1
        if offset in (0x0C, 0x2C) and control & 1 and value != self.registers.get(offset, 0):
            raise RefusedError(
                f"{self.name}_{'BRR' if offset == 0x0C else 'PRESC'} was written while UE is set: it is "
                "taken only while the port is off (RM0433 48.7.4)"
            )
        if offset not in (0x1C, 0x20, 0x24, 0x18):
            self.registers[offset] = value

    def _status(self) -> int:
        control = self.registers.get(0, 0)
        if not control & 1:
            return 0xC0
        # TXFNF, TC, TXFE; TEACK and REACK follow TE and RE.
        value = 0x00C0 | 1 << 23 | (control >> 3 & 1) << 21 | (control >> 2 & 1) << 22
        if self._connection()[1]:
            if self.received:
                return value | 1 << 5
            self.on_empty_poll()
        return value

    def _receive(self) -> int:
        if self.received and self._connection()[1]:
            self.registers[0x24] = self.received.popleft()
            self.on_transfer()
        return self.registers.get(0x24, 0)

    def _send(self, byte: int) -> None:
        if self.registers.get(0, 0) & 9 != 9:
            self._bus.diagnose(f"{self.name}_TDR was written while UE or TE is clear: the byte is lost")
        elif self._connection()[0]:
            self.sent.append(byte)
            self.on_transfer()

    def _connection(self) -> tuple[bool, bool]:
        """Whether a byte gets out, and in; RefusedError at a wrong speed. Judged anew after each change."""
        clocks, tx_port, rx_port = self._pages
        now = (self._settings, clocks.writes, tx_port.writes, rx_port.writes)
        if self._judged_at != now:
            console = self._board.console
            control = self.registers.get(0, 0)
            sends, receives = control & 9 == 9, control & 5 == 5
            if self._is_console and (sends or receives):
                self._check_baud()
                sends = sends and self._is_routed(console.tx)
                receives = receives and self._is_routed(console.rx)
            self._judged_at, self._verdict = now, (sends, receives)
        return self._verdict

    def _is_routed(self, pin: Pin) -> bool:
        """Whether a pin of the console is connected to the port."""
        port, function = self._ports[pin.port], self._board.console.alternate_function
        if port.mode(pin.number) == 2 and port.alternate_function(pin.number) == function:
            return True
        self._bus.diagnose(
            f"{self.name} was used, but pin {pin} is not in alternate function {function}: nothing passes "
            "(RM0433 11.4.1, 11.4.9)"
        )
        return False

    def _check_baud(self) -> None:
        divider: float = self.registers.get(0x0C, 0)
        control = self.registers.get(0, 0)
        prescaler = (1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 128, 256)[min(self.registers.get(0x2C, 0) & 0xF, 11)]
        if control >> 15 & 1:  # OVER8 (48.5.4)
            brr = self.registers.get(0x0C, 0)
            divider = (brr & 0xFFF0 | (brr & 7) << 1) / 2
        clock_hz = self._rcc.usart_clock_hz(self._usart)
        baud = clock_hz / prescaler / divider if divider else 0.0
        wanted = self._board.console.baud
        if abs(baud / wanted - 1) > _MAX_BAUD_ERROR:
            raise RefusedError(
                f"{self.name}_BRR: {clock_hz / 1e6:g} MHz makes {baud:.0f} baud, but the console of "
                f"{self._board.name} runs at {wanted} (RM0433 48.5.4)"
            )


class ReadOnly(Peripheral):
    """Constants: identification and factory values."""

    def write(self, offset: int, value: int) -> None:
        """Ignored."""


def plain_pages(board: Board) -> list[Peripheral]:
    """Pages without a behaviour of their own."""
    return [
        # 60.5.8: device 0x450, revision V, the one that knows VOS0.
        ReadOnly("DBGMCU", 0x5C001000, reset={0x00: 0x20036450}),
        # 61.1, 61.2: unique number, flash size in KiB.
        ReadOnly(
            "factory values", 0x1FF1E800, reset={0x00: 0x00260034, 0x80: board.part.flash_bytes // 1024}
        ),
        Peripheral("AXI interconnect", 0x51000000, size_bytes=0x100000),  # 2.2.4
    ]


# What the part has and this emulator has not (RM0433 table 8), so that the message can say so.
_UNMODELLED = (
    (0x40000000, 0x40004000, "a timer (TIM2 to TIM14)"),
    (0x40004000, 0x40004400, "SPDIFRX"),
    (0x40005400, 0x40006400, "I2C"),
    (0x40006C00, 0x40007400, "CRS or DAC"),
    (0x40007400, 0x40007800, "DAC1"),
    (0x40008400, 0x4000D400, "SWPMI, OPAMP, MDIOS or FDCAN"),
    (0x40010000, 0x40010800, "a timer (TIM1, TIM8)"),
    (0x40013000, 0x40013800, "SPI"),
    (0x40014000, 0x40014C00, "a timer (TIM15 to TIM17)"),
    (0x40015000, 0x40018000, "SPI, SAI, DFSDM or HRTIM"),
    (0x40020000, 0x40020C00, "DMA1, DMA2 or DMAMUX1"),
    (0x40022000, 0x40022400, "ADC1 or ADC2"),
    (0x40028000, 0x40029400, "Ethernet"),
    (0x40040000, 0x400C0000, "USB"),
    (0x48020000, 0x48020400, "DCMI"),
    (0x48021000, 0x48022400, "the crypto, hash or random number unit"),
    (0x48022400, 0x48022C00, "SDMMC2"),
    (0x50000000, 0x50004000, "LTDC or WWDG"),
    (0x52000000, 0x52002000, "MDMA, DMA2D or JPEG"),
    (0x52004000, 0x52009000, "FMC, QUADSPI, SDMMC1 or RAMECC"),
    (0x58000000, 0x58000400, "EXTI"),
    (0x58000800, 0x58005000, "LPUART1, SPI6, I2C4, LPTIM, COMP, VREFBUF, RTC or IWDG"),
    (0x58024C00, 0x58025C00, "CRC, BDMA, DMAMUX2"),
    (0x58026000, 0x58026800, "ADC3 or HSEM"),
)


def unmodelled_at(address: int) -> str | None:
    """Name of the peripheral that the silicon has at an address and the emulator has not."""
    return next((name for start, end, name in _UNMODELLED if start <= address < end), None)
