"""Foreseeable mistakes: each has its exit code, and a message that names the thing and the way out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Built
from tests.support import models
from tests.support.cli import ROOT, firmcast
from tests.support.models import ModelBuilder

MODEL = ROOT / "models" / "mask_cnn" / "mask_cnn.tflite"


def _write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _float_model() -> bytes:
    model = ModelBuilder()
    source, result = model.tensor((1, 4), "float32"), model.tensor((1, 4), "float32")
    model.operator("LOGISTIC", [source], [result])
    return model.finish([source], [result])


def _unsupported_model() -> bytes:
    model = ModelBuilder()
    tensors = [model.tensor((1, 4), scale=0.1, name=f"tensor {i}") for i in range(3)]
    model.operator("COMPLEX_ABS", tensors[:1], tensors[1:2])
    model.operator("RANDOM_UNIFORM", tensors[1:2], tensors[2:])
    return model.finish(tensors[:1], tensors[2:])


def test_unsupported_operators_are_all_named(tmp_path: Path) -> None:
    file = _write(tmp_path / "odd.tflite", _unsupported_model())
    for command in ("build", "analyze", "validate"):
        result = firmcast(command, file, cwd=tmp_path)
        assert result.code == 3
        for word in (
            "operator 0 COMPLEX_ABS",
            "operator 1 RANDOM_UNIFORM",
            "'tensor 1'",
            "'tensor 2'",
            "CONV_2D",
        ):
            assert word in result.err
    assert not (tmp_path / "build").exists()


def test_float_model_says_how_to_quantize(tmp_path: Path) -> None:
    file = _write(tmp_path / "float.tflite", _float_model())
    result = firmcast("build", file, cwd=tmp_path)
    assert result.code == 3
    assert "float32" in result.err
    assert "generator quantize" in result.err
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize("content", [b"", b"hello, this is no model at all", MODEL.read_bytes()[:5000]])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    result = firmcast("build", _write(tmp_path / "x.tflite", content), cwd=tmp_path)
    assert result.code == 3
    assert "x.tflite" in result.err


def test_absent_model_names_what_there_is(tmp_path: Path) -> None:
    result = firmcast("build", "no_such_model", cwd=tmp_path)
    assert result.code == 2
    assert "no_such_model" in result.err
    assert "mask_cnn" in result.err


def test_unknown_board_and_clock(tmp_path: Path) -> None:
    result = firmcast("build", "--board", "arduino_uno", cwd=tmp_path)
    assert result.code == 2
    assert "nucleo_h743zi2" in result.err
    result = firmcast("build", "--clock-mhz", 777, cwd=tmp_path)
    assert result.code == 2
    assert "777" in result.err
    assert "480" in result.err


def test_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    result = firmcast("build", "--fast", cwd=tmp_path)
    assert result.code == 2
    assert "--fast" in result.err


def test_foreign_folder_is_not_overwritten(tmp_path: Path) -> None:
    _write(tmp_path / "thesis.txt", "years of work")
    result = firmcast("build", "--out", tmp_path, cwd=tmp_path)
    assert result.code == 2
    assert "thesis.txt" in result.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis.txt"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[budgets]\nflash_kb = 3\n", ("flash_kb",)),
        ("[budgets]\nflash_kib = -3\n", ("flash_kib", "greater than 0")),
        ("budgets = [", ("settings",)),
        ("[application]\nthreshold = 2\n", ("threshold",)),
    ],
)
def test_wrong_settings_name_file_and_key(text: str, words: tuple[str, ...], tmp_path: Path) -> None:
    file = _write(tmp_path / "mine.toml", text)
    result = firmcast("build", "--settings", file, cwd=tmp_path)
    assert result.code == 2
    for word in ("mine.toml", *words):
        assert word in result.err


def test_over_budget_says_by_how_much_and_leaves_the_report(tmp_path: Path) -> None:
    file = _write(tmp_path / "tight.toml", "[budgets]\nflash_kib = 100\nram_kib = 8\nlatency_ms = 2.5\n")
    result = firmcast("build", "--json", "--settings", file, "--inputs", 2, cwd=tmp_path)
    assert result.code == 4
    report = result.json()
    assert report["budgets"] == {"met": False, "exceeded": ["flash", "ram", "latency"]}
    assert json.loads((tmp_path / "build" / "mask_cnn" / "report.json").read_text()) == report
    over = report["memory"]["flash"]["used"] - 100 * 1024
    assert f"over by {over:,} B" in result.err
    for name in ("flash", "ram", "latency"):
        assert f"  {name} " in result.err


def test_arena_larger_than_any_memory_is_over_budget(tmp_path: Path) -> None:
    """Known before anything is written."""
    model = models.pool(
        kind="MAX", height=1024, width=1024, channels=3, window=(2, 2), stride=(1, 1), same=True
    )
    result = firmcast("build", _write(tmp_path / "huge.tflite", model), cwd=tmp_path)
    assert result.code == 4
    assert "arena" in result.err
    assert "6,291,456" in result.err  # 3 MiB in and 3 MiB out
    assert not (tmp_path / "build").exists()


def test_weights_larger_than_the_flash_are_over_budget(tmp_path: Path) -> None:
    model = models.fully_connected(np.random.default_rng(0), rows=1, depth=1100, units=2000)
    result = firmcast("build", _write(tmp_path / "fat.tflite", model), cwd=tmp_path)
    assert result.code == 4
    assert "does not fit" in result.err
    assert "FLASH: " in result.err
    assert "bytes too many" in result.err


TOOLS = (
    *("cmake", "ninja", "make", "cc", "gcc", "ld", "as", "sh"),
    *("arm-none-eabi-gcc", "arm-none-eabi-objcopy"),
)


def _path_without(folder: Path, *hidden: str) -> str:
    """A PATH with everything that the commands use, less ``hidden``."""
    folder.mkdir()
    for name in (
        "cmake",
        "ninja",
        "make",
        "cc",
        "gcc",
        "ld",
        "as",
        "sh",
        "arm-none-eabi-gcc",
        "arm-none-eabi-objcopy",
    ):
        found = shutil.which(name)
        if found and name not in hidden:
            (folder / name).symlink_to(found)
    return str(folder)


@pytest.mark.parametrize(
    ("hidden", "package"), [("arm-none-eabi-gcc", "gcc-arm-none-eabi"), ("cmake", "cmake")]
)
def test_missing_tools_say_how_to_get_them(hidden: str, package: str, tmp_path: Path) -> None:
    path = _path_without(tmp_path / "bin", hidden)
    result = firmcast("build", cwd=tmp_path, env={"PATH": path})
    assert result.code == 6
    assert hidden in result.err
    assert package in result.err


def test_missing_host_compiler_says_so(built: Built, tmp_path: Path) -> None:
    path = _path_without(tmp_path / "bin", "cc", "gcc")
    result = firmcast("emulate", built.elf, cwd=tmp_path, env={"PATH": path})
    assert result.code == 6
    assert "gcc" in result.err


def test_missing_renode_says_so(tmp_path: Path) -> None:
    if shutil.which("renode"):
        pytest.skip("Renode is installed")
    result = firmcast("validate", "--on", "renode", "--inputs", 2, cwd=tmp_path)
    assert result.code == 6
    assert "renode.io" in result.err


def test_emulate_without_a_firmware_says_build_first(tmp_path: Path) -> None:
    for command in ("emulate", "flash"):
        result = firmcast(command, cwd=tmp_path)
        assert result.code == 2
        assert "build it first" in result.err


def test_unreadable_images_are_named(built: Built, tmp_path: Path) -> None:
    text = _write(tmp_path / "notes.jpg", "not a picture")
    result = firmcast("emulate", built.elf, "--image", text, cwd=tmp_path)
    assert result.code == 2
    assert "notes.jpg" in result.err
    result = firmcast("emulate", built.elf, "--image", tmp_path / "absent.png", cwd=tmp_path)
    assert result.code == 2
    assert "absent.png" in result.err
    result = firmcast("emulate", built.elf, "--frames", tmp_path / "nowhere", cwd=tmp_path)
    assert result.code == 2
    assert "nowhere" in result.err


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" * 500])
def test_what_is_no_firmware_is_refused(content: bytes, tmp_path: Path) -> None:
    file = _write(tmp_path / "odd.elf", content)
    result = firmcast("emulate", file, "--board", "nucleo_h743zi2", cwd=tmp_path)
    assert result.code == 2
    assert "odd.elf" in result.err


def test_host_program_is_not_a_firmware(tmp_path: Path) -> None:
    result = firmcast(
        "emulate", shutil.which("true") or "/bin/true", "--board", "nucleo_h743zi2", cwd=tmp_path
    )
    assert result.code == 2


def test_absent_port_lists_what_there_is(tmp_path: Path) -> None:
    result = firmcast("monitor", "--port", "/dev/ttyNOPE", cwd=tmp_path)
    assert result.code == 7
    assert "/dev/ttyNOPE" in result.err


_FAULTY = """
void start(void);
static int deeper(volatile int *p) { volatile int here[64]; here[0] = *p; return deeper(here) + here[0]; }
void start(void)
{
    %s
    for (;;) { }
}
__attribute__((section(".vectors"), used))
static const void *vectors[16] = {(void *)0x20000800, (void *)start};
"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("*(volatile int *)0x60000000 = 1;", ("0x60000000", "faulty.c:6", "start")),
        ('__asm__ volatile("udf #0");', ("faulty.c:6", "ndefined")),
        ("(void)0;", ("loop", "faulty.c:7")),
        ("volatile int x = 1; deeper(&x);", ("stack", "faulty.c:3")),
    ],
)
def test_faults_exit_with_7_and_name_the_line(body: str, words: tuple[str, ...], tmp_path: Path) -> None:
    source = _write(tmp_path / "faulty.c", _FAULTY % body)
    elf = tmp_path / "faulty.elf"
    subprocess.run(
        [
            *("arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-O1", "-g", "-fno-optimize-sibling-calls"),
            *("-Wno-infinite-recursion", "-nostdlib", "-Ttext=0x08000400"),
            *("-Wl,--section-start=.vectors=0x08000000", "-Wl,-e,start", str(source), "-o", str(elf)),
        ],
        check=True,
    )
    result = firmcast("emulate", elf, "--board", "nucleo_h743zi2", cwd=tmp_path)
    assert result.code == 7
    for word in (*words, "pc", "sp"):
        assert word in result.err


def test_elf_outside_a_project_asks_for_the_board(built: Built, tmp_path: Path) -> None:
    copy = tmp_path / "lonely.elf"
    shutil.copy(built.elf, copy)
    result = firmcast("emulate", copy, cwd=tmp_path)
    assert result.code == 2
    assert "--board" in result.err


def test_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    import sys

    done = subprocess.run(
        f"{sys.executable} -m generator analyze | head -1",
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
