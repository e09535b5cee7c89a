"""Worst-case stack of a firmware, read off its machine code.

Nothing is asked of the compiler, so library and assembly functions count like all others. Every function
is interpreted abstractly: each register holds a constant, a distance from the stack pointer at entry, or
something unknown. That gives the depth at every instruction through pushes, constant adjustments and frame
pointers. A call adds the callee's worst case to the depth at the call; a jump to another function is a call
whose caller is gone.

An indirect call may reach every function whose address the program holds as a word, a literal or a movw/movt
pair, the vector table and the linker's veneers aside. Where the debug information tells the type of the
called pointer, only those of its type: pointers are followed from arguments, variables and results through
the members of structures. Without debug information, or where a pointer's way is lost, all of them stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType

from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, Cs, CsInsn
from capstone import arm as cs

from generator.errors import UsageError
from generator.toolchain.elf import ElfImage, Section
from generator.toolchain.types import CType

EXCEPTION_FRAME_BYTES = 104 + 4
"""What the core stacks for an exception: 26 words with FP context (Armv7-M ARM, B1.5.7), 4 bytes to align."""

# A frame larger than this is a loop that pushes, not a frame: no RAM of the parts is larger.
_MAX_DEPTH_BYTES = 1 << 20
_MAX_VISITS = 64


@dataclass(frozen=True)
class Frame:
    """One function on the deepest chain and the stack it holds there."""

    function: str
    frame_bytes: int


@dataclass(frozen=True)
class StackUse:
    """Worst case in bytes; ``total_bytes`` is None exactly when ``problems`` says why it has no bound."""

    total_bytes: int | None
    """Thread and handler chains together."""
    chain: tuple[Frame, ...]
    """From the entry point down."""
    handler_chain: tuple[Frame, ...]
    """From the deepest exception handler down, the exception frame first; empty without a vector table."""
    frames: Mapping[str, int] = field(repr=False)
    """Deepest use of each reachable function by itself, callees aside."""
    problems: tuple[str, ...]


def stack_use(image: ElfImage, *, entry: str | None = None) -> StackUse:
    """Worst-case stack of ``image`` from ``entry`` (default: the ELF's entry point).

    One exception is added once, the deepest of the vector table. UsageError if there is no symbol ``entry``.
    """
    if entry is None:
        start = image.entry
    else:
        symbol = image.symbols.get(entry)
        if symbol is None:
            raise UsageError(f"{image.path}: has no function {entry}")
        start = symbol.address & ~1
    return _Analysis(image).run(start)


@dataclass(frozen=True)
class _Constant:
    value: int


@dataclass(frozen=True)
class _FromStack:
    """Stack pointer at entry plus ``offset``."""

    offset: int


@dataclass(frozen=True)
class _Pointer:
    """A pointer to ``offset`` inside an object of type ``target``."""

    target: CType
    offset: int = 0


_Value = _Constant | _FromStack | _Pointer | None
_ENTRY_STACK = _FromStack(0)
# Nothing is called or loaded through it, so on a path that joins another it says nothing.
_NULL = _Constant(0)


@dataclass
class _State:
    """What is known before an instruction; ``slots`` are pushed words by their distance from the entry."""

    registers: dict[int, _Value]
    slots: dict[int, _Value]

    def copy(self) -> _State:
        return _State(dict(self.registers), dict(self.slots))

    @property
    def stack(self) -> _Value:
        return self.registers.get(cs.ARM_REG_SP)


@dataclass
class _Function:
    """Findings on the code that starts at ``address``."""

    address: int
    name: str
    frame_bytes: int = 0
    calls: dict[int, int] = field(default_factory=dict)
    """Callee's address to the deepest point it is called at."""
    indirect: dict[str | None, int] = field(default_factory=dict)
    """Signature of a called pointer, None where it is unknown, to the deepest point it is called at."""
    problem: str | None = None


@dataclass(frozen=True)
class _Worst:
    total_bytes: int
    chain: tuple[Frame, ...]


_CALLER_SAVED = (cs.ARM_REG_R0, cs.ARM_REG_R1, cs.ARM_REG_R2, cs.ARM_REG_R3, cs.ARM_REG_R12, cs.ARM_REG_LR)
_ARGUMENTS = (cs.ARM_REG_R0, cs.ARM_REG_R1, cs.ARM_REG_R2, cs.ARM_REG_R3)
_RETURN_REGISTERS = {cs.ARM_REG_LR}
_PUSHES = {cs.ARM_INS_PUSH, cs.ARM_INS_VPUSH}
_POPS = {cs.ARM_INS_POP, cs.ARM_INS_VPOP}
_STORES_DOWN = {cs.ARM_INS_STMDB, cs.ARM_INS_VSTMDB}
_LOADS_UP = {cs.ARM_INS_LDM, cs.ARM_INS_VLDMIA}
_STORES_UP = {cs.ARM_INS_STM, cs.ARM_INS_VSTMIA}
_LOADS_DOWN = {cs.ARM_INS_LDMDB, cs.ARM_INS_VLDMDB}
_TABLE_BRANCHES = {cs.ARM_INS_TBB: 1, cs.ARM_INS_TBH: 2}
# Which operand is the target.
_TARGET_OPERAND = {cs.ARM_INS_B: 0, cs.ARM_INS_CBZ: 1, cs.ARM_INS_CBNZ: 1}
_UNCONDITIONAL = {cs.ARM_CC_AL, cs.ARM_CC_INVALID}


class _Analysis:
    def __init__(self, image: ElfImage) -> None:
        self._image = image
        self._decoder = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS)
        self._decoder.detail = True
        self._code: dict[int, CsInsn] = {}
        self._functions: dict[int, _Function] = {}
        self._taken: set[int] = set()
        self._starts = {f.address for f in image.functions}
        self._types = image.types
        self._worst: dict[int, _Worst] = {}
        self._problems: list[str] = []

    def run(self, start: int) -> StackUse:
        handlers = self._handlers(start)
        self._taken = self._addresses_in_data()
        self._explore([start, *handlers])

        thread = self._deepest(start, ())
        exceptions = [self._deepest(handler, ()) for handler in handlers]
        total: int | None = None
        handler_chain: tuple[Frame, ...] = ()
        if exceptions and all(exceptions):
            deepest = max((e for e in exceptions if e), key=lambda e: e.total_bytes)
            handler_chain = (Frame("exception entry", EXCEPTION_FRAME_BYTES), *deepest.chain)
        if not self._problems and thread is not None:
            total = thread.total_bytes + sum(frame.frame_bytes for frame in handler_chain)
        frames = {f.name: f.frame_bytes for f in self._functions.values()}
        return StackUse(
            total,
            thread.chain if thread else (),
            handler_chain,
            MappingProxyType(dict(sorted(frames.items()))),
            tuple(dict.fromkeys(self._problems)),
        )

    # What may be called ---------------------------------------------------------------------------------

    @cached_property
    def _vector_table(self) -> Section | None:
        """The section whose second word is the reset vector (Armv7-M ARM, B1.5.3)."""
        for section in self._image.sections:
            if section.nobits or section.size_bytes < 8:
                continue
            words = self._words(section.vma, 8)
            if len(words) == 2 and words[1] == self._image.entry | 1:
                return section
        return None

    def _handlers(self, start: int) -> list[int]:
        table = self._vector_table
        if table is None:
            return []
        words = self._words(table.vma, table.size_bytes)[1:]
        handlers = {word & ~1 for word in words if self._is_function_pointer(word)}
        return sorted(handlers - {start, self._image.entry})

    def _words(self, start: int, size_bytes: int) -> list[int]:
        try:
            data = self._image.read(start, size_bytes & ~3)
        except ValueError:
            return []
        return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]

    def _addresses_in_data(self) -> set[int]:
        """Functions whose address stands in initialised data or in a literal pool."""
        taken: set[int] = set()
        code = self._image.code_ranges
        for section in self._image.sections:
            if section.nobits or section == self._vector_table:
                continue
            start = -section.vma % 4 + section.vma
            for index, word in enumerate(self._words(start, section.end - start)):
                if not self._is_function_pointer(word):
                    continue
                address = start + 4 * index
                holder = self._image.function_at(address)
                is_veneer = holder is not None and holder.name.endswith("_veneer")
                if not is_veneer and not any(low <= address < high for low, high in code):
                    taken.add(word & ~1)
        return taken

    def _is_function_pointer(self, word: int) -> bool:
        return bool(word & 1) and word & ~1 in self._starts

    # One function ---------------------------------------------------------------------------------------

    def _explore(self, roots: list[int]) -> None:
        """Analyse everything that can be called from ``roots``."""
        waiting = list(roots)
        indirect = False
        while waiting:
            address = waiting.pop()
            if address in self._functions:
                continue
            known = len(self._taken)
            function = self._functions[address] = _Function(address, self._name(address))
            self._interpret(function)
            waiting.extend(function.calls)
            indirect = indirect or bool(function.indirect)
            if indirect and (function.indirect or len(self._taken) != known):
                waiting.extend(self._taken)

    def _name(self, address: int) -> str:
        symbol = self._image.function_at(address)
        if symbol is None:
            return f"{address:#010x}"
        offset = address - symbol.address
        return f"{symbol.name}+{offset}" if offset else symbol.name

    def _interpret(self, function: _Function) -> None:
        """Follow every path of ``function``, keeping the deepest state where paths meet."""
        seen: dict[int, _State] = {}
        visits: dict[int, int] = {}
        pending = [(function.address, self._entry_state(function.address))]
        for _ in range(2):
            while pending:
                address, state = pending.pop()
                merged = self._merge(seen.get(address), state)
                if merged is None:
                    continue
                visits[address] = visits.get(address, 0) + 1
                depth = _depth(merged)
                if visits[address] > _MAX_VISITS or depth is None or depth > _MAX_DEPTH_BYTES:
                    where = self._image.line_at(address) or f"{address:#010x}"
                    function.problem = (
                        f"{function.name} ({where}): the stack is not bounded by a constant "
                        "(alloca or a variable-length array?)"
                    )
                    return
                seen[address] = merged
                instruction = self._fetch(address)
                if instruction is not None:
                    pending.extend(self._step(function, instruction, merged.copy()))
            # Code that only an unknown computed jump can reach counts as reached at the deepest point.
            pending = self._unreached(function, seen)

    def _merge(self, old: _State | None, new: _State) -> _State | None:
        """What holds on both paths, the deeper stack of the two; None if ``old`` says it already."""
        if old is None:
            return new
        registers = self._agreed(old.registers, new.registers)
        slots = self._agreed(old.slots, new.slots)
        old_depth, new_depth = _depth(old), _depth(new)
        deeper = new_depth is None or (old_depth is not None and new_depth > old_depth)
        registers[cs.ARM_REG_SP] = new.stack if deeper else old.stack
        if not deeper and registers == _known(old.registers) and slots == _known(old.slots):
            return None
        return _State(registers, slots)

    def _agreed(self, old: Mapping[int, _Value], new: Mapping[int, _Value]) -> dict[int, _Value]:
        """Values that are the same on both paths; two addresses of one type become a pointer to it."""
        agreed: dict[int, _Value] = {}
        for key, value in old.items():
            other = new.get(key)
            if value == other:
                agreed[key] = value
            else:
                kinds = {self._as_pointer(v) for v in (value, other) if v != _NULL}
                agreed[key] = kinds.pop() if len(kinds) == 1 else None
        return _known(agreed)

    def _entry_state(self, address: int) -> _State:
        registers: dict[int, _Value] = {cs.ARM_REG_SP: _ENTRY_STACK}
        known = self._types.function(address)
        for register, target in zip(_ARGUMENTS, known.arguments if known else (), strict=False):
            registers[register] = _Pointer(target) if target else None
        return _State(registers, {})

    def _unreached(self, function: _Function, seen: Mapping[int, _State]) -> list[tuple[int, _State]]:
        symbol = self._image.function_at(function.address)
        if symbol is None or symbol.address != function.address or not symbol.size_bytes:
            return []
        deepest = _FromStack(-function.frame_bytes)
        missing = []
        address = symbol.address
        while address < symbol.address + symbol.size_bytes:
            instruction = self._fetch(address)
            if instruction is None:
                address += 2
                continue
            if address not in seen and instruction.id not in {cs.ARM_INS_NOP, cs.ARM_INS_HINT}:
                missing.append((address, _State({cs.ARM_REG_SP: deepest}, {})))
            address += instruction.size
        return missing

    def _fetch(self, address: int) -> CsInsn | None:
        """The instruction at ``address``, None where there is no code."""
        if address not in self._code:
            span = next((r for r in self._image.code_ranges if r[0] <= address < r[1]), None)
            symbol = self._image.function_at(address)
            if span is None:
                return None
            # From the start of the function, so that IT blocks are decoded whole.
            start = max(span[0], symbol.address) if symbol else address
            end = (
                min(span[1], symbol.address + symbol.size_bytes) if symbol and symbol.size_bytes else span[1]
            )
            for begin in (start, address):
                if address not in self._code:
                    for instruction in self._decoder.disasm(self._image.read(begin, end - begin), begin):
                        self._code.setdefault(instruction.address, instruction)
        return self._code.get(address)

    def _step(self, function: _Function, ins: CsInsn, state: _State) -> Iterator[tuple[int, _State]]:
        """Effects of one instruction; yields where execution can go on and with what."""
        function.frame_bytes = max(function.frame_bytes, _depth(state) or 0)
        conditional = ins.cc not in _UNCONDITIONAL
        before = state.copy()
        following = ins.address + ins.size

        if ins.id in {cs.ARM_INS_BL, cs.ARM_INS_BLX}:
            operand = ins.operands[0]
            if operand.type == cs.ARM_OP_IMM:
                self._call(function, operand.imm & ~1, before)
            else:
                self._call_value(function, state.registers.get(operand.reg), before)
            for register in _CALLER_SAVED:
                state.registers[register] = None
            callee = self._types.function(operand.imm & ~1) if operand.type == cs.ARM_OP_IMM else None
            if callee is not None and callee.result is not None:
                state.registers[cs.ARM_REG_R0] = _Pointer(callee.result)
            if self._in_code(following):
                yield following, state
            return

        targets = self._targets(function, ins, state)
        if targets is None:
            self._apply(ins, state)
            yield from self._fall_through(function, following, state)
            if conditional:
                yield from self._fall_through(function, following, before)
            # A push's depth counts even where nothing follows.
            function.frame_bytes = max(function.frame_bytes, _depth(state) or 0)
            return
        for target in targets:
            if self._is_other_function(function, target):
                self._call(function, target, before)
            else:
                yield target, before
        if conditional or ins.id in {cs.ARM_INS_CBZ, cs.ARM_INS_CBNZ}:
            yield from self._fall_through(function, following, before)

    def _in_code(self, address: int) -> bool:
        """Whether a call returns to code of this function: after a noreturn call comes something else."""
        return self._fetch(address) is not None and address not in self._starts

    def _fall_through(self, function: _Function, address: int, state: _State) -> Iterator[tuple[int, _State]]:
        if self._is_other_function(function, address):
            self._call(function, address, state)
        else:
            yield address, state

    def _is_other_function(self, function: _Function, address: int) -> bool:
        """Whether going there is a tail call; a part that the compiler moved away (``.cold``) is not."""
        if address not in self._starts or address == function.address:
            return False
        return ".cold" not in self._name(address)

    def _targets(self, function: _Function, ins: CsInsn, state: _State) -> list[int] | None:
        """Where a jump goes within the program, [] for a return; None if this is no jump."""
        if ins.id in _TARGET_OPERAND:
            return [ins.operands[_TARGET_OPERAND[ins.id]].imm & ~1]
        if ins.id in _TABLE_BRANCHES:
            return self._table_branch(ins)
        if ins.id in {cs.ARM_INS_BX, cs.ARM_INS_BXNS}:
            return self._jump_to(function, ins.operands[0].reg, state)
        written = [o.reg for o in ins.operands if o.type == cs.ARM_OP_REG]
        if ins.id in _POPS | _LOADS_UP and cs.ARM_REG_PC in written:
            return []
        if written[:1] == [cs.ARM_REG_PC]:
            return self._write_pc(function, ins, state)
        return [] if ins.id == cs.ARM_INS_UDF else None

    def _write_pc(self, function: _Function, ins: CsInsn, state: _State) -> list[int]:
        if ins.id == cs.ARM_INS_MOV:
            return self._jump_to(function, ins.operands[1].reg, state)
        if ins.id == cs.ARM_INS_LDR:
            return self._load_pc(function, ins, state)
        return []  # add pc, rX: what it reaches is found by _unreached

    def _jump_to(self, function: _Function, register: int, state: _State) -> list[int]:
        if register in _RETURN_REGISTERS:
            return []
        value = state.registers.get(register)
        if isinstance(value, _Constant):
            return [value.value & ~1]
        self._call_value(function, value, state)
        return []

    def _load_pc(self, function: _Function, ins: CsInsn, state: _State) -> list[int]:
        """``ldr pc``: a return from the stack, a far jump through a literal, or a table of addresses."""
        memory = ins.operands[1].mem
        if memory.base == cs.ARM_REG_SP:
            return []
        literal = self._literal(ins)
        if isinstance(literal, _Constant):
            return [literal.value & ~1]
        base = state.registers.get(memory.base)
        if memory.index and isinstance(base, _Constant):
            targets = []
            symbol = self._image.function_at(function.address)
            entry = base.value
            while symbol and (words := self._words(entry, 4)) and self._image.function_at(words[0]) == symbol:
                targets.append(words[0] & ~1)
                entry += 4
            if targets:
                return targets
        self._call_value(function, None, state)
        return []

    def _table_branch(self, ins: CsInsn) -> list[int]:
        """Targets of ``tbb``/``tbh``: the table follows, up to where code resumes."""
        memory = ins.operands[0].mem
        width = _TABLE_BRANCHES[ins.id]
        base = ins.address + 4
        if memory.base != cs.ARM_REG_PC:
            return []
        end = min((low for low, _ in self._image.code_ranges if low >= base), default=base)
        data = self._image.read(base, end - base)
        entries = [
            int.from_bytes(data[i : i + width], "little") for i in range(0, len(data) - width + 1, width)
        ]
        # A byte that pads the table points into the table, where no code is.
        return sorted({t for e in entries if self._fetch(t := base + 2 * e) is not None})

    def _call(self, function: _Function, target: int, state: _State) -> None:
        depth = max(0, _depth(state) or 0)
        function.calls[target] = max(function.calls.get(target, 0), depth)

    def _call_value(self, function: _Function, value: _Value, state: _State) -> None:
        if isinstance(value, _Constant):
            self._call(function, value.value & ~1, state)
        else:
            is_typed = isinstance(value, _Pointer) and value.target.is_function and value.offset == 0
            signature = value.target.name if is_typed and isinstance(value, _Pointer) else None
            function.indirect[signature] = max(function.indirect.get(signature, 0), _depth(state) or 0)

    # One instruction ------------------------------------------------------------------------------------

    def _apply(self, ins: CsInsn, state: _State) -> None:
        """Effect of an instruction that is no jump."""
        operands = ins.operands
        registers = [o.reg for o in operands if o.type == cs.ARM_OP_REG]
        if ins.id in _PUSHES:
            self._push(state, registers)
        elif ins.id in _POPS:
            self._pop(state, registers)
        elif ins.id in _STORES_DOWN | _LOADS_DOWN | _STORES_UP | _LOADS_UP:
            self._block_transfer(ins, state, registers)
        elif ins.id == cs.ARM_INS_MSR:
            # The stack is set up: what is used from here on is counted from its top.
            if operands[0].type != cs.ARM_OP_REG and "msp" in ins.op_str:
                state.registers[cs.ARM_REG_SP] = _ENTRY_STACK
        else:
            memory = next((o.mem for o in operands if o.type == cs.ARM_OP_MEM), None)
            value = self._result(ins, state)
            stores = ins.id in _STORES
            if stores and memory is not None:
                self._store(state, memory, ins)
            if memory is not None and ins.writeback:
                step = operands[-1].imm if ins.post_index else memory.disp
                if ins.post_index and operands[-1].type != cs.ARM_OP_IMM:
                    state.registers[memory.base] = None
                else:
                    state.registers[memory.base] = _add(state.registers.get(memory.base), step)
            written = [o.reg for o in operands if o.type == cs.ARM_OP_REG and o.access & 2]
            for register in written if not stores else ():
                self._set(state, register, value if len(written) == 1 else None)

    def _set(self, state: _State, register: int, value: _Value) -> None:
        if isinstance(value, _Constant) and self._is_function_pointer(value.value):
            self._taken.add(value.value & ~1)
        if register == cs.ARM_REG_SP and isinstance(value, _Constant):
            value = _ENTRY_STACK  # a fixed address: the stack starts here
        state.registers[register] = value

    def _result(self, ins: CsInsn, state: _State) -> _Value:
        """What a data instruction leaves in its destination."""
        if ins.id == cs.ARM_INS_LDR:
            return self._load(ins, state)
        operation = _OPERATIONS.get(ins.id)
        if operation is None:
            return None
        values = [self._operand(ins, o, state) for o in ins.operands]
        if ins.id == cs.ARM_INS_ADR:
            values.insert(1, _Constant((ins.address + 4) & ~3))
        unary = ins.id in _UNARY
        sources = values[1:] if unary or len(values) == 3 else values
        return operation(sources[0], None if unary else sources[1])

    def _load(self, ins: CsInsn, state: _State) -> _Value:
        """A word from the literal pool, from what was stored on the stack, or a pointer of known type."""
        memory = ins.operands[1].mem
        literal = self._literal(ins)
        if literal is not None:
            return literal
        base = state.registers.get(memory.base)
        offset = 0 if ins.post_index else memory.disp
        if memory.index and (ins.operands[1].shift.value != 2 or offset):
            return None
        if isinstance(base, _FromStack) and not memory.index:
            return state.slots.get(base.offset + offset)
        target: CType | None = None
        if isinstance(base, _Constant) and not memory.index and self._is_read_only(base.value + offset):
            return _Constant(self._words(base.value + offset, 4)[0])
        pointer = self._as_pointer(_add(base, offset))
        if pointer is not None:
            target = self._types.pointee_in(pointer.target, pointer.offset)
        return _Pointer(target) if target is not None else None

    def _as_pointer(self, value: _Value) -> _Pointer | None:
        """A pointer of known type, for an address too that a variable stands at."""
        if isinstance(value, _Constant) and self._is_function_pointer(value.value):
            function = self._types.function(value.value & ~1)
            return _Pointer(function.type) if function else None
        if isinstance(value, _Constant):
            found = self._types.object_at(value.value)
            return _Pointer(*found) if found else None
        return value if isinstance(value, _Pointer) else None

    def _is_read_only(self, address: int) -> bool:
        section = next((s for s in self._image.sections if s.vma <= address and address + 4 <= s.end), None)
        return section is not None and not section.writable and bool(self._words(address, 4))

    def _literal(self, ins: CsInsn) -> _Value:
        memory = ins.operands[1].mem
        if memory.base != cs.ARM_REG_PC or memory.index:
            return None
        words = self._words(((ins.address + 4) & ~3) + memory.disp, 4)
        return _Constant(words[0]) if words else None

    def _operand(self, ins: CsInsn, operand: cs.ArmOp, state: _State) -> _Value:
        if operand.type == cs.ARM_OP_IMM:
            return _Constant(operand.imm)
        if operand.type == cs.ARM_OP_REG and operand.shift.type == 0:
            if operand.reg == cs.ARM_REG_PC:
                return _Constant((ins.address + 4) & ~3)
            return state.registers.get(operand.reg)
        return None

    def _push(self, state: _State, registers: list[int]) -> None:
        top = state.stack
        if not isinstance(top, _FromStack):
            return
        offset = top.offset - sum(_width(r) for r in registers)
        state.registers[cs.ARM_REG_SP] = _FromStack(offset)
        for register in registers:
            state.slots[offset] = state.registers.get(register)
            offset += _width(register)

    def _pop(self, state: _State, registers: list[int]) -> None:
        top = state.stack
        if not isinstance(top, _FromStack):
            return
        offset = top.offset
        for register in registers:
            state.registers[register] = state.slots.pop(offset, None)
            offset += _width(register)
        state.registers[cs.ARM_REG_SP] = _FromStack(offset)

    def _store(self, state: _State, memory: cs.ArmOpMem, ins: CsInsn) -> None:
        """Keep what is stored on the stack, so that it is known again when it is loaded."""
        base = state.registers.get(memory.base)
        if not isinstance(base, _FromStack):
            return
        if memory.index:
            state.slots.clear()
            return
        offset = base.offset + (0 if ins.post_index else memory.disp)
        stored = [o.reg for o in ins.operands if o.type == cs.ARM_OP_REG]
        for register in stored:
            for word in range(0, _width(register), 4):
                state.slots[offset - offset % 4 + word] = None
            if ins.id in {cs.ARM_INS_STR, cs.ARM_INS_STRD}:
                state.slots[offset] = state.registers.get(register)
            offset += _width(register)

    def _block_transfer(self, ins: CsInsn, state: _State, registers: list[int]) -> None:
        base, moved = registers[0], registers[1:]
        size = sum(_width(r) for r in moved)
        if ins.id in _LOADS_UP | _LOADS_DOWN:
            for register in moved:
                state.registers[register] = None
        if ins.writeback:
            down = ins.id in _STORES_DOWN | _LOADS_DOWN
            state.registers[base] = _add(state.registers.get(base), -size if down else size)

    # Chains ---------------------------------------------------------------------------------------------

    def _deepest(self, address: int, path: tuple[int, ...]) -> _Worst | None:
        """Worst case below ``address``; None, with a problem noted, where there is none."""
        if address in path:
            cycle = [*path[path.index(address) :], address]
            self._problems.append(f"recursion: {' -> '.join(self._describe(cycle))}")
            return None
        if address in self._worst:
            return self._worst[address]
        function = self._functions[address]
        if function.problem:
            self._problems.append(function.problem)
            return None
        worst = _Worst(function.frame_bytes, (Frame(function.name, function.frame_bytes),))
        bounded = True
        for callee, depth in sorted(self._callees(function).items()):
            below = self._deepest(callee, (*path, address))
            if below is None:
                bounded = False
            elif depth + below.total_bytes > worst.total_bytes:
                worst = _Worst(depth + below.total_bytes, (Frame(function.name, depth), *below.chain))
        if not bounded:
            return None
        self._worst[address] = worst
        return worst

    def _callees(self, function: _Function) -> dict[int, int]:
        callees = dict(function.calls)
        for signature, depth in function.indirect.items():
            for target in self._taken:
                known = self._types.function(target)
                if signature is None or known is None or known.type.name == signature:
                    callees[target] = max(callees.get(target, 0), depth)
        return callees

    def _describe(self, cycle: list[int]) -> Iterator[str]:
        """Names along a cycle; says where the step is an indirect call, which need not really happen."""
        yield self._functions[cycle[0]].name
        for caller, callee in pairwise(cycle):
            direct = callee in self._functions[caller].calls
            yield self._functions[callee].name + ("" if direct else " (by an indirect call)")


