"""What a name of an ONNX graph stands for while it is converted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator.convert.onnx.layout import Order, Shape, held_shape
from generator.graph import Quantization

Array = NDArray[np.generic]


class RefusedError(Exception):
    """Why a node cannot be converted; the message says what is supported instead."""


class TooLargeError(Exception):
    """What a file asks for in all is out of proportion: nothing more of it is looked at."""


@dataclass(frozen=True)
class Value:
    """A tensor that the device computes.

    Attributes:
        tensor: its index in the .tflite file.
        shape: what ONNX says.
        whole: the shape whose axes are held in ``order``. It differs from ``shape`` where a reshape would
            have to move elements and nothing has asked for that yet.
        quantization: of int8, one scale and zero point; None of int32.
    """

    tensor: int
    shape: Shape
    whole: Shape
    order: Order
    quantization: Quantization | None

    @property
    def held(self) -> Shape:
        """The shape in the .tflite file."""
        return held_shape(self.order, self.whole)

    @property
    def quant(self) -> Quantization:
        """The quantization of int8."""
        if self.quantization is None:
            raise RefusedError("computes with integers that are no quantized values")
        return self.quantization


@dataclass(frozen=True)
class Constant:
    """Known values; with a quantization the int8 or int32 behind real ones."""

    values: Array
    quantization: Quantization | None = None

    @property
    def shape(self) -> Shape:
        """What ONNX says."""
        return self.values.shape

    @property
    def real(self) -> NDArray[np.float64]:
        """The real values."""
        with np.errstate(invalid="ignore"):  # strange types of strange files
            values = self.values.astype(np.float64)
        if self.quantization is None:
            return values
        shape = [1] * values.ndim
        if self.quantization.is_per_channel:
            shape[self.quantization.axis] = -1
        scales = np.array(self.quantization.scales).reshape(shape)
        real: NDArray[np.float64] = (values - np.array(self.quantization.zero_points).reshape(shape)) * scales
        return real


def quantization(scale: float, zero_point: int) -> Quantization:
    """One scale, rounded to float32, and zero point."""
    return Quantization((float(np.float32(scale)),), (int(zero_point),))
