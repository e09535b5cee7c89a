"""What the tests of kernels have in common: how examples are drawn, and how a model is checked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from generator.graph import DType
from generator.reference import Oracle, run_graph
from tests.support.kernel_bench import Case, KernelBench, cases_of

# A seed in the test, not a search that shrinks: a kernel case is small already.
SETTINGS = {
    "deadline": None,
    "derandomize": True,
    "phases": [Phase.explicit, Phase.generate],
    "suppress_health_check": list(HealthCheck),
}
HOST = settings(max_examples=60, **SETTINGS)
EMULATOR = settings(max_examples=25, **SETTINGS)

RUNS_WITH_STATE = 3

seeds = st.integers(0, 2**32 - 1)
zero_points = st.sampled_from([-128, -127, -5, 0, 3, 127])
activations = st.sampled_from([0, 1, 2, 3])
Make = Callable[[np.random.Generator], bytes]
Inputs = Callable[[object, np.random.Generator], np.ndarray]


def random_inputs(tensor: object, rng: np.random.Generator) -> np.ndarray:
    shape, dtype = tensor.shape, tensor.dtype  # type: ignore[attr-defined]
    if dtype is DType.FLOAT32:
        values = rng.normal(scale=20, size=shape).astype(np.float32)
        values.reshape(-1)[: values.size // 4] = np.round(values.reshape(-1)[: values.size // 4]) / 2
        return values
    info = np.iinfo(dtype.value)
    return rng.integers(info.min, info.max, shape, endpoint=True).astype(dtype.value)


def check_model(
    model: bytes, inputs: Inputs, rng: np.random.Generator, where: str, bench: KernelBench
) -> np.ndarray:
    """One run, and more where the first leaves something behind; what the last gives."""
    graph, cases = cases_of(model, [])
    variables = graph.variables()
    oracle, expected = Oracle(model, keep_all=bool(variables)), None
    for _ in range(RUNS_WITH_STATE if variables else 1):
        values = [inputs(tensor, rng) for tensor in graph.input_tensors()]
        _, cases = cases_of(model, values, expected)
        expected = run_graph(graph, values, expected)
        for index, output in zip(graph.outputs, oracle.run(values), strict=True):
            np.testing.assert_array_equal(
                expected[index].reshape(-1), output.reshape(-1), "NumPy against TFLM"
            )
        for variable in variables:
            kept = oracle.tensor(variable.index).reshape(variable.shape)
            np.testing.assert_array_equal(expected[variable.index], kept, "state")
        assert cases
        check_cases(cases, where, bench)
    return expected[graph.outputs[0]]


def check_cases(cases: list[Case], where: str, bench: KernelBench) -> None:
    for case in cases:
        run = bench.run_on_host if where == "host" else bench.run_on_emulator
        output = np.frombuffer(run(case), case.expected.dtype)
        np.testing.assert_array_equal(output, case.expected.reshape(-1), f"{case.candidate.name} {case.over}")
