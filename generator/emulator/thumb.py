"""What the emulator must know of Thumb code: lengths and a few encodings (ARM DDI0403E, A5 and A7)."""

from __future__ import annotations

from collections.abc import Iterator

SELF_LOOP = 1
"""The block is one branch to itself."""
USES_FPU = 2
"""The block holds a floating-point instruction."""
LOWERS_SP = 4
"""The block holds an instruction that may lower the stack pointer."""


def instructions(code: bytes) -> Iterator[tuple[int, int, int]]:
    """(offset in bytes, first halfword, second halfword or 0) of each instruction of ``code``.

    An instruction that is cut off at the end is left out.
    """
    offset = 0
    while offset + 2 <= len(code):
        first = int.from_bytes(code[offset : offset + 2], "little")
        if first >= 0xE800:  # A5.1: 0b11101, 0b11110 and 0b11111 start a 32-bit instruction
            if offset + 4 > len(code):
                return
            yield offset, first, int.from_bytes(code[offset + 2 : offset + 4], "little")
            offset += 4
        else:
            yield offset, first, 0
            offset += 2


def count_instructions(code: bytes) -> int:
    """Number of whole instructions in ``code``."""
    return sum(1 for _ in instructions(code))


def is_fpu(first: int, second: int) -> bool:
    """Whether an instruction goes to coprocessor 10 or 11, the floating-point unit (A5.3.18)."""
    return first & 0xEC00 == 0xEC00 and second >> 8 & 0xE == 0xA


def is_double_precision(first: int, second: int) -> bool:
    """Whether an instruction computes in double precision (A6.4: data processing with sz = 1)."""
    return first & 0xEF00 == 0xEE00 and second >> 8 & 0xF == 0xB and not second & 0x10


def block_flags(code: bytes) -> int:
    """The flags above of a block of instructions."""
    flags = 0
    number = 0
    for _, first, second in instructions(code):
        number += 1
        if is_fpu(first, second):
            flags |= USES_FPU
        if _lowers_sp(first, second):
            flags |= LOWERS_SP
    # B . (A7.7.12, encodings T2 and T4)
    if number == 1 and code[:4] in (b"\xfe\xe7", b"\xff\xf7\xfe\xbf"):
        flags |= SELF_LOOP
    return flags


def _lowers_sp(first: int, second: int) -> bool:
    if first < 0xE800:
        return (
            first & 0xFE00 == 0xB400  # PUSH
            or first & 0xFF80 == 0xB080  # SUB SP, #imm
            or first & 0xFF87 in (0x4685, 0x4485)  # MOV SP, Rm; ADD SP, Rm
        )
    return (
        first == 0xE92D  # PUSH.W
        or first & 0xFFBF == 0xED2D  # VPUSH
        or (first == 0xF84D and second & 0x0D00 == 0x0D00)  # STR Rt, [SP, #-imm]!
        or (first & 0xFFF0 == 0xE960 and first & 0xF == 13)  # STRD ..., [SP, #-imm]!
        or (first & 0xFBFF in (0xF1AD, 0xF2AD) and second & 0x0F00 == 0x0D00)  # SUB SP, SP, #imm
        or (first & 0xFFEF == 0xEBAD and second & 0x0F00 == 0x0D00)  # SUB SP, SP, Rm
    )
