"""Operators that treat each element alone, a row, or an axis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from generator.graph.attributes import Activation, Attributes


class UnaryKind(Enum):
    """Functions of one element; the value is the TFLite name."""

    RELU = "RELU"
    RELU6 = "RELU6"
    RELU_N1_TO_1 = "RELU_N1_TO_1"
    LEAKY_RELU = "LEAKY_RELU"
    ELU = "ELU"
    HARD_SWISH = "HARD_SWISH"
    LOGISTIC = "LOGISTIC"
    TANH = "TANH"
    ABS = "ABS"
    NEG = "NEG"
    SQRT = "SQRT"
    RSQRT = "RSQRT"
    EXP = "EXP"
    LOG = "LOG"
    SIN = "SIN"
    COS = "COS"
    SQUARE = "SQUARE"
    CEIL = "CEIL"
    FLOOR = "FLOOR"
    ROUND = "ROUND"
    GELU = "GELU"


class BinaryKind(Enum):
    """Functions of two elements; the value is the TFLite name."""

    SUB = "SUB"
    MUL = "MUL"
    DIV = "DIV"
    MAXIMUM = "MAXIMUM"
    MINIMUM = "MINIMUM"
    SQUARED_DIFFERENCE = "SQUARED_DIFFERENCE"
    PRELU = "PRELU"


class ReduceKind(Enum):
    """What an axis is reduced to; the value is the TFLite name."""

    MEAN = "MEAN"
    SUM = "SUM"
    MAX = "REDUCE_MAX"
    MIN = "REDUCE_MIN"
    ARG_MAX = "ARG_MAX"
    ARG_MIN = "ARG_MIN"


@dataclass(frozen=True)
class Unary(Attributes):
    """A function of each element, int8 or float32 between DEQUANTIZE and QUANTIZE.

    ``alpha``: slope of LEAKY_RELU below 0; 1 for GELU by its approximation.
    """

    kind: UnaryKind
    alpha: float = 0.0

    @property
    def op_name(self) -> str:
        """TFLite name of the operator."""
        return self.kind.value


@dataclass(frozen=True)
class Lookup(Attributes):
    """Any function of one byte. ``table``: output bytes, that of an int8 -128 first, of a uint8 128 first.

    ``tflite_name`` names all operators that it does the work of.
    """

    tflite_name: str
    table: bytes

    @property
    def op_name(self) -> str:
        """TFLite names of the operators."""
        return self.tflite_name


@dataclass(frozen=True)
class Add(Attributes):
    """Element-wise sum of two tensors; axes of length 1 are repeated, and either may be a constant."""

    name: ClassVar[str] = "ADD"
    activation: Activation


@dataclass(frozen=True)
class Binary(Attributes):
    """Another function of two elements; shapes as in Add. PRELU: the second one is the slope."""

    kind: BinaryKind
    activation: Activation

    @property
    def op_name(self) -> str:
        """TFLite name of the operator."""
        return self.kind.value


@dataclass(frozen=True)
class Reduce(Attributes):
    """Every output from ``reduced`` elements: input (outer, reduced, inner), output (outer, inner).

    ARG_MAX and ARG_MIN give int32, the first of equals.
    """

    kind: ReduceKind
    outer: int
    reduced: int
    inner: int

    @property
    def op_name(self) -> str:
        """TFLite name of the operator."""
        return self.kind.value


@dataclass(frozen=True)
class Softmax(Attributes):
    """Softmax over the last axis."""

    name: ClassVar[str] = "SOFTMAX"
    beta: float


@dataclass(frozen=True)
class LogSoftmax(Attributes):
    """Logarithm of the softmax over the last axis."""

    name: ClassVar[str] = "LOG_SOFTMAX"


@dataclass(frozen=True)
class ResizeBilinear(Attributes):
    """An image to another size: every output from the four pixels around its place in the input.

    ``align_corners``: corner pixels lie on each other; ``half_pixel_centers``: pixels are squares.
    """

    name: ClassVar[str] = "RESIZE_BILINEAR"
    align_corners: bool
    half_pixel_centers: bool


@dataclass(frozen=True)
class Quantize(Attributes):
    """Real or quantized to quantized."""

    name: ClassVar[str] = "QUANTIZE"


@dataclass(frozen=True)
class Dequantize(Attributes):
    """Quantized to float32."""

    name: ClassVar[str] = "DEQUANTIZE"
