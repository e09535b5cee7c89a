"""What must hold for any bytes that an importer gets."""

from __future__ import annotations

import time
import traceback
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from generator.errors import ModelError
from generator.fuse import fuse
from generator.graph import BinaryKind, DType, Graph, Operator, UnaryKind, operator_macs
from generator.plan import make_plan
from generator.read.budget import MalformedError
from generator.reference import run_graph
from generator.simplify import simplify
from generator.targets import load_board
from tests.fuzz.importers import Importer
from tests.fuzz.oracle import OracleProcess
from tests.nn.checks import random_inputs

PART = load_board("nucleo_h743zi2").part
SLOWEST_S = 10.0
SMALL = 1 << 16
"""Elements of all tensors, and multiply-accumulates, of a model that is also run."""
MOST_PROBLEM_CHARACTERS = 1 << 20
_UNDEFINED = (BinaryKind.DIV, UnaryKind.RSQRT)
"""What TFLM leaves undefined for some values (by 0, below 0); their own tests keep to the others."""
_FLOAT_ONLY = set(UnaryKind) - {
    UnaryKind[n] for n in ["RELU", "RELU6", "LEAKY_RELU", "ELU", "HARD_SWISH", "LOGISTIC", "TANH", "ABS"]
}
"""Where TFLM has no kernel for int8, and takes its bytes for floats."""


class DisagreementError(AssertionError):
    """Two ways to compute a model give different outputs."""


def check(importer: Importer, data: bytes, oracle: OracleProcess | None = None) -> str:
    """Read, simplify, fuse and plan ``data``: "refused", "planned" or, with an oracle, "agrees".

    Whatever else happens is raised.
    """
    started = time.process_time()
    try:
        graph = importer.read(data)
        passed = fuse(simplify(graph).graph)
        make_plan(passed, PART)
    except ModelError as refused:
        _check_refusal(refused)
        return "refused"
    finally:
        seconds = time.process_time() - started
        if seconds > SLOWEST_S:
            raise TimeoutError(f"{seconds:.1f} s")
    if oracle is not None and _is_small(graph):
        return _compare(importer.as_tflite(data), graph, passed, oracle)
    return "planned"


def _check_refusal(refused: ModelError) -> None:
    assert refused.problems, "refused for nothing"
    assert all(p.isprintable() for p in refused.problems), refused.problems
    assert sum(map(len, refused.problems)) < MOST_PROBLEM_CHARACTERS
    cause = refused.__cause__
    if cause is None or isinstance(cause, MalformedError):
        return
    # Broken offsets show where the schema's classes read; anything else is a mistake of ours.
    where = traceback.extract_tb(cause.__traceback__)[-1].filename
    if "/generator/" in where:
        raise cause


def _is_small(graph: Graph) -> bool:
    elements = sum(t.element_count for t in graph.tensors.values())
    return elements <= SMALL and sum(operator_macs(graph, o) for o in graph.operators) <= SMALL


def _compare(model: bytes, graph: Graph, passed: Graph, oracle: OracleProcess) -> str:
    """NumPy before and after all passes, and TFLM, all twice: variables keep their values."""
    rng = np.random.default_rng(zlib.crc32(model))
    inputs = [random_inputs(tensor, rng) for tensor in graph.input_tensors()]
    runs = []
    for each in (graph, passed):
        first = run_graph(each, inputs)
        if any(v.dtype == np.float32 and not np.isfinite(v).all() for v in first.values()):
            return "planned"  # no number is quantized alike everywhere
        runs.append([_outputs(graph, v) for v in (first, run_graph(each, inputs, first))])
    plain, shorter = runs
    if not all(map(_equal, plain, shorter)):
        raise DisagreementError(f"passes change {plain} to {shorter}")
    if any(_is_undefined(graph, operator) for operator in graph.operators):
        return "planned"
    found = oracle.outputs(model, inputs)
    if found is None or len(found[0]) != len(graph.outputs):
        return "planned"
    if _equal(plain[0], plain[1]) and not _equal(found[0], found[1]):
        return "planned"  # kernels of TFLM that leave bytes as they find them
    if not all(map(_equal, plain, found)):
        raise DisagreementError(f"{plain[0]} and TFLM {found[0]}, the second time {plain[1]} and {found[1]}")
    return "agrees"


def _is_undefined(graph: Graph, operator: Operator) -> bool:
    kind = getattr(operator.attributes, "kind", None)
    in_float = graph.operand(operator, 0).dtype is DType.FLOAT32
    return kind in _UNDEFINED or (kind in _FLOAT_ONLY and not in_float)


def _outputs(graph: Graph, values: Mapping[int, np.ndarray]) -> list[np.ndarray]:
    return [values[index] for index in graph.outputs]


def _equal(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> bool:
    return all(
        np.array_equal(a.reshape(-1), b.reshape(-1), equal_nan=a.dtype == np.float32)
        for a, b in zip(first, second, strict=True)
    )
