"""Every operator as a model of its own, three ways: C on this computer (sanitizers on) and on the emulated
Cortex-M7, NumPy integers, and TFLM. All equal to the bit.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.nn.checks import EMULATOR, HOST, Make, check_model, random_inputs, seeds
from tests.nn.operators import OPERATORS
from tests.nn.operators_16 import OPERATORS_16
from tests.support.kernel_bench import KernelBench

ALL = {**OPERATORS, **{f"{name} int16": strategy for name, strategy in OPERATORS_16.items()}}


@pytest.mark.parametrize("operator", ALL)
def test_operator_equals_tflm(operator: str, where: str, bench: KernelBench) -> None:
    @(HOST if where == "host" else EMULATOR)
    @given(make=ALL[operator], seed=seeds)
    def check(make: Make, seed: int) -> None:
        rng = np.random.default_rng(seed)
        check_model(make(rng), random_inputs, rng, where, bench)

    check()
