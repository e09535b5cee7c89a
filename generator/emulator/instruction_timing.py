"""How the core treats each kind of instruction: units, latencies, what pairs.

See :mod:`generator.emulator.timing` for the sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, Cs, CsInsn
from capstone import arm as cs

from generator.emulator.accesses import Access, access_of


@dataclass(frozen=True)
class Timing:
    """How the core treats one kind of instruction."""

    units: tuple[str, ...] = ("alu",)
    latency: int = 1
    """Cycles from issue until the late ALU can use the result; 0: in the same cycle."""
    first_only: bool = False
    """Issues only as the first of a pair."""
    alone: bool = False
    """Issues with no other instruction."""
    cycles: int = 1
    """Cycles in which nothing after it can issue, its own included."""
    destinations: int = 1
    """Leading register operands that are written."""
    reads: tuple[int, ...] = (0,)
    """When each source operand is read: -1 a cycle before the late ALU, 1 a cycle after. The last one
    goes for all further operands."""
    accumulates: bool = False
    """Whether the destinations are also read, as accumulators."""
    sets_flags: bool = False
    reads_flags: bool = False
    per_register_pair: bool = False
    """Takes a cycle per two words transferred."""


UNITS = {
    "alu": 2, "shifter": 1, "simd": 1, "mac": 1, "load": 2, "store": 1, "branch": 1, "fpu": 1, "fpu_port": 2,
}  # fmt: skip
"""Units of each kind."""

_ADDRESS = -1
_LATER = 1

TIMINGS: dict[str, Timing] = {
    "alu": Timing(),
    "alu_carry": Timing(reads_flags=True),
    "compare": Timing(destinations=0, sets_flags=True),
    "shift": Timing(("alu", "shifter")),
    "nop": Timing((), 0, destinations=0),
    # DSP and bit fields
    "count_zeros": Timing(first_only=True),
    "insert": Timing(("alu", "shifter"), first_only=True),
    "simd": Timing(("alu", "simd"), first_only=True),
    "simd_flags": Timing(("alu", "simd"), first_only=True, sets_flags=True),
    "simd_select": Timing(("alu", "simd"), first_only=True, reads_flags=True),
    "saturating_add": Timing(("alu", "simd"), 2, first_only=True),
    "saturate": Timing(("alu", "simd", "shifter"), 2, first_only=True, reads=(-1,)),
    "extract": Timing(("alu", "simd", "shifter"), first_only=True, reads=(-1,)),
    "extend_add": Timing(("alu", "simd", "shifter"), first_only=True, reads=(0, -1)),
    "reverse": Timing(("alu", "simd", "shifter"), 0, first_only=True, reads=(-1,)),
    "sad_add": Timing(("alu", "simd"), 2, first_only=True, reads=(0, 0, _LATER)),
    # Multiplication: one unit; the accumulator is read a cycle later, so that a chain of them flows.
    "multiply": Timing(("mac",), 2),
    "multiply_add": Timing(("mac",), 2, reads=(0, 0, _LATER)),
    "multiply_long": Timing(("mac",), 2, destinations=2),
    "multiply_add_long": Timing(("mac",), 2, destinations=2, accumulates=True),
    # Division ends early with its operands; LLVM schedules it as seven cycles that stall the pipeline.
    "divide": Timing(alone=True, cycles=7),
    # Memory
    "load": Timing(("load",)),
    "load_narrow": Timing(("load",), 2),
    "load_pair": Timing(("load",), alone=True, destinations=2),
    "load_multiple": Timing(("load",), alone=True, per_register_pair=True),
    "store": Timing(("store",), destinations=0, reads=(_LATER,)),
    "store_pair": Timing(("store",), alone=True, destinations=0, reads=(_LATER,)),
    "store_multiple": Timing(("store",), alone=True, destinations=0, reads=(_LATER,), per_register_pair=True),
    "load_exclusive": Timing(("load",), 2, first_only=True),
    "store_exclusive": Timing(("store",), 2, alone=True, reads=(_LATER,)),
    "preload": Timing(("load",), destinations=0),
    # Jumps
    "branch": Timing(("branch",), destinations=0, reads=(0,)),
    "branch_table": Timing(("load", "branch"), alone=True, cycles=2, destinations=0),
    # Single-precision floating point
    "fp": Timing(("fpu", "fpu_port"), 3),
    "fp_compare": Timing(("fpu", "fpu_port"), 1, destinations=0, sets_flags=True),
    "fp_flags": Timing(("fpu", "fpu_port"), alone=True, destinations=0, sets_flags=True, reads_flags=True),
    "fp_select": Timing(("fpu", "fpu_port"), 3, first_only=True, reads_flags=True),
    "fp_fused": Timing(("fpu", "fpu_port"), 5, accumulates=True),
    "fp_chained": Timing(("fpu", "fpu_port"), 6, accumulates=True),
    "fp_divide": Timing(("fpu", "fpu_port"), cycles=16),
    "fp_root": Timing(("fpu", "fpu_port"), cycles=14),
    "fp_move": Timing(("fpu_port",), 3),
    "fp_to_core": Timing(("fpu_port",), 1),
    "fp_move_pair": Timing(("fpu_port",), 3, alone=True),
    "fp_load": Timing(("load", "fpu_port")),
    "fp_store": Timing(("store", "fpu_port"), destinations=0, reads=(2,)),
    # Registers of the system, barriers, and all that is not listed
    "system": Timing(latency=3, alone=True),
}
"""Kind of instruction -> its treatment."""

# How much later than its other operands an accumulator is read.
_ACCUMULATOR_READ = {"multiply_add_long": 1, "fp_fused": 2, "fp_chained": 3}

_KINDS: dict[str, str] = {
    "alu": "add adds addw sub subw rsb and orr orn eor bic mov movw movt mvn adr",
    "alu_carry": "adc sbc rsc rrx",
    "compare": "cmp cmn tst teq",
    "shift": "lsl lsr asr ror",
    "nop": "nop hint it yield sev dbg",
    "count_zeros": "clz",
    "insert": "bfi bfc",
    "simd": "sxtb sxth uxtb uxth sxtb16 uxtb16 shadd16 shadd8 shasx shsax shsub16 shsub8 uhadd16 uhadd8 "
    "uhasx uhsax uhsub16 uhsub8",
    "simd_flags": "sadd16 sadd8 sasx ssax ssub16 ssub8 uadd16 uadd8 uasx usax usub16 usub8",
    "simd_select": "sel",
    "saturating_add": "qadd qsub qadd16 qadd8 qasx qsax qsub16 qsub8 uqadd16 uqadd8 uqasx uqsax uqsub16 "
    "uqsub8 usad8",
    "saturate": "ssat usat ssat16 usat16 qdadd qdsub",
    "extract": "sbfx ubfx",
    "extend_add": "pkhbt pkhtb sxtab sxtah uxtab uxtah sxtab16 uxtab16",
    "reverse": "rev rev16 revsh rbit",
    "sad_add": "usada8",
    "multiply": "mul smulbb smulbt smultb smultt smulwb smulwt smmul smmulr smuad smuadx smusd smusdx",
    "multiply_add": "mla mls smlabb smlabt smlatb smlatt smlawb smlawt smlad smladx smlsd smlsdx smmla "
    "smmlar smmls smmlsr",
    "multiply_long": "umull smull",
    "multiply_add_long": "umlal smlal umaal smlalbb smlalbt smlaltb smlaltt smlald smlaldx smlsld smlsldx",
    "divide": "udiv sdiv",
    "load": "ldr ldrt",
    "load_narrow": "ldrb ldrh ldrsb ldrsh ldrbt ldrht ldrsbt ldrsht",
    "load_pair": "ldrd",
    "load_multiple": "ldm ldmdb pop vldmia vldmdb vpop",
    "store": "str strb strh strt strbt strht",
    "store_pair": "strd",
    "store_multiple": "stm stmdb push vstmia vstmdb vpush",
    "load_exclusive": "ldrex ldrexb ldrexh",
    "store_exclusive": "strex strexb strexh",
    "preload": "pld pli pldw",
    "branch": "b bl bx blx cbz cbnz",
    "branch_table": "tbb tbh",
    "fp": "vadd vsub vmul vnmul vabs vneg vcvt vcvta vcvtn vcvtp vcvtm vcvtr vcvtb vcvtt vmaxnm vminnm "
    "vrinta vrintn vrintp vrintm vrintr vrintx vrintz",
    "fp_compare": "vcmp vcmpe",
    "fp_flags": "fmstat vmrs vmsr",
    "fp_select": "vseleq vselge vselgt vselvs",
    "fp_fused": "vfma vfms vfnma vfnms",
    "fp_chained": "vmla vmls vnmla vnmls",
    "fp_divide": "vdiv",
    "fp_root": "vsqrt",
    "fp_move": "vmov fconsts",
    "fp_load": "vldr",
    "fp_store": "vstr",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}

FLAGS = "flags"
Register = int | str
_Access = tuple[Register, int, bool]
_EARLY_ADDITIONS = {"add", "sub", "mov"}
_EARLY = _EARLY_ADDITIONS | {"adds", "addw", "subs", "subw", "movw", "lsl", "lsr", "asr", "ror"}
_TAKES_SHIFTED_OPERAND = {"alu", "alu_carry", "compare"}


class Operation(NamedTuple):
    """One instruction as the issue logic sees it."""

    units: tuple[str, ...]
    alone: bool
    first_only: bool
    cycles: int
    reads: tuple[_Access, ...]
    """Register, when it is read (see :attr:`Timing.reads`), whether a load's fast result comes too late."""
    writes: tuple[_Access, ...]
    """Register, cycles from issue until the late ALU can use it, whether it comes from memory."""
    backward_target: bool = False
    """A conditional jump backwards: predicted taken."""
    target: int | None = None
    """Where a direct jump leads."""
    branches: bool = False
    """Whether it jumps on a condition."""
    early: bool = False
    """Whether the early ALU can execute it, if its operands are there in time."""
    access: Access | None = None
    """The memory that it touches."""