_STORES = {cs.ARM_INS_STR, cs.ARM_INS_STRB, cs.ARM_INS_STRH, cs.ARM_INS_STRD, cs.ARM_INS_VSTR}


def _width(register: int) -> int:
    return 8 if cs.ARM_REG_D0 <= register <= cs.ARM_REG_D31 else 4


def _add(value: _Value, step: int) -> _Value:
    if isinstance(value, _FromStack):
        return _FromStack(value.offset + step)
    if isinstance(value, _Constant):
        return _Constant((value.value + step) & 0xFFFFFFFF)
    if isinstance(value, _Pointer):
        # Only inside an array can a pointer leave its object, and then it points to another element.
        return _Pointer(value.target, (value.offset + step) % (value.target.size_bytes or 1))
    return None


def _subtract(left: _Value, right: _Value) -> _Value:
    return _add(left, -right.value) if isinstance(right, _Constant) else None


def _sum(left: _Value, right: _Value) -> _Value:
    if isinstance(left, _Constant):
        left, right = right, left
    return _add(left, right.value) if isinstance(right, _Constant) else None


def _move(value: _Value, _: _Value) -> _Value:
    return value


def _move_not(value: _Value, _: _Value) -> _Value:
    return _Constant(~value.value & 0xFFFFFFFF) if isinstance(value, _Constant) else None


