"""Each documented rule of the timing model by itself, then whole inner loops with recorded figures."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from generator.emulator.timing import MISPREDICTION_CYCLES, Block, TimingModel

Assemble = Callable[[str], bytes]


@pytest.fixture(scope="module")
def assemble(tmp_path_factory: pytest.TempPathFactory) -> Assemble:
    if shutil.which("arm-none-eabi-as") is None:
        pytest.skip("arm-none-eabi-as is not installed")
    folder = tmp_path_factory.mktemp("assembly")

    def run(text: str) -> bytes:
        source = (
            ".syntax unified\n.cpu cortex-m7\n.fpu fpv5-sp-d16\n.thumb\n" + text.replace(";", "\n") + "\n"
        )
        (folder / "a.s").write_text(source)
        subprocess.run(["arm-none-eabi-as", "a.s", "-o", "a.o"], cwd=folder, check=True)
        copy = ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", "a.o", "a.bin"]
        subprocess.run(copy, cwd=folder, check=True)
        return (folder / "a.bin").read_bytes()

    return run


def steady(code: bytes) -> float:
    block = Block(0x1000, len(code))
    return model(code).edge_cycles(block, block)


def once(code: bytes) -> float:
    return model(code).edge_cycles(None, Block(0x1000, len(code)))


def model(code: bytes) -> TimingModel:
    def read(address: int, size_bytes: int) -> bytes:
        return code[address - 0x1000 : address - 0x1000 + size_bytes]

    return TimingModel(read)


# Cycles of a sequence run once from an idle core, to the cycle after the last issue.
ISSUE = {
    "two independent ALU": ("add r0,r1; add r2,r3", 1),
    "ALU waits for ALU": ("add r0,r1; add r2,r0", 2),
    "never three": ("add r0,r1; add r2,r3; add r4,r5", 2),
    "no two writes of a register at once": ("mov r0,r1; mov r0,r2", 2),
    "word load to use 1": ("ldr r0,[r1]; nop; add r2,r0", 2),
    "narrow load to use 2": ("ldrb r0,[r1]; nop; add r2,r0", 3),
    "load to address 2": ("ldr r0,[r1]; nop; ldr r2,[r0]", 3),
    "narrow load to address 3": ("ldrsh r0,[r1]; nop; ldr r2,[r0]", 4),
    "ALU to address 2": ("add r0,r1; nop; ldr r2,[r0]", 3),
    "updated address to address 1": ("ldr r0,[r1],#4; ldr r2,[r1]", 2),
    "two loads pair": ("ldr r0,[r1]; ldr r2,[r3]", 1),
    "three loads do not": ("ldr r0,[r1]; ldr r2,[r3]; ldr r4,[r5]", 2),
    "load and store pair": ("ldr r0,[r1]; str r2,[r3]", 1),
    "two stores do not": ("str r0,[r1]; str r2,[r3]", 2),
    "a store takes a result of its cycle": ("add r0,r1; str r0,[r3]", 1),
    "multiply latency 2": ("mul r0,r1,r2; nop; add r3,r0", 3),
    "one MAC unit": ("mul r0,r1,r2; mul r3,r4,r5", 2),
    "MAC and ALU pair": ("mul r0,r1,r2; add r3,r4", 1),
    "accumulator forwarding": ("smlad r0,r1,r2,r3; smlad r4,r5,r6,r0", 2),
    "no forwarding to a factor": ("smlad r0,r1,r2,r3; smlad r4,r0,r6,r7", 3),
    "long accumulators forward": ("smlal r0,r1,r2,r3; smlal r0,r1,r4,r5", 2),
    "umull latency 2 for both halves": ("umull r0,r1,r2,r3; nop; add r4,r1", 3),
    "an ALU result feeds a multiply": ("add r0,r1; mul r2,r0,r3", 2),
    "an accumulator is read late": ("add r0,r1; mla r2,r3,r4,r0", 1),
    "one shifter": ("lsl r0,r1,#2; lsl r2,r3,#3", 2),
    "shift and plain pair": ("lsl r0,r1,#2; add r2,r3", 1),
    "one shifted operand": ("add r0,r1,r2,lsl #2; add r3,r4,r5,lsl #2", 2),
    "shifted operand is read early": ("add r0,r1; nop; add r2,r3,r0,lsl #2", 3),
    "the other operand is not": ("add r0,r1; nop; add r2,r0,r3,lsl #2", 2),
    "but comes too late from a load": ("ldr r0,[r1]; nop; add r2,r0,r3,lsl #2", 3),
    "DSP first of a pair": ("sxtb16 r0,r1; add r2,r3", 1),
    "DSP never second": ("add r2,r3; sxtb16 r0,r1", 2),
    "DSP beside SMLAD": ("sxtb16 r0,r1,ror #8; smlad r2,r3,r4,r5", 1),
    "SMLAD first, DSP next": ("smlad r2,r3,r4,r5; sxtb16 r0,r1", 2),
    "SMLAD second of a load": ("ldr r0,[r1]; smlad r2,r3,r4,r5", 1),
    "saturation is slow": ("ssat r0,#8,r1; nop; add r2,r0", 3),
    "saturation reads early": ("add r1,r2; nop; ssat r0,#8,r1", 3),
    "pkhbt reads its shifted operand early": ("add r2,r3; nop; pkhbt r0,r1,r2,lsl #16", 3),
    "compare and branch pair": ("cmp r0,r1; bne .", 1),
    "flag-setting and branch pair": ("subs r0,#1; bne .", 1),
    "cbz waits for its register": ("add r0,r1; cbz r0,1f; nop; 1:", 2),
    "add with carry waits for flags": ("adds r0,r1; adc r2,r3", 2),
    "ldm takes two words a cycle": ("ldm r0,{r1-r4}; add r5,r6", 3),
    "an odd word takes a cycle": ("ldm r0,{r1-r3}; add r5,r6", 3),
    "push alone": ("add r5,r6; push {r0-r3}", 3),
    "ldrd alone": ("ldrd r0,r1,[r2]; add r3,r4", 2),
    "division stalls": ("sdiv r0,r1,r2; add r3,r4", 8),
    "division result": ("udiv r0,r1,r2; add r3,r0", 8),
    "predicated code takes its slots": ("cmp r0,#0; ite eq; moveq r1,r2; movne r3,r4", 2),
    "a predicated result needs the old one": ("it ne; ldrbne r0,[r1]; it eq; moveq r0,r2", 3),
    "float add latency 3": ("vadd.f32 s0,s1,s2; vadd.f32 s3,s0,s4", 4),
    "one FPU": ("vadd.f32 s0,s1,s2; vmul.f32 s3,s4,s5", 2),
    "float beside integer": ("vadd.f32 s0,s1,s2; add r0,r1", 1),
    "float load to use 1": ("vldr s0,[r0]; nop; vadd.f32 s1,s0,s2", 2),
    "float to core": ("vmov r0,s0; nop; add r1,r0", 2),
    "core to float latency 3": ("vmov s0,r0; nop; vadd.f32 s1,s0,s2", 4),
    "float division locks": ("vdiv.f32 s0,s1,s2; nop; add r0,r1", 17),
    "float root locks": ("vsqrt.f32 s0,s1; nop; add r0,r1", 15),
    "float compare to branch": ("vcmp.f32 s0,s1; vmrs apsr_nzcv,fpscr; bne .", 3),
    "barriers alone": ("dsb; add r0,r1", 2),
}


@pytest.mark.parametrize("name", ISSUE)
def test_rule(assemble: Assemble, name: str) -> None:
    source, cycles = ISSUE[name]
    assert once(assemble(source)) == cycles


# Cycles per iteration of a sequence that follows itself.
STEADY = {
    "two ALU a cycle": ("add r0,r1; add r2,r3; add r4,r5; add r6,r1", 2),
    "smlad chain": ("smlad r0,r1,r2,r0;" * 4, 4),
    "unpack and multiply": ("sxtb16 r3,r4; smlad r0,r1,r2,r0;" * 4, 4),
    "fused multiply-add chain": ("vfma.f32 s0,s1,s2;" * 4, 12),
    "chained multiply-add": ("vmla.f32 s0,s1,s2;" * 4, 12),
    "interleaved fused multiply-adds": ("vfma.f32 s0,s8,s9; vfma.f32 s1,s8,s9; vfma.f32 s2,s8,s9", 3),
    "pointer chase": ("ldr r0,[r0];" * 4, 8),
    "count down": ("1: subs r0,#1; bne 1b", 1),
}


@pytest.mark.parametrize("name", STEADY)
def test_steady_state(assemble: Assemble, name: str) -> None:
    source, cycles = STEADY[name]
    assert steady(assemble(source)) == cycles


# Measured on an STM32H743 (J. Nk0le, pipeline cycle test), on top of LLVM's model.
MEASURED = {
    "a load comes too late for a factor": ("ldr r0,[r1]; nop; smlad r2,r0,r3,r2", 3),
    "but not for an accumulator": ("ldr r0,[r1]; nop; smlad r2,r3,r4,r0", 2),
    "a multiplication and a store do not issue together": ("mul r0,r1,r2; str r3,[r4]", 2),
    "early addition feeds the late ALU at once": ("nop; nop; add r2,r3; eor r4,r2", 2),
    "and an address in the next cycle": ("nop; nop; add r2,r3; nop; ldr r4,[r2]", 3),
    "early after early": ("add r2,r3; nop; add r4,r2; eor r5,r4", 2),
    "an early result wants early operands": ("eor r2,r3; nop; add r4,r2; eor r5,r4", 3),
    "logic is never early": ("nop; nop; eor r2,r3; add r4,r2", 3),
    "the second of a pair is not early": ("nop; nop; nop; add r2,r3; ldr r4,[r2]", 4),
}


@pytest.mark.parametrize("name", MEASURED)
def test_measured_rule(assemble: Assemble, name: str) -> None:
    source, cycles = MEASURED[name]
    code = assemble(source)
    timing = TimingModel(lambda address, size: code, measured=True)
    assert timing.edge_cycles(None, Block(0x1000, len(code))) == cycles


def test_a_wrong_prediction_costs_less_when_the_flags_are_old(assemble: Assemble) -> None:
    far = "subs r0,#1;" + "nop;" * 7 + "bne ."
    jump_on_zero = assemble("cbz r0,1f; nop; 1:")[:2]
    for code, cycles in ((assemble("subs r0,#1; bne ."), 8), (assemble(far), 6), (jump_on_zero, 8)):
        branch = model(code).branch(Block(0x1000, len(code)))
        assert branch is not None
        assert branch.penalty_cycles == cycles
    code = assemble("add r0,r1; bx lr")
    assert model(code).branch(Block(0x1000, len(code))) is None


CAUSE = {
    "issue": "add r0,r1; add r2,r3; add r4,r5; add r6,r7",
    "dependency": "ldr r0,[r0];" * 4,
    "mac": "mul r0,r1,r2; mul r3,r4,r5; mul r6,r7,r8; mul r9,r10,r11",
    "load_port": "str r0,[r1]; str r2,[r3]; ldm r4!,{r5-r8}; str r9,[r10]",
    "branch": "1: b 1b",
}


@pytest.mark.parametrize("name", CAUSE)
def test_cycles_are_put_down_to_what_costs_them(assemble: Assemble, name: str) -> None:
    code = assemble(CAUSE[name])
    block = Block(0x1000, len(code))
    causes = model(code).edge_cost(block, block).causes
    assert getattr(causes, name) > 0.7 * causes.total
    assert causes.total == model(code).edge_cycles(block, block)
    assert sum(causes.rounded().values()) == round(causes.total)


TWO_BY_TWO = """
sxtb16 r0,r12; ldr r10,[r9],#4; sxtb16 r6,r12,ror #8; smlad r2,r0,r7,r2; smlad r4,r0,r10,r4
ldr r12,[r1],#4; smlad r3,r6,r7,r3; ldr r7,[r8],#4; smlad r5,r6,r10,r5
"""
TWO_BY_THREE = """
sxtb16 r0,r12; ldr r11,[r9],#4; sxtb16 r12,r12,ror #8; smlad r2,r0,r10,r2; smlad r4,r0,r11,r4
smlad r3,r12,r10,r3; ldr r10,[r8],#4; smlad r5,r12,r11,r5; smlad r6,r0,r10,r6; ldr r10,[r9,#4]
smlad r7,r12,r10,r7; ldr r12,[r1],#4
"""
FULLY_CONNECTED = """
sxtb16 r0,r12; ldr r10,[r1],#4; sxtb16 r6,r12,ror #8; smlad r2,r0,r7,r2; sxtb16 r0,r10; smlad r3,r6,r7,r3
sxtb16 r6,r10,ror #8; smlad r4,r0,r7,r4; ldr r12,[r1],#4; smlad r5,r6,r7,r5; ldr r7,[r8],#4
"""


@pytest.mark.parametrize(
    ("step", "macs", "recorded"),
    [(TWO_BY_THREE, 12, 0.594), (TWO_BY_TWO, 8, 0.641), (FULLY_CONNECTED, 8, 0.781)],
    ids=["2x3", "2x2", "fully-connected"],
)
def test_recorded_inner_loops(assemble: Assemble, step: str, macs: int, recorded: float) -> None:
    """Hand-scheduled loops unrolled 8 times against the figures that another model of this core gave.

    The schedules are reconstructions, so a cycle in a loop of fifty may differ.
    """
    cycles = steady(assemble("1:" + step * 8 + "subs lr,#1; bne 1b"))
    assert cycles / (macs * 8) == pytest.approx(recorded, abs=1.01 / (macs * 8))


def test_recorded_library_loop(assemble: Assemble) -> None:
    """CMSIS-NN's convolution step: 26 instructions for 16 MACs, recorded as 20 cycles."""
    loop = """
    1: ldr.w r9,[r2]; ldr r8,[r3]; ldr ip,[r0],#4; adds r2,#8; adds r3,#8
    sxtb16 fp,ip,ror #8; sxtb16 ip,ip; ldr r1,[r10],#4; pkhtb lr,fp,ip,asr #16; pkhbt ip,ip,fp,lsl #16
    sxtb16 sl,r1,ror #8; sxtb16 r1,r1; pkhtb fp,sl,r1,asr #16; pkhbt r1,r1,sl,lsl #16
    smlad r7,ip,r9,r7; smlad r4,ip,r8,r4; smlad r6,r1,r9,r6; smlad r5,r1,r8,r5
    ldr.w r8,[r2,#-4]; ldr r1,[r3,#-4]; smlad r7,lr,r8,r7; smlad r4,lr,r1,r4; smlad r6,fp,r8,r6
    smlad r5,fp,r1,r5; cmp r0,lr; bne 1b
    """
    assert steady(assemble(loop)) == pytest.approx(20, abs=1)


