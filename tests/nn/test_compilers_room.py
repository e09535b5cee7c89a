"""The inline assembly leaves the compiler the registers that it needs, whatever it is asked to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from generator.assets import firmware_dir
from generator.plan.kernels import Candidate
from tests.support import models
from tests.support.kernel_bench import ARM, STRICT, cases_of, driver_source

FLAGS = (["-O0"], ["-Os"], ["-O3"], ["-O2", "-fno-omit-frame-pointer"], ["-O1", "-fno-omit-frame-pointer"])


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
@pytest.mark.parametrize("pool", [None, (2, 2)])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("largest", [127, 7])
def test_convolution_compiles(
    flags: list[str], pool: tuple[int, int] | None, channels: int, largest: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    model = models.convolution(
        rng,
        depthwise=False,
        height=9,
        width=9,
        channels=channels,
        filters=5,
        kernel=(3, 3),
        pool=pool,
        weights=rng.integers(-largest, largest + 1, (5, 3, 3, channels)).astype(np.int8),
    )
    _, cases = cases_of(model, [])
    assert len(cases) > 1
    for case in {case.candidate.function: case for case in cases}.values():
        _compiles(case.candidate, flags, tmp_path)


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_other_kernels_compile(flags: list[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shape = {"height": 9, "width": 9, "channels": 5}
    networks = [
        models.convolution(rng, depthwise=True, filters=5, kernel=(3, 3), **shape),
        models.fully_connected(rng, rows=1, depth=9, units=9, weights=np.full((9, 9), 7, np.int8)),
        models.add(9, (0.0517, 0.0293, 0.0611), (1, 2, 3)),
        *(models.pool(kind=k, window=(2, 2), stride=(2, 2), same=False, **shape) for k in ("MAX", "AVERAGE")),
    ]
    for model in networks:
        for case in {case.candidate.function: case for case in cases_of(model, [])[1]}.values():
            _compiles(case.candidate, flags, tmp_path)


def _compiles(candidate: Candidate, flags: list[str], folder: Path) -> None:
    source = folder / "driver.c"
    source.write_text(driver_source(candidate))
    headers = ["-I", firmware_dir() / "nn"]
    command = ["arm-none-eabi-gcc", *ARM, *STRICT, *flags, *headers, "-c", source, "-o"]
    done = subprocess.run([*command, folder / "driver.o"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
