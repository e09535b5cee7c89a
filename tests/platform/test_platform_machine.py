"""The platform on the emulated STM32H743: boot, console, clocks, protection, fault reports, stack."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from platform_build import build

from generator.emulator import FaultReport, Machine, StopReason, TargetFault
from generator.targets import board_names, clock_tree, load_board
from generator.toolchain.elf import ElfImage

# A program that says hello, then echoes; each fault has its letter.
PROGRAM = r"""
#include "platform.h"
#include "sections.h"
#include <string.h>

int main(void);
static volatile uint32_t initialised = 0x600DDA7A;
static volatile uint32_t zeroed[3];
FC_DTCM_RODATA static const volatile uint32_t table[2] = {11, 22};
FC_AXI_DATA static volatile uint32_t axi_counter = 9;
FC_AXI_BSS static volatile uint32_t axi_arena[1000];
#ifdef CLOCKED
FC_SRAM1_BSS static volatile uint32_t sram1_arena[10];
FC_SRAM3_BSS static volatile uint32_t sram3_arena[10];
#endif
FC_SRAM4_BSS static volatile uint32_t sram4_arena[10];

FC_ITCM static uint32_t hot(uint32_t x);
static uint32_t hot(uint32_t x) { return 2u * x; }

static void say(const char *text) { fc_console_write((const uint8_t *)text, strlen(text)); }

static void say_number(uint32_t value)
{
    char digits[11];
    size_t first = sizeof digits - 1;
    digits[first] = '\0';
    do {
        digits[--first] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0u);
    say(&digits[first]);
    say("\n");
}

static bool memories_are_filled(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        sum |= axi_arena[i];
    }
    for (uint32_t i = 0; i < 10; i++) {
        sum |= sram4_arena[i];
#ifdef CLOCKED
        sum |= sram1_arena[i] | sram3_arena[i];
#endif
    }
    sum |= zeroed[0] | zeroed[1] | zeroed[2];
    return sum == 0 && initialised == 0x600DDA7A && table[1] == 22 && axi_counter == 9 && hot(21) == 42;
}

__attribute__((noinline)) static uint32_t use_stack(void)
{
    volatile uint8_t block[2000];
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = 1;
    }
    return block[1999];
}

__attribute__((noinline)) static uint32_t dive(volatile uint32_t depth)
{
    volatile uint32_t block[16];
    block[depth & 15u] = depth;
    return depth == 0xFFFFFFFFu ? 0u : dive(depth + 1u) + block[depth & 15u];
}

static void fault(int letter)
{
    typedef void (*code)(void);
    static volatile uint32_t not_code[2] = {0x4770BF00, 0x4770BF00};
    switch (letter) {
    case 'u':
        __asm volatile("mov r3, #51\n mov r7, #119\n udf #0" ::: "r3", "r7");
        break;
    case 'f':
        *(volatile uint32_t *)0x08000000u = 1;
        break;
    case 'i':
        *(volatile uint32_t *)0x00001000u = 1;
        break;
    case 'n': {
        volatile uint32_t *volatile null = NULL;
        say_number(null[3]);
        break;
    }
    case 'w':
        say_number(*(volatile uint32_t *)0x60000000u);
        break;
    case 'x':
        ((code)((uintptr_t)not_code | 1u))();
        break;
    case 'j':
        ((code)(uintptr_t)0x12345679u)();
        break;
    case 'o':
        say_number(dive(0));
        break;
    case 's':
        say_number(use_stack());
        say_number((uint32_t)fc_stack_used());
        break;
    case 't':
        say_number((uint32_t)fc_stack_size());
        break;
    case 'd':
        fc_door_set(true);
        break;
    case 'c': {
        const uint32_t start = fc_cycles();
        for (volatile int i = 0; i < 1000; i++) {
        }
        say_number(fc_cycles() - start);
        break;
    }
    case 'l': /* FLASH_ACR */
        say_number(*(volatile uint32_t *)0x52002000u);
        break;
    case 'k': /* clocks of SRAM1, SRAM2, SRAM3 in RCC_AHB2ENR */
        say_number(*(volatile uint32_t *)0x580244DCu >> 29);
        break;
    case 'h':
        say_number(fc_clock_hz());
        break;
    default: {
        const uint8_t echo = (uint8_t)letter;
        fc_console_write(&echo, 1);
        break;
    }
    }
}

