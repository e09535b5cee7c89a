"""An STM32H743 that runs an ELF: memories, peripherals, faults, exact profile.

Not modelled: interrupts, DMA, unaligned and divide-by-zero traps, protection of peripherals and of regions
smaller than 1 KiB, unprivileged mode. A wrong access to ITCM at address 0 is no fault, as on silicon.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from generator.emulator.bus import Bus, Peripheral, RefusedError
from generator.emulator.clocks import ClockGuard, Flash, Pwr, Rcc, Syscfg
from generator.emulator.core_registers import Dwt, SystemControl
from generator.emulator.counter import BlockCounter, Stop
from generator.emulator.cpu import Cpu
from generator.emulator.engine import arm, unicorn
from generator.emulator.faults import FaultReport, TargetFault
from generator.emulator.memories import Memories
from generator.emulator.memory_model import CacheCounts, MemoryModel
from generator.emulator.peripherals import Gpio, Uart, plain_pages, unmodelled_at
from generator.emulator.profile import Edge, Profile
from generator.emulator.thumb import instructions, is_double_precision, is_fpu
from generator.emulator.timing import TimingModel
from generator.errors import UsageError
from generator.targets import Board, Memory
from generator.toolchain.elf import ElfImage, Symbol

# An address in external RAM, which the boards do not have: a called function returns there.
_RETURN = 0xA0000000
_SLICE = 50_000_000
_HANDLER_INSTRUCTIONS = 50_000_000
_CONSOLE_TAIL = 4096
# So many polls of an empty receiver in a row, each soon after the one before, are waiting.
_IDLE_POLLS = 8
_IDLE_DISTANCE = 4000
_PAGE = 1024

_EXCEPTIONS = {3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"}
_INTR_SVC, _INTR_PREFETCH, _INTR_BKPT, _INTR_EXC_RETURN = 2, 3, 7, 8
# Others that the engine raises: the text, and the bit of CFSR.
_CORE_EXCEPTIONS = {
    17: ("instruction for a coprocessor that the part has not", 1 << 19),
    18: ("invalid execution state (EPSR)", 1 << 17),
}
_WRITES = (unicorn.UC_MEM_WRITE_UNMAPPED, unicorn.UC_MEM_WRITE_PROT)
_FETCHES = (unicorn.UC_MEM_FETCH_UNMAPPED, unicorn.UC_MEM_FETCH_PROT)


class StopReason(Enum):
    """Why :meth:`Machine.run` came back."""

    IDLE = "idle"
    """The firmware waits for input, and none is on its way."""
    HALTED = "halted"
    """The program ended itself (semihosting exit)."""
    LIMIT = "limit"
    """``max_instructions`` are done; up to one block more."""


@dataclass(frozen=True)
class _Fault:
    """A fault as the core sees it."""

    cause: str
    exception: int | None
    cfsr: int = 0
    hfsr: int = 0
    mmfar: int | None = None
    bfar: int | None = None


@dataclass
class _Happened:
    """What callbacks noted since the core was started."""

    refusal: str | None = None
    access: tuple[int, int, int] | None = None
    interrupt: int | None = None
    asked: set[str] = field(default_factory=set)


class Machine:
    """A board that runs ``image``; every figure about it is emulated, none measured.

    ``phases`` are function symbols: :meth:`profile` attributes to each what runs from its entry until
    another phase is entered or control returns to its caller. Without ``data_timing`` cycles leave out what
    loads and stores wait for, and inferences run three times as fast here; all else is the same. UsageError
    if the image does not fit the part, or a phase is not in it.
    """

    def __init__(
        self, image: ElfImage, board: Board, *, phases: Sequence[str] = (), data_timing: bool = True
    ) -> None:
        self.image = image
        self.board = board
        self.hang_limit = 2_000_000_000
        """Instructions without a byte on the console after which the firmware counts as hung."""
        self._phases = tuple(phases)
        self._happened = _Happened()
        self._pending: FaultReport | None = None
        self._handler_end = 0
        self._started = False
        self._drained = b""
        self._polls = 0
        self._last_poll = 0
        self._last_transfer = 0
        self._stack = (0, 0)
        entries = [self._function(name).address for name in self._phases]
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M7)
        self._cpu = Cpu(self._uc)
        self._connect()
        self._memories = Memories(self._uc, board, image, self._rcc, self._system.mpu)
        self._memory_model = MemoryModel(board.part, self._rcc, self._flash, self._system)
        timing = TimingModel(self._memories.read_code, measured=True)
        self._counter = BlockCounter(
            self._uc,
            entries,
            self._memories.read_code,
            timing,
            self._memory_model,
            data_timing=data_timing,
        )
        self._rcc.on_write = self._flash.on_write = self._counter.memory_changed
        self._system.on_cache_control = self._counter.memory_changed
        self._system.on_cache_maintenance = self._counter.maintain_cache
        self._system.on_fpu = self._counter.allow_fpu
        self._uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_invalid_access)
        self._uc.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)
        self._memories.load()

    # What a user asks.

    @property
    def instructions(self) -> int:
        """Instructions executed so far, exact."""
        return self._counter.instructions

    @property
    def cycles(self) -> float:
        """Modelled cycles so far."""
        return self._counter.cycles

    @property
    def cpu_hz(self) -> float:
        """Core clock that the firmware has set up."""
        return self._rcc.cpu_hz

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Remarks on what the silicon would silently ignore."""
        return tuple(self._bus.diagnostics)

    @property
    def caches(self) -> tuple[CacheCounts, CacheCounts]:
        """What the instruction and the data cache have done so far."""
        return self._memory_model.instruction_cache, self._memory_model.data_cache

    def reset(self) -> None:
        """Power-on reset: the image is flashed, RAM holds a pattern, the core starts from the vector table.

        UsageError if the image has no vector table.
        """
        self._bus.diagnostics.clear()
        for uart in self._uarts:
            uart.received.clear()
            uart.sent.clear()
        self._drained = b""
        self._power_on()

    def _power_on(self) -> None:
        for peripheral in self._peripherals:
            peripheral.reset()
        self._memories.protect(applies=False)
        self._memories.power_on()
        self._counter.power_on()
        self._counter.allow_fpu(False)
        self._start(*self._vectors())
        self._started = True

    def run(self, max_instructions: int | None = None) -> StopReason:
        """Run until the firmware waits for input, ends itself, or ``max_instructions`` are done.

        TargetFault if it faults, hangs, or does what the silicon refuses. The first run resets.
        """
        if not self._started:
            self._power_on()  # what was fed before it is not lost
        limit = None if max_instructions is None else self.instructions + max_instructions
        self._polls = 0
        return self._loop(limit, deliver=True) or StopReason.LIMIT

    def call(self, function: str | int, *args: int, max_instructions: int = 1_000_000_000) -> int:
        """Call one C function by the AAPCS with integers and return r0; only the FPU is set up, caches stay.

        TargetFault if it faults or does not return within ``max_instructions``.
        """
        address = function if isinstance(function, int) else self._function(function).address
        if not self._system.fpu_allowed:
            self._system.write(0xD88, 0xF << 20)
        stacked = b"".join(struct.pack("<I", value & 0xFFFFFFFF) for value in args[4:])
        sp = (self._stack_top() - len(stacked)) & ~7
        self._start(sp, address & ~1)
        if stacked:
            self._uc.mem_write(sp, stacked)
        for number, value in enumerate(args[:4]):
            self._cpu.set_argument(number, value)
        self._cpu.lr = _RETURN | 1
        if self._loop(self.instructions + max_instructions, deliver=False) is None:
            name = function if isinstance(function, str) else f"{address:#010x}"
            self._fail(f"{name} did not return within {max_instructions} instructions")
        return self._cpu.argument(0)

    def enable_caches(self, *, data: bool = True) -> None:
        """Switch the caches on, empty, as start-up code does: for :meth:`call` on code without it."""
        self._memory_model.invalidate()
        control = self._system.registers[0xD14] & ~(1 << 16) | 1 << 17 | data << 16
        self._system.write(0xD14, control)

    def feed(self, data: bytes) -> None:
        """Send bytes to the console's receiver."""
        self._console.received.extend(data)

    def drain(self) -> bytes:
        """Take what the console has sent."""
        data = bytes(self._console.sent)
        self._console.sent.clear()
        self._drained = (self._drained + data)[-_CONSOLE_TAIL:]
        return data

    def read_memory(self, address: int, size_bytes: int) -> bytes:
        """Contents of memory; UsageError outside the memories, or in one without its clock."""
        self._check_range(address, size_bytes)
        return bytes(self._uc.mem_read(address, size_bytes))

    def write_memory(self, address: int, data: bytes) -> None:
        """Write memory, flash too, as a debugger would; UsageError as for :meth:`read_memory`."""
        self._check_range(address, len(data))
        self._uc.mem_write(address, data)

    def pin(self, name: str) -> bool:
        """Level at a pin, e.g. ``PB0``: what the firmware drives if it is an output, else the outside."""
        gpio, number = self._pin(name)
        return gpio.level(number)

    def set_pin(self, name: str, high: bool) -> None:
        """Drive an input from outside."""
        gpio, number = self._pin(name)
        gpio.inputs = gpio.inputs & ~(1 << number) | high << number

    @property
    def leds(self) -> dict[str, bool]:
        """Which of the board's LEDs are lit."""
        return {
            led.name: self._ports[led.pin.port].mode(led.pin.number) == 1
            and self.pin(str(led.pin)) == led.active_high
            for led in self.board.leds
        }

    def uart(self, name: str) -> Uart:
        """A serial port, for example ``USART1``; the console's is better used with :meth:`feed`."""
        for uart in self._uarts:
            if uart.name == name:
                return uart
        raise UsageError(f"{self.board.part.name} has no {name}")

    def profile(self) -> Profile:
        """What ran since the start, or since :meth:`clear_profile`."""
        edges = []
        for counted in self._counter.edges():
            function = self.image.function_at(counted.block.address)
            edges.append(
                Edge(
                    phase=None if counted.phase is None else self._phases[counted.phase],
                    function=None if function is None else function.name,
                    predecessor=counted.predecessor,
                    block=counted.block,
                    block_instructions=counted.block_instructions,
                    count=counted.count,
                    causes=counted.causes,
                )
            )
        return Profile(tuple(edges))

    def clear_profile(self) -> None:
        """Start a new profile; :attr:`instructions` and :attr:`cycles` go on."""
        self._counter.clear()

    # Construction.

    def _connect(self) -> None:
        part = self.board.part
        rcc, pwr, flash, syscfg = Rcc(self.board), Pwr(), Flash(), Syscfg()
        self._rcc, self._flash = rcc, flash
        self._bus = Bus(rcc.is_clocked)
        rcc.remark = self._bus.diagnose
        ClockGuard(self.board, rcc, pwr, flash, syscfg)
        self._ports = {port.name: Gpio(port) for port in part.gpio_ports}
        self._uarts = [Uart(usart, self.board, rcc, self._bus, self._ports) for usart in part.usarts]
        self._console = self.uart(self.board.console.usart)
        self._console.on_empty_poll = self._on_empty_poll
        self._console.on_transfer = self._on_transfer
        for gpio in self._ports.values():
            gpio.on_output = self._on_output
        self._system = system = SystemControl(lambda: self._counter.cycles, self._bus)
        system.active_exception = lambda: self._cpu.active[-1] if self._cpu.active else 0
        system.on_mpu = self._on_mpu
        system.on_reset_request = lambda: self._ask("reset")
        dwt = Dwt(lambda: self._counter.cycles, lambda: system.trace_enabled, self._bus)
        trace = [Peripheral(f"trace unit at {base:#010x}", base, size_bytes=0x1000) for base in _TRACE_UNITS]
        self._peripherals: list[Peripheral] = [
            *(rcc, pwr, flash, syscfg, dwt, system),
            *(*self._ports.values(), *self._uarts, *plain_pages(self.board), *trace),
        ]
        for peripheral in self._peripherals:
            self._map_peripheral(peripheral)

    def _map_peripheral(self, peripheral: Peripheral) -> None:
        bus = self._bus

        def read(_uc: object, offset: int, size_bytes: int, _data: object) -> int:
            try:
                return bus.read(peripheral, offset, size_bytes)
            except RefusedError as error:
                self._refuse(error)
                return 0

        def write(_uc: object, offset: int, size_bytes: int, value: int, _data: object) -> None:
            try:
                bus.write(peripheral, offset, size_bytes, value)
            except RefusedError as error:
                self._refuse(error)

        self._uc.mmio_map(peripheral.base, peripheral.size_bytes, read, None, write, None)

    def _vectors(self) -> tuple[int, int]:
        """Initial stack pointer and first instruction."""
        flash = next(m for m in self.board.part.memories if m.kind == "flash")
        bases = [flash.origin, *sorted(s.lma for s in self.image.segments if s.data)]
        for base in bases:
            if not any(s.lma <= base and base + 8 <= s.lma + len(s.data) for s in self.image.segments):
                continue
            sp, pc = struct.unpack("<II", self._uc.mem_read(base, 8))
            stack = self._memories.at(sp - 4)
            if pc & 1 and self._memories.at(pc) and stack is not None and stack.is_ram and not sp & 3:
                self._system.registers[0xD08] = base
                return sp, pc & ~1
        raise UsageError(
            f"{self.image.path}: has no vector table: at {bases[0]:#010x} a core expects its initial stack "
            "pointer and the address of its first instruction"
        )

    def _start(self, sp: int, pc: int) -> None:
        self._pending = None
        self._cpu.reset(sp, pc)
        self._counter.discontinue()
        self._counter.leave_phases()
        self._watch_stack()

    def _watch_stack(self) -> None:
        """Watch the stack that is in use, except in a handler, which may bring its own."""
        self._stack = self._find_stack()
        self._counter.watch_stack(*((0, 0) if self._cpu.active else self._stack))

    def _find_stack(self) -> tuple[int, int]:
        """Bounds of the stack that sp points into: from ``_stack_bottom`` or the start of its memory."""
        memory = self._memories.at(self._cpu.sp - 4)
        if memory is None:
            return 0, 0
        bottom = self.image.symbols.get("_stack_bottom")
        if bottom is not None and memory.origin <= bottom.address < memory.end:
            return bottom.address, memory.end
        return memory.origin, memory.end

    # Running.

    def _loop(self, limit: int | None, *, deliver: bool) -> StopReason | None:
        """Until a reason to stop; None at the limit. A called function's return counts as halting."""
        self._last_transfer = self.instructions
        while True:
            now = self.instructions
            if limit is not None and now >= limit:
                return None
            if self._pending is not None and now >= self._handler_end:
                self._end(f"its fault handler did not end within {_HANDLER_INSTRUCTIONS} instructions")
            if now - self._last_transfer >= self.hang_limit:
                self._fail(f"no byte on the console for {self.hang_limit} instructions: the firmware hangs")
            ends = [now + _SLICE, self._last_transfer + self.hang_limit]
            ends += [limit] if limit is not None else []
            ends += [self._handler_end] if self._pending is not None else []
            self._counter.limit = min(ends)
            outcome = self._step(deliver=deliver)
            if outcome is not None:
                return outcome

    def _step(self, *, deliver: bool, until: int = _RETURN) -> StopReason | None:
        """Run until something happens, and deal with it."""
        self._happened = _Happened()
        error: int | None = None
        try:
            self._uc.emu_start(self._cpu.pc | 1, until)
        except unicorn.UcError as caught:
            error = int(caught.errno)
        stop = self._counter.take_stop()
        if self._happened.refusal is not None:
            self._cut()
            self._fail(self._happened.refusal)
        if stop is not Stop.NONE:
            return self._meet_stop(stop, deliver=deliver)
        if error is not None:
            self._meet_error(error, deliver=deliver)
            return None
        if self._cpu.pc == until and self._happened.interrupt in (None, _INTR_PREFETCH):
            return self._arrived(until, deliver=deliver)
        if self._happened.interrupt is not None:
            return self._judge_interrupt(self._happened.interrupt, deliver=deliver)
        return self._wait_for_interrupt()

    def _meet_stop(self, stop: Stop, *, deliver: bool) -> StopReason | None:
        """The counter stopped the core before a block."""
        if stop is Stop.ASKED:
            return self._answer(self._happened.asked)
        if stop is Stop.FPU:
            return self._meet_fpu(deliver=deliver)
        if stop is Stop.STACK:
            self._fail_stack()
        if stop is Stop.ENDLESS:
            if self._pending is not None:
                self._end("its fault handler ended in an endless loop")
            self._fail(f"endless loop: a branch to itself at {self._cpu.pc:#010x}")
        return None

    def _meet_error(self, error: int, *, deliver: bool) -> None:
        """The engine stopped in the middle of a block."""
        if self._happened.access is not None:
            self._cut()
            self._fault(self._judge_access(*self._happened.access), deliver=deliver)
        elif error == unicorn.UC_ERR_INSN_INVALID:
            self._judge_instruction(deliver=deliver)
        else:
            self._cut()
            self._fail(f"the emulator stopped: {unicorn.UcError(error)}")

    def _arrived(self, until: int, *, deliver: bool) -> StopReason | None:
        if until != _RETURN:
            return None
        if not deliver:
            return StopReason.HALTED
        self._fault(self._fetch_fault(until), deliver=True)
        return None

    def _answer(self, asked: set[str]) -> StopReason | None:
        if "protection" in asked:
            self._memories.protect(self._mpu_applies())
        if "reset" in asked:
            if self._pending is not None:
                self._end("its fault handler asked for a reset")
            for peripheral in self._peripherals:
                peripheral.reset()
            self._counter.memory_changed()
            self._memories.protect(self._mpu_applies())
            self._counter.allow_fpu(False)
            self._start(*self._vectors())
            return None
        if "idle" in asked:
            if self._pending is not None:
                self._end("its fault handler waits for input")
            return StopReason.IDLE
        return None

    def _wait_for_interrupt(self) -> StopReason | None:
        """WFI: it may wake at any time (DDI0403E B1.5.19), so it does when there is something to do."""
        if self._pending is not None:
            self._end("its fault handler sleeps (WFI)")
        return None if self._console.received else StopReason.IDLE

    def _meet_fpu(self, *, deliver: bool) -> StopReason | None:
        """The next block has a floating-point instruction and the FPU is off: go as far as that."""
        pc = self._cpu.pc
        code = self._memories.read_code(pc, _PAGE)
        target = next(pc + offset for offset, first, second in instructions(code) if is_fpu(first, second))
        if target == pc:
            cause = "UsageFault: floating-point instruction while the FPU is off (SCB_CPACR)"
            self._fault(_Fault(cause, 6, cfsr=1 << 19), deliver=deliver)
            return None
        return self._step(deliver=deliver, until=target)

    # Faults.

    def _judge_access(self, kind: int, address: int, size_bytes: int) -> _Fault:
        """A load, store or push that nothing answered, or that is not allowed."""
        if kind in _FETCHES:
            return self._fetch_fault(address)
        verb, what = ("write", "written") if kind in _WRITES else ("read", "read")
        access = f"{verb} of {size_bytes} byte{'s' if size_bytes != 1 else ''} at {address:#010x}"
        protection = self._system.mpu.protection(address)
        if not (protection.write if verb == "write" else protection.read) and self._mpu_applies():
            cause = f"MemManage: {access}, which the MPU forbids{self._stack_hint(address)}"
            return _Fault(cause, 4, cfsr=1 << 1 | 1 << 7, mmfar=address)
        memory = self._memories.at(address)
        if memory is not None and memory.enable is not None and self._memories.mapped_at(address, 1) is None:
            enable = memory.enable
            why = f"in {memory.name}, whose clock is off: set bit {enable.bit} of RCC_{enable.register}"
        elif memory is not None and memory.kind == "flash":
            why = "in flash, which a store cannot write"
        elif (name := unmodelled_at(address)) is not None:
            return _Fault(f"{access}: {name} exists but is not modelled by the emulator", None)
        else:
            why = f"where nothing can be {what}{self._stack_hint(address)}"
        return _Fault(f"BusFault: {access}, {why}", 5, cfsr=1 << 9 | 1 << 15, bfar=address)

    def _fetch_fault(self, address: int) -> _Fault:
        if self._memories.at(address) is not None or not self._system.mpu.protection(address).execute:
            return _Fault(f"MemManage: execution at {address:#010x}, which the MPU forbids", 4, cfsr=1)
        return _Fault(f"BusFault: execution at {address:#010x}, where no memory is", 5, cfsr=1 << 8)

    def _stack_hint(self, address: int) -> str:
        """Whether an access missed the stack by little."""
        low, _ = self._stack
        sp = self._cpu.sp
        beneath = address < low and (sp < low or sp - address < _PAGE)
        return ": stack overflow" if beneath else ""

    def _judge_interrupt(self, number: int, *, deliver: bool) -> StopReason | None:
        pc = self._cpu.pc
        if number == _INTR_SVC:
            handled = self._cpu.priority(self._system.priority) > self._system.priority(11)
            if handled and deliver:
                self._enter(11, pc)
            else:
                self._fault(_Fault("HardFault: SVC that cannot be taken", 3, hfsr=1 << 30), deliver=deliver)
        elif number == _INTR_BKPT:
            self._cut()
            immediate = self._uc.mem_read(pc, 1)[0]
            if immediate == 0xAB and self._cpu.argument(0) in (0x18, 0x20):
                return StopReason.HALTED
            if self._pending is not None:
                self._end(f"its fault handler ended with BKPT #{immediate}")
            self._fault(
                _Fault(f"HardFault: BKPT #{immediate} without a debugger", 3, hfsr=1 << 31), deliver=deliver
            )
        elif number == _INTR_EXC_RETURN:
            problem = self._cpu.leave(pc | 1, self._is_readable)
            self._counter.discontinue()
            if problem is not None:
                self._fault(_Fault(f"UsageFault: {problem}", 6, cfsr=1 << 18), deliver=deliver)
            elif not self._cpu.active:
                self._pending = None
                self._memories.protect(self._mpu_applies())
                self._watch_stack()
        elif number == _INTR_PREFETCH:
            memory = self._memories.at(pc)
            if memory is not None and self._map_if_clocked(memory):
                return None
            self._fault(self._fetch_fault(pc), deliver=deliver)
        else:
            self._cut()
            cause, cfsr = _CORE_EXCEPTIONS.get(number, (f"exception {number} of the emulated core", 1 << 16))
            self._fault(_Fault(f"UsageFault: {cause}", 6, cfsr=cfsr), deliver=deliver)
        return None

    def _judge_instruction(self, *, deliver: bool) -> None:
        pc = self._cpu.pc
        block = self._counter.current_block()
        if (
            block is not None
            and pc == sum(block)
            and self._uc.mem_read(pc - 2, 2) in (b"\x20\xbf", b"\x10\xbf")
        ):
            return  # WFE, YIELD: hints
        self._cut()
        if not self._cpu.thumb:
            cause = f"UsageFault: switch to ARM state by a branch to {pc:#010x} without the Thumb bit"
            self._fault(_Fault(cause, 6, cfsr=1 << 17), deliver=deliver)
            return
        code = self._memories.read_code(pc, 4)
        _, first, second = next(instructions(code), (0, int.from_bytes(code[:2], "little"), 0))
        text = f"{first:04x} {second:04x}" if second or first >= 0xE800 else f"{first:04x}"
        if is_double_precision(first, second):
            cause = (
                f"double-precision instruction {text}: the emulator runs single precision only; compile with "
                "-mfpu=fpv5-sp-d16 and avoid double (-Wdouble-promotion finds it)"
            )
            self._fault(_Fault(cause, None), deliver=deliver)
            return
        self._fault(_Fault(f"UsageFault: undefined instruction {text}", 6, cfsr=1 << 16), deliver=deliver)

    def _fault(self, fault: _Fault, *, deliver: bool) -> None:
        """Hand a fault to the firmware as the silicon does, or end the emulation."""
        report = self._report(fault.cause, fault.exception, fault.cfsr, fault.hfsr)
        if fault.exception is None or not deliver:
            raise TargetFault(self._pending or report)
        system = self._system
        system.report(fault.cfsr, fault.hfsr, mmfar=fault.mmfar, bfar=fault.bfar)
        current = self._cpu.priority(system.priority)
        number = fault.exception
        enabled = number == 3 or system.registers.get(0xD24, 0) >> 12 + number & 1
        if number != 3 and (not enabled or system.priority(number) >= current):
            number = 3
            system.report(0, 1 << 30)  # FORCED
        if system.priority(number) >= current:
            first = self._pending or report
            raise TargetFault(
                _with(first, self._tail(), f"lockup: a second fault in the handler: {fault.cause}")
            )
        if self._pending is None:
            self._pending = report
            self._handler_end = self.instructions + _HANDLER_INSTRUCTIONS
        self._enter(number, self._cpu.pc)

    def _enter(self, number: int, return_address: int) -> None:
        system = self._system
        slot = system.vtor + 4 * number
        handler = int.from_bytes(self._uc.mem_read(slot, 4), "little") if self._is_readable(slot, 4) else 0
        target = self._memories.at(handler)
        if not handler & 1 or target is None or not self._is_readable(handler & ~1, 2):
            name = _EXCEPTIONS.get(number, f"exception {number}")
            problem = f"the vector table at {system.vtor:#010x} has no handler for {name}"
            if self._pending is None:
                self._fail(problem)
            self._end(problem)
        if not self._cpu.enter(number, return_address, handler & ~1, self._is_writable):
            frame = self._cpu.sp
            by_mpu = self._mpu_applies() and not system.mpu.protection(frame).write
            system.report(1 << 4 if by_mpu else 1 << 12, 0)
            if self._pending is not None:
                ending = f"the exception frame at {frame:#010x} could not be stored (stacking fault)"
                self._pending = _with(self._pending, "", ending)
        self._counter.discontinue()
        self._counter.watch_stack(0, 0)
        if number == 3:
            self._memories.protect(self._mpu_applies())

    def _end(self, ending: str) -> None:
        """The firmware's handler is through: tell the fault that it handled."""
        assert self._pending is not None
        stacking = f"{self._pending.ending}; " if self._pending.ending else ""
        raise TargetFault(_with(self._pending, self._tail(), stacking + ending))

    def _fail(self, cause: str) -> None:
        raise TargetFault(self._report(cause, None))

    def _fail_stack(self) -> None:
        block, sp = self._counter.current_block(), self._cpu.sp
        function = self.image.function_at(block[0]) if block else None
        name = function.name if function else "the last function"
        self._fail(f"stack overflow: {name} left sp = {sp:#010x}, which is outside the stack")

    def _report(self, cause: str, exception: int | None, cfsr: int = 0, hfsr: int = 0) -> FaultReport:
        registers = self._cpu.registers()
        if exception is not None:
            registers |= {"cfsr": cfsr, "hfsr": hfsr}
        function = self.image.function_at(registers["pc"])
        lr = registers["lr"]
        caller = self.image.function_at((lr & ~1) - 2) if lr < 0xF0000000 else None
        line = self.image.line_at((lr & ~1) - 2) if caller else None
        return FaultReport(
            cause=cause,
            exception=None if exception is None else _EXCEPTIONS[exception],
            registers=registers,
            function=function.name if function else None,
            line=self.image.line_at(registers["pc"]),
            caller=f"{caller.name}{f' ({line})' if line else ''}" if caller else None,
            console=self._tail(),
            diagnostics=self.diagnostics,
        )

    def _tail(self) -> str:
        """The last of the console as text; frames of the host link show as dots."""
        data = (self._drained + bytes(self._console.sent))[-_CONSOLE_TAIL:]
        text = "".join(
            chr(byte) if 32 <= byte < 127 or byte in (9, 10) else "." for byte in data if byte != 13
        )
        return text.strip()

    def _cut(self) -> None:
        """The last block stopped at pc, before its end: count what ran."""
        block, pc = self._counter.current_block(), self._cpu.pc
        if block is not None and block[0] <= pc < block[0] + block[1]:
            self._counter.cut(pc - block[0])

    # Callbacks.

    def _refuse(self, error: RefusedError) -> None:
        if self._happened.refusal is None:
            self._happened.refusal = str(error)
        self._uc.emu_stop()

    def _ask(self, what: str) -> None:
        self._happened.asked.add(what)
        self._counter.ask_stop()

    def _on_mpu(self) -> None:
        self._counter.memory_changed()
        self._ask("protection")

    def _on_invalid_access(
        self, _uc: object, kind: int, address: int, size_bytes: int, _value: int, _data: Any
    ) -> bool:
        memory = self._memories.at(address)
        if memory is not None and self._map_if_clocked(memory):
            return True
        self._happened.access = (kind, address & 0xFFFFFFFF, size_bytes)
        return False

    def _on_interrupt(self, _uc: object, number: int, _data: Any) -> None:
        self._happened.interrupt = number
        self._uc.emu_stop()

    def _on_empty_poll(self) -> None:
        now = self.instructions
        self._polls = self._polls + 1 if now - self._last_poll < _IDLE_DISTANCE else 1
        self._last_poll = now
        if self._polls >= _IDLE_POLLS:
            self._polls = 0
            self._ask("idle")

    def _on_transfer(self) -> None:
        self._polls = 0
        self._last_transfer = self.instructions

    def _on_output(self) -> None:
        self._polls = 0

    # Memory.

    def _map_if_clocked(self, memory: Memory) -> bool:
        if not self._memories.map_if_clocked(memory):
            return False
        if self._system.mpu.enabled:
            self._ask("protection")
        return True

    def _mpu_applies(self) -> bool:
        """HardFault and NMI run without the MPU unless MPU_CTRL.HFNMIENA (DDI0403E B3.5.1)."""
        mpu = self._system.mpu
        return mpu.enabled and (bool(mpu.control & 2) or not any(n <= 3 for n in self._cpu.active))

    def _is_writable(self, address: int, size_bytes: int) -> bool:
        memory = self._memories.mapped_at(address, size_bytes)
        allowed = not self._mpu_applies() or self._system.mpu.protection(address).write
        return memory is not None and memory.is_ram and allowed

    def _is_readable(self, address: int, size_bytes: int) -> bool:
        return self._memories.mapped_at(address, size_bytes) is not None

    def _check_range(self, address: int, size_bytes: int) -> None:
        if self._memories.mapped_at(address, size_bytes) is None:
            raise UsageError(
                f"{size_bytes} bytes at {address:#010x} are not in one memory of {self.board.part.name}, or "
                "in one whose clock the firmware has not switched on"
            )

    # Names.

    def _function(self, name: str) -> Symbol:
        symbol = self.image.symbols.get(name)
        if symbol is None or symbol.kind != "function":
            raise UsageError(f"{self.image.path}: has no function {name}")
        return symbol

    def _pin(self, name: str) -> tuple[Gpio, int]:
        port, number = name[1:2], name[2:]
        if name[:1] != "P" or port not in self._ports or not number.isdecimal() or int(number) > 15:
            raise UsageError(f"{self.board.part.name} has no pin {name}; a pin is named like PB0")
        return self._ports[port], int(number)

    def _stack_top(self) -> int:
        """Where a called function's stack starts: the image's, or the end of the DTCM."""
        symbol = self.image.symbols.get("_stack_top")
        memory = self._memories.at(symbol.address - 4) if symbol else None
        if symbol is not None and memory is not None and memory.is_ram:
            return symbol.address
        return next(m.end for m in self.board.part.memories if m.kind == "dtcm")


# ITM, FPB, TPIU and ETM (DDI0403E C1): a debugger's business, but harmless.
_TRACE_UNITS = (0xE0000000, 0xE0002000, 0xE0040000, 0xE0041000)


def _with(report: FaultReport, console: str, ending: str) -> FaultReport:
    fields = {**vars(report), "ending": ending, "console": console or report.console}
    return FaultReport(**fields)
