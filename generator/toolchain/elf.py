"""An ARM ELF as a value: what is loaded where, the symbols, and the source line of an address.

References: *ELF for the Arm Architecture* (AAELF32: mapping symbols ``$t``/``$d`` in 5.5.5, the Thumb bit
of function symbols in 5.5.3) and *DWARF Debugging Information Format* 4 and 5, section 6.2.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from elftools.elf.constants import P_FLAGS, SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from generator.errors import UsageError
from generator.toolchain.types import TypeTable

SymbolKind = Literal["function", "object", "other"]

_KINDS: dict[str, SymbolKind] = {"STT_FUNC": "function", "STT_LOOS": "function", "STT_OBJECT": "object"}
_NOT_SYMBOLS = frozenset({"STT_SECTION", "STT_FILE"})


@dataclass(frozen=True)
class Symbol:
    """A named address; ``address`` of a function has the Thumb bit cleared."""

    name: str
    address: int
    size_bytes: int
    kind: SymbolKind


@dataclass(frozen=True)
class Segment:
    """A part of the image that is loaded: ``data`` lies at ``lma``, runs at ``vma``.

    ``mem_size_bytes`` exceeds ``len(data)`` by what must be zero at start.
    """

    vma: int
    lma: int
    data: bytes = field(repr=False)
    mem_size_bytes: int
    executable: bool


@dataclass(frozen=True)
class Section:
    """A section that occupies memory on the target; ``nobits`` ones hold nothing in the file."""

    name: str
    vma: int
    lma: int
    size_bytes: int
    nobits: bool
    executable: bool
    writable: bool

    @property
    def end(self) -> int:
        """First address after the section."""
        return self.vma + self.size_bytes


@dataclass(frozen=True)
class ElfImage:
    """An executable for a Cortex-M. Make one with :meth:`load`.

    ``symbols`` holds one symbol per name (a global before a local); ``functions`` and ``objects`` hold every
    symbol of that kind, sorted by address, so that static functions of the same name are all there.
    """

    path: Path
    entry: int
    """Address of the first instruction, Thumb bit cleared."""
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    symbols: Mapping[str, Symbol] = field(repr=False)
    functions: tuple[Symbol, ...] = field(repr=False)
    objects: tuple[Symbol, ...] = field(repr=False)
    _mapping: tuple[tuple[int, bool], ...] = field(repr=False)
    _file: bytes = field(repr=False, compare=False)

    @classmethod
    def load(cls, path: Path | str) -> ElfImage:
        """Read ``path``.

        Raises :class:`UsageError` when it cannot be read or is not a whole 32-bit little-endian ARM
        executable.
        """
        path = Path(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
        _check_header(path, content)
        try:
            return cls(**_parse(path, content))
        except UsageError:
            raise
        except Exception as error:  # pyelftools meets damage with any of a dozen unrelated exceptions
            raise UsageError(f"{path}: is damaged or truncated ({error}); build it again") from error

    @cached_property
    def code_ranges(self) -> tuple[tuple[int, int], ...]:
        """Half-open address ranges that hold instructions: no literal pools, no jump tables.

        Without mapping symbols (a stripped file) an executable section counts as code altogether.
        """
        ranges: list[tuple[int, int]] = []
        for section in self._executable_sections:
            marks = [mark for mark in self._mapping if section.vma <= mark[0] < section.end]
            if not marks or marks[0][0] > section.vma:
                marks.insert(0, (section.vma, True))
            for (start, is_code), (end, _) in zip(marks, [*marks[1:], (section.end, False)], strict=True):
                if not is_code or start == end:
                    continue
                joined = bool(ranges) and ranges[-1][1] == start
                ranges.append((ranges.pop()[0] if joined else start, end))
        return tuple(ranges)

    def function_at(self, address: int) -> Symbol | None:
        """The function that ``address`` lies in.

        A symbol without a size (hand-written assembly) reaches to the next function or its section's end.
        """
        address &= ~1
        section = next((s for s in self.sections if s.vma <= address < s.end), None)
        index = bisect_right(self._function_addresses, address) - 1
        if section is None or index < 0:
            return None
        start = self._function_addresses[index]
        if start < section.vma:
            return None
        # Aliases share an address: the sized one is the C function, the name of the first is taken.
        while index > 0 and self._function_addresses[index - 1] == start:
            index -= 1
        aliases = [f for f in self.functions[index : index + 64] if f.address == start]
        function = next((f for f in aliases if f.size_bytes), aliases[0])
        return function if not function.size_bytes or address < start + function.size_bytes else None

    def line_at(self, address: int) -> str | None:
        """Source position of ``address`` as ``"file.c:120"``, or None where there is no debug information."""
        address &= ~1
        index = bisect_right(self._line_addresses, address) - 1
        return self._lines[index][1] if index >= 0 else None

    def read(self, vma: int, size_bytes: int) -> bytes:
        """Initialised contents at run-time address ``vma``; ValueError where the file holds none."""
        for segment in self.segments:
            offset = vma - segment.vma
            if offset >= 0 and offset + size_bytes <= len(segment.data):
                return segment.data[offset : offset + size_bytes]
        raise ValueError(f"{self.path}: no initialised contents at {vma:#010x}, {size_bytes} bytes")

    @cached_property
    def types(self) -> TypeTable:
        """C types of functions and variables; empty without debug information."""
        names: dict[int, set[str]] = {}
        for symbol in self.symbols.values():
            names.setdefault(symbol.address, set()).add(symbol.name)
        for symbol in (*self.functions, *self.objects):
            names.setdefault(symbol.address, set()).add(symbol.name)
        return TypeTable(self._file, {address: frozenset(found) for address, found in names.items()})

    @cached_property
    def _executable_sections(self) -> tuple[Section, ...]:
        chosen = (s for s in self.sections if s.executable and not s.nobits and s.size_bytes)
        return tuple(sorted(chosen, key=lambda s: s.vma))

    @cached_property
    def _function_addresses(self) -> tuple[int, ...]:
        return tuple(f.address for f in self.functions)

    @cached_property
    def _lines(self) -> tuple[tuple[int, str | None], ...]:
        try:
            return _line_table(ELFFile(io.BytesIO(self._file)), self)
        except Exception:  # damaged debug information must not keep the firmware from running
            return ()

    @cached_property
    def _line_addresses(self) -> tuple[int, ...]:
        return tuple(address for address, _ in self._lines)


def _check_header(path: Path, content: bytes) -> None:
    """Tell a file of another kind by its first bytes."""
    if content[:4] != b"\x7fELF":
        raise UsageError(f"{path}: is not an ELF file")
    if len(content) < 52:
        raise UsageError(f"{path}: is truncated: it ends inside the ELF header")
    machine = int.from_bytes(content[18:20], "little")
    if content[4] != 1 or content[5] != 1 or machine != 40:
        raise UsageError(f"{path}: is not built for a 32-bit little-endian ARM")
    if int.from_bytes(content[16:18], "little") != 2:
        raise UsageError(f"{path}: is not an executable; link it first")


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    elf = ELFFile(io.BytesIO(content))
    segments = []
    for header in (s.header for s in elf.iter_segments("PT_LOAD")):
        data = content[header.p_offset : header.p_offset + header.p_filesz]
        if len(data) != header.p_filesz:
            raise UsageError(f"{path}: is truncated: a segment at {header.p_vaddr:#010x} is cut off")
        if header.p_memsz:
            executable = bool(header.p_flags & P_FLAGS.PF_X)
            segments.append(Segment(header.p_vaddr, header.p_paddr, data, header.p_memsz, executable))
    if not segments:
        raise UsageError(f"{path}: holds nothing to load")

    sections = []
    for section in elf.iter_sections():
        flags = section["sh_flags"]
        if flags & SH_FLAGS.SHF_ALLOC:
            vma = section["sh_addr"]
            sections.append(
                Section(
                    section.name,
                    vma,
                    _load_address(segments, vma),
                    section["sh_size"],
                    section["sh_type"] == "SHT_NOBITS",
                    bool(flags & SH_FLAGS.SHF_EXECINSTR),
                    bool(flags & SH_FLAGS.SHF_WRITE),
                )
            )

    named: dict[str, tuple[bool, Symbol]] = {}
    by_kind: dict[SymbolKind, list[Symbol]] = {"function": [], "object": [], "other": []}
    mapping: list[tuple[int, bool]] = []
    for symbol, is_global in _symbols(elf):
        if symbol.name.split(".")[0] in {"$t", "$a", "$d"}:
            mapping.append((symbol.address, symbol.name[1] != "d"))
            continue
        by_kind[symbol.kind].append(symbol)
        if symbol.name not in named or (is_global and not named[symbol.name][0]):
            named[symbol.name] = (is_global, symbol)

    def order(symbol: Symbol) -> tuple[int, str]:
        return symbol.address, symbol.name

    return {
        "path": path,
        "entry": elf.header.e_entry & ~1,
        "segments": tuple(segments),
        "sections": tuple(sections),
        "symbols": MappingProxyType({name: symbol for name, (_, symbol) in named.items()}),
        "functions": tuple(sorted(by_kind["function"], key=order)),
        "objects": tuple(sorted(by_kind["object"], key=order)),
        "_mapping": tuple(sorted(mapping)),
        "_file": content,
    }


def _symbols(elf: ELFFile) -> Iterator[tuple[Symbol, bool]]:
    for table in elf.iter_sections("SHT_SYMTAB"):
        if not isinstance(table, SymbolTableSection):
            continue
        for entry in table.iter_symbols():
            kind_name = entry["st_info"]["type"]
            if not entry.name or kind_name in _NOT_SYMBOLS or entry["st_shndx"] == "SHN_UNDEF":
                continue
            kind = _KINDS.get(kind_name, "other")
            address = entry["st_value"] & ~1 if kind == "function" else entry["st_value"]
            is_global = entry["st_info"]["bind"] != "STB_LOCAL"
            yield Symbol(entry.name, address, entry["st_size"], kind), is_global


def _load_address(segments: list[Segment], vma: int) -> int:
    """Where the loader puts what runs at ``vma``; the linker keeps the distance within a segment."""
    for segment in segments:
        if segment.vma <= vma < segment.vma + segment.mem_size_bytes:
            return segment.lma + vma - segment.vma
    return vma


def _line_table(elf: ELFFile, image: ElfImage) -> tuple[tuple[int, str | None], ...]:
    """Every (address, position) row of all line programs, sorted; None where a sequence ends."""
    if not elf.has_dwarf_info():
        return ()
    dwarf = elf.get_dwarf_info()
    sequences: list[list[tuple[int, str | None]]] = []
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        # File numbers start at 1 up to DWARF 4 and at 0 from DWARF 5 on.
        base = 0 if program.header.version >= 5 else 1
        files = [_file_name(entry.name) for entry in program.header.file_entry]
        rows: list[tuple[int, str | None]] = []
        for state in (entry.state for entry in program.get_entries() if entry.state is not None):
            if state.end_sequence:
                rows.append((state.address, None))
                if _is_linked(rows, unit, image):
                    sequences.append(rows)
                rows = []
                continue
            if state.line:  # line 0: code that no line asked for
                index = state.file - base
                name = files[index] if 0 <= index < len(files) else "?"
                if rows and rows[-1][0] == state.address:
                    rows.pop()
                rows.append((state.address, f"{name}:{state.line}"))
    sequences.sort(key=lambda rows: rows[0][0])
    merged: list[tuple[int, str | None]] = []
    for rows in sequences:
        if merged and merged[-1][0] == rows[0][0]:
            merged.pop()
        merged.extend(rows)
    return tuple(merged)


def _file_name(name: bytes | str) -> str:
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    return text.replace("\\", "/").rsplit("/", 1)[-1]


def _is_linked(rows: list[tuple[int, str | None]], unit: Any, image: ElfImage) -> bool:
    """Whether a sequence describes code that the linker kept.

    A collected function's line program stays and starts at 0, which on an STM32H7 is also where code in
    ITCM starts: only a sequence of the function that really stands at 0 counts there.
    """
    start, end = rows[0][0], rows[-1][0]
    if start != 0:
        return end > start
    at_zero = {f.name for f in image.functions if f.address == 0 and f.size_bytes}
    if not at_zero:
        return False
    names = (die.attributes.get("DW_AT_name") for die in unit.get_top_DIE().iter_children())
    return any(name is not None and name.value.decode("utf-8", "replace") in at_zero for name in names)
