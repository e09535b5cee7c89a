"""Who can run the network: float, LiteRT, TFLM and the target, each giving the result of every layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from generator.errors import FirmcastError, MissingToolError, ModelError, UsageError
from generator.graph import Graph, Tensor
from generator.link import Client
from generator.plan import Plan
from generator.quantize.keras import quiet, tensorflow
from generator.quantize.keras_network import KERAS_SUFFIXES, load_network
from generator.reference import Oracle
from generator.validate.arrays import Array, quantization_of
from generator.validate.compare import run_step
from generator.validate.inputs import TestInput
from generator.validate.results import Result, results, with_all_results
from generator.validate.rules import Engine

TARGET, FLOAT = "target", "float"
_NO_ARITHMETIC_OF_ITS_OWN = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class Implementation:
    """One who runs the network.

    ``run`` gives results by index of the tensor in ``graph``, inputs among them; of ``float`` they are real
    numbers, by index in the quantized file, and its graph is None.
    """

    key: str
    name: str
    graph: Graph | None
    run: Callable[[TestInput], Mapping[int, Array]]


@dataclass(frozen=True)
class Absent:
    """One who cannot, and why."""

    key: str
    why: str


def tflm(model: bytes, graph: Graph) -> Implementation | Absent:
    """TFLM; ``graph`` is the file as read. Raises MissingToolError without its package."""
    try:
        oracle = Oracle(model, keep_all=True)
    except ModelError as error:
        return Absent(Engine.TFLM.value, "; ".join(error.problems))
    indices = [result.index for result in results(model)]

    def run(given: TestInput) -> Mapping[int, Array]:
        oracle.run(given.values)
        return _inputs(graph, given) | {index: oracle.tensor(index) for index in indices}

    return Implementation(Engine.TFLM.value, f"TFLM ({oracle.name})", graph, run)


def target(client: Client, plan: Plan, graph: Graph, where: str) -> Implementation:
    """The target, step by step; ``graph`` is what was planned."""
    sequence: list[TestInput] = []

    def run(given: TestInput) -> Mapping[int, Array]:
        sequence.append(given)
        return _inputs(graph, given) | {
            step.output.index: run_step(client, plan, step, sequence).reshape(step.output.shape)
            for step in plan.steps
            if step.output.index in graph.tensors
        }

    return Implementation(TARGET, f"target ({where})", graph, run)


def litert(model: bytes, graph: Graph) -> tuple[Implementation | Absent, ...]:
    """LiteRT three times: as it comes (XNNPACK), its builtin kernels, its reference kernels."""
    return tuple(_litert(model, graph, engine) for engine in Engine if engine is not Engine.TFLM)


def _litert(model: bytes, graph: Graph, engine: Engine) -> Implementation | Absent:
    try:
        interpreter = _Interpreter(with_all_results(model), engine)
    except MissingToolError:
        return Absent(engine.value, "not installed")
    except (RuntimeError, ValueError) as error:
        return Absent(engine.value, f"refuses the model: {str(error).splitlines()[0]}")
    label = {Engine.XNNPACK: "LiteRT", Engine.BUILTIN: "LiteRT builtin"}.get(engine, "LiteRT reference")

    def run(given: TestInput) -> Mapping[int, Array]:
        return _inputs(graph, given) | interpreter.run(given.values)

    return Implementation(engine.value, f"{label} ({interpreter.package})", graph, run)


def float_model(path: Path, model: bytes, graph: Graph) -> Implementation | Absent:
    """The float network, .keras or .tflite, on the real values of the same inputs.

    Its tensors are matched with the quantized file's by name, or by order where both have the same operators.
    Raises UsageError if the file cannot be read or is another network.
    """
    try:
        is_keras = path.suffix in KERAS_SUFFIXES
        data = load_network(path).float_tflite if is_keras else path.read_bytes()
        interpreter = _Interpreter(with_all_results(data), Engine.XNNPACK)
    except MissingToolError:
        return Absent(FLOAT, "not installed")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except FirmcastError:
        raise
    except Exception as error:  # whatever the schema and the interpreter make of a stranger's file
        raise UsageError(f"{path} is no float model that LiteRT can run: {error}") from error
    sources = graph.input_tensors()
    if interpreter.inputs != [(source.shape, "float32") for source in sources]:
        raise UsageError(f"{path} does not take the inputs of {graph.name} as float32: {interpreter.inputs}")
    partners = _matched(results(model), results(data))

    def run(given: TestInput) -> Mapping[int, Array]:
        found = interpreter.run([real(v, t) for v, t in zip(given.values, sources, strict=True)])
        return {
            index: found[partner].astype(np.float32)
            for index, partner in partners.items()
            if index in graph.tensors and found[partner].size == graph.tensors[index].element_count
        }

    return Implementation(FLOAT, f"float ({path.name})", None, run)


def real(values: Array, tensor: Tensor) -> Array:
    """Quantized values as float32 numbers."""
    quantization = quantization_of(tensor)
    if quantization is None:
        return values.astype(np.float32)
    centred = values.astype(np.int64) - quantization.zero_point
    numbers: Array = centred.astype(np.float32) * np.float32(quantization.scale)
    return numbers


def _inputs(graph: Graph, given: TestInput) -> dict[int, Array]:
    return {
        tensor.index: values.reshape(tensor.shape)
        for tensor, values in zip(graph.input_tensors(), given.values, strict=True)
    }


def _matched(quantized: tuple[Result, ...], floating: tuple[Result, ...]) -> dict[int, int]:
    """Index in the float file by index in the quantized one."""
    first, second = (
        [r for r in found if r.op not in _NO_ARITHMETIC_OF_ITS_OWN] for found in (quantized, floating)
    )
    in_order = {}
    if [r.op for r in first] == [r.op for r in second]:
        in_order = {a.index: b.index for a, b in zip(first, second, strict=True)}
    by_name = {result.name: result.index for result in floating}
    return in_order | {r.index: by_name[r.name] for r in quantized if r.name in by_name}


class _Interpreter:
    """A LiteRT interpreter on one thread. MissingToolError without its package."""

    def __init__(self, model: bytes, engine: Engine) -> None:
        make, resolvers, self.package = _package()
        resolver = {
            Engine.XNNPACK: resolvers.AUTO,
            Engine.BUILTIN: resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            Engine.REFERENCE: resolvers.BUILTIN_REF,
        }[engine]
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._interpreter = make(
                model_content=model, experimental_op_resolver_type=resolver, num_threads=1
            )
            self._interpreter.allocate_tensors()
        self._inputs = self._interpreter.get_input_details()
        self._outputs = [details["index"] for details in self._interpreter.get_output_details()]

    @property
    def inputs(self) -> list[tuple[tuple[int, ...], str]]:
        """Shape and NumPy's name of the type of each input."""
        return [(tuple(map(int, d["shape"])), np.dtype(d["dtype"]).name) for d in self._inputs]

    def run(self, inputs: tuple[Array, ...] | list[Array]) -> dict[int, Array]:
        """Outputs by index of the tensor."""
        for details, values in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(details["index"], values.reshape(details["shape"]))
        self._interpreter.invoke()
        return {index: self._interpreter.get_tensor(index) for index in self._outputs}


def _package() -> tuple[Any, Any, str]:
    """Interpreter, resolver types, and package with version: ai-edge-litert, else TensorFlow."""
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        tf = tensorflow("LiteRT")
        return tf.lite.Interpreter, tf.lite.experimental.OpResolverType, f"tensorflow {tf.__version__}"
    version = metadata.version("ai-edge-litert")
    return interpreter.Interpreter, interpreter.OpResolverType, f"ai-edge-litert {version}"
