"""What memory costs on the emulated part: caches, buses and buffers, as a program sets them up."""

from __future__ import annotations

import pytest
from emulator_build import LINKER, build, needs_compiler

from generator.emulator import CAUSES, Machine, StopReason
from generator.targets import load_board, memory_cost

pytestmark = needs_compiler

# Code in ITCM, so that data alone cost anything; and in flash, as a program that was flashed.
TCM = LINKER.replace("ORIGIN = 0x00000000", "ORIGIN = 0x00000400").replace(
    "*(.rodata*) . = ALIGN(4); } > FLASH", "*(.rodata*) . = ALIGN(4); } > ITCM"
)
AXI, DTCM, SRAM4 = 0x24000000, 0x20008000, 0x38000000
LINE, DATA_SETS = 32, 128

SOURCE = """
#define NI __attribute__((noinline, noipa))
NI uint32_t load(uint32_t address, uint32_t step, uint32_t count) {
    uint32_t sum = 0;
    for (; count; count--, address += step) sum += REG(address);
    return sum;
}
NI void store(uint32_t address, uint32_t step, uint32_t count) {
    for (; count; count--, address += step) REG(address) = count;
}
__attribute__((naked)) void store_lines(uint32_t address, uint32_t count);
__attribute__((naked)) void store_lines(uint32_t address, uint32_t count) {
    __asm volatile("push {r4-r7}\\n 1: stmia r0!, {r2-r5}\\n stmia r0!, {r2-r5}\\n subs r1, #1\\n bne 1b\\n"
                   "pop {r4-r7}\\n bx lr");
}
__attribute__((naked)) void store_bytes(uint32_t address, uint32_t count);
__attribute__((naked)) void store_bytes(uint32_t address, uint32_t count) {
    __asm volatile("1: strb r2, [r0], #1\\n strb r2, [r0], #1\\n strb r2, [r0], #1\\n strb r2, [r0], #1\\n"
                   "subs r1, #4\\n bne 1b\\n bx lr");
}
__attribute__((naked)) void load_pairs(uint32_t first, uint32_t second, uint32_t count);
__attribute__((naked)) void load_pairs(uint32_t first, uint32_t second, uint32_t count) {
    __asm volatile("push {r4}\\n 1: ldr.w r3, [r0]\\n ldr.w r4, [r1]\\n subs r2, #1\\n bne 1b\\n"
                   "pop {r4}\\n bx lr");
}
__attribute__((naked)) void load_ahead(uint32_t address, uint32_t lines);
__attribute__((naked)) void load_ahead(uint32_t address, uint32_t lines) {
    __asm volatile("1: pld [r0, #64]\\n ldr r2, [r0], #32\\n .rept 40\\n add.w r3, r3, r2\\n .endr\\n"
                   "subs r1, #1\\n bne 1b\\n bx lr");
}
__attribute__((naked)) void load_late(uint32_t address, uint32_t lines);
__attribute__((naked)) void load_late(uint32_t address, uint32_t lines) {
    __asm volatile("1: ldr r2, [r0], #32\\n .rept 40\\n add.w r3, r3, r2\\n .endr\\n"
                   "subs r1, #1\\n bne 1b\\n bx lr");
}
NI void write(uint32_t address, uint32_t value) { REG(address) = value; __asm volatile("dsb\\n isb"); }
NI uint32_t work(uint32_t n) { uint32_t h = 1; for (uint32_t i = 0; i < n; i++) h = h * 33 + i; return h; }
int main(void) { load(0x24000000u, 36, 500); store(0x24000000u, 68, 500); return (int)work(500); }
"""

CCR, ICIALLU, DCISW, DCCMVAC = 0xE000ED14, 0xE000EF50, 0xE000EF60, 0xE000EF68
CACHES_ON = 1 << 17 | 1 << 16


def machine(linker: str = TCM, *, caches: bool = True) -> Machine:
    subject = Machine(build(SOURCE, linker=linker), load_board("nucleo_h743zi2"))
    subject.call("write", ICIALLU, 0)
    if caches:
        subject.call("write", CCR, 0x40200 | CACHES_ON)
    subject.clear_profile()
    return subject


def stall(subject: Machine, function: str, *arguments: int) -> float:
    """Memory cycles of one call."""
    subject.clear_profile()
    subject.call(function, *arguments)
    return subject.profile().causes.memory


def data_misses(subject: Machine, function: str, *arguments: int) -> int:
    before = subject.caches[1].misses
    subject.call(function, *arguments)
    return subject.caches[1].misses - before


def first_word(ratio: float = 1.0) -> float:
    """Core cycles of an uncached load from AXI SRAM."""
    part = load_board("nucleo_h743zi2").part
    assert part.memory_system is not None
    return memory_cost(
        part.memory("AXI_SRAM").access, part.memory_system, core_hz=ratio, bus_hz=1, wait_states=0
    ).first_word_cycles


