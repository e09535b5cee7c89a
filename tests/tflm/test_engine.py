"""The engine tflm: compiled, linked, booted and spoken to.

The library is not at hand here, so a stand-in with its public interface takes its place (stand_in/README.md);
the last test runs the whole road with the real one where TFLM_DIR names it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from generator.emulator import EmulatedSerial, Machine
from generator.link import Client
from generator.link.client import RequestRefusedError
from generator.link.transport import ProcessTransport
from generator.targets import load_board
from generator.toolchain.elf import ElfImage
from tests.conftest import Built
from tests.plan.networks import Network
from tests.support.cli import Result, firmcast
from tests.tflm.trees import LIBRARY, SOURCE, STAND_IN, add_library, library_tree, require_cross_cxx


@dataclass(frozen=True)
class Firmware:
    folder: Path
    result: Result

    @property
    def elf(self) -> Path:
        return self.folder / "cmake-build" / "firmware.elf"


def _build(folder: Path, tree: Path, *arguments: object) -> Result:
    return firmcast(
        "build", "--engine", "tflm", "--tflm-dir", tree, "--out", folder, *arguments, cwd=folder.parent
    )


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    require_cross_cxx()
    folder = tmp_path_factory.mktemp("tflm") / "out"
    result = _build(folder, STAND_IN, "--no-validate", "--json")
    assert result.code == 0, result.err
    return Firmware(folder, result)


@dataclass(frozen=True)
class Running:
    client: Client
    lines: list[str]


@pytest.fixture
def running(firmware: Firmware) -> Iterator[Running]:
    machine = Machine(ElfImage.load(firmware.elf), load_board("nucleo_h743zi2"))
    machine.reset()
    lines: list[str] = []
    with Client(EmulatedSerial(machine), on_text=lines.append) as client:
        client.identify()
        yield Running(client, lines)


def _expected(values: np.ndarray, count: int) -> bytes:
    """What the stand-in makes of an input."""
    return np.resize(~values.reshape(-1), count).tobytes()


def test_boots_on_the_emulated_part_and_answers(running: Running) -> None:
    identity = running.client.identity
    assert (identity.engine, identity.step_count, identity.takes_images) == ("tflm", 1, True)
    values = np.random.default_rng(1).integers(-128, 128, identity.input_sizes_bytes[0]).astype(np.int8)
    for _ in range(2):
        running.client.write_input(values)
        running.client.run()
        assert running.client.read_output() == _expected(values, identity.output_sizes_bytes[0])
        values = ~values
    timing = running.client.timing()
    assert len(timing.step_cycles) == 1
    assert 0 < timing.step_cycles[0] <= timing.total_cycles
    assert any(line.startswith("TFLM: bytes of the arena in use: ") for line in running.lines)


def test_a_step_is_a_whole_inference_and_shows_nothing_between(running: Running) -> None:
    values = np.zeros(running.client.identity.input_sizes_bytes[0], np.int8)
    running.client.write_input(values)
    running.client.run(stop_after=0)
    assert running.client.read_output() == b"\xff"
    with pytest.raises(RequestRefusedError, match="does not offer this"):
        running.client.read_step(0)


def test_pictures_reach_the_interpreter(running: Running) -> None:
    running.client.send_image(np.full((50, 60, 3), 255, np.uint8))
    decision = running.client.classify()
    assert decision.score == pytest.approx(0.0)  # the stand-in inverts 127 to -128


def test_report_says_what_was_not_obtained(firmware: Firmware) -> None:
    report = firmware.result.json()
    assert report["engine"] == "tflm"
    stack = report["memory"]["stack"]
    assert stack["computed"] is None
    assert stack["deepest"] == []
    assert 0 < stack["painted"] <= stack["reserved"] == 8192
    assert report["memory"]["stack_bytes"] == stack["painted"]
    layers = report["latency"]["layers"]
    assert [layer["op"] for layer in layers][-2:] == ["FULLY_CONNECTED", "LOGISTIC"]
    assert sum(layer["macs"] for layer in layers) == report["model"]["macs"]
    assert all(layer["cycles"] is None and layer["instructions"] is None for layer in layers)
    assert report["latency"]["cycles"] > 0
    assert report["simplification"]["channels"] == 0  # the file runs as it is
    model = firmware.folder / "model_data.h"
    assert f"#define MODEL_DATA_BYTES {report['model']['weights_bytes']}" in model.read_text()


def test_firmware_uses_no_heap_and_no_stdio(firmware: Firmware) -> None:
    names = set(ElfImage.load(firmware.elf).symbols)
    assert not names & {"malloc", "_malloc_r", "printf", "_sbrk", "_Znwj", "vsnprintf", "_vsnprintf_r"}
    assert not {name for name in names if "exception" in name or name.startswith("_Unwind")}


def test_validation_tells_that_the_stand_in_computes_nonsense(firmware: Firmware, tmp_path: Path) -> None:
    """And names no step: an interpreter has none to look at."""
    pytest.importorskip("tflite_micro", reason="the reference is not installed")
    result = _build(tmp_path / "out", STAND_IN, "--inputs", 4)
    assert result.code == 5
    assert "outputs differ from tflite-micro" in result.err


def test_a_project_rendered_for_native_switches_by_cmake(built: Built, tmp_path: Path) -> None:
    """With a library instead of sources, and without Python."""
    require_cross_cxx()
    project = tmp_path / "copy"
    shutil.copytree(built.folder, project, ignore=shutil.ignore_patterns("cmake-build"))
    tree = library_tree(tmp_path / "tree", "lib")
    build = project / "cmake-build"
    for command in (
        ["cmake", "-S", project, "-B", build, "-G", "Ninja", "-DENGINE=tflm", f"-DTFLM_DIR={tree}"],
        ["cmake", "--build", build],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    names = ElfImage.load(build / "firmware.elf").symbols
    assert any("MicroInterpreter" in name for name in names)
    assert not [name for name in names if "step_00" in name]


def test_native_projects_compile_no_cxx(built: Built) -> None:
    commands = json.loads((built.folder / "cmake-build" / "compile_commands.json").read_text())
    assert all(entry["file"].endswith(".c") for entry in commands)
    assert not [e for e in commands if "model_data" in e["file"]]


def test_engines_take_turns_in_one_folder(tmp_path: Path) -> None:
    require_cross_cxx()
    folder = tmp_path / "out"
    for engine in ("tflm", "native", "tflm"):
        result = firmcast(
            *("build", "--engine", engine, "--tflm-dir", STAND_IN, "--no-validate", "--json"),
            *("--out", folder),
            cwd=tmp_path,
        )
        assert result.code == 0, result.err
        assert result.json()["engine"] == engine


def test_on_this_computer_under_sanitizers(tmp_path: Path) -> None:
    """Glue and stand-in compiled by the host's compiler, the project rendered for the host."""
    tree = library_tree(tmp_path / "tree", "gen/linux_x86_64_default_gcc/lib", "host")
    result = firmcast(
        *("validate", "--on", "host", "--engine", "tflm", "--tflm-dir", tree, "--inputs", 2),
        cwd=tmp_path,
    )
    assert result.code == 5, result.err  # it ran; what it computes is the stand-in's
    program = tmp_path / "build" / "mask_cnn-host" / "cmake-build" / "firmware"
    with Client(ProcessTransport([program])) as client:
        assert client.identity.engine == "tflm"
        values = np.arange(client.identity.input_sizes_bytes[0]).astype(np.int8)
        client.write_input(values)
        client.run()
        assert client.read_output() == _expected(values, 1)


