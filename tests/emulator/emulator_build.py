"""Compiles small programs for the emulated part."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from generator.emulator import Machine
from generator.targets import load_board
from generator.toolchain.elf import ElfImage

COMPILER = "arm-none-eabi-gcc"
needs_compiler = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"{COMPILER} is not installed")

LINKER = """
MEMORY {
  FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 2M
  ITCM (rwx) : ORIGIN = 0x00000000, LENGTH = 64K
  DTCM (rw) : ORIGIN = 0x20000000, LENGTH = 128K
}
ENTRY(reset)
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(4); } > FLASH
  .data : { _data = .; *(.data*) . = ALIGN(4); _data_end = .; } > DTCM AT > FLASH
  _data_load = LOADADDR(.data);
  .bss : { _bss = .; *(.bss*) *(COMMON) . = ALIGN(4); _bss_end = .; } > DTCM
  /DISCARD/ : { *(.ARM.exidx*) *(.comment) *(.ARM.attributes) }
  _stack_top = ORIGIN(DTCM) + LENGTH(DTCM);
}
"""

START = r"""
#include <stdint.h>
#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
extern uint32_t _data[], _data_end[], _data_load[], _bss[], _bss_end[], _stack_top[];
int main(void);
void fault(void);
void svc(void);
__attribute__((naked, noreturn)) void finish(void) { __asm volatile("mov r0, #0x18\n bkpt #0xab"); }
__attribute__((noreturn)) void reset(void);
__attribute__((noreturn)) void reset(void) {
    for (uint32_t *to = _data, *from = _data_load; to < _data_end;) *to++ = *from++;
    for (uint32_t *to = _bss; to < _bss_end;) *to++ = 0;
    main();
    finish();
}
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    _stack_top, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, svc};
static inline void fpu_on(void) { REG(0xE000ED88) |= 0xFu << 20; __asm volatile("dsb\n isb"); }
/* NUCLEO: USART3 on PD8 and PD9, HSI 64 MHz */
static inline void uart_on(void) {
    REG(0x580244E0) |= 1u << 3;
    REG(0x580244E8) |= 1u << 18;
    REG(0x58020C00) = (REG(0x58020C00) & ~0xF0000u) | 0xA0000u;
    REG(0x58020C24) = 0x77u;
    REG(0x4000480C) = 69;
    REG(0x40004800) = 1u << 29 | 0xD;
}
static inline void put(char c) { while (!(REG(0x4000481C) & 0x80)) {} REG(0x40004828) = (uint8_t)c; }
static inline void print(const char *text) { while (*text) put(*text++); }
static inline int get(void) { while (!(REG(0x4000481C) & 0x20)) {} return (int)(REG(0x40004824) & 0xFF); }
"""

DEFAULTS = """
__attribute__((weak)) void fault(void) { for (;;) __asm volatile(""); }
__attribute__((weak)) void svc(void) { for (;;) __asm volatile(""); }
"""

FLAGS = (
    "-mcpu=cortex-m7",
    "-mthumb",
    "-mfloat-abi=hard",
    "-ffreestanding",
    "-nostdlib",
    "-g",
    "-Wl,--no-warn-rwx-segments",
)


@functools.cache
def build(
    source: str, *flags: str, fpu: str = "fpv5-sp-d16", optimize: str = "-O2", linker: str = LINKER
) -> ElfImage:
    """``source`` after START; line numbers of ``app.c`` are those of ``source``."""
    folder = Path(tempfile.mkdtemp(prefix="emulator-test-"))
    (folder / "app.c").write_text(f'{START}\n#line 1 "app.c"\n{source}')
    (folder / "defaults.c").write_text(DEFAULTS)
    (folder / "app.ld").write_text(linker)
    command = [COMPILER, *FLAGS, f"-mfpu={fpu}", optimize, *flags, f"-T{folder / 'app.ld'}"]
    command += [str(folder / "app.c"), str(folder / "defaults.c"), "-lgcc", "-o", str(folder / "app.elf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    image = ElfImage.load(folder / "app.elf")
    assert image.line_at(image.entry)  # reads the file's debug information before it goes
    shutil.rmtree(folder)
    return image


def machine(
    source: str, *flags: str, phases: tuple[str, ...] = (), data_timing: bool = True, **options: str
) -> Machine:
    """A machine with a compiled program."""
    image = build(source, *flags, **options)
    return Machine(image, load_board("nucleo_h743zi2"), phases=phases, data_timing=data_timing)
