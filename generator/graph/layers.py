"""Operators with weights, and poolings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from generator.graph.attributes import Activation, Attributes, Padding


class PoolKind(Enum):
    """What a pooling window computes."""

    MAX = "MAX_POOL_2D"
    AVERAGE = "AVERAGE_POOL_2D"


@dataclass(frozen=True)
class Conv2D(Attributes):
    """Inputs: activations NHWC, weights OHWI, optional bias int32 (O)."""

    name: ClassVar[str] = "CONV_2D"
    parameters_from: ClassVar[int | None] = 1
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    activation: Activation


@dataclass(frozen=True)
class DepthwiseConv2D(Attributes):
    """Inputs: activations NHWC, weights 1HWC*multiplier, optional bias."""

    name: ClassVar[str] = "DEPTHWISE_CONV_2D"
    parameters_from: ClassVar[int | None] = 1
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    activation: Activation
    multiplier: int


@dataclass(frozen=True)
class TransposeConv(Attributes):
    """Inputs: activations NHWC, weights OHWI, optional bias. Each input pixel adds to what the kernel covers.

    Input pixel (y, x) meets tap (i, j) at output pixel (y * stride + i - padding.top, x * stride + j -
    padding.left), if there is one.
    """

    name: ClassVar[str] = "TRANSPOSE_CONV"
    parameters_from: ClassVar[int | None] = 1
    stride: tuple[int, int]
    padding: Padding
    activation: Activation


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
    parameters_from: ClassVar[int | None] = 1
    convolution: Conv2D
    pool: Pool2D
    convolved: tuple[int, int]


@dataclass(frozen=True)
class FullyConnected(Attributes):
    """Inputs: activations flattened to rows of the weights' depth, weights OI, optional bias."""

    name: ClassVar[str] = "FULLY_CONNECTED"
    parameters_from: ClassVar[int | None] = 1
    activation: Activation


@dataclass(frozen=True)
class BatchMatMul(Attributes):
    """Matrices of two inputs multiplied pair by pair; the second may be a constant.

    output[..., i, j] is the sum of a[..., i, k] * b[..., j, k]: both inputs are read along their rows. Each
    of ``batches`` is an axis: its count, and how many matrices one index moves within a and b, 0 where one
    repeats.
    """

    name: ClassVar[str] = "BATCH_MATMUL"
    batches: tuple[tuple[int, int, int], ...]
    rows: int
    columns: int
    depth: int

    @property
    def products(self) -> int:
        """Multiply-accumulates."""
        return math.prod(count for count, _, _ in self.batches) * self.rows * self.columns * self.depth
