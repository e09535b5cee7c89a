"""Typed attributes of the operators; an operator's kind is the type of its attributes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Activation(Enum):
    """Activation fused into an operator: a clamp of its output."""

    NONE = "NONE"
    RELU = "RELU"
    RELU6 = "RELU6"
    RELU_N1_TO_1 = "RELU_N1_TO_1"


class PoolKind(Enum):
    """What a pooling window computes."""

    MAX = "MAX_POOL_2D"
    AVERAGE = "AVERAGE_POOL_2D"


@dataclass(frozen=True)
class Padding:
    """Explicit zero padding in pixels; SAME and VALID are resolved when a model is read."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    @property
    def is_none(self) -> bool:
        """True if nothing is padded."""
        return not (self.top or self.bottom or self.left or self.right)


@dataclass(frozen=True)
class Attributes:
    """Base of all attributes; ``name`` is the operator's TFLite name."""

    name: ClassVar[str]
    activation_count: ClassVar[int] = 1
    """How many of the inputs, from the first on, are activations and no parameters."""

    @property
    def op_name(self) -> str:
        """TFLite name of the operator."""
        return self.name


@dataclass(frozen=True)
class Conv2D(Attributes):
    """Inputs: activations NHWC, weights OHWI, optional bias int32 (O)."""

    name: ClassVar[str] = "CONV_2D"
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    activation: Activation


@dataclass(frozen=True)
class DepthwiseConv2D(Attributes):
    """Inputs: activations NHWC, weights 1HWC*multiplier, optional bias."""

    name: ClassVar[str] = "DEPTHWISE_CONV_2D"
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    activation: Activation
    multiplier: int


@dataclass(frozen=True)
class Pool2D(Attributes):
    """Maximum or average over windows of NHWC."""

    kind: PoolKind
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    activation: Activation

    @property
    def op_name(self) -> str:
        """TFLite name of the operator."""
        return self.kind.value


@dataclass(frozen=True)
class PooledConv2D(Attributes):
    """A convolution whose result only a maximum pooling reads, without gaps or overlaps; inputs as Conv2D's.

    ``convolved`` is height and width of what the convolution gives; rows and columns that no window covers
    need not be computed.
    """

    name: ClassVar[str] = "CONV_2D+MAX_POOL_2D"
    convolution: Conv2D
    pool: Pool2D
    convolved: tuple[int, int]


@dataclass(frozen=True)
class FullyConnected(Attributes):
    """Inputs: activations flattened to rows of the weights' depth, weights OI, optional bias."""

    name: ClassVar[str] = "FULLY_CONNECTED"
    activation: Activation


@dataclass(frozen=True)
class Add(Attributes):
    """Element-wise sum of two tensors of one shape."""

    name: ClassVar[str] = "ADD"
    activation_count: ClassVar[int] = 2
    activation: Activation


@dataclass(frozen=True)
class Reshape(Attributes):
    """The same bytes under another shape."""

    name: ClassVar[str] = "RESHAPE"


@dataclass(frozen=True)
class Softmax(Attributes):
    """Softmax over the last axis."""

    name: ClassVar[str] = "SOFTMAX"
    beta: float


@dataclass(frozen=True)
class Logistic(Attributes):
    """Sigmoid."""

    name: ClassVar[str] = "LOGISTIC"


@dataclass(frozen=True)
class Quantize(Attributes):
    """Real or quantized to quantized."""

    name: ClassVar[str] = "QUANTIZE"


@dataclass(frozen=True)
class Dequantize(Attributes):
    """Quantized to float32."""

    name: ClassVar[str] = "DEQUANTIZE"
