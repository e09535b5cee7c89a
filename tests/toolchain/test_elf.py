from __future__ import annotations

import random
from pathlib import Path

import pytest

from generator.errors import UsageError
from generator.toolchain.elf import ElfImage

from .conftest import Build

PROGRAM = """
int unused(int a) { return a + sink; }
static int choose(int x)
{
    switch (x) {
    case 0: return sink;
    case 1: return sink * 3;
    case 2: return sink + 7;
    case 3: return sink ^ 4;
    case 4: return sink << 3;
    case 5: return sink / 3;
    case 6: return 17;
    default: return 0;
    }
}
int initialised[3] = {0x11111111, 0x22222222, 0x33333333};
int zeroed[50];
__attribute__((section(".itcm"), noinline)) int fast(int x) { return x * sink; }
void assembly_function(void);
void Reset_Handler(void)
{
    assembly_function();
    sink = choose(sink) + fast(3) + zeroed[sink] + initialised[sink];
    for (;;) {
    }
}
"""
ASSEMBLY = """
.global assembly_function
.type assembly_function, %function
assembly_function:
    nop
    nop
    bx lr
"""


def load(firmware: Build, *flags: str) -> ElfImage:
    return firmware(PROGRAM, *flags, assembly=ASSEMBLY)


def test_reads_entry_segments_and_sections(firmware: Build) -> None:
    image = load(firmware)
    assert image.entry == image.symbols["Reset_Handler"].address
    assert image.symbols["Reset_Handler"].kind == "function"
    assert image.symbols["zeroed"].kind == "object"
    assert image.symbols["zeroed"].size_bytes == 200
    by_name = {section.name: section for section in image.sections}
    assert by_name[".data"].vma == 0x20000000
    assert 0x08000000 < by_name[".data"].lma < 0x08001000
    assert by_name[".itcm"].vma == 0
    assert by_name[".itcm"].executable
    assert by_name[".bss"].nobits
    assert by_name[".stack"].size_bytes == 4096
    data = image.symbols["initialised"].address
    assert image.read(data, 8) == b"\x11\x11\x11\x11\x22\x22\x22\x22"
    copied = next(s for s in image.segments if s.vma == 0x20000000)
    assert copied.lma == by_name[".data"].lma
    assert copied.mem_size_bytes > len(copied.data) == 12


def test_read_outside_of_contents_is_an_error(firmware: Build) -> None:
    image = load(firmware)
    with pytest.raises(ValueError, match="no initialised contents"):
        image.read(image.symbols["zeroed"].address, 4)


@pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5"])
def test_names_function_and_line(firmware: Build, dwarf: str) -> None:
    image = load(firmware, dwarf)
    lines = (image.path.parent / "program.c").read_text().splitlines()
    fast = next(i for i, text in enumerate(lines, 1) if "int fast" in text)
    assert image.symbols["fast"].address == 0
    # Collected functions' line programs start at 0 as well, where `fast` really is.
    assert image.line_at(0) == f"program.c:{fast}"
    reset = image.symbols["Reset_Handler"]
    found = {image.line_at(a) for a in range(reset.address, reset.address + reset.size_bytes, 2)}
    called = next(i for i, text in enumerate(lines, 1) if "    assembly_function();" in text)
    assert f"program.c:{called}" in found
    assert image.line_at(0x20000000) is None
    assert image.line_at(0x08010000) is None


def test_without_debug_information_there_are_no_lines(firmware: Build) -> None:
    assert load(firmware).line_at(0) is None


def test_function_at_covers_bodies_and_assembly_without_sizes(firmware: Build) -> None:
    image = load(firmware)
    reset = image.symbols["Reset_Handler"]
    assert image.function_at(reset.address | 1) == reset
    assert image.function_at(reset.address + reset.size_bytes - 2) == reset
    bare = image.symbols["assembly_function"]
    assert bare.size_bytes == 0
    assert image.function_at(bare.address + 4) == bare
    assert image.function_at(0x20000000) is None
    assert image.function_at(0x09000000) is None


def test_static_functions_of_one_name_are_all_kept(firmware: Build) -> None:
    nested = """
    int pick(int x) { __attribute__((noinline)) int same(int y) { return y + sink; } return same(x); }
    int pick2(int x) { __attribute__((noinline)) int same(int y) { return y * sink; } return same(x); }
    void Reset_Handler(void) { sink = pick(1) + pick2(2); for (;;) { } }
    """
    image = firmware(nested.replace("same", "shared"), "-O0")
    names = [f.name.split(".")[0] for f in image.functions]
    assert names.count("shared") == 2
    assert list(image.functions) == sorted(image.functions, key=lambda f: (f.address, f.name))


def test_code_ranges_leave_out_literal_pools_and_jump_tables(firmware: Build) -> None:
    image = load(firmware, "-O2", "-fno-inline", "-fno-tree-switch-conversion")
    ranges = image.code_ranges
    assert list(ranges) == sorted(ranges)
    assert any(low <= image.entry < high for low, high in ranges)
    fast = image.symbols["fast"]
    literal = image.read(fast.address + fast.size_bytes - 4, 4)
    assert int.from_bytes(literal, "little") == image.symbols["sink"].address
    assert not any(low <= fast.address + fast.size_bytes - 4 < high for low, high in ranges)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an ELF file"),
        (b"MZ" + bytes(100), "is not an ELF file"),
        (b"\x7fELF\x01\x01", "truncated"),
        (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00" + bytes(60), "not built for a 32-bit"),
        (b"\x7fELF\x01\x01\x01" + bytes(9) + b"\x01\x00\x28\x00" + bytes(60), "link it first"),
        (b"\x7fELF\x01\x01\x01" + bytes(9) + b"\x02\x00\x28\x00" + bytes(60), "nothing to load"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.elf"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        ElfImage.load(path)
    assert str(path) in str(caught.value)


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.elf: cannot be read"):
        ElfImage.load(tmp_path / "nowhere.elf")


def test_truncated_files_are_refused(firmware: Build, tmp_path: Path) -> None:
    content = load(firmware).path.read_bytes()
    for length in range(52, len(content), max(1, len(content) // 40)):
        path = tmp_path / "cut.elf"
        path.write_bytes(content[:length])
        with pytest.raises(UsageError):
            ElfImage.load(path)


def test_damaged_files_end_in_an_image_or_a_usage_error(firmware: Build, tmp_path: Path) -> None:
    content = load(firmware, "-g").path.read_bytes()
    dice = random.Random(5)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(dice.choice([1, 4, 40])):
            low = dice.choice([0, 0, len(content) - 1000])
            damaged[dice.randrange(low, min(low + 1000, len(content)))] = dice.randrange(256)
        path = tmp_path / "damaged.elf"
        path.write_bytes(damaged)
        try:
            image = ElfImage.load(path)
        except UsageError:
            refused += 1
            continue
        image.line_at(image.entry)
        image.function_at(image.entry)
        assert image.code_ranges is not None
    assert 0 < refused < 150
