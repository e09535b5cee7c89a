"""Addresses of loads and stores: what the model computes from registers against what the engine accesses.

The engine's own memory hooks are the ground truth. They spoil IT blocks, so they run in a machine of their
own, and with code that has none where results matter.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
import unicorn
from emulator_build import machine, needs_compiler
from unicorn import arm_const as arm

from generator.emulator import Machine
from generator.emulator.accesses import Access
from generator.emulator.instruction_timing import decode
from generator.targets import load_board
from generator.toolchain.elf import ElfImage
from tests.conftest import Built

NO_IT = ("-fno-if-conversion", "-fno-if-conversion2", "-fno-tree-loop-if-convert")
REGISTERS = (*(getattr(arm, f"UC_ARM_REG_R{i}") for i in range(13)), arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR)


class Witness:
    """Compares, instruction by instruction, expected with real accesses."""

    def __init__(self, subject: Machine) -> None:
        self.uc = subject._uc
        self.known: dict[int, Access | None] = {}
        self.expected: tuple[Access, int] | None = None
        self.seen: list[tuple[bool, int, int]] = []
        self.compared = 0
        self.wrong: list[str] = []
        kinds = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
        self.uc.hook_add(unicorn.UC_HOOK_CODE, self.on_code)
        self.uc.hook_add(kinds, self.on_access)
        self.uc.ctl_flush_tb()  # what is translated has no hooks

    def on_access(self, _uc: Any, kind: int, address: int, size: int, _value: int, _data: Any) -> None:
        self.seen.append((kind == unicorn.UC_MEM_WRITE, address & 0xFFFFFFFF, size))

    def on_code(self, uc: Any, address: int, size: int, _data: Any) -> None:
        self.compare()
        if address not in self.known:
            (operation,) = decode(bytes(uc.mem_read(address, size)), address)
            self.known[address] = operation.access
        access = self.known[address]
        if access is None or access.preload:  # a hint moves nothing that the engine could see
            return
        base = 0 if access.base is None else uc.reg_read(REGISTERS[access.base])
        index = 0 if access.index is None else uc.reg_read(REGISTERS[access.index]) << access.shift
        self.expected = access, base + index + access.displacement & 0xFFFFFFFF

    def compare(self) -> None:
        seen, self.seen = self.seen, []
        expected, self.expected = self.expected, None
        if not seen and expected is None:
            return
        self.compared += 1
        if expected is None:
            self.wrong.append(f"{seen} was not expected")
            return
        access, address = expected
        real = {
            (store, min(a for s, a, _ in seen if s == store), sum(n for s, _, n in seen if s == store))
            for store in {store for store, _, _ in seen}
        }
        if real != {(access.store, address, access.size_bytes)}:
            self.wrong.append(f"{access} at {address:#x}, but {seen}")


PROGRAM = r"""
typedef struct { int32_t a; int16_t b; uint8_t c[5]; float f; double d; } item_t;
static item_t items[16]; static uint32_t words[256]; static int8_t bytes[1024]; static volatile uint32_t sink;
static const uint16_t table[64] = {3, 1, 4, 1, 5, 9, 2, 6};
#define NI __attribute__((noinline, noipa))
NI static void *copy(void *to, const void *from, uint32_t n) {
    uint8_t *t = to; const uint8_t *f = from; while (n--) *t++ = *f++; return to;
}
NI static void copy_words(uint32_t *to, const uint32_t *from, uint32_t n) { while (n--) *to++ = *from++; }
NI static int32_t dot(const int8_t *a, const int8_t *b, uint32_t n) {
    int32_t sum = 0; for (uint32_t i = 0; i < n; i++) sum += a[i] * b[i]; return sum;
}
NI static uint32_t gather(const uint16_t *index, uint32_t n) {
    uint32_t sum = 0; for (uint32_t i = 0; i < n; i++) sum += words[index[i & 63] * 7 + (i & 3)]; return sum;
}
NI static float scale(item_t *item, float by) { item->f *= by; item->d = item->d; return item->f; }
NI static uint32_t choose(uint32_t n) {
    switch (n) { case 0: return words[1]; case 1: return 7; case 2: return words[9] + 1; case 3: return 1;
                 case 4: return sink; case 5: return words[n]; case 6: return 12; default: return 3; }
}
NI static uint64_t wide(const uint64_t *v, uint32_t n) { uint64_t s = 0; while (n--) s += *v++; return s; }
NI static uint32_t many(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f, uint32_t g) {
    uint32_t local[12]; for (int i = 0; i < 12; i++) local[i] = a * i + b;
    sink = local[c % 12] + local[d % 12];
    return e + f + g + local[sink % 12];
}
static uint32_t stack_copy[16];
__attribute__((naked)) NI static void forms(uint32_t *p) {
    __asm volatile("push {r4-r8, lr}\n vpush {d8-d9}\n mov r1, #8\n"
        "ldr r2, [r0], #4\n ldr r2, [r0, #4]!\n ldr r2, [r0, #-4]\n ldr r2, [r0, r1]\n"
        "ldr r2, [r0, r1, lsl #1]\n"
        "ldrb r2, [r0, #3]\n ldrsb r2, [r0, r1]\n ldrh r2, [r0, #2]!\n ldrsh r2, [r0], #-2\n"
        "strb r2, [r0, #1]\n strh r2, [r0, r1]\n str r2, [r0, #-4]!\n str r2, [r0], #4\n"
        "ldrd r2, r3, [r0, #8]\n ldrd r2, r3, [r0], #8\n strd r2, r3, [r0, #-8]!\n"
        "ldm r0, {r2-r5}\n ldm r0!, {r2, r3}\n ldmdb r0!, {r2, r3}\n stm r0!, {r2-r4}\n stmdb r0!, {r2-r4}\n"
        "vldr s0, [r0, #4]\n vldr d1, [r0, #8]\n vstr s0, [r0]\n vstr d1, [r0, #8]\n"
        "vldm r0, {s0-s3}\n vldm r0!, {d0-d1}\n vstmdb r0!, {d0-d1}\n vstm r0, {s0-s2}\n"
        "ldrex r2, [r0, #4]\n ldr r2, =0x12345678\n ldr r2, [sp, #4]\n str r2, [sp, #8]\n"
        "mov r3, #1\n tbb [pc, r3]\n 1: .byte 1, 1\n nop\n"
        "vpop {d8-d9}\n pop {r4-r8, pc}\n .ltorg\n");
}
NI static void all(void) {
    for (uint32_t i = 0; i < 256; i++) words[i] = i * 2654435761u;
    for (uint32_t i = 0; i < 1024; i++) bytes[i] = (int8_t)(i * 7);
    copy(bytes + 1, words, 300); copy_words(words, words + 17, 60);
    sink = (uint32_t)dot(bytes, bytes + 333, 200) + gather(table, 64);
    for (uint32_t i = 0; i < 9; i++) sink += choose(i);
    for (uint32_t i = 0; i < 16; i++) { items[i].f = (float)i; scale(&items[i], 1.5f); }
    sink += (uint32_t)wide((const uint64_t *)words, 16) + many(1, 2, 3, 4, 5, 6, 7);
    forms(stack_copy + 4);
}
int main(void) { fpu_on(); all(); return 0; }
"""


@needs_compiler
@pytest.mark.parametrize("optimize", ["-O0", "-O1", "-O2", "-O3", "-Os"])
def test_every_address_of_ordinary_code(optimize: str) -> None:
    subject = machine(PROGRAM, *NO_IT, optimize=optimize)
    witness = Witness(subject)
    subject.run()
    assert witness.wrong == []
    assert witness.compared > 1500


def test_every_address_of_the_shipped_firmware(built: Built) -> None:
    """The first step of the network; its results may be wrong under these hooks, its addresses are not.

    Called by itself: the host link would not survive what the engine's hooks do to conditional instructions.
    """
    image = ElfImage.load(built.elf)
    subject = Machine(image, load_board("nucleo_h743zi2"))
    subject.reset()
    subject.run()
    witness = Witness(subject)
    subject.call(f"mask_cnn_{built.report['latency']['layers'][0]['name']}", image.symbols["context"].address)
    assert witness.wrong == []
    assert witness.compared > 10_000


PREDICATED = r"""
static const uint32_t table[4] = {1000, 2000, 3000, 4000};
__attribute__((naked)) uint32_t predicated(uint32_t n, const uint32_t *values);
__attribute__((naked)) uint32_t predicated(uint32_t n, const uint32_t *values) {
    __asm volatile("mov r2, r0\n mov r0, #0\n 1: ands r3, r2, #3\n"
                   "itte ne\n ldrne r12, [r1, r3, lsl #2]\n addne r0, r12\n subeq r0, #1\n"
                   "tst r2, #4\n it eq\n addeq r0, #7\n subs r2, #1\n bne 1b\n bx lr");
}
int main(void) { return (int)table[0]; }
"""


@needs_compiler
def test_hooks_of_the_model_leave_predicated_code_alone() -> None:
    """The model's callbacks run before every instruction: IT blocks must not notice."""
    subject = machine(PREDICATED)
    subject.write_memory(0x20008000, struct.pack("<4I", 0, 10, 200, 3000))
    values, total = (0, 10, 200, 3000), 0
    for n in range(1, 501):
        total += (values[n & 3] if n & 3 else -1) + (0 if n & 4 else 7)
    assert subject.call("predicated", 500, 0x20008000) == total
    profile = subject.profile()
    assert profile.instructions == 2 + 500 * 10 + 1
    assert profile.causes.total == pytest.approx(subject.cycles)