UNKNOWN = Operation(TIMINGS["system"].units, True, False, 1, (), ())
"""What Capstone cannot decode."""
_DECODER = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS)
_DECODER.detail = True
_ALWAYS = {cs.ARM_CC_AL, cs.ARM_CC_INVALID}


def decode(code: bytes, address: int) -> Iterator[Operation]:
    """The instructions of ``code``, which lies at ``address``."""
    offset = 0
    while offset < len(code):
        for instruction in _DECODER.disasm(code[offset:], address + offset):
            offset += instruction.size
            yield _operation(instruction)
        if offset < len(code):  # not an instruction that Capstone knows; its length is in its first bits
            is_wide = code[offset + 1] >> 3 in (0b11101, 0b11110, 0b11111)
            offset += 4 if is_wide else 2
            yield UNKNOWN


def _kind(instruction: CsInsn) -> str:
    name = instruction.insn_name()
    kind = _KIND_OF.get(name, "system")
    operands = instruction.operands
    if name == "vmov":
        registers = [o.reg for o in operands if o.type == cs.ARM_OP_REG]
        cores = sum(not _is_fp(register) for register in registers)
        if len(registers) > 2:
            return "fp_move_pair"
        return "fp_to_core" if cores and not _is_fp(registers[0]) else "fp_move"
    if kind in {"fp_load", "fp_store"} and cs.ARM_REG_D0 <= operands[0].reg <= cs.ARM_REG_D31:
        return "load_pair" if kind == "fp_load" else "store_pair"
    return kind


