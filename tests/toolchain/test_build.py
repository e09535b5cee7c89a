"""Real projects through real CMake and the real cross compiler."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from generator.assets import firmware_dir
from generator.errors import FirmcastError, MissingToolError, OverBudgetError, UsageError
from generator.toolchain.build import BuildResult, cmake_build, find_compiler
from generator.toolchain.elf import ElfImage

from .conftest import COMPILER, LINKER_SCRIPT

MAIN = """
#include <stdint.h>
extern uint32_t _estack;
void Reset_Handler(void);
volatile int sink;
int other(int x);
void Reset_Handler(void) { sink = other(sink); for (;;) { } }
__attribute__((section(".vectors"), used)) void *const vectors[] = {&_estack, Reset_Handler};
"""
OTHER = "int other(int x);\nint other(int x) { return x * 3; }\n"
CMAKE_LISTS = """
cmake_minimum_required(VERSION 3.20)
set(CMAKE_TOOLCHAIN_FILE "${CMAKE_CURRENT_LIST_DIR}/cmake/arm-none-eabi.cmake")
project(demo C)
add_executable(firmware main.c other.c)
target_include_directories(firmware PRIVATE .)
target_compile_options(firmware PRIVATE -O2 -Wall -Werror)
set_source_files_properties(other.c PROPERTIES COMPILE_OPTIONS -fno-inline)
target_link_options(firmware PRIVATE -T "${CMAKE_CURRENT_LIST_DIR}/linker.ld" -Wl,--no-warn-rwx-segments)
set_target_properties(firmware PROPERTIES SUFFIX .elf)
"""

Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for program in ("cmake", COMPILER):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")

    def make(main: str = MAIN, other: str = OTHER, script: str = LINKER_SCRIPT, name: str = "demo") -> Path:
        folder = tmp_path / name
        (folder / "cmake").mkdir(parents=True)
        shutil.copy(firmware_dir() / "cmake" / "arm-none-eabi.cmake", folder / "cmake")
        (folder / "main.c").write_text(main)
        (folder / "other.c").write_text(other)
        (folder / "linker.ld").write_text(script)
        (folder / "CMakeLists.txt").write_text(CMAKE_LISTS)
        return folder

    return make


def build(folder: Path, **options: object) -> BuildResult:
    return cmake_build(folder, folder / "out", **options)  # type: ignore[arg-type]


def test_builds_and_says_with_what(project: Project) -> None:
    result = build(project())
    assert ElfImage.load(result.elf).symbols["other"].kind == "function"
    version = subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=True).stdout
    assert result.compiler == version.splitlines()[0]
    flags = result.flags.split()
    assert {"-O2", "-mcpu=cortex-m7", "-mfloat-abi=hard"} <= set(flags)
    assert "-fno-inline" not in flags
    assert not [f for f in flags if "/" in f or f.startswith(("-I", "-o"))]


def test_builds_again_after_the_folder_was_moved(project: Project, tmp_path: Path) -> None:
    folder = project()
    build(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    result = build(moved)
    assert result.elf == moved / "out" / "firmware.elf"
    (moved / "other.c").write_text(OTHER.replace("3", "5"))
    before = result.elf.read_bytes()
    assert build(moved).elf.read_bytes() != before


def test_uses_make_where_there_is_no_ninja(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    if which("make") is None:
        pytest.skip("make is not installed")
    monkeypatch.setattr(shutil, "which", lambda n, **k: None if n == "ninja" else which(n, **k))
    assert build(project()).elf.is_file()


def test_compile_errors_are_shown_and_nothing_else(project: Project) -> None:
    folder = project(other=OTHER + "int broken(void) { return missing_name; }\n")
    with pytest.raises(FirmcastError) as caught:
        build(folder)
    message = str(caught.value)
    assert type(caught.value) is FirmcastError
    assert str(folder) in message.splitlines()[0]
    assert "missing_name" in message
    assert "other.c:3" in message
    assert len(message.splitlines()) < 6
    assert "ninja" not in message


def test_link_errors_are_shown(project: Project) -> None:
    with pytest.raises(FirmcastError, match="undefined reference to `nowhere'"):
        build(project(other="int nowhere(int); int other(int x);\nint other(int x) { return nowhere(x); }\n"))


def test_cmake_errors_are_shown(project: Project) -> None:
    folder = project()
    with (folder / "CMakeLists.txt").open("a") as lists:
        lists.write('message(FATAL_ERROR "the moon is full")\n')
    with pytest.raises(FirmcastError, match="the moon is full"):
        build(folder)


def test_overflowing_regions_are_all_listed(project: Project) -> None:
    small = LINKER_SCRIPT.replace("LENGTH = 2M", "LENGTH = 16").replace("LENGTH = 128K", "LENGTH = 2K")
    with pytest.raises(OverBudgetError) as caught:
        build(project(script=small))
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0].strip(" -") for line in lines] == ["DTCM", "FLASH"]
    excess = int(lines[0].split(": ")[1].split()[0])
    assert 2048 <= excess <= 2048 + 64
    assert lines[0].endswith("bytes too many")


def test_missing_compiler_names_the_packages(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = project()
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("cmake", "ninja", "make", "sh", "uname"):
        if (found := shutil.which(name)) is not None:
            (tools / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.delenv("FC_TOOLCHAIN_DIR", raising=False)
    with pytest.raises(MissingToolError, match="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"):
        find_compiler()
    with pytest.raises(MissingToolError, match="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"):
        build(folder)
    (tools / "ninja").unlink(missing_ok=True)
    (tools / "make").unlink(missing_ok=True)
    with pytest.raises(MissingToolError, match="ninja-build"):
        cmake_build(folder, folder / "fresh")
    (tools / "cmake").unlink()
    with pytest.raises(MissingToolError, match="apt-get install cmake"):
        build(folder)


def test_compiler_outside_of_path_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = shutil.which(COMPILER)
    if found is None:
        pytest.skip(f"{COMPILER} is not installed")
    (tmp_path / COMPILER).symlink_to(found)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("FC_TOOLCHAIN_DIR", str(tmp_path))
    assert find_compiler() == tmp_path / COMPILER


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no CMakeLists\.txt"):
        cmake_build(tmp_path, tmp_path / "out")
