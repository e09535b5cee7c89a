"""Builds small programs on the real platform code, for the tests beside this file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import jinja2

from generator.assets import firmware_dir, templates_dir
from generator.targets import Board, ClockTree, clock_tree, load_board

COMPILER = "arm-none-eabi-gcc"
PLATFORM = firmware_dir() / "platform" / "stm32h7"
CPU = ["-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"]
STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Werror"]
MINIMAL_MAIN = "int main(void);\nint main(void) { return 0; }\n"


def render(name: str, board: Board, clock: ClockTree, stack_bytes: int = 8192) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir()),
        undefined=jinja2.StrictUndefined,
        line_statement_prefix="%%",
        line_comment_prefix="%#",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    template = environment.get_template(name)
    return template.render(board=board, part=board.part, clock=clock, stack_bytes=stack_bytes)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def link(
    folder: Path,
    source: str = MINIMAL_MAIN,
    *,
    board: str = "nucleo_h743zi2",
    clock_mhz: int = 480,
    stack_bytes: int = 8192,
    optimize: str = "-O2",
) -> subprocess.CompletedProcess[str]:
    """Compiles ``source`` with the platform into ``folder/firmware.elf``; the caller looks at the result."""
    assert shutil.which(COMPILER), f"{COMPILER} is needed for these tests"
    folder.mkdir(parents=True, exist_ok=True)
    target = load_board(board)
    clock = clock_tree(target, clock_mhz)
    (folder / "board.h").write_text(render("board.h.j2", target, clock, stack_bytes))
    (folder / "linker.ld").write_text(render("linker.ld.j2", target, clock, stack_bytes))
    (folder / "main.c").write_text(source)
    return run(
        [
            COMPILER,
            *CPU,
            *STRICT,
            "-std=c11",
            optimize,
            "-g3",
            "-ffunction-sections",
            "-fdata-sections",
            f"-I{folder}",
            f"-I{PLATFORM.parent}",
            f"-I{PLATFORM}",
            *(str(path) for path in sorted(PLATFORM.glob("*.c"))),
            str(folder / "main.c"),
            "-nostartfiles",
            "--specs=nano.specs",
            "-Wl,--gc-sections,--fatal-warnings",
            f"-T{folder / 'linker.ld'}",
            "-o",
            str(folder / "firmware.elf"),
        ]
    )


def build(
    folder: Path,
    source: str = MINIMAL_MAIN,
    *,
    board: str = "nucleo_h743zi2",
    clock_mhz: int = 480,
    stack_bytes: int = 8192,
    optimize: str = "-O2",
) -> Path:
    """As :func:`link`, for programs that must build without a word."""
    result = link(
        folder, source, board=board, clock_mhz=clock_mhz, stack_bytes=stack_bytes, optimize=optimize
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return folder / "firmware.elf"
