from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from generator.errors import OverBudgetError
from generator.targets import Part, load_part
from generator.toolchain.elf import ElfImage, Section
from generator.toolchain.memory import memory_use

from .conftest import Build

PROGRAM = """
int initialised[3] = {1, 2, 3};
int zeroed[50];
static const int table[8] = {5, 4, 3, 2, 1, 9, 8, 7};
__attribute__((section(".itcm"), noinline)) int fast(int x) { return x * sink; }
void Reset_Handler(void) { sink = fast(3) + zeroed[sink] + initialised[sink] + table[sink]; for (;;) { } }
"""


@pytest.fixture
def part() -> Part:
    return load_part("stm32h743")


def image_of(*sections: Section) -> ElfImage:
    return ElfImage(Path("made.elf"), 0, (), sections, {}, (), (), (), b"")


def section(name: str, vma: int, size_bytes: int, *, lma: int | None = None, nobits: bool = False) -> Section:
    return Section(name, vma, vma if lma is None else lma, size_bytes, nobits, False, True)


def test_counts_stored_and_run_time_bytes(firmware: Build, part: Part) -> None:
    image = firmware(PROGRAM)
    use = memory_use(image, part)
    size = {s.name: s.size_bytes for s in image.sections}
    stored = size[".isr_vector"] + size[".text"] + size[".itcm"] + size[".data"]
    assert use.flash_bytes == use.regions["FLASH"].used == stored
    assert use.regions["ITCM"].used == size[".itcm"] > 0
    assert use.regions["DTCM"].used == size[".data"] + size[".bss"] + size[".stack"] > 4096 + 200
    assert use.ram_bytes == use.regions["ITCM"].used + use.regions["DTCM"].used
    assert use.regions["AXI_SRAM"].used == 0
    assert use.regions["FLASH"].total == 2 * 1024 * 1024


def test_flash_matches_the_programming_image(firmware: Build, part: Part) -> None:
    """What objcopy would program is what is counted, but for alignment between sections."""
    image = firmware(PROGRAM)
    programmed = sum(len(s.data) for s in image.segments)
    assert 0 <= programmed - memory_use(image, part).flash_bytes < 16


def test_outside_of_memory_is_refused(part: Part) -> None:
    with pytest.raises(OverBudgetError, match=r"\.rogue at 0x50000000.*outside"):
        memory_use(image_of(section(".rogue", 0x50000000, 16)), part)


def test_running_over_the_end_of_a_memory_is_refused(part: Part) -> None:
    with pytest.raises(OverBudgetError, match=r"\.stack at 0x2001f000"):
        memory_use(image_of(section(".stack", 0x2001F000, 0x1001, nobits=True)), part)


def test_overlap_is_refused_at_run_and_at_load_addresses(part: Part) -> None:
    flash = section(".text", 0x08000000, 64)
    with pytest.raises(OverBudgetError, match=r"\.b overlaps \.a"):
        memory_use(image_of(section(".a", 0x20000000, 64), section(".b", 0x2000003C, 8)), part)
    with pytest.raises(OverBudgetError, match=r"initial contents of \.data overlaps \.text"):
        memory_use(image_of(flash, section(".data", 0x20000000, 8, lma=0x08000020)), part)
    inside = replace(flash, name=".inner", vma=0x08000010, lma=0x08000010, size_bytes=4)
    later = replace(flash, name=".later", vma=0x08000030, lma=0x08000030, size_bytes=4)
    with pytest.raises(OverBudgetError, match=r"\.later overlaps \.text"):
        memory_use(image_of(flash, inside, later), part)
