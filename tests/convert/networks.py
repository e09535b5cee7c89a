"""ONNX networks made in memory, quantized as QDQ, and run by onnxruntime and by TFLM once converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from generator.convert import convert_onnx
from generator.read import read_tflite_bytes, supported_operators
from generator.reference.tflm import Oracle

OPSET = 17


@dataclass
class Network:
    """A float network: nodes refer to names, constants are added as they are used."""

    inputs: Mapping[str, Sequence[int]]
    seed: int = 0
    opset: int = OPSET
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    raw: set[str] = field(default_factory=set)  # names that get no QuantizeLinear behind them

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def op(self, op: str, *inputs: str, outputs: int = 1, raw: bool = False, **attributes: Any) -> Any:
        names = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, list(inputs), names, f"{op.lower()}_{len(self.nodes)}", **attributes)
        )
        if raw:
            self.raw.update(names)
        return names[0] if outputs == 1 else names

    def weights(self, *shape: int, scale: float = 0.3) -> str:
        return self.constant(self.rng.normal(0, scale, shape).astype(np.float32))

    def constant(self, values: Any, dtype: Any = None) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = np.asarray(values, dtype)
        return name

    def ints(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def samples(self, count: int = 8) -> list[dict[str, np.ndarray]]:
        """The same for ranges and for comparing, so that nothing is clipped."""
        rng = np.random.default_rng(self.seed + 1)
        return [
            {
                name: rng.normal(0, 1, shape).clip(-3, 3).astype(np.float32)
                for name, shape in self.inputs.items()
            }
            for _ in range(count)
        ]

    def float_model(self, outputs: Sequence[str]) -> Any:
        graph = helper.make_graph(
            self.nodes,
            "made by a test",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in self.inputs.items()],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        return model_of(graph, self.opset)

    def quantized(
        self, *outputs: str, unsigned: bool = False, weight_axis: Mapping[str, int] | None = None
    ) -> Any:
        """QDQ behind every name that is computed from an input; constants of two axes or more are quantized
        per tensor, or per channel along ``weight_axis``."""
        return _Quantizer(self, unsigned, weight_axis or {}).model(outputs)


def model_of(graph: Any, opset: int = OPSET) -> Any:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def session(model: Any) -> Any:
    options = onnxruntime.SessionOptions()
    # As written: integer kernels of some processors saturate on the way.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


class _Quantizer:
    def __init__(self, network: Network, unsigned: bool, weight_axis: Mapping[str, int]) -> None:
        self.network = network
        self.unsigned = unsigned
        self.weight_axis = weight_axis
        self.nodes: list[Any] = []
        self.stored: list[Any] = []
        self.renamed: dict[str, str] = {}

    def model(self, outputs: Sequence[str]) -> Any:
        network = self.network
        ranges = self._ranges()
        for name in network.inputs:
            self._qdq(name, ranges[name])
        for node in network.nodes:
            inputs = [
                self._constant(n) if n in network.constants else self.renamed.get(n, n) for n in node.input
            ]
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.ClearField("input")
            copy.input.extend(inputs)
            self.nodes.append(copy)
            for name in node.output:
                if name in ranges and name not in network.raw:
                    self._qdq(name, ranges[name])
        graph = helper.make_graph(
            self.nodes,
            "quantized by a test",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in network.inputs.items()],
            [helper.make_empty_tensor_value_info(self.renamed.get(name, name)) for name in outputs],
            self.stored,
        )
        return model_of(graph, network.opset)

    def _ranges(self) -> dict[str, tuple[float, float]]:
        network = self.network
        names = [name for node in network.nodes for name in node.output]
        run = session(network.float_model(names))
        ranges: dict[str, tuple[float, float]] = {}
        for sample in network.samples():
            for name, values in (*sample.items(), *zip(names, run.run(names, sample), strict=True)):
                if values.dtype == np.float32:
                    low, high = ranges.get(name, (0.0, 0.0))
                    ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))
        return ranges

    def _qdq(self, name: str, limits: tuple[float, float]) -> None:
        scale = np.float32((limits[1] - limits[0]) / 255 or 1.0)
        lowest = 0 if self.unsigned else -128
        zero = int(np.clip(round(lowest - limits[0] / scale), lowest, lowest + 255))
        kind = np.uint8 if self.unsigned else np.int8
        self.stored += [
            numpy_helper.from_array(np.array(scale), f"{name}_scale"),
            numpy_helper.from_array(np.array(zero, kind), f"{name}_zero"),
        ]
        parameters = [f"{name}_scale", f"{name}_zero"]
        self.nodes.append(
            helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_q"], f"{name}_quantize")
        )
        self.nodes.append(
            helper.make_node(
                "DequantizeLinear", [f"{name}_q", *parameters], [f"{name}_dq"], f"{name}_dequantize"
            )
        )
        self.renamed[name] = f"{name}_dq"

    def _constant(self, name: str) -> str:
        values = self.network.constants[name]
        if name in self.renamed:
            return self.renamed[name]
        if values.dtype != np.float32 or values.ndim < 2:
            self.renamed[name] = name
            self.stored.append(numpy_helper.from_array(values, name))
            return name
        axis = self.weight_axis.get(name)
        others = None if axis is None else tuple(a for a in range(values.ndim) if a != axis)
        scales = (np.abs(values).max(axis=others) / 127).astype(np.float32)
        shape = [1] * values.ndim
        if axis is not None:
            shape[axis] = -1
        steps = np.rint(values / scales.reshape(shape)).clip(-127, 127).astype(np.int8)
        self.stored += [
            numpy_helper.from_array(steps, f"{name}_steps"),
            numpy_helper.from_array(scales, f"{name}_scale"),
            numpy_helper.from_array(np.zeros(scales.shape, np.int8), f"{name}_zero"),
        ]
        self.nodes.append(
            helper.make_node(
                "DequantizeLinear",
                [f"{name}_steps", f"{name}_scale", f"{name}_zero"],
                [f"{name}_dq"],
                f"{name}_dequantize",
                **({} if axis is None else {"axis": axis}),
            )
        )
        self.renamed[name] = f"{name}_dq"
        return self.renamed[name]


@dataclass(frozen=True)
class Compared:
    """``steps``: the greatest difference, in steps of the output; ``operators``: what the model became;
    ``same_answers``: of every sample the greatest value of the first output is at the same place."""

    steps: float
    same_answers: bool
    operators: tuple[str, ...]
    tflite: bytes


def converted_operators(data: bytes) -> tuple[str, ...]:
    import tflite

    model = tflite.Model.GetRootAs(data, 0)
    names = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
    graph = model.Subgraphs(0)
    return tuple(
        names[model.OperatorCodes(graph.Operators(i).OpcodeIndex()).BuiltinCode()]
        for i in range(graph.OperatorsLength())
    )


def in_order(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Values of ONNX as the device holds them: with the channels last, where that is its shape."""
    if values.ndim in (3, 4) and np.moveaxis(values, 1, -1).shape == tuple(shape):
        return np.moveaxis(values, 1, -1)
    assert values.shape == tuple(shape)
    return values