def test_an_arena_that_is_too_small_is_told_on_the_console(tmp_path: Path) -> None:
    require_cross_cxx()
    settings = tmp_path / "small.toml"
    settings.write_text("[firmware]\ntflm_arena_bytes = 1024\n")
    result = _build(tmp_path / "out", STAND_IN, "--settings", settings, "--no-validate", "-v")
    assert result.code == 7, result.err
    assert "target: Arena size is too small for all buffers. Needed " in result.err
    assert "was available, missing -7%.!" in result.err  # the conversions of TFLM's messages
    assert "tflm_arena_bytes in firmcast.toml" in result.err
    assert "the inference engine did not start" in result.err
    assert "#define MASK_CNN_ARENA_BYTES 1024" in (tmp_path / "out" / "mask_cnn.h").read_text()


# What is missing ----------------------------------------------------------------------------------------


def _without(variable: str) -> dict[str, str]:
    return {variable: ""}


def test_without_a_tree_nothing_is_written(tmp_path: Path) -> None:
    result = firmcast("build", "--engine", "tflm", cwd=tmp_path, env=_without("TFLM_DIR"))
    assert result.code == 6
    assert "--tflm-dir" in result.err
    assert "TFLM_DIR" in result.err
    assert not list(tmp_path.iterdir())


def test_rendering_alone_needs_no_tree(tmp_path: Path) -> None:
    result = firmcast(
        *("build", "--engine", "tflm", "--render-only", "--out", tmp_path / "out"),
        cwd=tmp_path,
        env=_without("TFLM_DIR"),
    )
    assert result.code == 0, result.err
    assert 'set(ENGINE "tflm"' in (tmp_path / "out" / "CMakeLists.txt").read_text()


def test_the_environment_names_a_tree_too(tmp_path: Path) -> None:
    result = firmcast("build", "--engine", "tflm", cwd=tmp_path, env={"TFLM_DIR": str(tmp_path / "none")})
    assert result.code == 6
    assert "micro_interpreter.h" in result.err


