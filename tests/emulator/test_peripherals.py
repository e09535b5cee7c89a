"""Clocks, console, pins and counters behave, and refuse what the silicon refuses."""

from __future__ import annotations

import pytest
from emulator_build import machine, needs_compiler

from generator.emulator import Machine, StopReason, TargetFault
from generator.errors import UsageError

pytestmark = needs_compiler

ECHO = """
int main(void) {
    uart_on();
    print("ready\\n");
    for (;;) { int c = get(); put((char)(c ^ 32)); }
}
"""

# 400 MHz from the 8 MHz clock, as RM0433 wants it; the tests leave out or replace one step.
CLOCK = """
#define RCC(o) REG(0x58024400u + (o))
#define PWR(o) REG(0x58024800u + (o))
#define ACR REG(0x52002000u)
static void supply(void) { PWR(0x0C) = 2; while (!(PWR(4) & 1u << 13)) {} }
static void vos(uint32_t n) { PWR(0x18) = n << 14; while (!(PWR(0x18) & 1u << 13)) {} }
static void hse(void) { RCC(0) |= 1u << 18; RCC(0) |= 1u << 16; while (!(RCC(0) & 1u << 17)) {} }
static void pll(uint32_t n, uint32_t m, uint32_t p) {
    RCC(0x28) = 2u | m << 4; RCC(0x2C) = (m == 1 ? 2u : 1u) << 2 | 1u << 16;
    RCC(0x30) = (n - 1) | (p - 1) << 9 | 1u << 16 | 1u << 24; }
static void pll_on(void) { RCC(0) |= 1u << 24; while (!(RCC(0) & 1u << 25)) {} }
static void divide(void) { RCC(0x18) = 8u | 4u << 4; RCC(0x1C) = 4u << 4 | 4u << 8; RCC(0x20) = 4u << 4; }
static void use_pll(void) { RCC(0x10) = 3; while ((RCC(0x10) >> 3 & 7) != 3) {} }
static void overdrive(void) { RCC(0xF4) |= 2; REG(0x5800042C) |= 1; }
"""
GOOD = "supply(); vos(3); hse(); pll(100, 1, 2); pll_on(); ACR = 0x22; divide(); use_pll();"


def test_echo_and_idle() -> None:
    subject = machine(ECHO)
    assert subject.run() is StopReason.IDLE
    assert subject.drain() == b"ready\n"
    subject.feed(b"abcXYZ\x00\xff")
    assert subject.run() is StopReason.IDLE
    assert subject.drain() == bytes(c ^ 32 for c in b"abcXYZ\x00\xff")
    assert subject.drain() == b""
    before = subject.instructions
    assert subject.run() is StopReason.IDLE
    assert 0 < subject.instructions - before < 200
    assert subject.diagnostics == ()


def test_reset_starts_over() -> None:
    subject = machine(ECHO)
    subject.run()
    subject.feed(b"lost")
    subject.reset()
    assert subject.run() is StopReason.IDLE
    assert subject.drain() == b"ready\n"


def test_wrong_baud_rate_is_refused() -> None:
    with pytest.raises(TargetFault, match=r"USART3_BRR: 64 MHz makes 640000 baud, but .* 921600"):
        machine(
            "int main(void) { uart_on(); REG(0x40004800) = 0; REG(0x4000480C) = 100; "
            "REG(0x40004800) = 13; put('x'); }"
        ).run()


def test_unrouted_pin_and_unclocked_port_are_remarked() -> None:
    subject = machine(
        "int main(void) { uart_on(); REG(0x58020C24) = 0; put('x'); REG(0x58020014) = 1; return 0; }"
    )
    assert subject.run() is StopReason.HALTED
    assert subject.drain() == b""
    assert any("PD8 is not in alternate function 7" in d for d in subject.diagnostics)
    assert any("GPIOA was accessed without its clock (RCC_AHB4ENR bit 0)" in d for d in subject.diagnostics)
    assert not subject.pin("PA0")


def clocked(steps: str) -> Machine:
    subject = machine(f"{CLOCK}int main(void) {{ {steps}\nreturn 0; }}", "-Wno-unused-function")
    assert subject.run() is StopReason.HALTED
    return subject


