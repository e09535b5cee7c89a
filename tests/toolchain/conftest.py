"""Real firmware for the tests: C and assembly built with the real cross compiler."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from generator.toolchain.elf import ElfImage

COMPILER = "arm-none-eabi-gcc"
MACHINE = ["-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"]
LINKER_SCRIPT = """
ENTRY(Reset_Handler)
MEMORY
{
  FLASH : ORIGIN = 0x08000000, LENGTH = 2M
  ITCM : ORIGIN = 0x00000000, LENGTH = 64K
  DTCM : ORIGIN = 0x20000000, LENGTH = 128K
}
SECTIONS
{
  .isr_vector : { KEEP(*(.vectors)) } > FLASH
  .text : { *(.text*) *(.rodata*) } > FLASH
  .itcm : { *(.itcm*) } > ITCM AT > FLASH
  .data : { *(.data*) } > DTCM AT > FLASH
  .bss (NOLOAD) : { *(.bss*) *(COMMON) . = ALIGN(8); end = .; } > DTCM
  .stack (NOLOAD) : { . += 4096; _estack = .; } > DTCM
}
"""
PROLOGUE = """
#include <stdint.h>
extern uint32_t _estack;
void Reset_Handler(void);
volatile int sink;
"""
VECTORS = """
__attribute__((section(".vectors"), used)) void *const vectors[] = {&_estack, Reset_Handler HANDLERS};
"""

Build = Callable[..., ElfImage]


@pytest.fixture
def firmware(tmp_path: Path) -> Build:
    """``firmware(c_source, *flags, assembly=..., handlers=...)`` -> the linked image.

    The source gets ``sink``, ``_estack`` and a vector table; it must define ``Reset_Handler``. The compiler's
    own stack figures are beside the ELF (``.su``).
    """
    if shutil.which(COMPILER) is None:
        pytest.skip(f"{COMPILER} is not installed")

    def build(source: str, *flags: str, assembly: str = "", handlers: tuple[str, ...] = ()) -> ElfImage:
        (tmp_path / "script.ld").write_text(LINKER_SCRIPT)
        declared = "".join(f"void {h}(void);\n" for h in handlers)
        listed = "".join(f", {h}" for h in handlers)
        code = PROLOGUE + declared + source + VECTORS.replace("HANDLERS", listed)
        (tmp_path / "program.c").write_text(code)
        (tmp_path / "extra.S").write_text(".syntax unified\n.thumb\n.text\n" + assembly + "\n")
        command = [
            COMPILER, *MACHINE, "-Os", "-ffunction-sections", "-fdata-sections", "-fstack-usage",
            "-nostartfiles", "-specs=nano.specs", "-specs=nosys.specs", "-Wl,--gc-sections",
            "-Wl,--no-warn-rwx-segments", "-T", "script.ld", *flags,
            "program.c", "extra.S", "-o", "firmware.elf",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return ElfImage.load(tmp_path / "firmware.elf")

    return build


@pytest.fixture
def compiler_frames(tmp_path: Path) -> Callable[[], dict[str, int]]:
    """Stack of each function as gcc reports it for the last build."""

    def read() -> dict[str, int]:
        frames = {}
        for report in tmp_path.glob("*.su"):
            for line in report.read_text().splitlines():
                place, size, _ = line.split("\t")
                frames[place.rsplit(":", 1)[-1]] = int(size)
        return frames

    return read
