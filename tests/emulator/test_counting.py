"""Instructions are counted exactly, and attributed to functions and phases."""

from __future__ import annotations

import pytest
import unicorn
from emulator_build import machine, needs_compiler

from generator.emulator import Machine, StopReason, TargetFault

pytestmark = needs_compiler

WORK = """
static uint32_t values[64];
__attribute__((noinline)) static void fill(uint32_t seed) {
    for (int i = 0; i < 64; i++) { seed = seed * 1664525u + 1013904223u; values[i] = seed; }
}
__attribute__((noinline)) static void sort(void) {
    for (int i = 1; i < 64; i++)
        for (int k = i; k > 0 && values[k - 1] > values[k]; k--) {
            uint32_t t = values[k]; values[k] = values[k - 1]; values[k - 1] = t;
        }
}
__attribute__((noinline)) static uint32_t hash(void) {
    uint32_t h = 2166136261u;
    for (int i = 0; i < 64; i++) h = (h ^ values[i]) * 16777619u;
    return h;
}
volatile float mean; volatile uint32_t result;
int main(void) {
    fpu_on();
    float sum = 0;
    for (uint32_t round = 0; round < 20; round++) { fill(round); sort(); sum += (float)hash(); }
    mean = sum / 20.0f;
    result = hash();
    return 0;
}
"""
NO_IT = ("-fno-if-conversion", "-fno-if-conversion2", "-fno-tree-loop-if-convert")


def hooked_instructions(subject: Machine) -> list[int]:
    """Addresses that unicorn's per-instruction hook sees, an independent count."""
    seen: list[int] = []
    subject._uc.hook_add(unicorn.UC_HOOK_CODE, lambda uc, address, size, data: seen.append(address))
    return seen


def test_compiled_program_counts_what_the_instruction_hook_counts() -> None:
    plain = machine(WORK, *NO_IT)
    assert plain.run() is StopReason.HALTED
    hooked = machine(WORK, *NO_IT)
    seen = hooked_instructions(hooked)
    hooked.run()
    # The hook sees the BKPT that ends the program; it is not executed.
    assert plain.instructions == len(seen) - 1 > 50_000
    assert plain.profile().instructions == plain.instructions


def test_without_data_timing_the_same_runs_in_fewer_cycles() -> None:
    timed, hasty = machine(WORK), machine(WORK, data_timing=False)
    results = []
    for subject in (timed, hasty):
        assert subject.run() is StopReason.HALTED
        results.append(subject.read_memory(subject.image.symbols["result"].address, 4))
    assert results[0] == results[1]
    assert hasty.instructions == timed.instructions
    assert hasty.cycles < timed.cycles


def test_result_is_right_and_slices_change_nothing() -> None:
    whole = machine(WORK)
    whole.run()
    sliced = machine(WORK)
    slices = 0
    while sliced.run(997) is not StopReason.HALTED:
        slices += 1
    assert slices > 50
    assert sliced.instructions == whole.instructions
    assert {e.block: 0 for e in sliced.profile().edges}.keys() == {
        e.block: 0 for e in whole.profile().edges
    }.keys()
    address = whole.image.symbols["result"].address
    assert sliced.read_memory(address, 4) == whole.read_memory(address, 4)
    words = [19 * 1664525 + 1013904223 & 0xFFFFFFFF]
    while len(words) < 64:
        words.append(words[-1] * 1664525 + 1013904223 & 0xFFFFFFFF)
    h = 2166136261
    for word in sorted(words):
        h = (h ^ word) * 16777619 & 0xFFFFFFFF
    assert int.from_bytes(whole.read_memory(address, 4), "little") == h


def test_limit_is_kept_to_the_block() -> None:
    subject = machine(WORK)
    assert subject.run(1000) is StopReason.LIMIT
    assert 1000 <= subject.instructions < 1100


