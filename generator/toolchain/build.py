"""Running CMake on a project and telling in the project's terms what came of it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.errors import FirmcastError, MissingToolError, OverBudgetError, UsageError

COMPILER = "arm-none-eabi-gcc"
TOOLCHAIN_DIR_VARIABLE = "FC_TOOLCHAIN_DIR"
"""Environment variable that names the folder of a compiler outside PATH; the toolchain file knows it too."""

_GET_COMPILER = (
    f"{COMPILER} is not installed: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi "
    f"(or set {TOOLCHAIN_DIR_VARIABLE} to the folder that holds it)"
)
_GET_LIBRARY = "the C library for the target is not installed: apt-get install libnewlib-arm-none-eabi"
_GET_CMAKE = "cmake is not installed: apt-get install cmake"
_GET_GENERATOR = "neither ninja nor make is installed: apt-get install ninja-build"

_OVERFLOW = re.compile(r"region [`'](?P<region>\S+)' overflowed by (?P<bytes>\d+) bytes")
_DECISIVE = re.compile(
    r"\berror\b|undefined reference|multiple definition|cannot find|CMake Error|No rule to make", re.I
)
_SUMMARIES = re.compile(
    r"^(ninja: |make|collect2: error|FAILED: |cc1: all warnings)|ld returned 1 exit status"
)
# What firmware/cmake/tflm.cmake refuses is something that is not installed.
_NO_TFLM = re.compile(r"CMake Error at \S*tflm\.cmake:\d+ \(message\):\n(?P<text>(?:(?:  .*)?\n)+)")
_MAX_LINES = 20


@dataclass(frozen=True)
class BuildResult:
    """What a build made, and with what."""

    elf: Path
    compiler: str
    """First line of what the compiler says of its version."""
    flags: str
    """Options that every C file was compiled with; no include paths, definitions or files."""
    output: str
    """What CMake, compiler and linker printed."""


def find_compiler() -> Path:
    """The cross compiler: in ``FC_TOOLCHAIN_DIR`` or on PATH; MissingToolError says how to get it."""
    found = shutil.which(COMPILER, path=os.environ.get(TOOLCHAIN_DIR_VARIABLE)) or shutil.which(COMPILER)
    if found is None:
        raise MissingToolError(_GET_COMPILER)
    return Path(found)


def cmake_build(
    project: Path,
    build: Path,
    *,
    target: str | None = None,
    artifact: str = "firmware.elf",
    definitions: Mapping[str, str] | None = None,
    verbose: bool = False,
) -> BuildResult:
    """Configure and build ``project`` (a folder with a ``CMakeLists.txt``) in ``build``.

    ``target`` is one target instead of all, ``artifact`` the file that must come out of it, ``definitions``
    are passed as ``-D``. ``verbose`` prints the commands into ``output``.

    Raises UsageError (no project), MissingToolError, OverBudgetError when a memory region overflows, and
    FirmcastError with the decisive lines when CMake or a compiler fails for another reason.
    """
    if not (project / "CMakeLists.txt").is_file():
        raise UsageError(f"{project}: has no CMakeLists.txt")
    cmake = shutil.which("cmake")
    if cmake is None:
        raise MissingToolError(_GET_CMAKE)
    project, build = project.resolve(), build.resolve()
    given = [f"-D{name}={value}" for name, value in (definitions or {}).items()]
    configure = [cmake, "-S", str(project), "-B", str(build), *_generator(project, build), *given]
    output = _run([*configure, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"], project)
    command = [cmake, "--build", str(build), "--parallel", str(os.cpu_count() or 1)]
    command += ["--target", target] if target else []
    command += ["--verbose"] if verbose else []
    output += _run(command, project)
    elf = build / artifact
    if not elf.is_file():
        raise FirmcastError(f"{project}: the build made no {artifact}")
    compiler, flags = _commands(build)
    return BuildResult(elf, compiler, flags, output)


def _generator(project: Path, build: Path) -> list[str]:
    """Ninja, else make; nothing where an earlier configuration has chosen.

    A cache that belongs to another place (the project was copied with its build folder) is put away.
    """
    cache = build / "CMakeCache.txt"
    if cache.is_file():
        home = re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", cache.read_text("utf-8", "replace"), re.M)
        if home is not None and Path(home[1]) == project and _cache_is_at_home(cache):
            return []
        cache.unlink()
        shutil.rmtree(build / "CMakeFiles", ignore_errors=True)
    if shutil.which("ninja"):
        return ["-G", "Ninja"]
    if shutil.which("make"):
        return ["-G", "Unix Makefiles"]
    raise MissingToolError(_GET_GENERATOR)


def _cache_is_at_home(cache: Path) -> bool:
    place = re.search(r"^CMAKE_CACHEFILE_DIR:INTERNAL=(.*)$", cache.read_text("utf-8", "replace"), re.M)
    return place is not None and Path(place[1]) == cache.parent


def _run(command: Sequence[str], project: Path) -> str:
    """Output of a command that succeeded; what went wrong otherwise."""
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise _failure(project, done.stdout)
    return done.stdout


def _failure(project: Path, output: str) -> FirmcastError:
    if f"{COMPILER} was not found" in output or f"{COMPILER}: not found" in output:
        return MissingToolError(_GET_COMPILER)
    if re.search(r"nano\.specs.*No such file|cannot find -lc\b|fatal error: (string|math|stdint)\.h", output):
        return MissingToolError(_GET_LIBRARY)
    if refused := _NO_TFLM.search(output):
        text = (line.removeprefix("  ") for line in refused["text"].splitlines())
        return MissingToolError("\n".join(line for line in text if line.strip()))
    overflows = {match["region"]: int(match["bytes"]) for match in _OVERFLOW.finditer(output)}
    if overflows:
        lines = [f"  - {region}: {bytes_} bytes too many" for region, bytes_ in sorted(overflows.items())]
        return OverBudgetError("\n".join([f"{project}: the firmware does not fit its memories:", *lines]))
    return FirmcastError("\n".join([f"{project}: the build failed:", *_decisive_lines(output)]))


def _decisive_lines(output: str) -> list[str]:
    lines = output.splitlines()
    found = [i for i, line in enumerate(lines) if _DECISIVE.search(line) and not _SUMMARIES.search(line)]
    # CMake puts the reason below the line that says Error.
    chosen = {j for i in found for j in range(i, i + (6 if "CMake Error" in lines[i] else 1))}
    decisive = [lines[i] for i in sorted(chosen) if i < len(lines) and lines[i].strip()]
    return list(dict.fromkeys(decisive))[:_MAX_LINES] or lines[-_MAX_LINES:]


def _commands(build: Path) -> tuple[str, str]:
    """Compiler and common options of the C files, from ``compile_commands.json``."""
    try:
        entries = json.loads((build / "compile_commands.json").read_text("utf-8"))
    except (OSError, ValueError):
        return "", ""
    commands = [shlex.split(entry["command"]) for entry in entries if entry["file"].endswith(".c")]
    if not commands:
        return "", ""
    options = [_options(command) for command in commands]
    common = [flag for flag in options[0] if all(flag in other for other in options)]
    version = subprocess.run(
        [commands[0][0], "--version"], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    first_line = version.stdout.splitlines()[0] if version.stdout else ""
    return first_line, " ".join(common)


def _options(command: Sequence[str]) -> list[str]:
    """Options that say how code is made: not where files are, nor what is written beside the object."""
    options: list[str] = []
    skip = False
    for word in command[1:]:
        if skip:
            skip = False
        elif word in {"-o", "-I", "-D", "-isystem", "-MF", "-MT", "-MQ", "-include"}:
            skip = True
        elif (
            word.startswith("-")
            and not word.startswith(("-I", "-D", "-M", "-ffile-prefix-map"))
            and word != "-c"
        ):
            options.append(word)
    return options
