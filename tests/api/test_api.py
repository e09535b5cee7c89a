"""The generated header as users have it: the documented example, C++, and what the header says of itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from generator.fuse import fuse
from generator.plan import make_plan
from generator.read import read_tflite_bytes
from generator.reference import Oracle
from generator.targets import load_board
from tests.plan.networks import Network, random_network
from tests.support.cli import ROOT, firmcast

MODEL = ROOT / "models" / "mask_cnn" / "mask_cnn.tflite"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-pedantic")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    (folder / "small.tflite").write_bytes(_float_and_int())
    result = firmcast(
        *("build", "--with", folder / "small.tflite", "--render-only", "--out", folder / "out"), cwd=folder
    )
    assert result.code == 0, result.err
    return folder / "out"


def _float_and_int() -> bytes:
    """float32 in, int8 and uint8 out."""
    net = Network(3)
    source = net.tensor((1, 4, 4, 2), "float32")
    scores = net.dense(net.quantize(source), 3)
    return net.finish([source], [scores, net.quantize(scores, "uint8", 100)])


def _run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_documented_example_compiles_and_computes_what_the_reference_does(
    project: Path, tmp_path: Path
) -> None:
    (example,) = re.findall(r"```c\n(/\* Scores.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    assert len(example.splitlines()) <= 40
    (tmp_path / "example.c").write_text(example)
    flags = ("-std=c11", *WARNINGS, "-Wdouble-promotion", *SANITIZERS)
    _run("cc", *flags, f"-I{project}", "example.c", project / "mask_cnn.c", "-lm", cwd=tmp_path)
    lines = _run("./a.out", cwd=tmp_path).split()
    oracle = Oracle(MODEL.read_bytes())
    for shift in range(3):
        real = (np.arange(32, dtype=np.float32) + 8 * shift) / np.float32(64)
        row = np.trunc(np.clip(real / np.float32(0.00392156886) - 128, -128, 127)).astype(np.int8)
        image = np.broadcast_to(row[None, None, :, None], (1, 32, 32, 3))
        (score,) = oracle.run([np.ascontiguousarray(image)])
        expected = int(score.reshape(-1)[0])
        assert lines[2 * shift] == str(expected)
        assert float(lines[2 * shift + 1]) == pytest.approx((expected + 128) / 256, abs=1e-4)


CXX = """
#include "firmcast_models.h"
#include "model_data.h"
#include "small_data.h"
#include <cstdio>

static mask_cnn_context own;
static_assert(sizeof own >= MASK_CNN_ARENA_BYTES && alignof(mask_cnn_context) == 16, "as promised");
static_assert(sizeof(SMALL_INPUT_0_TYPE) * SMALL_INPUT_0_ELEMENTS == SMALL_INPUT_0_BYTES, "as promised");
static_assert(sizeof(SMALL_OUTPUT_1_TYPE) * SMALL_OUTPUT_1_ELEMENTS == SMALL_OUTPUT_1_BYTES, "as promised");

int main()
{
    const int shape[] = SMALL_INPUT_0_SHAPE;
    if (mask_cnn_init(&own) != FC_OK || small_init(firmcast_small) != FC_OK) {
        return 1;
    }
    auto *input = static_cast<SMALL_INPUT_0_TYPE *>(small_input(firmcast_small, 0));
    for (int i = 0; i < SMALL_INPUT_0_ELEMENTS; i++) {
        input[i] = static_cast<float>(i) / static_cast<float>(shape[1]) - 4.0f;
    }
    if (small_run(firmcast_small) != FC_OK ||
        small_step(firmcast_small, SMALL_STEP_COUNT) != FC_BAD_ARGUMENT) {
        return 1;
    }
    auto *scores = static_cast<const SMALL_OUTPUT_0_TYPE *>(small_output(firmcast_small, 0));
    auto *bytes = static_cast<const SMALL_OUTPUT_1_TYPE *>(small_output(firmcast_small, 1));
    for (int i = 0; i < SMALL_OUTPUT_0_ELEMENTS; i++) {
        std::printf("%d %d ", scores[i], bytes[i]);
    }
    const bool refused = small_output(firmcast_small, SMALL_OUTPUT_COUNT) == nullptr &&
                         small_input(firmcast_small, SMALL_INPUT_COUNT) == nullptr;
    std::printf("%d %.9g %d %d %d", refused, static_cast<double>(SMALL_OUTPUT_0_SCALE),
                SMALL_OUTPUT_1_ZERO_POINT, model_data[4] == 'T', small_data[4] == 'T');
    return 0;
}
"""


@pytest.mark.parametrize("standard", ["c++11", "c++17", "c++20"])
def test_headers_serve_cxx(standard: str, project: Path, tmp_path: Path) -> None:
    objects = ("mask_cnn", "small", "firmcast_models", "model_data", "small_data")
    for name in objects:
        _run("cc", "-std=c11", *SANITIZERS, f"-I{project}", "-c", project / f"{name}.c", cwd=tmp_path)
    (tmp_path / "main.cc").write_text(CXX)
    flags = (f"-std={standard}", *WARNINGS, *SANITIZERS)
    _run("c++", *flags, f"-I{project}", "main.cc", *(f"{name}.o" for name in objects), "-lm", cwd=tmp_path)
    values = np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2) / np.float32(4) - 4
    model = _float_and_int()
    scores, as_bytes = (o.reshape(-1) for o in Oracle(model).run([values]))
    graph = read_tflite_bytes(model, "small", "small")
    scale = graph.output_tensors()[0].quant.scale
    expected = [str(int(v)) for pair in zip(scores, as_bytes, strict=True) for v in pair]
    assert _run("./a.out", cwd=tmp_path).split() == [*expected, "1", f"{scale:.9g}", "100", "1", "1"]


def test_inputs_and_outputs_are_aligned_as_the_header_says() -> None:
    part = load_board("nucleo_h743zi2").part
    for seed in range(30):
        plan = make_plan(fuse(read_tflite_bytes(random_network(seed), "net", "net")), part)
        assert all(end.offset % 16 == 0 for end in (*plan.inputs, *plan.outputs))


def test_header_speaks_of_every_function(project: Path) -> None:
    header = (project / "mask_cnn.h").read_text()
    declared = re.findall(r"\b(mask_cnn_\w+)\(struct|\b(mask_cnn_\w+)\(const struct", header)
    names = {first or second for first, second in declared}
    assert names == {
        f"mask_cnn_{function}" for function in ("init", "input", "run", "step", "output", "step_output")
    }
    for name in names:
        # A comment ends right before each declaration.
        assert re.search(r"\*/\n[^/;]*\b" + name + r"\(", header), name
    for word in ("aligned to", "FC_FAILED", "FC_BAD_ARGUMENT", "NULL", "reentrant", "stack", "Valid"):
        assert word in header