def test_predecessor_state_is_kept(assemble: Assemble) -> None:
    first = assemble("ldrb r0,[r1]")
    code = first + assemble("add r2,r0")
    timing = model(code)
    load, use = Block(0x1000, len(first)), Block(0x1000 + len(first), len(code) - len(first))
    assert timing.edge_cycles(None, use) == 1
    assert timing.edge_cycles(load, use) == 2


def test_blocks_that_follow_may_share_a_cycle_and_jumps_may_not(assemble: Assemble) -> None:
    first = assemble("add.w r0,r1,r2")
    code = first + assemble("add.w r3,r4,r5; add.w r6,r7,r8")
    timing = model(code)
    start, following, far = Block(0x1000, 4), Block(0x1004, 4), Block(0x1008, 4)
    assert timing.edge_cycles(start, following) == 0
    assert timing.edge_cycles(start, far) == 1


def test_costs_along_a_path_add_up(assemble: Assemble) -> None:
    """Cutting a sequence into blocks changes nothing, as long as results do not outlive a whole block."""
    source = (
        "ldr r0,[r1]; add r2,r0; mul r3,r2,r2; add r4,r3; sxtb16 r5,r4; smlad r6,r5,r5,r6; str r6,[r1]; nop"
    )
    code = assemble(source.replace("add r", "add.w r"))
    timing = model(code)
    whole = timing.edge_cycles(None, Block(0x1000, len(code)))
    middle = len(code) // 2 & ~3
    first, second = Block(0x1000, middle), Block(0x1000 + middle, len(code) - middle)
    assert timing.edge_cycles(None, first) + timing.edge_cycles(first, second) == whole