int main(void)
{
    fc_platform_init();
    say(memories_are_filled() ? "hello\n" : "memories are wrong\n");
    for (;;) {
        const int byte = fc_console_read();
        if (byte == 'q') {
            return 0;
        }
        if (byte >= 0) {
            fault(byte);
        }
    }
}
"""
BOOT_LIMIT = 50_000_000


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> ElfImage:
    return ElfImage.load(build(tmp_path_factory.mktemp("machine"), PROGRAM, stack_bytes=8192))


def spoil_memories(machine: Machine) -> None:
    """Fill RAM with rubbish while the reset code still paints the stack: what it leaves out will show."""
    assert machine.run(50) is StopReason.LIMIT
    top = machine.image.symbols["_stack_top"].address
    for name in ("ITCM", "DTCM", "AXI_SRAM", "SRAM4"):
        memory = machine.board.part.memory(name)
        first = top if name == "DTCM" else memory.origin
        machine.write_memory(first, b"\x5a" * (memory.end - first))


def start(image: ElfImage, board: str = "nucleo_h743zi2") -> Machine:
    machine = Machine(image, load_board(board))
    spoil_memories(machine)
    assert machine.run(BOOT_LIMIT) is StopReason.IDLE
    assert machine.drain() == b"hello\n"
    return machine


def ask(machine: Machine, letter: str) -> bytes:
    machine.feed(letter.encode())
    assert machine.run(BOOT_LIMIT) is StopReason.IDLE
    return machine.drain()


def provoke(machine: Machine, letter: str) -> FaultReport:
    machine.feed(letter.encode())
    with pytest.raises(TargetFault) as caught:
        machine.run(BOOT_LIMIT)
    return caught.value.report


def told(report: FaultReport) -> dict[str, int]:
    """Registers that the firmware printed."""
    return {name: int(value, 16) for name, value in re.findall(r"(\w+) 0x([0-9a-f]{8})", report.console)}


@pytest.mark.parametrize("clock_mhz", [400, 480])
@pytest.mark.parametrize("board", board_names())
def test_it_boots_by_the_rules_at_the_wanted_clock(tmp_path: Path, board: str, clock_mhz: int) -> None:
    path = build(tmp_path, PROGRAM, board=board, clock_mhz=clock_mhz)
    machine = start(ElfImage.load(path), board)
    assert machine.cpu_hz == clock_mhz * 1e6
    assert ask(machine, "h") == f"{clock_mhz}000000\n".encode()
    tree = clock_tree(load_board(board), clock_mhz)
    # The value after reset would do as well, but slowly: seven wait states.
    assert int(ask(machine, "l")) == tree.flash_wait_states | tree.flash_wrhighfreq << 4
    assert ask(machine, "k") == b"7\n"
    assert machine.diagnostics == ()
    assert not any(machine.leds.values())


def test_memories_behind_a_clock_are_clocked_and_cleared(tmp_path: Path) -> None:
    start(ElfImage.load(build(tmp_path, "#define CLOCKED\n" + PROGRAM)))


def test_bytes_go_both_ways(image: ElfImage) -> None:
    machine = start(image)
    data = bytes(byte for byte in range(256) if chr(byte) not in "ufinwxjostdchlkq")
    machine.feed(data)
    machine.run(BOOT_LIMIT)
    assert machine.drain() == data


def test_the_door_is_an_led(image: ElfImage) -> None:
    machine = start(image)
    ask(machine, "d")
    assert machine.leds == {"green": True, "yellow": False, "red": False}


def test_cycles_are_counted(image: ElfImage) -> None:
    cycles = int(ask(start(image), "c"))
    assert 2000 < cycles < 40_000


def test_the_stack_is_painted_and_measured(image: ElfImage) -> None:
    machine = start(image)
    assert ask(machine, "t") == b"8192\n"
    bottom = image.symbols["_stack_bottom"].address
    assert machine.read_memory(bottom, 4096) == b"\xc5" * 4096
    first, used = map(int, ask(machine, "s").split())
    assert first == 1
    assert 2000 < used < 2400


def test_an_undefined_instruction_is_reported_with_all_registers(image: ElfImage) -> None:
    machine = start(image)
    report = provoke(machine, "u")
    assert "FAULT UsageFault: undefined instruction" in report.console
    assert report.console.endswith("HALTED")
    registers = told(report)
    assert registers["r3"] == 51
    assert registers["r7"] == 119
    assert {name: registers[name] for name in ("pc", "lr", "sp", "r0", "r12", "r4", "r11")} == {
        name: report.registers[name] for name in ("pc", "lr", "sp", "r0", "r12", "r4", "r11")
    }
    assert registers["cfsr"] == 1 << 16
    assert machine.leds["red"]


@pytest.mark.parametrize(
    ("letter", "cause", "address"),
    [
        ("f", "data access to a protected address", 0x08000000),
        ("i", "data access to a protected address", 0x00001000),
        ("n", "data access to a protected address", 0x0000000C),
        ("w", "data access to a protected address", 0x60000000),
    ],
)
def test_a_wild_access_is_reported_with_its_address(
    image: ElfImage, letter: str, cause: str, address: int
) -> None:
    report = provoke(start(image), letter)
    assert f"FAULT MemManage: {cause}" in report.console
    registers = told(report)
    assert registers["mmfar"] == address
    assert registers["pc"] == report.registers["pc"]


@pytest.mark.parametrize(("letter", "pc"), [("x", None), ("j", 0x12345678)])
def test_a_wild_jump_is_reported(image: ElfImage, letter: str, pc: int | None) -> None:
    report = provoke(start(image), letter)
    assert "FAULT MemManage: instruction fetch from a protected address" in report.console
    expected = image.symbols["not_code.0"].address if pc is None else pc
    assert told(report)["pc"] == expected


def test_a_stack_overflow_is_reported_though_nothing_can_be_pushed(image: ElfImage) -> None:
    machine = start(image)
    report = provoke(machine, "o")
    assert "FAULT MemManage" in report.console
    assert "stack overflow, all 8192 bytes are used" in report.console
    assert "pc, lr, r0..r3 and r12 are lost" in report.console
    assert report.console.endswith("HALTED")
    assert told(report)["sp"] < image.symbols["_stack_bottom"].address
    assert machine.leds["red"]


def test_main_must_not_return(image: ElfImage) -> None:
    assert "FAULT main returned" in provoke(start(image), "q").console


def test_a_clock_that_never_comes_is_named(image: ElfImage) -> None:
    # The image waits for a driven clock; this board has a crystal, which does not swing while it is bypassed.
    board = dataclasses.replace(load_board("nucleo_h743zi2"), hse_bypass=False)
    machine = Machine(image, board)
    with pytest.raises(TargetFault) as caught:
        machine.run(BOOT_LIMIT)
    assert "FAULT the external clock did not come (HSE, bypass)" in caught.value.report.console
    assert machine.cpu_hz == 64e6
    assert machine.leds["red"]