def compare(network: Network, model: Any) -> Compared:
    """The model by onnxruntime, and by TFLM once converted, on the same inputs; it can be read."""
    data = convert_onnx(model.SerializeToString(), "model.onnx")
    if set(converted_operators(data)) <= set(supported_operators()):
        read_tflite_bytes(data, "model", "model.onnx")
    oracle, run = Oracle(data), session(model)
    worst, same_answers = 0.0, True
    for sample in network.samples():
        given = []
        for index, values in enumerate(sample.values()):
            tensor = oracle.input_tensor(index)
            held = in_order(values, tensor.shape)
            steps = np.rint(held / np.float32(tensor.quant.scale)) + tensor.quant.zero_point
            given.append(steps.clip(-128, 127).astype(np.int8))
        for index, (got, wanted) in enumerate(zip(oracle.run(given), run.run(None, sample), strict=True)):
            tensor = oracle.output_tensor(index)
            real = (
                got
                if tensor.quantization is None
                else (got - float(tensor.quant.zero_point)) * tensor.quant.scale
            )
            same = in_order(wanted, got.shape)
            same_answers &= index > 0 or bool(np.argmax(real) == np.argmax(same))
            scale = 1.0 if tensor.quantization is None else tensor.quant.scale
            worst = max(worst, float(np.abs(real - same).max()) / scale)
    return Compared(worst, same_answers, converted_operators(data), data)
