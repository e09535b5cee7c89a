"""The platform compiles strictly, and the linker puts things where the part has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from platform_build import COMPILER, PLATFORM, build, link, run

from generator.targets import board_names, load_part

EVERY_SECTION = """
#include "platform.h"
#include "sections.h"

int main(void);
static volatile int initialised = 42;
static volatile int zeroed;
FC_DTCM_RODATA static const int dtcm_table[4] = {1, 2, 3, 4};
FC_DTCM_DATA static volatile int dtcm_counter = 7;
FC_DTCM_BSS static volatile int dtcm_scratch[4];
FC_AXI_DATA static volatile int axi_counter = 9;
FC_AXI_BSS static volatile int axi_arena[10000];
FC_SRAM1_BSS static volatile int sram1_arena[10];
FC_SRAM2_BSS static volatile int sram2_arena[10];
FC_SRAM3_BSS static volatile int sram3_arena[10];
FC_SRAM4_BSS static volatile int sram4_arena[10];
FC_ITCM int hot(int i);
FC_ITCM int hot(int i)
{
    return dtcm_table[i] + dtcm_counter + dtcm_scratch[i] + axi_counter + axi_arena[i] + sram1_arena[i] +
           sram2_arena[i] + sram3_arena[i] + sram4_arena[i];
}
int main(void)
{
    fc_platform_init();
    return hot(initialised & 3) + zeroed;
}
"""


@dataclass(frozen=True)
class Section:
    address: int
    size_bytes: int
    kind: str


@dataclass(frozen=True)
class Image:
    sections: dict[str, Section]
    symbols: dict[str, int]
    segments: list[tuple[int, int, int, int]]  # run address, load address, bytes in the file, bytes in memory

    def load_address(self, address: int) -> int:
        for run_at, load_at, file_bytes, _ in self.segments:
            if run_at <= address < run_at + file_bytes:
                return load_at + address - run_at
        raise AssertionError(f"nothing is loaded for {address:#x}")


def symbols_of(elf: ELFFile) -> dict[str, int]:
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}


def read(path: Path) -> Image:
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        return Image(
            {s.name: Section(s["sh_addr"], s["sh_size"], s["sh_type"]) for s in elf.iter_sections()},
            symbols_of(elf),
            [
                (s["p_vaddr"], s["p_paddr"], s["p_filesz"], s["p_memsz"])
                for s in elf.iter_segments()
                if s["p_type"] == "PT_LOAD"
            ],
        )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return read(build(tmp_path_factory.mktemp("sections"), EVERY_SECTION))


@pytest.mark.parametrize("clock_mhz", [400, 480])
@pytest.mark.parametrize("board", board_names())
def test_it_builds_without_a_warning(tmp_path: Path, board: str, clock_mhz: int) -> None:
    build(tmp_path, board=board, clock_mhz=clock_mhz)


@pytest.mark.parametrize("optimize", ["-Os", "-O3"])
def test_it_builds_at_other_levels(tmp_path: Path, optimize: str) -> None:
    build(tmp_path, EVERY_SECTION, optimize=optimize)


def test_variables_and_code_lie_in_the_memories_they_were_put_in(image: Image) -> None:
    part = load_part("stm32h743")
    homes = {
        "fc_vectors": "FLASH",
        "fc_reset": "FLASH",
        "hot": "ITCM",
        "initialised": "DTCM",
        "zeroed": "DTCM",
        "dtcm_table": "DTCM",
        "dtcm_counter": "DTCM",
        "dtcm_scratch": "DTCM",
        "axi_counter": "AXI_SRAM",
        "axi_arena": "AXI_SRAM",
        "sram1_arena": "SRAM1",
        "sram2_arena": "SRAM2",
        "sram3_arena": "SRAM3",
        "sram4_arena": "SRAM4",
    }
    for symbol, name in homes.items():
        memory = part.memory(name)
        assert memory.origin <= image.symbols[symbol] < memory.end, symbol


def test_what_is_copied_at_reset_is_stored_in_flash(image: Image) -> None:
    flash = load_part("stm32h743").memory("FLASH")
    for symbol in ("hot", "initialised", "dtcm_table", "axi_counter"):
        assert flash.origin <= image.load_address(image.symbols[symbol] & ~1) < flash.end, symbol
    used = max(load + size for _, load, size, _ in image.segments if size)
    assert used <= image.symbols["_flash_end"] < used + 8


def test_zeros_take_no_flash(image: Image) -> None:
    for name in (".bss", ".axi_bss", ".sram1_bss", ".sram2_bss", ".sram3_bss", ".sram4_bss", ".stack"):
        assert image.sections[name].kind == "SHT_NOBITS", name
    assert image.sections[".axi_bss"].size_bytes >= 40_000
    assert image.symbols["_flash_end"] - 0x08000000 < 8192


def test_the_stack_is_at_the_bottom_of_dtcm(image: Image) -> None:
    dtcm = load_part("stm32h743").memory("DTCM")
    assert image.symbols["_stack_bottom"] == dtcm.origin
    assert image.symbols["_stack_top"] == dtcm.origin + 8192
    assert image.sections[".data"].address == image.symbols["_stack_top"]


def test_address_zero_stays_empty(image: Image) -> None:
    assert image.sections[".itcm_text"].address == image.symbols["_null_guard_bytes"] == 1024


def test_the_vector_table_is_complete(image: Image, tmp_path: Path) -> None:
    assert image.sections[".vectors"] == Section(0x08000000, 4 * 166, "SHT_PROGBITS")
    path = build(tmp_path)
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        section = elf.get_section_by_name(".vectors")
        assert section is not None
        table = section.data()
        symbols = symbols_of(elf)
    vectors = [int.from_bytes(table[i : i + 4], "little") for i in range(0, len(table), 4)]
    assert vectors[0] == symbols["_stack_top"]
    assert vectors[1] == symbols["fc_reset"]
    assert all(vector == symbols["fc_fault_entry"] for vector in vectors[3:7])
    assert vectors[2] == symbols["fc_unexpected_interrupt"]
    assert all(vector == symbols["fc_unexpected_interrupt"] for vector in vectors[7:])


def test_source_lines_are_known(image: Image) -> None:
    assert image.sections[".debug_line"].size_bytes > 0


@pytest.mark.parametrize(
    ("declaration", "memory"),
    [
        ('FC_ITCM static void fill(void) { __asm volatile(".space 65536"); }', "ITCM"),
        ("FC_DTCM_BSS static volatile char big[130000]; static void fill(void) { big[0] = 1; }", "DTCM"),
        ("FC_AXI_BSS static volatile char big[524289]; static void fill(void) { big[0] = 1; }", "AXI_SRAM"),
        ("FC_SRAM3_BSS static volatile char big[32769]; static void fill(void) { big[0] = 1; }", "SRAM3"),
        ("static const volatile char big[2100000] = {1}; static void fill(void) { (void)big[0]; }", "FLASH"),
        # Fits its memory and the rest of flash, but not both together: the copy in flash counts.
        (
            "FC_AXI_DATA static volatile char moved[500000] = {1}; "
            "static const volatile char big[1700000] = {1};"
            "static void fill(void) { moved[0] = big[0]; }",
            "FLASH",
        ),
    ],
)
def test_too_much_is_a_linker_error_that_names_the_memory(
    tmp_path: Path, declaration: str, memory: str
) -> None:
    source = (
        f'#include "sections.h"\n{declaration}\nint main(void);\nint main(void) {{ fill(); return 0; }}\n'
    )
    result = link(tmp_path, source)
    assert result.returncode != 0
    assert f"region `{memory}' overflowed" in result.stderr


@pytest.mark.parametrize("stack_bytes", [512, 8193])
def test_an_unusable_stack_size_is_a_linker_error(tmp_path: Path, stack_bytes: int) -> None:
    result = link(tmp_path, stack_bytes=stack_bytes)
    assert result.returncode != 0
    assert "stack_bytes must be at least 1024 and a multiple of 8" in result.stderr


def test_unused_code_is_dropped(image: Image) -> None:
    assert "fc_platform_init" in image.symbols
    assert "fc_stack_used" not in image.symbols


def test_the_macros_vanish_off_the_target(tmp_path: Path) -> None:
    source = tmp_path / "host.c"
    source.write_text(
        '#include "sections.h"\n'
        "FC_ITCM int f(void);\nFC_ITCM int f(void) { return 0; }\n"
        "FC_DTCM_BSS int a;\nFC_AXI_DATA int b = 1;\nint main(void) { return f() + a + b - 1; }\n"
    )
    result = run(
        ["gcc", "-Wall", "-Wextra", "-Werror", f"-I{PLATFORM.parent}", str(source), "-c", "-o", "/dev/null"]
    )
    assert result.returncode == 0, result.stderr


def test_no_double_precision_instruction_is_emitted(tmp_path: Path) -> None:
    path = build(tmp_path, EVERY_SECTION)
    listing = run([COMPILER.replace("gcc", "objdump"), "-d", str(path)]).stdout
    assert "<fc_reset>:" in listing
    assert ".f64" not in listing