def _is_fp(register: int) -> bool:
    return bool(cs.ARM_REG_D0 <= register <= cs.ARM_REG_D31 or cs.ARM_REG_S0 <= register <= cs.ARM_REG_S31)


def _operation(instruction: CsInsn) -> Operation:
    """What the issue logic has to know of a decoded instruction."""
    kind = _kind(instruction)
    timing = TIMINGS[kind]
    conditional = instruction.cc not in _ALWAYS
    if kind in {"load_multiple", "store_multiple"}:
        return _transfer_multiple(instruction, timing, conditional)

    shifted = kind in _TAKES_SHIFTED_OPERAND and any(_is_shifted(o) for o in instruction.operands)
    reads, writes = _data(instruction, kind, conditional, shifted)
    if (conditional and kind != "nop") or timing.reads_flags:
        # A branch looks at the flags late enough to issue with the compare that sets them.
        reads.append((FLAGS, _LATER if kind == "branch" else 0, False))
    if timing.sets_flags or instruction.update_flags:
        writes.append((FLAGS, 1, False))
    if instruction.insn_name() in {"bl", "blx"}:
        writes.append((cs.ARM_REG_LR, 1, False))
    target = None
    if kind == "branch" and instruction.operands[-1].type == cs.ARM_OP_IMM:
        target = instruction.operands[-1].imm
    return Operation(
        (*timing.units, "shifter") if shifted else timing.units,
        timing.alone,
        timing.first_only,
        timing.cycles,
        tuple(reads),
        tuple(writes),
        conditional and target is not None and target <= instruction.address,
        target,
        kind == "branch" and (conditional or instruction.insn_name() in {"cbz", "cbnz"}),
        not conditional and not shifted and _is_simple(instruction),
        access_of(instruction),
    )


