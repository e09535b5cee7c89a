"""Faults reach the firmware's handler as on silicon, and then the user, with the source line."""

from __future__ import annotations

import contextlib
import dataclasses
import random

import pytest
from emulator_build import LINKER, build, machine, needs_compiler

from generator.emulator import Machine, StopReason, TargetFault, counter
from generator.errors import MissingToolError, UsageError
from generator.targets import load_board

pytestmark = needs_compiler

# A handler that tells what it finds: number, frame, status. Lines below count from #line 1 "app.c".
HANDLER = r"""
static void hex(uint32_t v) {
    for (int s = 28; s >= 0; s -= 4) put("0123456789abcdef"[v >> s & 15]); put(' '); }
__attribute__((used)) void tell(const uint32_t *frame, uint32_t exc_return);
void tell(const uint32_t *frame, uint32_t exc_return) {
    uint32_t ipsr; __asm volatile("mrs %0, ipsr" : "=r"(ipsr));
    uart_on(); print("FAULT "); hex(ipsr); hex(frame[6]); hex(frame[0]); hex(exc_return);
    hex(REG(0xE000ED28)); hex(REG(0xE000ED2C)); hex(REG(0xE000ED38)); hex(REG(0xE000ED04) & 0x1FF);
    for (;;) __asm volatile("");
}
__attribute__((naked)) void fault(void) { __asm volatile("mov r0, sp\n mov r1, lr\n b tell"); }
static void enable(void) { REG(0xE000ED24) |= 7u << 16; }
"""
HANDLER_LINES = HANDLER.count("\n")


def faulting(body: str, *flags: str, enabled: bool = True, fpu: str = "fpv5-sp-d16") -> TargetFault:
    """The fault of a main with ``body``, which is line HANDLER_LINES + 2 of app.c."""
    source = f"{HANDLER}int main(void) {{ {'enable();' if enabled else ''}\n{body}\nreturn 0; }}\n"
    with pytest.raises(TargetFault) as caught:
        machine(source, *flags, fpu=fpu).run()
    return caught.value


def told(fault: TargetFault) -> list[int]:
    """The numbers that the handler printed."""
    assert fault.report.console.startswith("FAULT "), fault
    return [int(word, 16) for word in fault.report.console.split()[1:]]


LINE = f"app.c:{HANDLER_LINES + 2}"


def test_unmapped_write_is_a_bus_fault_with_address_and_line() -> None:
    fault = faulting(
        '__asm volatile("mov r0, #7\\n ldr r1, =0x60000010\\n str r0, [r1]" ::: "r0", "r1", "memory");'
    )
    report = fault.report
    assert report.exception == "BusFault"
    assert "write of 4 bytes at 0x60000010" in fault.cause
    assert (report.function, report.line) == ("main", LINE)
    assert report.registers["r0"] == 7
    number, pc, r0, exc_return, cfsr, hfsr, bfar, active = told(fault)
    assert (number, r0, exc_return, cfsr, hfsr, bfar) == (5, 7, 0xFFFFFFF9, 0x8200, 0, 0x60000010)
    assert pc == report.registers["pc"]
    assert active == 5
    assert "endless loop" in report.ending
    assert fault.exit_code == 7
    assert LINE in str(fault)


def test_disabled_fault_escalates_to_hard_fault() -> None:
    number, _, _, _, cfsr, hfsr, _, _ = told(faulting("REG(0x60000010) = 1;", enabled=False))
    assert (number, cfsr, hfsr) == (3, 0x8200, 1 << 30)


def test_flash_is_not_writable() -> None:
    fault = faulting("REG(0x08001000) = 1;")
    assert "in flash" in fault.cause
    assert fault.report.exception == "BusFault"


@pytest.mark.parametrize(
    ("body", "cause", "number", "cfsr", "hfsr"),
    [
        ('__asm volatile("udf #7");', "undefined instruction de07", 6, 1 << 16, 0),
        ('__asm volatile("bkpt #9");', "BKPT #9", 3, 0, 1 << 31),
        ("((void (*)(void))0x70000001)();", "execution at 0x70000000", 5, 1 << 8, 0),
        ("((void (*)(void))(uintptr_t)0x08000100)();", "ARM state", 6, 1 << 17, 0),
    ],
)
def test_kinds(body: str, cause: str, number: int, cfsr: int, hfsr: int) -> None:
    fault = faulting(body)
    assert cause in fault.cause
    values = told(fault)
    assert (values[0], values[4], values[5]) == (number, cfsr, hfsr)


def test_fpu_off_is_nocp_at_the_instruction() -> None:
    body = 'REG(0x20000400) = 5; __asm volatile("mov r0, #33\\n vmov s0, r0");'
    fault = faulting(body)
    values = told(fault)
    assert (values[0], values[4]) == (6, 1 << 19)
    assert values[2] == 33  # what stands before the instruction has run
    assert "CPACR" in fault.cause
    assert fault.report.line == LINE