def test_only_the_way_out_of_a_loop_is_mispredicted(assemble: Assemble) -> None:
    code = assemble("1: nop.w; subs r0,#1; bne 1b; add r2,r3; beq 2f; add r4,r5; 2: nop")
    timing = model(code)
    loop, after = Block(0x1000, 8), Block(0x1008, 4)
    assert timing.edge_cost(loop, after).misprediction == MISPREDICTION_CYCLES
    assert timing.edge_cost(loop, after).total == timing.edge_cycles(loop, after)
    assert timing.edge_cost(loop, loop).misprediction == 0
    forward_not_taken = timing.edge_cost(after, Block(0x100C, 2))
    assert forward_not_taken.misprediction == 0


def test_unknown_instructions_are_counted_not_skipped(assemble: Assemble) -> None:
    unknown = bytes.fromhex("fffffeff")  # no such Thumb-2 instruction
    assert once(unknown) == 1
    assert once(assemble("add r0,r1") + unknown + assemble("add r2,r3")) == 3


def test_figures_are_repeatable(assemble: Assemble) -> None:
    code = assemble("1:" + TWO_BY_TWO * 8 + "subs lr,#1; bne 1b")
    assert steady(code) == steady(code)


def test_code_is_read_once_per_block(assemble: Assemble) -> None:
    code = assemble("add r0,r1; add r2,r3")
    reads = []

    def read(address: int, size_bytes: int) -> bytes:
        reads.append((address, size_bytes))
        return code

    timing = TimingModel(read)
    block = Block(0, len(code))
    for _ in range(3):
        timing.edge_cycles(None, block)
        timing.edge_cycles(block, block)
    assert reads == [(0, len(code))]
