"""The inline assembly leaves the compiler the registers that it needs, whatever it is asked to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from generator.assets import firmware_dir
from tests.support import models
from tests.support.kernel_bench import ARM, STRICT, cases_of, driver_source

FLAGS = (["-O0"], ["-Os"], ["-O3"], ["-O2", "-fno-omit-frame-pointer"], ["-O1", "-fno-omit-frame-pointer"])


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
@pytest.mark.parametrize("pool", [None, (2, 2)])
@pytest.mark.parametrize("channels", [3, 4])
def test_convolution_compiles(
    flags: list[str], pool: tuple[int, int] | None, channels: int, tmp_path: Path
) -> None:
    model = models.convolution(
        np.random.default_rng(0),
        depthwise=False,
        height=9,
        width=9,
        channels=channels,
        filters=5,
        kernel=(3, 3),
        pool=pool,
    )
    _, cases = cases_of(model, [])
    assert len(cases) > 1
    source = tmp_path / "driver.c"
    headers = ["-I", firmware_dir() / "nn"]
    for case in {case.candidate.function: case for case in cases}.values():
        source.write_text(driver_source(case.candidate))
        command = [
            "arm-none-eabi-gcc",
            *ARM,
            *STRICT,
            *flags,
            *headers,
            "-c",
            source,
            "-o",
            tmp_path / "driver.o",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
