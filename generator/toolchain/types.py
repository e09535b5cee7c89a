"""C types of a firmware from its debug information, as far as they tell what a function pointer points to.

Types are compared by a canonical name that forgets what function pointers of one type may differ in:
signedness, qualifiers and typedefs. Two functions of one canonical name count as interchangeable; functions
of different names are not, which holds as long as no function pointer is cast and no structure is read as
another.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from elftools.elf.elffile import ELFFile

_TRANSPARENT = {
    "DW_TAG_typedef",
    "DW_TAG_const_type",
    "DW_TAG_volatile_type",
    "DW_TAG_restrict_type",
    "DW_TAG_atomic_type",
}
_FUNCTIONS = {"DW_TAG_subroutine_type", "DW_TAG_subprogram"}
_FLOAT = 4  # DW_ATE_float
_OP_ADDR = 0x03
_MAX_DEPTH = 8


@dataclass(frozen=True)
class CType:
    """A type; equal when the canonical names are."""

    name: str
    die: Any = field(compare=False, repr=False)

    @property
    def size_bytes(self) -> int:
        """0 for functions and incomplete types."""
        return _size(self.die)

    @property
    def is_function(self) -> bool:
        """Whether a pointer to it is a function pointer."""
        return self.die is not None and self.die.tag in _FUNCTIONS


@dataclass(frozen=True)
class FunctionType:
    """What is known of a function: its own type, the types of r0..r3, the type it returns in r0.

    An argument or result that is no pointer is None; for a pointer it is the type pointed to.
    """

    type: CType
    arguments: tuple[CType | None, ...]
    result: CType | None


class TypeTable:
    """Functions and variables by address. Empty without debug information."""

    def __init__(self, file: bytes, symbols_at: Mapping[int, frozenset[str]]) -> None:
        self._functions: dict[int, FunctionType] = {}
        self._variables: dict[int, Any] = {}
        self._declared: dict[str, Any] = {}
        self._symbols_at = symbols_at
        self._symbol_addresses = sorted(symbols_at)
        try:
            elf = ELFFile(io.BytesIO(file))
            if elf.has_dwarf_info():
                self._collect(elf.get_dwarf_info())
        except Exception:  # damaged debug information is as good as none
            self._functions.clear()
            self._variables.clear()

    def function(self, address: int) -> FunctionType | None:
        """The function at ``address``."""
        return self._functions.get(address)

    def object_at(self, address: int) -> tuple[CType, int] | None:
        """Type of the variable, or of the array's element, at ``address``, and the offset inside of it."""
        try:
            return self._object_at(address)
        except Exception:  # as in the constructor
            return None

    def pointee_in(self, type_: CType, offset: int) -> CType | None:
        """What the pointer at ``offset`` in an object of ``type_`` points to; None if there is no pointer."""
        try:
            return self._pointer_in(type_.die, offset)
        except Exception:  # as in the constructor
            return None

    def _object_at(self, address: int) -> tuple[CType, int] | None:
        index = bisect_right(self._symbol_addresses, address) - 1
        base = self._symbol_addresses[index] if index >= 0 else None
        if base is None or base not in self._variables:
            return None
        die = _plain(self._variables[base])
        offset = address - base
        size_bytes = _size(die)  # 0 for an array without a bound
        if size_bytes and offset >= size_bytes:
            return None
        while die is not None and die.tag == "DW_TAG_array_type":
            die = _plain(_type(die))
        if die is None or not _size(die):
            return None
        return CType(_canonical(die, 0), die), offset % _size(die)

    def _collect(self, dwarf: Any) -> None:
        for unit in dwarf.iter_CUs():
            for die in unit.iter_DIEs():
                if die.tag == "DW_TAG_subprogram" and "DW_AT_low_pc" in die.attributes:
                    self._add_function(die)
                elif die.tag == "DW_TAG_variable":
                    self._add_variable(die)
        for address, names in self._symbols_at.items():
            declared = next((self._declared[n] for n in sorted(names) if n in self._declared), None)
            if declared is not None:
                self._variables.setdefault(address, declared)

    def _add_function(self, die: Any) -> None:
        address = die.attributes["DW_AT_low_pc"].value & ~1
        name = _name(die)
        # A collected function stands at 0; a clone (.isra) takes other arguments than its type says.
        if name not in self._symbols_at.get(address, ()):
            return
        parameters = [c for c in die.iter_children() if c.tag == "DW_TAG_formal_parameter"]
        result = _type(die)
        self._functions[address] = FunctionType(
            CType(_function_name(die, 0), die), _core_registers(parameters, result), _pointee(result)
        )

    def _add_variable(self, die: Any) -> None:
        name = _name(die)
        location = die.attributes.get("DW_AT_location")
        if location is None:
            if name is not None and _attribute(die, "DW_AT_declaration") is not None:
                self._declared.setdefault(name, _type(die))
            return
        expression = location.value
        if location.form == "DW_FORM_exprloc" and len(expression) == 5 and expression[0] == _OP_ADDR:
            address = int.from_bytes(bytes(expression[1:]), "little")
            if name is not None and name in {n.split(".")[0] for n in self._symbols_at.get(address, ())}:
                self._variables[address] = _type(die)

    def _pointer_in(self, die: Any, offset: int) -> CType | None:
        """Follow members and elements down to a pointer."""
        for _ in range(_MAX_DEPTH):
            die = _plain(die)
            if die is None:
                return None
            if die.tag == "DW_TAG_pointer_type":
                return _pointee(die) if offset == 0 else None
            if die.tag == "DW_TAG_array_type":
                die = _type(die)
                size_bytes = _size(die)
                if not size_bytes:
                    return None
                offset %= size_bytes
            elif die.tag == "DW_TAG_structure_type":
                members = [(m, _member_offset(m)) for m in die.iter_children() if m.tag == "DW_TAG_member"]
                before = [(m, at) for m, at in members if at <= offset]
                if not before:
                    return None
                member, at = max(before, key=lambda pair: pair[1])
                die, offset = _type(member), offset - at
            else:
                return None
        return None


