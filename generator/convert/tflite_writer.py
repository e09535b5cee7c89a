"""Writes a .tflite FlatBuffer: one subgraph, buffers aligned to 16 bytes; the same calls, the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

from generator.graph import DType, Quantization

_SCHEMA_VERSION = 3
_BUFFER_ALIGNMENT = 16  # force_align of Buffer.data
_LAST_DEPRECATED_CODE = 127  # what the byte of old readers holds


@dataclass(frozen=True)
class Options:
    """An options table of the schema: its name and its fields, as the schema's Python functions name them."""

    table: str
    fields: Mapping[str, int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None
    data: bytes | None


@dataclass(frozen=True)
class _Operator:
    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None


class TfliteWriter:
    """Tensors and operators are added in order and refer to each other by index."""

    def __init__(self) -> None:
        self._tensors: list[_Tensor] = []
        self._operators: list[_Operator] = []

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: DType,
        quantization: Quantization | None = None,
        data: NDArray[np.generic] | None = None,
    ) -> int:
        """Add a tensor; with ``data`` a constant. Returns its index."""
        raw = None if data is None else np.ascontiguousarray(data, dtype.numpy).tobytes()
        self._tensors.append(_Tensor(name, tuple(shape), dtype, quantization, raw))
        return len(self._tensors) - 1

    def operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Options | None = None
    ) -> None:
        """Add an operator by its TFLite name."""
        code = getattr(tflite.BuiltinOperator, name)
        self._operators.append(_Operator(code, tuple(inputs), tuple(outputs), options))

    def finish(self, inputs: Sequence[int], outputs: Sequence[int], description: str) -> bytes:
        """The file."""
        builder = flatbuffers.Builder(1024)
        codes = sorted({operator.code for operator in self._operators})
        # Buffer 0 is what tensors without data refer to.
        constants = [None, *(t.data for t in self._tensors if t.data is not None)]
        buffers = [_buffer(builder, data) for data in constants]
        operator_codes = [_operator_code(builder, code) for code in codes]
        subgraph = self._subgraph(builder, codes, inputs, outputs)
        fields = {
            "Version": _SCHEMA_VERSION,
            "OperatorCodes": _offsets(builder, operator_codes),
            "Subgraphs": _offsets(builder, [subgraph]),
            "Description": builder.CreateString(description),
            "Buffers": _offsets(builder, buffers),
        }
        builder.Finish(_table(builder, "Model", fields), b"TFL3")
        return bytes(builder.Output())

    def _subgraph(
        self, builder: Any, codes: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]
    ) -> int:
        tensors = []
        constants = 0
        for tensor in self._tensors:
            constants += tensor.data is not None
            fields = {
                "Shape": _integers(builder, tensor.shape),
                "Type": getattr(tflite.TensorType, tensor.dtype.name),
                "Buffer": constants if tensor.data is not None else 0,
                "Name": builder.CreateString(tensor.name),
            }
            if tensor.quantization is not None:
                fields["Quantization"] = _quantization(builder, tensor.quantization)
            tensors.append(_table(builder, "Tensor", fields))
        operators = []
        for operator in self._operators:
            fields = {
                "OpcodeIndex": codes.index(operator.code),
                "Inputs": _integers(builder, operator.inputs),
                "Outputs": _integers(builder, operator.outputs),
            }
            if operator.options is not None:
                table = operator.options.table
                fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, table)
                fields["BuiltinOptions"] = _table(builder, table, operator.options.fields)
            operators.append(_table(builder, "Operator", fields))
        return _table(
            builder,
            "SubGraph",
            {
                "Tensors": _offsets(builder, tensors),
                "Inputs": _integers(builder, inputs),
                "Outputs": _integers(builder, outputs),
                "Operators": _offsets(builder, operators),
                "Name": builder.CreateString("main"),
            },
        )


def _table(builder: Any, name: str, fields: Mapping[str, Any]) -> int:
    """A table by the functions that the schema compiler made for it."""
    _function(f"{name}Start")(builder)
    for key, value in fields.items():
        _function(f"{name}Add{key}")(builder, value)
    offset: int = _function(f"{name}End")(builder)
    return offset


def _function(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(tflite, name)
    return found


def _buffer(builder: Any, data: bytes | None) -> int:
    if data is None:
        return _table(builder, "Buffer", {})
    builder.StartVector(1, len(data), _BUFFER_ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return _table(builder, "Buffer", {"Data": builder.EndVector()})


def _operator_code(builder: Any, code: int) -> int:
    fields = {"DeprecatedBuiltinCode": min(code, _LAST_DEPRECATED_CODE), "Version": 1, "BuiltinCode": code}
    return _table(builder, "OperatorCode", fields)


def _quantization(builder: Any, quantization: Quantization) -> int:
    fields = {
        "Scale": builder.CreateNumpyVector(np.array(quantization.scales, np.float32)),
        "ZeroPoint": builder.CreateNumpyVector(np.array(quantization.zero_points, np.int64)),
        "QuantizedDimension": quantization.axis,
    }
    return _table(builder, "QuantizationParameters", fields)


def _integers(builder: Any, values: Sequence[int]) -> int:
    offset: int = builder.CreateNumpyVector(np.array(values, np.int32))
    return offset


def _offsets(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector: int = builder.EndVector()
    return vector