@pytest.mark.parametrize("caches", [False, True])
def test_tightly_coupled_memory_is_free(caches: bool) -> None:
    subject = machine(caches=caches)
    assert stall(subject, "load", DTCM, 4, 1000) == 0
    assert stall(subject, "store", DTCM, 4, 1000) == 0
    assert subject.caches[1].lookups == 0


def test_a_cold_cache_misses_every_line_once_and_a_warm_one_never() -> None:
    subject = machine()
    assert data_misses(subject, "load", AXI, 4, 1024) == 4096 // LINE
    cold = subject.profile().causes.memory
    assert data_misses(subject, "load", AXI, 4, 1024) == 0
    assert stall(subject, "load", AXI, 4, 1024) == 0
    assert cold >= 4096 // LINE * (first_word() - 1)


def test_caches_are_off_after_reset_and_every_load_waits() -> None:
    subject = machine(caches=False)
    # Loads further apart than one takes: none waits for another.
    assert stall(subject, "load", AXI, 4, 100) == 100 * first_word()
    assert subject.caches[1].lookups == 0
    subject = machine()
    subject.call("load", AXI, 4, 100)
    warm = stall(subject, "load", AXI, 4, 100)
    assert warm == 0


def test_a_bus_at_half_the_clock_takes_twice_as_long() -> None:
    subject = machine(caches=False)
    whole = stall(subject, "load", AXI, 64, 200) / 200
    subject.call("write", 0x58024418, 8)  # RCC_D1CFGR: HPRE divides by 2
    half = stall(subject, "load", AXI, 64, 200) / 200
    assert whole == first_word()
    # Depending on where the edge of the bus clock falls, up to a core cycle more or less half a one.
    assert half == pytest.approx(first_word(2.0), abs=0.5)
    assert stall(subject, "load", SRAM4, 64, 200) / 200 > half


def test_four_lines_share_a_set_and_five_do_not_fit() -> None:
    way = DATA_SETS * LINE
    subject = machine()
    assert data_misses(subject, "load", AXI, way, 4) == 4
    assert data_misses(subject, "load", AXI, way, 4) == 0
    assert data_misses(subject, "load", AXI, way, 5) == 1
    assert data_misses(subject, "load", AXI, way, 5) >= 1


def test_what_was_written_goes_back_when_its_line_goes() -> None:
    way = DATA_SETS * LINE
    subject = machine()
    subject.call("store", AXI, way, 4)
    assert subject.caches[1].write_backs == 0
    subject.call("load", AXI + 4 * way, way, 1)
    assert subject.caches[1].write_backs == 1
    clean = machine()
    clean.call("load", AXI, way, 6)
    assert clean.caches[1].write_backs == 0


def test_a_cleaned_line_has_nothing_to_write_back() -> None:
    way = DATA_SETS * LINE
    subject = machine()
    subject.call("store", AXI, way, 4)
    for line in range(4):
        subject.call("write", DCCMVAC, AXI + line * way)
    assert subject.caches[1].write_backs == 4
    subject.call("load", AXI + 4 * way, way, 4)
    assert subject.caches[1].write_backs == 4


def test_invalidating_by_set_and_way_empties_the_cache() -> None:
    subject = machine()
    subject.call("load", AXI, LINE, 8)
    for way in range(4):
        for index in range(8):
            subject.call("write", DCISW, way << 30 | index << 5)
    assert data_misses(subject, "load", AXI, LINE, 8) == 8


def region(number: int, base: int, attributes: int) -> list[tuple[int, int]]:
    """Writes that make an MPU region of 512 KiB, full access, and switch the MPU on over the default map."""
    size = 18 << 1 | 1
    return [(0xE000ED98, number), (0xE000ED9C, base), (0xE000EDA0, 3 << 24 | attributes << 16 | size)]


@pytest.mark.parametrize(
    ("name", "attributes", "misses", "write_backs"),
    [("write-back", 0b1011, 4, 1), ("write-through", 0b0010, 0, 0), ("not cacheable", 0b1000, 0, 0)],
)
def test_the_mpu_says_how_stores_are_cached(
    name: str, attributes: int, misses: int, write_backs: int
) -> None:
    way = DATA_SETS * LINE
    subject = machine()
    for address, value in [*region(0, AXI, attributes), (0xE000ED94, 5)]:
        subject.call("write", address, value)
    assert data_misses(subject, "store", AXI, way, 4) == misses, name
    subject.call("load", AXI + 4 * way, way, 1)
    assert subject.caches[1].write_backs == write_backs


def test_shared_memory_is_not_cached() -> None:
    subject = machine()
    for address, value in [*region(0, AXI, 0b1111), (0xE000ED94, 5)]:
        subject.call("write", address, value)
    subject.call("load", AXI, 4, 100)
    assert subject.caches[1].lookups == 0


def test_one_store_does_not_wait_and_many_misses_do() -> None:
    subject = machine()
    assert stall(subject, "store", AXI, LINE, 1) == 0
    assert stall(subject, "store", AXI + 0x1000, LINE, 100) > 0