def _attribute(die: Any, name: str) -> Any:
    """An attribute of ``die`` or of the declaration it completes."""
    for _ in range(_MAX_DEPTH):
        if name in die.attributes:
            return die.attributes[name]
        origin = next(
            (k for k in ("DW_AT_abstract_origin", "DW_AT_specification") if k in die.attributes), None
        )
        if origin is None:
            return None
        die = die.get_DIE_from_attribute(origin)
    return None


def _name(die: Any) -> str | None:
    name = _attribute(die, "DW_AT_name")
    return None if name is None else name.value.decode("utf-8", "replace")


def _type(die: Any) -> Any:
    """The type of a variable, member, parameter or function; None for void."""
    for _ in range(_MAX_DEPTH):
        if "DW_AT_type" in die.attributes:
            return die.get_DIE_from_attribute("DW_AT_type")
        origin = next(
            (k for k in ("DW_AT_abstract_origin", "DW_AT_specification") if k in die.attributes), None
        )
        if origin is None:
            return None
        die = die.get_DIE_from_attribute(origin)
    return None


def _plain(die: Any) -> Any:
    """Without typedefs and qualifiers."""
    while die is not None and die.tag in _TRANSPARENT:
        die = _type(die)
    return die


def _pointee(die: Any) -> CType | None:
    """What ``die``, if it is a pointer type, points to."""
    die = _plain(die)
    if die is None or die.tag != "DW_TAG_pointer_type":
        return None
    target = _plain(_type(die))
    return CType(_canonical(target, 0), target)


def _size(die: Any) -> int:
    die = _plain(die)
    if die is None or die.tag in _FUNCTIONS:
        return 0
    if die.tag == "DW_TAG_array_type":
        count = 1
        for bound in die.iter_children():
            top = bound.attributes.get("DW_AT_upper_bound")
            length = bound.attributes.get("DW_AT_count")
            count *= top.value + 1 if top else length.value if length else 0
        return count * _size(_type(die))
    size = die.attributes.get("DW_AT_byte_size")
    return int(size.value) if size else 0


def _member_offset(member: Any) -> int:
    location = member.attributes.get("DW_AT_data_member_location")
    return location.value if location is not None and isinstance(location.value, int) else 0


def _canonical(die: Any, depth: int) -> str:
    die = _plain(die)
    if die is None:
        return "void"
    name = f"{die.tag.removeprefix('DW_TAG_')} {_name(die) or die.offset}"
    if depth > _MAX_DEPTH:
        name = "..."
    elif die.tag in _FUNCTIONS:
        name = _function_name(die, depth)
    elif die.tag == "DW_TAG_pointer_type":
        name = _canonical(_type(die), depth + 1) + "*"
    elif die.tag == "DW_TAG_base_type":
        kind = "float" if die.attributes["DW_AT_encoding"].value == _FLOAT else "int"
        name = f"{kind}{8 * _size(die)}"
    elif die.tag == "DW_TAG_enumeration_type":
        name = f"int{8 * _size(die)}"
    elif die.tag == "DW_TAG_array_type":
        name = f"{_canonical(_type(die), depth + 1)}[{_size(die)}]"
    return name


def _function_name(die: Any, depth: int) -> str:
    parameters = [
        "..." if c.tag == "DW_TAG_unspecified_parameters" else _canonical(_type(c), depth + 1)
        for c in die.iter_children()
        if c.tag in {"DW_TAG_formal_parameter", "DW_TAG_unspecified_parameters"}
    ]
    return f"{_canonical(_type(die), depth + 1)}({', '.join(parameters)})"


def _core_registers(parameters: list[Any], result: Any) -> tuple[CType | None, ...]:
    """What r0..r3 hold at entry (AAPCS32 6.4 and 7.1.2, hard-float variant); short where it is not sure."""
    plain = _plain(result)
    if plain is not None and plain.tag in {"DW_TAG_structure_type", "DW_TAG_union_type"}:
        return ()  # a hidden pointer may come first
    registers: list[CType | None] = []
    for parameter in parameters:
        die = _plain(_type(parameter))
        if die is None or die.tag in {"DW_TAG_structure_type", "DW_TAG_union_type", "DW_TAG_array_type"}:
            break
        if die.tag == "DW_TAG_base_type" and die.attributes["DW_AT_encoding"].value == _FLOAT:
            continue
        if _size(die) > 4:
            registers += [None] * (len(registers) % 2)
            registers.append(None)
        registers.append(_pointee(die))
    return tuple(registers[:4])