def _empty(tree: Path) -> None:
    tree.mkdir()


def _no_flatbuffers(tree: Path) -> None:
    shutil.copytree(STAND_IN, tree)
    shutil.rmtree(tree / "third_party")


def _no_library(tree: Path) -> None:
    """A checkout before its Makefile ran to the end: downloads, no library."""
    shutil.copytree(STAND_IN, tree, ignore=shutil.ignore_patterns("*.cc"))
    downloads = tree / "tensorflow/lite/micro/tools/make/downloads"
    downloads.mkdir(parents=True)
    shutil.move(tree / "third_party" / "flatbuffers", downloads)


def _no_sources(tree: Path) -> None:
    shutil.copytree(STAND_IN, tree, ignore=shutil.ignore_patterns("*.cc"))


def _two_libraries(tree: Path) -> None:
    library_tree(tree, "gen/cortex_m_generic_cortex-m7_default_gcc/lib")
    add_library(tree, "gen/cortex_m_generic_cortex-m7+fp_cmsis_nn_gcc/lib")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_empty, ("tensorflow/lite/micro/micro_interpreter.h", "root of the tree")),
        (_no_flatbuffers, ("lacks the headers of FlatBuffers",)),
        (_no_library, (LIBRARY, "gen/*/lib", "microlite OPTIMIZED_KERNEL_DIR=cmsis_nn")),
        (_no_sources, (LIBRARY, "nor sources")),
        (_two_libraries, ("several libraries", "TFLM_LIBRARY", "cmsis_nn_gcc")),
    ],
)
def test_what_a_tree_lacks_is_said(make, words: tuple[str, ...], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    require_cross_cxx()
    tree = tmp_path / "tree"
    make(tree)
    result = _build(tmp_path / "out", tree)
    assert result.code == 6, result.err
    said = " ".join(result.err.split())
    for word in (*words, "TFLM_DIR"):
        assert word in said, result.err


def test_operators_that_the_library_lacks_are_refused(tmp_path: Path) -> None:
    net = Network(1)
    source = net.activation(1, 8)
    result = net.like(source)
    net.operator("RELU_N1_TO_1", [source], [result])
    model = tmp_path / "clamp.tflite"
    model.write_bytes(net.finish([source], [net.logistic(result)]))
    out = tmp_path / "out"
    refused = firmcast("build", model, "--engine", "tflm", "--render-only", "--out", out, cwd=tmp_path)
    assert refused.code == 3
    assert "has no RELU_N1_TO_1" in refused.err
    assert not out.exists()
    native = firmcast("build", model, "--render-only", "--out", out, cwd=tmp_path)
    assert native.code == 0, native.err
    assert "has no RELU_N1_TO_1: compile this model with ENGINE=native" in (out / "clamp_tflm.cc").read_text()


def test_cmake_alone_says_what_is_missing(built: Built, tmp_path: Path) -> None:
    project = tmp_path / "copy"
    shutil.copytree(built.folder, project, ignore=shutil.ignore_patterns("cmake-build"))
    environment = {k: v for k, v in os.environ.items() if k != "TFLM_DIR"}
    for engine, words in (("tflm", "-DTFLM_DIR=/path/to/tree"), ("fast", "neither native nor tflm")):
        done = subprocess.run(
            ["cmake", "-S", project, "-B", tmp_path / engine, f"-DENGINE={engine}"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert words in " ".join(done.stderr.split())


def test_of_several_libraries_that_for_the_core_is_taken(tmp_path: Path) -> None:
    require_cross_cxx()
    tree = library_tree(tmp_path / "tree", "gen/linux_x86_64_default_gcc/lib", "host")
    add_library(tree, "gen/cortex_m_generic_cortex-m7+fp_default_cmsis_nn_gcc/lib")
    result = _build(tmp_path / "out", tree, "--no-validate")
    assert result.code == 0, result.err


def test_the_stand_in_is_never_taken_for_the_library() -> None:
    assert "stand-in" in (STAND_IN / "README.md").read_text()
    for header in STAND_IN.rglob("*.h"):
        assert header.read_text().startswith("/* Stand-in: see README.md.")
    assert (STAND_IN / SOURCE).read_text().startswith("/* Stand-in: see README.md.")


# The real library ---------------------------------------------------------------------------------------


def test_the_real_library_is_bit_exact(tmp_path: Path) -> None:
    tree = os.environ.get("TFLM_DIR")
    if not tree:
        pytest.skip("TFLM_DIR names no tree of TensorFlow Lite for Microcontrollers: no package brings it")
    require_cross_cxx()
    result = _build(tmp_path / "out", Path(tree), "--json")
    print(result.err, file=sys.stderr)
    assert result.code == 0, result.err
    report = result.json()
    assert report["validation"]["bit_exact"] is True
    assert report["latency"]["cycles"] > 1_000_000
