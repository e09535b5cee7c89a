"""Trees of TFLM as a user may have them, made of the stand-in beside this file (stand_in/README.md)."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

STAND_IN = Path(__file__).parent / "stand_in"
SOURCE = Path("tensorflow/lite/micro/stand_in.cc")
LIBRARY = "libtensorflow-microlite.a"
# As the command in docs/engines.md has TFLM's Makefile compile.
_CORE = ("-mcpu=cortex-m7+nofp.dp", "-mthumb", "-mfpu=auto", "-mfloat-abi=hard", "-funsigned-char")


@cache
def _has_cross_cxx() -> bool:
    if shutil.which("arm-none-eabi-g++") is None:
        return False
    done = subprocess.run(
        ["arm-none-eabi-g++", *_CORE, "-E", "-x", "c++", "-"],
        input="#include <type_traits>\n",
        text=True,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def require_cross_cxx() -> None:
    if not _has_cross_cxx():
        pytest.skip("the C++ compiler or library for the target is missing (libstdc++-arm-none-eabi-newlib)")


def library_tree(folder: Path, place: str, machine: Literal["target", "host"] = "target") -> Path:
    """Headers and a compiled library, no sources; ``place`` is the library's folder in the tree."""
    shutil.copytree(STAND_IN, folder, ignore=shutil.ignore_patterns("*.cc"))
    add_library(folder, place, machine)
    return folder


def add_library(folder: Path, place: str, machine: Literal["target", "host"] = "target") -> Path:
    prefix, flags = ("arm-none-eabi-", _CORE) if machine == "target" else ("", ())
    library = folder / place / LIBRARY
    library.parent.mkdir(parents=True, exist_ok=True)
    compiled = folder / "stand_in.o"
    includes = [f"-I{STAND_IN}", f"-I{STAND_IN}/third_party/flatbuffers/include"]
    options = ["-std=c++17", "-O2", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"]
    options += ["-DTF_LITE_STATIC_MEMORY", *includes]
    subprocess.run([f"{prefix}g++", *flags, *options, "-c", STAND_IN / SOURCE, "-o", compiled], check=True)
    subprocess.run([f"{prefix}ar", "rcs", library, compiled], check=True)
    compiled.unlink()
    return library