def _move_top(low: _Value, high: _Value) -> _Value:
    if isinstance(low, _Constant) and isinstance(high, _Constant):
        return _Constant((low.value & 0xFFFF) | high.value << 16)
    return None


# bic aligns an address downwards, which costs at most the mask.
_OPERATIONS: dict[int, Callable[[_Value, _Value], _Value]] = {
    cs.ARM_INS_MOV: _move,
    cs.ARM_INS_MOVW: _move,
    cs.ARM_INS_MVN: _move_not,
    cs.ARM_INS_MOVT: _move_top,
    cs.ARM_INS_ADR: _sum,
    cs.ARM_INS_ADD: _sum,
    cs.ARM_INS_ADDW: _sum,
    cs.ARM_INS_SUB: _subtract,
    cs.ARM_INS_SUBW: _subtract,
    cs.ARM_INS_BIC: _subtract,
}
_UNARY = {cs.ARM_INS_MOV, cs.ARM_INS_MOVW, cs.ARM_INS_MVN}


def _depth(state: _State) -> int | None:
    """Bytes below the stack pointer at entry; None if unknown."""
    stack = state.stack
    return -stack.offset if isinstance(stack, _FromStack) else None


def _known(values: Mapping[int, _Value]) -> dict[int, _Value]:
    return {key: value for key, value in values.items() if value is not None}
