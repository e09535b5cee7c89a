"""Tensor, Operator and Graph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from generator.graph.attributes import Attributes


class DType(Enum):
    """Element types that a model may hold; the value is NumPy's name."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The NumPy type, little-endian."""
        little_endian: np.dtype[np.generic] = np.dtype(self.value).newbyteorder("<")
        return little_endian

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest integer."""
        info = np.iinfo(np.dtype(self.value))
        return int(info.min), int(info.max)


@dataclass(frozen=True)
class Quantization:
    """real = scale * (quantized - zero_point), per tensor or along one axis.

    The scales are float32 values held in Python floats.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def scale(self) -> float:
        """Scale of a per-tensor quantization."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """Zero point of a per-tensor quantization."""
        return self.zero_points[0]

    @property
    def is_per_channel(self) -> bool:
        """True if each index along ``axis`` has its own scale."""
        return len(self.scales) > 1


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph; ``data`` holds a constant's bytes in C order, None for activations."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None = None
    data: bytes | None = None
    is_variable: bool = False
    """True if it keeps its values from one run of the network to the next: the state of the operator that has
    it. Before the first run they stand for 0."""
    origin: tuple[int | None, ...] | None = None
    """Where the channels (last axis) were in the tensor as read, if some are gone; None among them is one
    that only fills the count up and whose values mean nothing."""

    @property
    def is_constant(self) -> bool:
        """True if the model holds the values."""
        return self.data is not None

    @property
    def element_count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of all elements."""
        return self.element_count * self.dtype.size_bytes

    @property
    def values(self) -> NDArray[np.generic]:
        """A constant's values, read-only, in ``shape``."""
        if self.data is None:
            raise ValueError(f"tensor '{self.name}' is not a constant")
        return np.frombuffer(self.data, dtype=self.dtype.numpy).reshape(self.shape)

    @property
    def initial(self) -> NDArray[np.generic]:
        """What a variable holds before the first run, in ``shape``."""
        zero = 0 if self.quantization is None else self.quantization.zero_point
        return np.full(self.shape, zero, self.dtype.numpy)

    @property
    def quant(self) -> Quantization:
        """The quantization of a tensor that must have one."""
        if self.quantization is None:
            raise ValueError(f"tensor '{self.name}' is not quantized")
        return self.quantization

    def __str__(self) -> str:
        return f"'{self.name}' {self.dtype.value}[{'x'.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Operator:
    """One operator. ``index`` is its place in the model file, kept through all passes; if several make up one
    of the file's, all have it.

    ``inputs`` and ``outputs`` are tensor indices; an absent optional input is None. ``state`` are variables
    that it reads and writes, and no other operator does.
    """

    index: int
    attributes: Attributes
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    state: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """TFLite name."""
        return self.attributes.op_name

    @property
    def operands(self) -> tuple[int | None, ...]:
        """The inputs without weights and biases."""
        return self.inputs[: self.attributes.parameters_from]

    def __str__(self) -> str:
        return f"operator {self.index} {self.name}"


@dataclass(frozen=True)
class Graph:
    """A network in execution order. ``sha256`` is that of the file it was read from."""

    name: str
    sha256: str
    tensors: Mapping[int, Tensor]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))

    def input_tensors(self) -> tuple[Tensor, ...]:
        """The network's inputs."""
        return tuple(self.tensors[i] for i in self.inputs)

    def output_tensors(self) -> tuple[Tensor, ...]:
        """The network's outputs."""
        return tuple(self.tensors[i] for i in self.outputs)

    def variables(self) -> tuple[Tensor, ...]:
        """What the network keeps from one run to the next, in the order of the operators."""
        return tuple(self.tensors[i] for operator in self.operators for i in operator.state)

    def operand(self, operator: Operator, position: int) -> Tensor:
        """The tensor at an input position that must be there."""
        index = operator.inputs[position]
        if index is None:
            raise ValueError(f"{operator} lacks input {position}")
        return self.tensors[index]

    def optional_operand(self, operator: Operator, position: int) -> Tensor | None:
        """The tensor at an optional input position."""
        if position >= len(operator.inputs):
            return None
        index = operator.inputs[position]
        return None if index is None else self.tensors[index]

    def result(self, operator: Operator) -> Tensor:
        """The operator's first output."""
        return self.tensors[operator.outputs[0]]

    def activations_in(self, operator: Operator) -> Iterator[Tensor]:
        """Inputs that are computed, not constant."""
        for index in operator.inputs:
            if index is not None and not self.tensors[index].is_constant:
                yield self.tensors[index]

    def readers(self, tensor_index: int) -> Iterator[Operator]:
        """Operators that read a tensor."""
        return (op for op in self.operators if tensor_index in op.inputs)

    def only_reader(self, tensor_index: int) -> Operator | None:
        """The operator for which alone a tensor is computed; None for an output of the graph."""
        readers = list(self.readers(tensor_index))
        return readers[0] if len(readers) == 1 and tensor_index not in self.outputs else None
