"""The cycle model beside times that others measured on silicon.

    python benchmarks/timing.py [--coremark FOLDER]

Loops of a few instructions, whose cycles were measured on an STM32H743 (J. Nk0le, pipeline cycle test,
github.com/jnk0le/random), written anew here. FOLDER is a checkout of github.com/eembc/coremark: its kernels
then run as well, beside published scores of the same core. Needs arm-none-eabi-gcc.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generator.emulator import Machine
from generator.targets import load_board
from generator.toolchain.elf import ElfImage

BOARD = "nucleo_h743zi2"
COMPILER = ["arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-d16", "-mfloat-abi=hard"]
LINKING = ["-ffreestanding", "-nostdlib", "-Wl,--no-warn-rwx-segments"]
COPIES = 16
DATA = 0x20008000
# Which memories hold code, constants and data.
TCM, CACHED = ("ITCM", "ITCM", "DTCM"), ("FLASH", "FLASH", "AXI")


@dataclass(frozen=True)
class Loop:
    """Instructions, and the cycles that they were measured to take, when they follow themselves.

    r0 points to data, r1 eight bytes behind it, r2 is 0; r3 to r8 and r12 are free.
    """

    name: str
    code: str
    published: float


LOOPS = (
    Loop("two independent instructions", "add.w r3,r4,#1; add.w r5,r6,#1", 1),
    Loop(
        "addition, its user, two loads at it",
        "add.w r3,r2; eor.w r6,r3,r6,ror #22; ldr.w r4,[r0,r3]; ldr.w r5,[r0,#4]", 2,
    ),
    Loop("two bit-field or DSP instructions", "uxtb.w r3,r4; uxtb.w r5,r6", 2),
    Loop("DSP, then another", "uxtb.w r3,r4; add.w r5,r6,#1", 1),
    Loop("two inline shifts", "add.w r3,r4,r5,ror #3; add.w r6,r7,r8,ror #3", 2),
    Loop("chain of SMLAD on the accumulator", "smlad r3,r4,r5,r3", 1),
    Loop("SMLAD beside DSP", "smlad r3,r4,r5,r3; uxtb.w r6,r7", 1),
    Loop("multiplication and store", "mul r3,r4,r5; str.w r6,[r0]", 2),
    Loop("multiplication, used two slots later", "mul r3,r4,r5; nop.w; add.w r4,r3,#1; nop.w", 3),
    Loop("load, used in the next cycle", "ldr.w r3,[r0]; nop.w; orr.w r4,r3,#1; nop.w", 2),
    Loop("load, multiplied in the next cycle", "ldr.w r3,[r0]; nop.w; smlad r4,r3,r5,r4; nop.w", 3),
    Loop("byte, used in the next cycle", "ldrb.w r3,[r0]; nop.w; orr.w r4,r3,#1; nop.w", 3),
    Loop("two loads of different banks", "ldr.w r3,[r0]; ldr.w r4,[r0,#4]", 1),
    Loop("two loads of one bank", "ldr.w r3,[r0]; ldr.w r4,[r1]", 2),
    Loop("unaligned load", "ldr.w r3,[r0,#1]; nop.w", 4),
    Loop("load and store", "ldr.w r3,[r0]; str.w r4,[r0,#4]", 1),
    Loop("two stores", "str.w r3,[r0]; str.w r4,[r0,#4]", 2),
    Loop("bytes stored to one bank", "strb.w r3,[r0]", 4),
    Loop("bytes stored to banks in turn", "strb.w r3,[r0]; strb.w r3,[r0,#4]", 4),
    Loop("eight bytes in a row", "".join(f"strb.w r3,[r0,#{i}];" for i in range(8)), 8 * 2.4),
    Loop("four halfwords in a row", "".join(f"strh.w r3,[r0,#{i}];" for i in range(0, 8, 2)), 4 * 2),
    Loop("unaligned stores", "str.w r3,[r0,#1]", 4),
    Loop("LDM of four", "ldm r0,{r3-r6}", 2),
    Loop("LDM of three", "ldm r0,{r3-r5}", 2),
    Loop("STM of four", "stm r0,{r3-r6}", 2),
    Loop("LDRD", "ldrd r3,r4,[r0]", 1),
    Loop("chain of VADD", "vadd.f32 s0,s0,s1", 3),
    Loop("chain of VFMA on the accumulator", "vfma.f32 s0,s1,s2", 3),
    Loop("three chains of VFMA", "vfma.f32 s0,s8,s9; vfma.f32 s1,s8,s9; vfma.f32 s2,s8,s9", 3),
    Loop("VFMA as a factor", "vfma.f32 s0,s0,s2", 5),
    Loop("VDIV", "vdiv.f32 s0,s1,s2", 16),
    Loop("VSQRT", "vsqrt.f32 s0,s1", 14),
)  # fmt: skip


@dataclass(frozen=True)
class Score:
    """CoreMark iterations per second that were published."""

    name: str
    optimize: str
    clock_mhz: int
    per_second: float
    places: tuple[str, str, str]
    data_cache: bool
    source: str


_TCM_SOURCE = "i.MX RT1060, GCC 12.2, all in TCM: github.com/Masmiseim36/Coremark_iMXRT"
_CACHE_SOURCE = "STM32H743, GCC 13.3, flags not told: github.com/apache/mynewt-core, pull request 3656"
SCORES = (
    Score("TCM, -O0", "-O0", 600, 438.78, TCM, True, _TCM_SOURCE),
    Score("TCM, -Og", "-Og", 600, 1355.38, TCM, True, _TCM_SOURCE),
    Score("TCM, -O1", "-O1", 600, 1823.95, TCM, True, _TCM_SOURCE),
    Score("TCM, -Os", "-Os", 600, 2268.39, TCM, True, _TCM_SOURCE),
    Score("TCM, -O2", "-O2", 600, 2423.06, TCM, True, _TCM_SOURCE),
    Score("TCM, -O3", "-O3", 600, 2440.92, TCM, True, _TCM_SOURCE),
    # Iterations over ticks of 1/128 s; the seconds that it prints are cut off.
    Score("flash, AXI SRAM, cached, -O2", "-O2", 480, 30000 * 128 / 1960, CACHED, True, _CACHE_SOURCE),
    Score("the same without data cache", "-O2", 480, 11000 * 128 / 2164, CACHED, False, _CACHE_SOURCE),
)  # fmt: skip

PORT = """
#include <stddef.h>
#include <stdint.h>
typedef int16_t ee_s16; typedef uint16_t ee_u16; typedef int32_t ee_s32; typedef uint8_t ee_u8;
typedef uint32_t ee_u32; typedef uintptr_t ee_ptr_int; typedef size_t ee_size_t; typedef float ee_f32;
typedef struct { ee_u8 portable_id; } core_portable;
#define align_mem(x) (void *)(4 + (((ee_ptr_int)(x) - 1) & ~(ee_ptr_int)3))
#define CORE_TICKS ee_u32
#define POINTER_SPACE 8
#define SEED_METHOD SEED_VOLATILE
#define MEM_METHOD MEM_STATIC
#define MULTITHREAD 1
#define HAS_FLOAT 0
#define HAS_STDIO 0
#define HAS_PRINTF 0
#define MAIN_HAS_NOARGC 1
#define MAIN_HAS_NORETURN 0
#define ee_printf(...) ((void)0)
"""
HARNESS = """
#include "coremark.h"
volatile ee_s32 seed1_volatile, seed2_volatile, seed3_volatile, seed4_volatile, seed5_volatile;
static core_results results;
static ee_u32 block[(TOTAL_DATA_SIZE + 3) / 4];
ee_u16 checks[3];
void put(ee_u32 address, ee_u32 value) { *(volatile ee_u32 *)address = value; }
void prepare(void) {
    results = (core_results){.seed3 = 0x66};
    results.size = TOTAL_DATA_SIZE / 3;
    for (ee_u32 i = 0; i < 3; i++) results.memblock[i + 1] = (char *)block + results.size * i;
    results.list = core_list_init(results.size, results.memblock[1], 0);
    core_init_matrix(results.size, results.memblock[2], 0, &results.mat);
    core_init_state(results.size, 0, results.memblock[3]);
}
void run(ee_u32 iterations) {
    results.crc = results.crclist = results.crcmatrix = results.crcstate = 0;
    for (ee_u32 i = 0; i < iterations; i++) {
        results.crc = crcu16(core_bench_list(&results, 1), results.crc);
        results.crc = crcu16(core_bench_list(&results, -1), results.crc);
        if (i == 0) results.crclist = results.crc;
    }
    checks[0] = results.crclist; checks[1] = results.crcmatrix; checks[2] = results.crcstate;
}
void start(void) { for (;;) __asm volatile(""); }
"""
# CoreMark's own sums of the list, the matrix and the state machine in the 2K performance run.
CHECKS = (0xE714, 0x1FD7, 0x8E3A)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--coremark", type=Path, help="checkout of github.com/eembc/coremark")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firmcast-timing-") as folder:
        loops(Path(folder))
        if arguments.coremark is not None:
            scores(Path(folder), arguments.coremark.resolve())


def loops(folder: Path) -> None:
    """Cycles of each loop, modelled and measured."""
    functions = [function(f"loop_{i}", loop.code) for i, loop in enumerate(LOOPS)]
    source = folder / "loops.s"
    head = ".syntax unified\n.cpu cortex-m7\n.fpu fpv5-d16\n.thumb\n.text\n"
    source.write_text(head + function("empty", "") + "".join(functions))
    machine = Machine(link(folder, TCM, [str(source)], "empty"), load_board(BOARD))
    rounds = 200
    print(f"{'loop':40} published  modelled   error")
    for index, loop in enumerate(LOOPS):
        more = cycles(machine, f"loop_{index}", rounds) - cycles(machine, "empty", rounds)
        modelled = more / (rounds * COPIES)
        print(f"{loop.name:40} {loop.published:9.1f} {modelled:9.2f} {modelled / loop.published - 1:+7.0%}")


def function(name: str, code: str) -> str:
    """An assembly function that runs COPIES of ``code`` r3 times."""
    body = code.replace(";", "\n") + "\n"
    return (
        f".global {name}\n.type {name},%function\n.balign 8\n{name}: push {{r4-r9,lr}}\nmov r9,r3\n"
        f"mov r3,#0\nmov r4,#0\nmov r5,#0\nmov r6,#0\nmov r7,#0\nmov r8,#0\n"
        f"1:\n{body * COPIES}subs.w r9,#1\nbne.w 1b\npop {{r4-r9,pc}}\n.ltorg\n.size {name},.-{name}\n"
    )


def cycles(machine: Machine, name: str, rounds: int) -> float:
    """Modelled cycles of so many rounds of a loop."""
    before = machine.cycles
    machine.call(name, DATA, DATA + 8, 0, rounds)
    return machine.cycles - before


def scores(folder: Path, coremark: Path) -> None:
    """Cycles of a CoreMark iteration, modelled and published."""
    print(f"\n{'CoreMark, cycles of an iteration':40} published  modelled   error")
    for score in SCORES:
        published = score.clock_mhz * 1e6 / score.per_second
        modelled = iteration(folder, coremark, score)
        error = modelled / published - 1
        print(f"{score.name:40} {published:9.0f} {modelled:9.0f} {error:+7.1%}  {score.source}")


def iteration(folder: Path, coremark: Path, score: Score) -> float:
    """Modelled cycles of an iteration after a first one, checked by CoreMark's own sums."""
    (folder / "core_portme.h").write_text(PORT)
    (folder / "harness.c").write_text(HARNESS)
    kernels = [str(coremark / f"core_{name}.c") for name in ("list_join", "matrix", "state", "util")]
    flags = [score.optimize, "-w", f"-I{folder}", f"-I{coremark}"]
    machine = Machine(
        link(folder, score.places, [*flags, str(folder / "harness.c"), *kernels, "-lc", "-lgcc"], "start"),
        load_board(BOARD),
    )
    # The AXI bus at half the core's clock, four wait states of flash: as at 480 MHz (RM0433 table 17).
    machine.enable_caches(data=score.data_cache)
    machine.call("put", 0x52002000, 0x24)
    machine.call("put", 0x58024418, 8)
    machine.call("prepare")
    machine.call("run", 1)
    before = machine.cycles
    machine.call("run", 4)
    sums = machine.read_memory(machine.image.symbols["checks"].address, 6)
    if tuple(int.from_bytes(sums[i : i + 2], "little") for i in (0, 2, 4)) != CHECKS:
        raise SystemExit(f"CoreMark's results are wrong ({sums.hex()}): is {coremark} unchanged?")
    return (machine.cycles - before) / 4


def link(folder: Path, places: tuple[str, str, str], arguments: list[str], entry: str) -> ElfImage:
    """Compile for the places of code, constants and data."""
    code, constants, data = places
    (folder / "link.ld").write_text(
        "MEMORY { FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 2M ITCM (rwx) : ORIGIN = 0x400, LENGTH = 63K "
        "DTCM (rw) : ORIGIN = 0x20000000, LENGTH = 128K AXI (rw) : ORIGIN = 0x24000000, LENGTH = 512K }\n"
        f"ENTRY({entry}) SECTIONS {{ .text : {{ *(.text*) }} > {code} "
        f".rodata : {{ *(.rodata*) }} > {constants} "
        f".data : {{ *(.data*) }} > {data} .bss : {{ *(.bss*) *(COMMON) }} > {data} "
        f"_stack_top = ORIGIN({data}) + 64K; }}\n"
    )
    output = folder / "program.elf"
    command = [*COMPILER, *LINKING, f"-T{folder / 'link.ld'}", "-o", str(output), *arguments]
    subprocess.run(command, check=True)
    return ElfImage.load(output)


if __name__ == "__main__":
    main()