def test_fpu_on_gives_an_extended_frame() -> None:
    fault = faulting('fpu_on(); __asm volatile("vmov s0, r0\\n udf #1");')
    assert told(fault)[3] == 0xFFFFFFE9


def test_double_precision_is_named() -> None:
    fault = faulting("fpu_on(); volatile double a = 2; a = a * 3.0;", fpu="fpv5-d16")
    assert "double-precision instruction" in fault.cause
    assert "-mfpu=fpv5-sp-d16" in fault.cause
    assert fault.report.line == LINE


def test_fault_inside_an_it_block_does_not_leak_into_the_handler() -> None:
    body = (
        '__asm volatile("mov r0, #1\\n ldr r1, =0x60000000\\n cmp r0, #1\\n itte eq\\n'
        ' moveq r0, #2\\n ldreq r2, [r1]\\n movne r0, #3" ::: "r0", "r1", "r2", "cc");'
    )
    values = told(faulting(body))
    assert (values[0], values[2]) == (5, 2)


def test_handler_may_return() -> None:
    source = r"""
volatile uint32_t seen;
__attribute__((used)) void skip(uint32_t *frame);
void skip(uint32_t *frame) { seen++; frame[6] += 2; }
__attribute__((naked)) void fault(void) {
    __asm volatile("mov r0, sp\n push {r4, lr}\n bl skip\n pop {r4, pc}"); }
volatile uint32_t after;
int main(void) {
    fpu_on();
    uint32_t x = 4;
    __asm volatile("vmov s16, %0\n cmp %0, %0\n ite eq\n addeq %0, #3\n addne %0, #9\n udf #1\n"
                   "ite eq\n addeq %0, #10\n addne %0, #20\n vmov r1, s16\n add %0, r1"
                   : "+r"(x) :: "r1", "cc");
    after = x;
    return 0; }
"""
    subject = machine(source)
    assert subject.run() is StopReason.HALTED
    symbols = subject.image.symbols
    assert int.from_bytes(subject.read_memory(symbols["after"].address, 4), "little") == 4 + 3 + 10 + 4
    assert int.from_bytes(subject.read_memory(symbols["seen"].address, 4), "little") == 1


def test_supervisor_call_returns_on_the_process_stack() -> None:
    source = r"""
volatile uint32_t number, result;
static uint32_t stack[64] __attribute__((aligned(8)));
__attribute__((naked)) void svc(void) {
    __asm volatile("mrs r0, ipsr\n ldr r1, =number\n str r0, [r1]\n mrs r1, psp\n"
                   "ldr r0, [r1]\n adds r0, #1\n str r0, [r1]\n bx lr"); }
int main(void) {
    uint32_t x;
    __asm volatile("msr psp, %1\n mov r2, #2\n msr control, r2\n isb\n mov r0, #41\n svc #3\n mov %0, r0\n"
                   "mov r2, #0\n msr control, r2\n isb" : "=r"(x) : "r"(&stack[64]) : "r0", "r2");
    result = x;
    return 0; }
"""
    subject = machine(source)
    assert subject.run() is StopReason.HALTED
    symbols = subject.image.symbols
    assert int.from_bytes(subject.read_memory(symbols["result"].address, 4), "little") == 42
    assert int.from_bytes(subject.read_memory(symbols["number"].address, 4), "little") == 11


def test_second_fault_in_the_handler_is_a_lockup() -> None:
    source = (
        '__attribute__((naked)) void fault(void) { __asm volatile("ldr r0, =0x60000000\\n ldr r0, [r0]"); }\n'
        "int main(void) { REG(0x60000020) = 1; return 0; }\n"
    )
    with pytest.raises(TargetFault) as caught:
        machine(source).run()
    assert "0x60000020" in caught.value.cause
    assert "lockup" in caught.value.report.ending
    assert caught.value.report.line == "app.c:2"


def test_no_handler_in_the_vector_table() -> None:
    fault = faulting("REG(0xE000ED08) = 0x20000800; REG(0x60000000) = 1;")
    assert "no handler" in fault.report.ending


def test_runaway_recursion_is_a_stack_overflow() -> None:
    source = HANDLER + (
        "__attribute__((noipa)) uint32_t deep(uint32_t n) { volatile uint32_t a[16]; a[n & 15] = n;\n"
        "return deep(n + 1) + a[3]; }\nint main(void) { return (int)deep(1); }\n"
    )
    with pytest.raises(TargetFault) as caught:
        machine(source).run()
    assert "stack overflow" in caught.value.cause
    assert caught.value.report.function == "deep"