def test_clock_tree_comes_up() -> None:
    assert clocked(GOOD).cpu_hz == 400e6
    fast = (
        GOOD.replace("pll(100, 1, 2)", "pll(120, 1, 2)")
        .replace("ACR = 0x22", "ACR = 0x24")
        .replace("vos(3);", "vos(3); overdrive();")
    )
    assert clocked(fast).cpu_hz == 480e6
    assert clocked("").cpu_hz == 64e6


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("supply();", "", "PWR_D3CR: VOS was changed before PWR_CR3"),
        ("vos(3);", "", "400 MHz, but VOS3 allows 200 MHz"),
        ("vos(3);", "overdrive();", "ODEN is set while PWR_D3CR.VOS is not VOS1"),
        ("pll(100, 1, 2)", "pll(120, 1, 2)", "480 MHz, but VOS1 allows 400 MHz: it needs VOS0"),
        ("hse();", "", "PLL1 was started from HSE, which is not ready"),
        ("pll(100, 1, 2)", "pll(100, 8, 2)", "PLL1RGE says"),
        ("pll(100, 1, 2)", "pll(200, 1, 4)", "VCO of 1600 MHz"),
        ("pll(100, 1, 2)", "pll(100, 1, 3)", "DIVP1 divides by 3"),
        ("pll_on();", "pll_on(); RCC(0x30) = 99;", "RCC_PLL1DIVR was changed while PLL1 is on"),
        ("pll_on();", "pll_on(); RCC(0x28) = 1;", "RCC_PLLCKSELR was changed while PLL1 is on"),
        ("pll_on();", "", "switched to PLL1, which is not ready"),
        ("ACR = 0x22;", "ACR = 0x21;", r"FLASH_ACR: LATENCY = 1, WRHIGHFREQ = 2.* needs 2 and 2 .*table 17"),
        ("divide();", "", "HCLK is 400 MHz, but VOS1 allows 200 MHz"),
        ("divide();", "RCC(0x18) = 8;", "PCLK.* is 200 MHz, but VOS1 allows 100 MHz"),
        ("use_pll();", "use_pll(); ACR = 0x20;", "FLASH_ACR: LATENCY = 0"),
        ("use_pll();", "use_pll(); RCC(0) &= ~(1u << 24);", "PLL1ON was cleared while PLL1 is in use"),
        ("use_pll();", "use_pll(); vos(1);", "400 MHz, but VOS3"),
    ],
)
def test_clock_refusals(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(TargetFault, match=words) as caught:
        clocked(GOOD.replace(old, new))
    assert caught.value.report.line is not None
    assert caught.value.report.exception is None


def test_crystal_is_not_ready_in_bypass() -> None:
    from emulator_build import build

    from generator.targets import load_board

    subject = Machine(
        build(f"{CLOCK}int main(void) {{ hse(); return 0; }}", "-Wno-unused-function"),
        load_board("openmv_cam_h7"),
    )
    assert subject.run(100_000) is StopReason.LIMIT
    assert any("has a crystal" in remark for remark in subject.diagnostics)


def test_domain_two_memories_want_their_clock() -> None:
    with pytest.raises(TargetFault, match="in SRAM1, whose clock is off: set bit 29 of RCC_AHB2ENR"):
        machine("int main(void) { REG(0x30000010) = 1; return 0; }").run()
    subject = machine(
        "int main(void) { REG(0x580244DC) |= 7u << 29; REG(0x30000010) = 5; REG(0x30040000) = 6; return 0; }"
    )
    with pytest.raises(UsageError, match="clock"):
        subject.read_memory(0x30000010, 4)
    assert subject.run() is StopReason.HALTED
    assert subject.read_memory(0x30000010, 4) == b"\5\0\0\0"
    subject.write_memory(0x30040000, b"\7")
    assert subject.read_memory(0x30040000, 2) == b"\7\0"


def test_pins_and_leds() -> None:
    subject = machine(
        "int main(void) { REG(0x580244E0) |= 6; REG(0x58020400) = (REG(0x58020400) & ~3u) | 1; "
        "REG(0x58020418) = 1u << 5 | 1; if (REG(0x58020810) & 1u << 13) REG(0x58020418) = 1u << 16; "
        "return 0; }"
    )
    subject.run()
    assert subject.pin("PB0")
    assert not subject.pin("PB5")  # set in ODR, but not an output
    assert subject.leds["green"]
    subject.set_pin("PC13", True)
    subject.reset()
    subject.run()
    assert not subject.pin("PB0")
    with pytest.raises(UsageError, match="no pin PB16"):
        subject.pin("PB16")


def test_cycle_counter_counts_modelled_cycles_once_unlocked() -> None:
    program = """
volatile uint32_t before, after, locked;
__attribute__((noipa)) void spin(uint32_t n) { while (n--) __asm volatile("nop\\n nop\\n nop\\n nop"); }
int main(void) {
    REG(0xE000EDFC) |= 1u << 24; REG(0xE0001000) |= 1; locked = REG(0xE0001004);
    REG(0xE0001FB0) = 0xC5ACCE55; REG(0xE0001004) = 0; REG(0xE0001000) |= 1;
    before = REG(0xE0001004); spin(1000); after = REG(0xE0001004); return 0; }
"""
    subject = machine(program)
    subject.run()
    word = {
        n: int.from_bytes(subject.read_memory(subject.image.symbols[n].address, 4), "little")
        for n in ("before", "after", "locked")
    }
    assert word["locked"] == 0
    assert any("DWT_LAR" in remark for remark in subject.diagnostics)
    modelled = subject.profile().cycles_by_function["spin"]
    assert abs(word["after"] - word["before"] - modelled) < 40
    assert modelled > 2000


def test_core_identifies_itself_and_counts_ticks() -> None:
    program = """
volatile uint32_t out[6];
int main(void) {
    out[0] = REG(0xE000ED00);
    REG(0xE000ED84) = 0; out[1] = REG(0xE000ED80); REG(0xE000ED84) = 1; out[2] = REG(0xE000ED80);
    REG(0xE000E014) = 999999; REG(0xE000E018) = 0; REG(0xE000E010) = 5;
    uint32_t a = REG(0xE000E018); for (volatile int i = 0; i < 100; i++) {}
    out[3] = (a + 1000000 - REG(0xE000E018)) % 1000000;
    out[4] = REG(0xE000ED90) >> 8 & 255; out[5] = *(volatile uint16_t *)0x1FF1E880; return 0; }
"""
    subject = machine(program)
    subject.run()
    raw = subject.read_memory(subject.image.symbols["out"].address, 24)
    out = [int.from_bytes(raw[i : i + 4], "little") for i in range(0, 24, 4)]
    assert out[0] >> 4 & 0xFFF == 0xC27
    for ccsidr, ways, sets in ((out[1], 4, 128), (out[2], 2, 256)):
        assert (ccsidr >> 3 & 0x3FF) + 1 == ways
        assert (ccsidr >> 13 & 0x7FFF) + 1 == sets
    assert 100 < out[3] < 5000
    assert out[4:] == [16, 2048]


def test_wfi_waits_for_input() -> None:
    subject = machine(
        'int main(void) { uart_on(); for (;;) { __asm volatile("wfi"); '
        "if (REG(0x4000481C) & 0x20) put((char)get()); } }"
    )
    assert subject.run() is StopReason.IDLE
    subject.feed(b"wake")
    assert subject.run() is StopReason.IDLE
    assert subject.drain() == b"wake"


def test_system_reset_request_restarts() -> None:
    subject = machine(
        '__attribute__((section(".noinit"))) volatile uint32_t boots;\n'
        "int main(void) { if (REG(0x24000000) != 77) { REG(0x24000000) = 77; REG(0xE000ED0C) = 0x05FA0004; "
        '__asm volatile("dsb"); for (;;) __asm volatile("nop"); } return 0; }'
    )
    assert subject.run() is StopReason.HALTED


def test_mapped_register_inside_an_it_block() -> None:
    program = """
volatile uint32_t out[4];
int main(void) {
    __asm volatile("ldr r1, =0xE000ED00\\n mov r0, #1\\n cmp r0, #1\\n itete eq\\n"
                   "ldreq r2, [r1]\\n movne r2, #9\\n"
                   "ldreq r3, [r1, #8]\\n movne r3, #9\\n ldr r1, =out\\n stm r1, {r0, r2, r3}"
                   ::: "r0", "r1", "r2", "r3", "cc", "memory");
    return 0; }
"""
    subject = machine(program)
    subject.run()
    raw = subject.read_memory(subject.image.symbols["out"].address, 12)
    assert [int.from_bytes(raw[i : i + 4], "little") for i in (0, 4, 8)] == [1, 0x411FC271, 0x08000000]
