"""Which memory an instruction touches: how its address comes from the registers that it finds."""

from __future__ import annotations

from dataclasses import dataclass

from capstone import CsInsn
from capstone import arm as cs


@dataclass(frozen=True)
class Access:
    """A load or a store; its address is base + (index << shift) + displacement."""

    pc: int
    """Address of the instruction."""
    store: bool
    base: int | None
    """Register number 0..14, or None where the address is relative to the instruction."""
    index: int | None
    shift: int
    displacement: int
    size_bytes: int
    """Everything that it moves."""
    unit_bytes: int
    """One element: 1, 2 or 4."""
    preload: bool = False
    """Only asks for the line (PLD): the core does not wait."""


_NARROW = {"b": 1, "h": 2}
_MULTIPLE = {
    "push",
    "pop",
    "vpush",
    "vpop",
    "ldm",
    "ldmdb",
    "stm",
    "stmdb",
    "vldmia",
    "vldmdb",
    "vstmia",
    "vstmdb",
}
_NO_ACCESS = {"adr", "pli", "ldrexd", "strexd", "clrex"}
_NUMBERS = {getattr(cs, f"ARM_REG_R{number}"): number for number in range(13)} | {
    cs.ARM_REG_SP: 13,
    cs.ARM_REG_LR: 14,
}


def access_of(instruction: CsInsn) -> Access | None:
    """What an instruction moves; None if it touches no memory."""
    name = instruction.insn_name()
    if name in _MULTIPLE:
        return _multiple(instruction, name)
    memory = next((o for o in instruction.operands if o.type == cs.ARM_OP_MEM), None)
    if memory is None or name in _NO_ACCESS:
        return None
    unit, size = _size(instruction, name)
    shift = memory.shift.value if memory.shift.type else 0
    base, displacement = _NUMBERS.get(memory.mem.base), memory.mem.disp
    if base is None:
        # A7.3.1: the program counter reads 4 ahead; a literal's address rounds it down to a word.
        here = instruction.address + 4
        displacement += here if name in {"tbb", "tbh"} else here & ~3
    index = _NUMBERS.get(memory.mem.index) if memory.mem.index else None
    store, preload = name.startswith(("st", "vst")), name.startswith("pld")
    return Access(instruction.address, store, base, index, shift, displacement, size, unit, preload)


def _size(instruction: CsInsn, name: str) -> tuple[int, int]:
    """Bytes of an element and of all."""
    if name in {"ldrd", "strd"}:
        return 4, 8
    if name in {"vldr", "vstr"}:
        return 4, 8 if _is_double(instruction.operands[0].reg) else 4
    if name in {"tbb", "tbh", "pld", "pldw"}:
        size = 2 if name == "tbh" else 1
        return size, size
    # ldrsb, ldrht, strexb, ...: the width is the letter behind the others.
    letters = name[3:].removeprefix("ex").removeprefix("s").removesuffix("t")
    size = _NARROW.get(letters, 4)
    return size, size


def _multiple(instruction: CsInsn, name: str) -> Access:
    registers = [o.reg for o in instruction.operands]
    stack = name in {"push", "pop", "vpush", "vpop"}
    base = 13 if stack else _NUMBERS[registers.pop(0)]
    size = sum(8 if _is_double(register) else 4 for register in registers)
    store = name in {"push", "vpush"} or name.startswith(("st", "vst"))
    down = name in {"push", "vpush"} or name.endswith("db")
    return Access(instruction.address, store, base, None, 0, -size if down else 0, size, 4)


def _is_double(register: int) -> bool:
    return bool(cs.ARM_REG_D0 <= register <= cs.ARM_REG_D31)