def _is_simple(instruction: CsInsn) -> bool:
    """Additions, moves and shifts, but for constants that take the shifter to make (Nk0le, overall)."""
    name = instruction.insn_name()
    constants = [o.imm for o in instruction.operands if o.type == cs.ARM_OP_IMM]
    made = name in _EARLY_ADDITIONS and any(value & ~0xFFF and not _repeats(value) for value in constants)
    return name in _EARLY and not made


def _repeats(value: int) -> bool:
    """Whether a constant is a byte in a pattern (A5.3.2)."""
    value &= 0xFFFFFFFF
    low, high = value & 0xFF, value >> 8 & 0xFF
    return value in {low * 0x10001, low * 0x1010101, high * 0x1000100}


def _data(
    instruction: CsInsn, kind: str, conditional: bool, shifted: bool
) -> tuple[list[_Access], list[_Access]]:
    """Registers read and written by the operands."""
    timing = TIMINGS[kind]
    latency = timing.latency + timing.cycles - 1
    fast_load = "load" in timing.units and timing.latency == 1
    reads: list[_Access] = []
    writes: list[_Access] = []
    registers = 0
    for operand in instruction.operands:
        if operand.type == cs.ARM_OP_MEM:
            reads += [(r, _ADDRESS, False) for r in (operand.mem.base, operand.mem.index) if r]
            if instruction.writeback:
                writes.append((operand.mem.base, 0, False))
        if operand.type != cs.ARM_OP_REG:
            continue
        source = registers - timing.destinations
        registers += 1
        if source >= 0:
            when = timing.reads[min(source, len(timing.reads) - 1)]
            reads.append((operand.reg, _ADDRESS if shifted and _is_shifted(operand) else when, shifted))
            continue
        writes.append((operand.reg, latency, fast_load))
        if timing.accumulates:
            reads.append((operand.reg, _ACCUMULATOR_READ[kind], False))
        elif conditional or operand.access & 1:
            # A predicated instruction that does not execute leaves the old value: it needs it as well.
            reads.append((operand.reg, 0, shifted))
    return reads, writes


def _is_shifted(operand: cs.ArmOp) -> bool:
    return operand.type == cs.ARM_OP_REG and bool(operand.shift.type)


def _transfer_multiple(instruction: CsInsn, timing: Timing, conditional: bool) -> Operation:
    """Load or store multiple, push and pop: two words a cycle, lowest register first."""
    registers = [o.reg for o in instruction.operands]
    if instruction.insn_name() in {"push", "pop", "vpush", "vpop"}:
        base, updates = cs.ARM_REG_SP, True
    else:
        base, updates = registers.pop(0), bool(instruction.writeback)
    word = 0
    reads: list[_Access] = [(base, _ADDRESS, False)]
    writes: list[_Access] = [(base, 0, False)] if updates else []
    for register in registers:
        if "load" in timing.units:
            writes.append((register, timing.latency + word // 2, True))
        else:
            reads.append((register, _LATER + word // 2, False))
        word += 2 if cs.ARM_REG_D0 <= register <= cs.ARM_REG_D31 else 1
    if conditional:
        reads.append((FLAGS, 0, False))
    cycles = max(1, (word + 1) // 2)
    return Operation(
        timing.units, True, False, cycles, tuple(reads), tuple(writes), access=access_of(instruction)
    )
