"""A bench of kernels for each test file, on this computer and on the emulated part."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kernel_bench import KernelBench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelBench]:
    bench = KernelBench(tmp_path_factory.mktemp("kernels"))
    yield bench
    bench.close()


@pytest.fixture(params=["host", "emulator"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)