def test_lines_that_are_overwritten_as_a_whole_are_soon_not_fetched() -> None:
    """Dynamic read allocate mode, DDI0489F 5.9.1: after three such lines."""
    subject = machine()
    assert data_misses(subject, "store_lines", AXI, 256) < 16
    assert data_misses(machine(), "store", AXI, LINE, 256) == 256


def test_bytes_in_a_row_clog_the_store_buffer_of_the_tcm() -> None:
    """Measured on silicon: 2.4 cycles a byte at unit stride (Nk0le, stores)."""
    subject = machine()
    subject.clear_profile()
    subject.call("store_bytes", DTCM, 4000)
    cycles = subject.profile().causes.total / 4000
    assert cycles == pytest.approx(2.4, rel=0.15)


def test_two_loads_of_one_bank_do_not_pair() -> None:
    subject = machine()
    costs = []
    for second in (DTCM + 4, DTCM + 8):
        subject.clear_profile()
        subject.call("load_pairs", DTCM, second, 1000)
        costs.append(subject.profile().causes.total / 1000)
    assert costs[1] - costs[0] == pytest.approx(1, abs=0.02)


def test_a_line_that_was_asked_for_in_time_is_not_waited_for() -> None:
    ahead, late = machine(), machine()
    misses = data_misses(ahead, "load_ahead", AXI, 64), data_misses(late, "load_late", AXI, 64)
    assert misses == (64 + 2, 64)  # two lines more than are read
    waited = stall(machine(), "load_ahead", AXI, 64), stall(machine(), "load_late", AXI, 64)
    assert waited[1] == pytest.approx(64 * first_word(), rel=0.1)
    assert waited[0] < waited[1] / 10  # the first two lines alone


def test_a_preload_of_tightly_coupled_memory_or_without_a_cache_does_nothing() -> None:
    assert data_misses(machine(), "load_ahead", DTCM, 64) == 0
    assert data_misses(machine(caches=False), "load_ahead", AXI, 64) == 0


def test_an_unaligned_load_takes_longer() -> None:
    subject = machine()
    subject.call("load", DTCM, 4, 1000)
    aligned = subject.profile().causes.load_port
    subject.clear_profile()
    subject.call("load", DTCM + 1, 4, 1000)
    assert subject.profile().causes.load_port - aligned == pytest.approx(3000)


def test_code_in_flash_waits_unless_it_is_cached() -> None:
    slow, fast = machine(LINKER, caches=False), machine(LINKER)
    without = stall(slow, "work", 1000)
    cold = stall(fast, "work", 1000)
    assert without > 1000  # the loop jumps back to a line that no cache holds
    assert 0 < cold < 100
    misses = fast.caches[0].misses
    assert stall(fast, "work", 1000) == 0
    assert fast.caches[0].misses == misses
    fast.call("write", ICIALLU, 0)
    assert stall(fast, "work", 1000) == pytest.approx(cold, abs=10)


def test_caches_can_be_switched_on_for_a_called_function() -> None:
    subject = machine(caches=False)
    subject.enable_caches()
    assert data_misses(subject, "load", AXI, 4, 64) == 256 // LINE
    subject.enable_caches()  # empty again
    assert data_misses(subject, "load", AXI, 4, 64) == 256 // LINE
    subject.enable_caches(data=False)
    assert stall(subject, "load", AXI, 4, 64) == 64 * first_word()


def test_cache_state_outlives_a_cleared_profile() -> None:
    subject = machine()
    subject.call("load", AXI, 4, 256)
    subject.clear_profile()
    assert stall(subject, "load", AXI, 4, 256) == 0


def test_causes_add_up_and_repeat() -> None:
    runs = []
    for _ in range(2):
        subject = machine(LINKER)
        before = subject.cycles
        subject.call("load", AXI, 36, 3000)
        subject.call("store", AXI, 68, 3000)
        subject.call("work", 500)
        profile = subject.profile()
        assert sum(getattr(profile.causes, name) for name in CAUSES) == pytest.approx(
            subject.cycles - before, abs=1e-3
        )
        assert profile.cycles == pytest.approx(sum(c.total for c in profile.causes_by_function.values()))
        runs.append((profile.causes, subject.caches))
    assert runs[0] == runs[1]


def test_a_reset_starts_anew() -> None:
    subject = Machine(build(SOURCE), load_board("nucleo_h743zi2"))
    subject.run()
    first = subject.cycles
    subject.reset()
    subject.run()
    assert subject.cycles - first == pytest.approx(first, abs=1e-6)


def test_slices_change_nothing() -> None:
    whole, sliced = (Machine(build(SOURCE), load_board("nucleo_h743zi2")) for _ in range(2))
    whole.run()
    while sliced.run(701) is StopReason.LIMIT:
        pass
    assert sliced.cycles == whole.cycles
    assert sliced.profile().causes.memory == whole.profile().causes.memory > 0
