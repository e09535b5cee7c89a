"""Kernels under test: the C of firmware/nn with shapes as run-time values, on this computer with sanitizers
and on the emulated Cortex-M7.

One driver is compiled per kernel. It takes a blob of words, builds the parameter structure from them, calls
the kernel, and leaves the output in the blob. Members come from the plan's own candidates, so a driver that
forgets one does not compile against -Wmissing-field-initializers.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from generator.assets import firmware_dir
from generator.emulator import Machine
from generator.fuse import fuse
from generator.graph import Graph, Operator, Reshape
from generator.plan.kernels import KERNELS, Candidate
from generator.read import read_tflite_bytes
from generator.reference import run_graph
from generator.targets import load_board
from generator.toolchain.elf import ElfImage

# As the rendered project compiles (templates/CMakeLists.txt.j2).
STRICT = [
    "-std=c11",
    "-O2",
    "-fno-delete-null-pointer-checks",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Wdouble-promotion",
    "-Werror",
]
ARM = ["-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard", "-ffunction-sections"]
BLOB_BYTES = 480 << 10
GUARD = 0x5A
GUARD_BYTES = 64

_MAIN = """
#include <stdio.h>
#include <sanitizer/asan_interface.h>
int main(void)
{
    /* Size, number of parts; start and end of each; the blob. Between the parts is out of bounds. */
    uint32_t head[2], bounds[64];
    while (fread(head, 4, 2, stdin) == 2) {
        uint8_t *blob = malloc(head[0]);
        if (blob == NULL || head[1] > 32 || fread(bounds, 8, head[1], stdin) != head[1] ||
            fread(blob, 1, head[0], stdin) != head[0]) {
            return 1;
        }
        for (uint32_t i = 0; i < head[1]; i++) {
            const uint32_t next = i + 1 < head[1] ? bounds[2 * i + 2] : head[0];
            ASAN_POISON_MEMORY_REGION(blob + bounds[2 * i + 1], next - bounds[2 * i + 1]);
        }
        run_case(blob);
        ASAN_UNPOISON_MEMORY_REGION(blob, head[0]);
        fwrite(blob, 1, head[0], stdout);
        fflush(stdout);
        free(blob);
    }
    return 0;
}
"""

_LINKER = """
ENTRY(start)
SECTIONS {
    .vectors 0x08000000 : { KEEP(*(.vectors)) }
    .text : { *(.text .text.*) *(.rodata .rodata.*) }
    .bss 0x24000000 (NOLOAD) : { *(.bss .bss.*) }
    /DISCARD/ : { *(.ARM.exidx*) }
}
"""

_START = """
uint8_t fc_blob[BLOB_BYTES] __attribute__((aligned(16)));
void start(void);
void start(void) { for (;;) { } }
__attribute__((section(".vectors"), used))
static const uintptr_t vectors[16] = {0x20010000u, (uintptr_t)start};
"""


@dataclass(frozen=True)
class Case:
    """A kernel with its data: one operator of a model."""

    candidate: Candidate
    inputs: tuple[bytes, ...]
    output_bytes: int
    over: tuple[int, int] | None = None
    """Position of the input that the output overlaps and by how much it starts below; None: alone."""
    expected: np.ndarray | None = None
    """What NumPy makes of it."""
    state: tuple[bytes, ...] = ()
    state_after: tuple[bytes, ...] = ()

    @property
    def values(self) -> list[int]:
        """The parameter members as numbers, nested structures flattened, floats by their bits."""
        numbers = []
        for _, text in self.candidate.params:
            numbers.extend(_number(part) for part in text.strip("{}").split(","))
        return numbers


def _number(text: str) -> int:
    text = text.strip()
    if text in ("true", "false"):
        return int(text == "true")
    if text.endswith("f") and "x" in text:
        return struct.unpack("<i", struct.pack("<f", float.fromhex(text[:-1])))[0]
    return int(text)


def _members(candidate: Candidate) -> str:
    position = 0
    lines = []
    for name, text in candidate.params:
        if text.startswith("{"):
            lines.append(f"        .{name} = {{v[{position}], v[{position + 1}]}},")
            position += 2
            continue
        if text in ("true", "false"):
            value = f"v[{position}] != 0"
        elif text.endswith("f") and "x" in text:
            value = f"as_float(v[{position}])"
        else:
            value = f"v[{position}]"
        lines.append(f"        .{name} = {value},")
        position += 1
    return "\n".join(lines)


def driver_source(candidate: Candidate) -> str:
    """C of ``run_case``: words are the blob's size, the offsets of the arguments, then the members."""
    regions = [f"(const {t} *)(blob + at[{i}])" for i, t in enumerate(candidate.input_types)]
    arguments = list(regions)
    if candidate.inputs_as_list:
        arguments = [f"(const {candidate.input_types[0]} *const[]){{{', '.join(regions)}}}"]
    types = [*candidate.state_types, *(f"const {t.c_type}" for t in candidate.tables)]
    types += [candidate.scratch_type] if candidate.scratch_bytes else []
    types.append(candidate.output_type)
    arguments += [f"({t} *)(blob + at[{len(regions) + i}])" for i, t in enumerate(types)]
    count = len(regions) + len(types)
    return f"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "fc_nn.h"
