"""The CMake toolchain file finds the compiler, and says how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from platform_build import MINIMAL_MAIN

from generator.assets import firmware_dir

TOOLCHAIN = firmware_dir() / "cmake" / "arm-none-eabi.cmake"


def configure(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    cmake, ninja = shutil.which("cmake"), shutil.which("ninja")
    if cmake is None or ninja is None:
        pytest.skip("cmake and ninja are needed to try the toolchain file")
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(probe C)\nadd_library(probe STATIC main.c)\n"
    )
    (folder / "main.c").write_text(MINIMAL_MAIN)
    return subprocess.run(
        [
            cmake,
            *("-S", str(folder), "-B", str(folder / "build"), "-G", "Ninja"),
            f"-DCMAKE_MAKE_PROGRAM={ninja}",
            f"-DCMAKE_TOOLCHAIN_FILE={TOOLCHAIN}",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
        timeout=120,
    )


def test_it_builds_for_the_core(tmp_path: Path) -> None:
    result = configure(tmp_path)
    assert result.returncode == 0, result.stderr
    subprocess.run(["ninja", "-C", str(tmp_path / "build")], check=True, capture_output=True, timeout=120)
    attributes = subprocess.run(
        ["arm-none-eabi-readelf", "-A", str(tmp_path / "build" / "libprobe.a")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Tag_CPU_arch: v7E-M" in attributes
    assert "Tag_ABI_VFP_args: VFP registers" in attributes
    assert "Tag_ABI_HardFP_use: SP only" in attributes


def test_a_missing_compiler_is_said_with_its_package(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = configure(tmp_path, PATH=str(empty))
    assert result.returncode != 0
    assert "arm-none-eabi-gcc was not found" in result.stderr
    assert "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi" in result.stderr


def test_a_compiler_outside_path_can_be_named(tmp_path: Path) -> None:
    compiler = shutil.which("arm-none-eabi-gcc")
    assert compiler is not None
    # A folder that holds the tools alone.
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in Path(compiler).parent.glob("arm-none-eabi-*"):
        (tools / tool.name).symlink_to(tool)
    result = configure(tmp_path, PATH=str(tmp_path), FC_TOOLCHAIN_DIR=str(tools))
    assert result.returncode == 0, result.stderr
    assert str(tools / "arm-none-eabi-gcc") in (tmp_path / "build" / "CMakeCache.txt").read_text()
