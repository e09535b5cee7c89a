"""Float ONNX models into QDQ-quantized ones: ranges from samples, by onnxruntime's static quantization."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generator.convert.onnx import (
    input_order,
    onnx_package,
    parse_onnx,
    readers_of,
    supported_onnx_operators,
)
from generator.errors import MissingToolError, ModelError, UsageError

Array = NDArray[Any]

# Those that compute nothing real, and those whose parameters are better kept as they are.
_LEFT_OUT = ("Constant", "Shape", "Cast", "Identity", "Dropout", "BatchNormalization", "Upsample")
_QUANTIZING = ("QuantizeLinear", "DequantizeLinear")
_NUMPY = {"FLOAT": np.float32, "FLOAT16": np.float16, "DOUBLE": np.float64}


@dataclass(frozen=True)
class OnnxFloatInput:
    """An input: its name, its shape as samples and the device have it (images: channels last), its type.

    ``order`` has the axes of ONNX as they stand in ``shape``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: tuple[int, ...]

    def as_onnx(self, sample: Array) -> Array:
        """A sample as ONNX wants it."""
        back = [self.order.index(axis) for axis in range(len(self.order))]
        return np.ascontiguousarray(sample.transpose(back), self.dtype)


@dataclass(frozen=True)
class OnnxNetwork:
    """A float ONNX model that was read."""

    path: Path
    data: bytes
    operators: tuple[str, ...]
    inputs: tuple[OnnxFloatInput, ...]


def load_onnx_network(path: Path) -> OnnxNetwork:
    """Read a float model.

    Raises UsageError without the file, ModelError if it is none that can be quantized, MissingToolError
    without the package onnx.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read model {path}: {error.strerror}") from error
    model = parse_onnx(data, str(path))
    operators = tuple(sorted({node.op for node in model.nodes}))
    if not set(_QUANTIZING).isdisjoint(operators):
        raise ModelError(str(path), ["is quantized already: build it as it is"])
    problems = [
        f"model input '{entry.name}' is {entry.dtype}; {', '.join(_NUMPY)} are supported"
        for entry in model.inputs
        if entry.dtype not in _NUMPY
    ]
    if problems:
        raise ModelError(str(path), problems)
    readers = readers_of(model)
    inputs = []
    for entry in model.inputs:
        order = input_order(readers, entry)
        shape = tuple(entry.shape[axis] for axis in order)
        inputs.append(OnnxFloatInput(entry.name, shape, np.dtype(_NUMPY[entry.dtype]), order))
    return OnnxNetwork(path, data, operators, tuple(inputs))


def quantize_onnx(network: OnnxNetwork, samples: Sequence[Sequence[Array]]) -> bytes:
    """The model as QDQ: int8 activations, int8 weights per output channel.

    Args:
        network: from :func:`load_onnx_network`.
        samples: one array per input each, of the input's ``shape``.

    Raises:
        MissingToolError: onnxruntime is not installed.
        ModelError: onnxruntime cannot run the model, or not quantize it.
    """
    onnx_package()
    try:
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingToolError(
            "quantizing ONNX models needs the package onnxruntime: pip install 'firmcast[onnx]'"
        ) from error
    given: Iterator[dict[str, Array]] = iter(
        [
            {entry.name: entry.as_onnx(v) for entry, v in zip(network.inputs, sample, strict=True)}
            for sample in samples
        ]
    )

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Array] | None:
            return next(given, None)

    kinds = set(supported_onnx_operators()) - set(_LEFT_OUT) - set(_QUANTIZING)
    with tempfile.TemporaryDirectory() as folder:
        ready, result = Path(folder) / "ready.onnx", Path(folder) / "quantized.onnx"
        level = logging.root.level
        try:
            logging.root.setLevel(logging.ERROR)  # its hints are for its own users
            quant_pre_process(network.path, ready, skip_symbolic_shape=True)
            quantization.quantize_static(
                ready,
                result,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=sorted(kinds.intersection(network.operators)),
            )
        except Exception as error:  # whatever onnxruntime finds, in whatever class
            raise ModelError(str(network.path), [f"onnxruntime cannot quantize it: {error}"]) from error
        finally:
            logging.root.setLevel(level)
        return result.read_bytes()