void run_case(uint8_t *blob);
static inline float as_float(int32_t bits) {{ float f; memcpy(&f, &bits, 4); return f; }}
void run_case(uint8_t *blob)
{{
    const int32_t *at = (const int32_t *)blob;
    const int32_t *v = at + {count};
    (void)as_float;
    const struct {candidate.params_type} p = {{
{_members(candidate)}
    }};
    {candidate.function}(&p, {", ".join(arguments)});
}}
"""


@dataclass(frozen=True)
class Blob:
    """What a driver gets: the arguments' regions apart from each other, the last one to be written."""

    data: bytes
    regions: tuple[tuple[int, int], ...]
    state: tuple[tuple[int, int], ...]
    output: tuple[int, int]

    @property
    def message(self) -> bytes:
        """As the program on this computer reads it."""
        flat = [edge for part in self.regions for edge in part]
        return struct.pack(f"<{2 + len(flat)}I", len(self.data), len(self.regions), *flat) + self.data


def _blob(case: Case) -> Blob:
    """Every argument in a region of its own; an output that overlaps the first input, in one with it."""
    candidate = case.candidate
    parts = [*case.inputs, *case.state, *(table_bytes(t) for t in candidate.tables)]
    if candidate.scratch_bytes:
        parts.append(b"\xa5" * candidate.scratch_bytes)
    arguments = len(parts) + 1
    position, distance = case.over or (0, 0)
    below = b"" if case.over is None else b"\xa5" * distance + parts.pop(position)
    parts.append(below + b"\xa5" * (case.output_bytes - len(below)))
    regions = []
    at = 4 * (arguments + len(case.values))
    body = b""
    for part in parts:
        aligned = -(-at // 16) * 16
        body += bytes([GUARD]) * (aligned - at) + part + bytes([GUARD]) * GUARD_BYTES
        regions.append((aligned, aligned + len(part)))
        at = aligned + len(part) + GUARD_BYTES
    starts = [start for start, _ in regions]
    if case.over is not None:
        starts.insert(position, starts[-1] + distance)
    state = regions[
        len(regions) - 1 - bool(candidate.scratch_bytes) - len(candidate.tables) - len(case.state) :
    ]
    head = struct.pack(f"<{arguments + len(case.values)}i", *starts, *case.values)
    output = (starts[-1], starts[-1] + case.output_bytes)
    return Blob(head + body, tuple(regions), tuple(state[: len(case.state)]), output)


def table_bytes(table: object) -> bytes:
    """A constant's bytes from its C initialisers, so that what is tested is what is rendered."""
    numbers = [int(n) for n in re.findall(r"-?\d+", " ".join(table.lines))]  # type: ignore[attr-defined]
    # The structures consist of int32_t.
    code = {"int8_t": "b", "uint8_t": "B", "int16_t": "h", "uint16_t": "H", "uint32_t": "I"}.get(
        table.c_type, "i"
    )  # type: ignore[attr-defined]
    return struct.pack(f"<{len(numbers)}{code}", *numbers)


class KernelBench:
    """Compiles drivers into ``folder``; ``run`` gives the output of one kernel."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._machines: dict[str, Machine] = {}

    def run_on_host(self, case: Case) -> bytes:
        key = _key(case.candidate)
        if key not in self._programs:
            self._programs[key] = self._start_host(key, case.candidate)
        blob = _blob(case)
        program = self._programs[key]
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            program.stdin.write(blob.message)
            program.stdin.flush()
        except BrokenPipeError:
            pass
        result = program.stdout.read(len(blob.data))
        if len(result) != len(blob.data):
            del self._programs[key]
            raise AssertionError(f"{case.candidate.function} stopped:\n{program.stderr.read().decode()}")
        return _output(case, blob, result)

    def run_on_emulator(self, case: Case) -> bytes:
        key = _key(case.candidate)
        if key not in self._machines:
            self._machines[key] = self._make_machine(key, case.candidate)
        machine = self._machines[key]
        blob = _blob(case)
        assert len(blob.data) <= BLOB_BYTES
        address = machine.image.symbols["fc_blob"].address
        machine.write_memory(address, blob.data)
        machine.call("run_case", address)
        return _output(case, blob, machine.read_memory(address, len(blob.data)))

    def close(self) -> None:
        for program in self._programs.values():
            assert program.stdin is not None
            program.stdin.close()
            program.wait(10)

    @cached_property
    def _board(self) -> object:
        return load_board("nucleo_h743zi2")

    def _start_host(self, key: str, candidate: Candidate) -> subprocess.Popen[bytes]:
        source = self._folder / f"{key}_host.c"
        source.write_text(driver_source(candidate) + _MAIN)
        program = source.with_suffix("")
        _compile(
            ["cc", *STRICT, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
            source,
            program,
            ["-lm"],
        )
        return subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def _make_machine(self, key: str, candidate: Candidate) -> Machine:
        source = self._folder / f"{key}_arm.c"
        source.write_text(f"#define BLOB_BYTES {BLOB_BYTES}\n" + driver_source(candidate) + _START)
        script = self._folder / "driver.ld"
        script.write_text(_LINKER)
        program = source.with_suffix(".elf")
        _compile(
            [
                "arm-none-eabi-gcc",
                *ARM,
                *STRICT,
                "-g",
                "-nostartfiles",
                "--specs=nano.specs",
                "-T",
                str(script),
            ],
            source,
            program,
            ["-lm"],
        )
        machine = Machine(ElfImage.load(program), self._board)  # type: ignore[arg-type]
        machine.reset()
        return machine


def _key(candidate: Candidate) -> str:
    listed = f"_{len(candidate.input_types)}" if candidate.inputs_as_list else f"_{len(candidate.tables)}"
    return candidate.function + listed


def _compile(command: list[str], source: Path, program: Path, libraries: list[str]) -> None:
    result = subprocess.run(
        [*command, "-I", str(firmware_dir() / "nn"), str(source), "-o", str(program), *libraries],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def _output(case: Case, blob: Blob, after: bytes) -> bytes:
    """The output, after a check that nothing but state, output and scratch was written, and of the state."""
    for (start, end), expected in zip(blob.state, case.state_after, strict=True):
        assert after[start:end] == expected, f"the state after {case.candidate.function}"
    writable = blob.regions[-2:] if case.candidate.scratch_bytes else blob.regions[-1:]
    position = 0
    for start, end in (*blob.state, *writable, (len(after), len(after))):
        assert after[position:start] == blob.data[position:start], "the kernel wrote where it must not"
        position = end
    start, end = blob.output
    return after[start:end]


def cases_of(
    model: bytes, inputs: list[np.ndarray], before: Mapping[int, np.ndarray] | None = None
) -> tuple[Graph, list[Case]]:
    """Every operator of the model, after fusing, with each kernel that can run it, wherever it can write.

    Without ``inputs``, only what there is to run. ``before``: what an earlier run gave.
    """
    graph = fuse(read_tflite_bytes(model, "case", "case"))
    values = run_graph(graph, inputs, before) if inputs else {}
    cases = []
    for operator in graph.operators:
        if isinstance(operator.attributes, Reshape):
            continue
        result = graph.result(operator)
        sources = list(graph.activations_in(operator))
        data = tuple(np.ascontiguousarray(values[t.index]).tobytes() for t in sources if t.index in values)
        expected = values[result.index] if inputs else np.empty(0)
        state, after = _state_bytes(graph, operator, before), _state_bytes(graph, operator, values or None)
        for candidate in KERNELS[type(operator.attributes)](graph, operator):
            fits = [p for p in candidate.in_place if result.size_bytes <= sources[p].size_bytes]
            below = [] if candidate.overlap_bytes is None else [(0, candidate.overlap_bytes)]
            cases += [
                Case(candidate, data, result.size_bytes, over, expected, state, after)
                for over in (None, *((p, 0) for p in fits), *below)
            ]
    return graph, cases


def _state_bytes(
    graph: Graph, operator: Operator, values: Mapping[int, np.ndarray] | None
) -> tuple[bytes, ...]:
    """What the operator's variables hold after a run that gave ``values``; None: before the first."""
    tensors = [graph.tensors[i] for i in operator.state]
    return tuple((t.initial if values is None else values[t.index]).tobytes() for t in tensors)
