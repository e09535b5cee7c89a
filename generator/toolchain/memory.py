"""What a firmware occupies of each memory of its part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from generator.errors import OverBudgetError
from generator.targets import Memory, Part
from generator.toolchain.elf import ElfImage


@dataclass(frozen=True)
class RegionUse:
    """Bytes of one memory: ``used`` lie in some section, ``total`` are there."""

    used: int
    total: int


@dataclass(frozen=True)
class MemoryUse:
    """Bytes per memory of the part, in the part's order; memories that are not used show 0.

    Flash counts what is stored there, copies of initialised data and of code that runs from RAM included.
    A RAM counts what lives there at run time: code, data, zeroed and uninitialised buffers, the stack.
    """

    regions: Mapping[str, RegionUse]
    flash_bytes: int
    ram_bytes: int
    """Sum over all RAM, code in ITCM included."""


@dataclass(frozen=True)
class _Span:
    """Addresses that ``owner`` claims for itself."""

    start: int
    end: int
    owner: str


def memory_use(image: ElfImage, part: Part) -> MemoryUse:
    """Memory of ``part`` that ``image`` occupies.

    Raises :class:`OverBudgetError` when something lies outside the part's memories or in another's place.
    """
    problems: list[str] = []
    used = dict.fromkeys((memory.name for memory in part.memories), 0)
    spans = sorted([*_run_spans(image), *_load_spans(image)], key=lambda span: (span.start, span.end))
    last: _Span | None = None
    for span in spans:
        memory = _memory_of(part, span)
        if memory is None:
            problems.append(f"{span.owner} at {span.start:#010x}..{span.end:#010x} is outside its memories")
        else:
            used[memory.name] += span.end - span.start
        if last is not None and span.start < last.end:
            problems.append(f"{span.owner} overlaps {last.owner} at {span.start:#010x}")
        if last is None or span.end > last.end:
            last = span
    if problems:
        raise OverBudgetError("\n".join([f"{image.path} does not fit the {part.name}:", *problems]))

    regions = {m.name: RegionUse(used[m.name], m.size_bytes) for m in part.memories}
    return MemoryUse(
        MappingProxyType(regions),
        flash_bytes=sum(used[m.name] for m in part.memories if not m.is_ram),
        ram_bytes=sum(used[m.name] for m in part.memories if m.is_ram),
    )


def _run_spans(image: ElfImage) -> Iterator[_Span]:
    """What is occupied at run time: one span per section."""
    for section in image.sections:
        if section.size_bytes:
            yield _Span(section.vma, section.end, section.name)


def _load_spans(image: ElfImage) -> Iterator[_Span]:
    """What is stored elsewhere than it runs: the initial contents of RAM."""
    for section in image.sections:
        if section.size_bytes and not section.nobits and section.lma != section.vma:
            yield _Span(section.lma, section.lma + section.size_bytes, f"initial contents of {section.name}")


def _memory_of(part: Part, span: _Span) -> Memory | None:
    return next((m for m in part.memories if m.origin <= span.start and span.end <= m.end), None)