def test_stack_bottom_in_the_middle_of_a_memory() -> None:
    source = (
        "__attribute__((noipa)) uint32_t deep(uint32_t n) { volatile uint32_t a[16]; a[n & 15] = n;\n"
        "return n ? deep(n - 1) + a[3] : 0; }\nint main(void) { return (int)deep(DEPTH); }\n"
    )
    flags = ("-Wl,--defsym=_stack_bottom=0x2001f000",)
    assert machine(source, "-DDEPTH=30", *flags).run() is StopReason.HALTED
    with pytest.raises(TargetFault, match="stack overflow: deep left sp = 0x2001ef"):
        machine(source, "-DDEPTH=60", *flags).run()


def test_endless_loop_and_silence() -> None:
    with pytest.raises(TargetFault, match=r"endless loop(.|\n)*app.c:1") as caught:
        machine('int main(void) { for (;;) __asm volatile(""); }').run()
    assert caught.value.report.exception is None
    subject = machine("volatile uint32_t flag; int main(void) { while (!flag) {} return 0; }")
    subject.hang_limit = 1_000_000
    with pytest.raises(TargetFault, match="the firmware hangs"):
        subject.run()
    assert subject.run(1000) is StopReason.LIMIT


MPU = r"""
static void region(uint32_t n, uint32_t base, uint32_t size_log2, uint32_t attributes) {
    REG(0xE000ED98) = n; REG(0xE000ED9C) = base; REG(0xE000EDA0) = attributes | (size_log2 - 1) << 1 | 1; }
static void protect(void) {
    region(0, 0x08000000, 21, 6u << 24); region(1, 0x20000000, 17, 3u << 24 | 1u << 28);
    region(2, 0x20001000, 12, 6u << 24 | 1u << 28); region(3, 0x40000000, 29, 3u << 24 | 1u << 28);
    REG(0xE000ED94) = 1; __asm volatile("dsb\n isb"); }
"""


@pytest.mark.parametrize(
    ("body", "cause", "cfsr"),
    [
        ("REG(0x20001004) = 1;", "write of 4 bytes at 0x20001004, which the MPU forbids", 0x82),
        ("((void (*)(void))0x20003001)();", "execution at 0x20003000, which the MPU forbids", 1),
        ("REG(0x24000000) = 1;", "write of 4 bytes at 0x24000000, which the MPU forbids", 0x82),
    ],
)
def test_mpu(body: str, cause: str, cfsr: int) -> None:
    start = "enable(); protect(); REG(0x20000F00) = 1; (void)REG(0x20001004);"
    source = f"{HANDLER}{MPU}int main(void) {{ {start}\n{body} }}"
    with pytest.raises(TargetFault) as caught:
        machine(source).run()
    assert cause in caught.value.cause
    values = told(caught.value)
    assert (values[0], values[4]) == (4, cfsr)


def test_unmodelled_peripheral_is_named() -> None:
    fault = faulting("REG(0x48020000) = 1;")
    assert "DCMI exists but is not modelled" in fault.cause
    assert "0x48020000" in fault.cause


def test_images_that_do_not_fit() -> None:
    source = "int main(void) { return 0; }"
    board = load_board("nucleo_h743zi2")
    with pytest.raises(UsageError, match="outside the memories"):
        Machine(build(source, linker=LINKER.replace("ORIGIN = 0x08000000", "ORIGIN = 0x09000000")), board)
    with pytest.raises(UsageError, match="no vector table"):
        Machine(build(source, linker=LINKER.replace("KEEP(*(.vectors))", "")), board).run()
    with pytest.raises(UsageError, match="no function absent"):
        machine(source, phases=("absent",))
    huge = LINKER.replace(".bss : {", ".bss : { . += 0x30000000;").replace("LENGTH = 128K", "LENGTH = 1024M")
    with pytest.raises(UsageError, match="outside the memories"):
        Machine(build(source, linker=huge), board)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_programs_end_in_a_report(seed: int) -> None:
    image = build('int main(void) { fpu_on(); uart_on(); print("x"); return get(); }')
    chance = random.Random(seed)
    segment = image.segments[0]
    code = bytearray(segment.data)
    for _ in range(1 + seed):
        code[chance.randrange(0x40, len(code))] = chance.randrange(256)
    damaged = dataclasses.replace(segment, data=bytes(code))
    subject = Machine(dataclasses.replace(image, segments=(damaged,)), load_board("nucleo_h743zi2"))
    with contextlib.suppress(TargetFault):  # anything else is a defect
        subject.run(100_000)
    assert subject.profile().instructions == subject.instructions


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    image = build("int main(void) { return 0; }")
    counter._library.cache_clear()
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MissingToolError, match="install the package gcc"):
        Machine(image, load_board("nucleo_h743zi2"))