# 5 instructions a round whichever way the condition goes: what fails its condition takes a slot too.
IT = """
__attribute__((naked)) uint32_t predicated(uint32_t n);
__attribute__((naked)) uint32_t predicated(uint32_t n) {
    __asm volatile("mov r2, r0\\n mov r0, #0\\n"
                   "1: tst r2, #1\\n ite eq\\n addeq r0, #1\\n addne r0, #256\\n"
                   "subs r2, #1\\n bne 1b\\n bx lr");
}
int main(void) { return 0; }
"""


def test_it_block_counts_every_instruction() -> None:
    subject = machine(IT)
    assert subject.call("predicated", 10) == 5 + 5 * 256
    assert subject.instructions == 2 + 10 * 6 + 1


FAULT_IN_BLOCK = """
__attribute__((naked)) void strike(void);
__attribute__((naked)) void strike(void) {
    __asm volatile("movs r0, #1\\n ldr r1, =0x60000000\\n movs r2, #2\\n ldr r3, [r1]\\n"
                   "movs r2, #3\\n movs r2, #4\\n"
                   "bx lr");
}
int main(void) { return 0; }
"""


def test_block_cut_by_a_fault_counts_what_ran() -> None:
    subject = machine(FAULT_IN_BLOCK)
    with pytest.raises(TargetFault, match="0x60000000") as caught:
        subject.call("strike")
    assert caught.value.report.registers["r2"] == 2
    assert subject.instructions == 3
    assert subject.profile().instructions == 3


PHASES = """
volatile uint32_t sink;
#define NI __attribute__((noinline, noipa))
NI void helper(uint32_t n) { for (uint32_t i = 0; i < n; i++) sink += i; }
NI void first(void) { helper(10); sink++; }
NI void second(void) { helper(100); sink++; }
NI void outer(void) { helper(5); second(); helper(7); sink++; }
NI void tail(void) { sink++; second(); }
__attribute__((naked)) void looping(void);
__attribute__((naked)) void looping(void) { __asm volatile("subs r0, #1\\n bne looping\\n bx lr"); }
int main(void) { first(); second(); helper(3); return 0; }
"""


def phase_counts(function: str, *phases: str, argument: int = 0) -> tuple[Machine, dict[str | None, int]]:
    subject = machine(PHASES, phases=phases)
    subject.call(function, argument)
    counts = dict(subject.profile().instructions_by_phase)
    assert sum(counts.values()) == subject.instructions
    return subject, counts


def test_callees_belong_to_the_phase_that_called() -> None:
    subject, counts = phase_counts("main", "first", "second")
    by_function = subject.profile().instructions_by_function
    assert set(counts) == {"first", "second", None}
    assert counts["second"] > 5 * counts["first"]
    alone, _ = phase_counts("first")
    assert counts["first"] == alone.instructions
    # Outside: main and the helper that it calls itself.
    assert counts[None] > by_function["main"]


def test_an_inner_phase_interrupts_the_outer_one() -> None:
    _, counts = phase_counts("outer", "outer", "second")
    whole, _ = phase_counts("outer")
    inner, _ = phase_counts("second")
    assert counts == {"outer": whole.instructions - inner.instructions, "second": inner.instructions}


def test_a_tail_call_ends_both_phases() -> None:
    subject = machine(PHASES, phases=("tail", "second"))
    subject.call("tail")
    inner, _ = phase_counts("second")
    assert subject.profile().instructions_by_phase["second"] == inner.instructions
    subject.clear_profile()
    assert subject.profile().instructions == 0
    subject.call("helper", 4)
    assert set(subject.profile().instructions_by_phase) == {None}


def test_a_loop_to_the_entry_is_one_phase() -> None:
    subject, counts = phase_counts("looping", "looping", argument=200)
    assert counts == {"looping": 401}
    assert subject.profile().cycles == subject.cycles > 100


def test_cycles_are_the_sum_over_edges() -> None:
    subject = machine(WORK)
    subject.run()
    profile = subject.profile()
    assert abs(profile.cycles - subject.cycles) < 1e-6 * profile.cycles
    assert 0.4 < profile.cycles / profile.instructions < 4
    assert sum(profile.cycles_by_function.values()) == sum(e.cycles for e in profile.edges)
    assert profile.instructions_by_function["sort"] > profile.instructions_by_function["fill"]
