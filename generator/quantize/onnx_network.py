"""A user's float ONNX model as onnxruntime's static quantization takes it."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from generator.convert import convert_onnx
from generator.convert.onnx import input_order, onnx_package, parse_onnx, readers_of, supported_onnx_operators
from generator.errors import MissingToolError, ModelError, UsageError
from generator.quantize.keras_network import Activations, TensorIo
from generator.quantize.pool import NetworkInput, Sample

Array = npt.NDArray[Any]

# Those that compute nothing real, and those whose parameters are better kept as they are.
_LEFT_OUT = ("Constant", "Shape", "Cast", "Identity", "Dropout", "BatchNormalization")
_QUANTIZING = ("QuantizeLinear", "DequantizeLinear")
_TYPES = {"FLOAT": np.float32, "FLOAT16": np.float16, "DOUBLE": np.float64}


@dataclass(frozen=True)
class OnnxNetwork:
    """A model ready to be quantized.

    Attributes:
        path: the file.
        data: what it holds.
        operators: names of those in it.
        inputs: in the model's order, images with the channels last, as the firmware takes them.
        orders: for each input, ONNX's axes as they stand in its shape.
    """

    path: Path
    data: bytes
    operators: tuple[str, ...]
    inputs: tuple[NetworkInput, ...]
    orders: tuple[tuple[int, ...], ...]

    def quantized_tflite(
        self, samples: tuple[Sample, ...], *, activations: Activations = "int8", io: TensorIo | None = None
    ) -> bytes:
        """The network with int8 weights, one scale per output channel, and int8 activations, converted.

        Raises:
            UsageError: other types are asked for.
            ModelError: onnxruntime cannot quantize it, or what comes out cannot be converted.
            MissingToolError: onnxruntime is not installed.
        """
        if activations != "int8" or io not in (None, "int8"):
            raise UsageError("ONNX models are quantized to int8 from input to output, not to other types")
        return convert_onnx(self.quantized(samples), str(self.path))

    def quantized(self, samples: tuple[Sample, ...]) -> bytes:
        """The network as QDQ, an ONNX file. Raises as :meth:`quantized_tflite`."""
        runtime = _runtime()
        from onnxruntime.quantization.shape_inference import quant_pre_process

        given: Iterator[dict[str, Array]] = iter([self.feed(sample) for sample in samples])

        class Reader(runtime.quantization.CalibrationDataReader):  # type: ignore[misc,name-defined]
            def get_next(self) -> dict[str, Array] | None:
                return next(given, None)

        kinds = set(supported_onnx_operators()) - set(_LEFT_OUT) - set(_QUANTIZING)
        with tempfile.TemporaryDirectory() as folder, _hints_silenced():
            ready, result = Path(folder) / "ready.onnx", Path(folder) / "quantized.onnx"
            try:
                quant_pre_process(self.path, ready, skip_symbolic_shape=True)
                runtime.quantization.quantize_static(
                    ready,
                    result,
                    Reader(),
                    quant_format=runtime.quantization.QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=runtime.quantization.QuantType.QInt8,
                    weight_type=runtime.quantization.QuantType.QInt8,
                    op_types_to_quantize=sorted(kinds.intersection(self.operators)),
                )
            except Exception as error:  # whatever onnxruntime finds, in whatever class
                raise ModelError(
                    str(self.path), [f"onnxruntime cannot quantize it: {str(error)[:600]}"]
                ) from error
            return result.read_bytes()

    def run(self, samples: tuple[Sample, ...]) -> list[Array]:
        """The first output of the float network for each sample."""
        session = _runtime().InferenceSession(self.data)
        return [np.asarray(session.run(None, self.feed(sample))[0]) for sample in samples]

    def feed(self, sample: Sample) -> dict[str, Array]:
        """A sample as ONNX wants it."""
        turned = (
            (entry, values.transpose([order.index(axis) for axis in range(len(order))]))
            for entry, values, order in zip(self.inputs, sample, self.orders, strict=True)
        )
        return {entry.name: np.ascontiguousarray(values, entry.dtype) for entry, values in turned}


def load_onnx_network(path: Path) -> OnnxNetwork:
    """Read a float model.

    Raises:
        UsageError: there is no such file.
        ModelError: it is malformed, quantized already, or has other inputs than real ones of fixed shape.
        MissingToolError: the package onnx is not installed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read model {path}: {error.strerror}") from error
    model = parse_onnx(data, str(path))
    operators = tuple(sorted({node.op for node in model.nodes}))
    problems = [
        f"model input '{entry.name}' is {entry.dtype}; {', '.join(_TYPES)} are supported"
        for entry in model.inputs
        if entry.dtype not in _TYPES
    ]
    if not set(_QUANTIZING).isdisjoint(operators):
        problems.append("is quantized already: build it as it is")
    if problems:
        raise ModelError(str(path), problems)
    readers = readers_of(model)
    orders = tuple(input_order(readers, entry) for entry in model.inputs)
    inputs = tuple(
        NetworkInput(entry.name, tuple(entry.shape[axis] for axis in order), np.dtype(_TYPES[entry.dtype]))
        for entry, order in zip(model.inputs, orders, strict=True)
    )
    return OnnxNetwork(path, data, operators, inputs, orders)


def _runtime() -> Any:
    onnx_package()
    try:
        import onnxruntime
        import onnxruntime.quantization
    except ImportError as error:
        raise MissingToolError(
            "quantizing ONNX models needs the package onnxruntime: pip install 'firmcast[onnx]'"
        ) from error
    return onnxruntime


@contextlib.contextmanager
def _hints_silenced() -> Iterator[None]:
    """onnxruntime logs hints for users of its own interface."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.root.setLevel(level)
