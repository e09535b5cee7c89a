"""Weights and biases as TFLite wants them: symmetric int8, and int32 in steps of input times weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.values import Array, Constant, RefusedError
from generator.graph import DType, Quantization

_ALIKE = 1e-4  # of two scales that are meant to be the same
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Weights:
    """Weights with the output channels first: ``scales`` has one entry, or one per channel.

    ``bias`` counts steps of input scale times weight scale, one per channel, not rounded yet; None if absent.
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float64]
    bias: NDArray[np.float64] | None

    @property
    def channels(self) -> int:
        """Output channels."""
        return len(self.values)

    def scaled(
        self, factors: NDArray[np.float64], offsets: NDArray[np.float64], input_scale: float
    ) -> Weights:
        """Each channel times a factor and plus an offset: a BatchNormalization behind, exactly."""
        signs = np.where(factors < 0, -1, 1)
        zero = factors == 0
        scales = np.where(zero, self.scales, self.scales * np.abs(factors))
        shape = (-1, *[1] * (self.values.ndim - 1))
        values = np.clip(self.values * np.where(zero, 0, signs).reshape(shape), -128, 127).astype(np.int8)
        bias = np.where(zero, 0, signs) * (0.0 if self.bias is None else self.bias)
        return Weights(values, scales, bias + offsets / (input_scale * scales))

    def written(self, c: Converter, name: str, values: Array, axis: int, source: Quantization) -> list[int]:
        """Write ``values``, these weights in another arrangement, and the bias. Returns their tensors."""
        scales = tuple(float(s) for s in self.scales.astype(np.float32))
        if not all(np.isfinite(s) and s > 0 for s in scales):
            raise RefusedError("its weights times the normalization have no finite scale")
        zeros = (0,) * len(scales)
        own = Quantization(scales, zeros, axis if len(scales) > 1 else 0)
        tensors = [c.parameter(f"{name} weights", values, DType.INT8, own)]
        if self.bias is not None:
            steps = np.rint(self.bias)
            if not (np.isfinite(steps).all() and (np.abs(steps) <= _INT32.max).all()):
                raise RefusedError("its bias does not fit int32 in steps of input scale times weight scale")
            products = tuple(float(np.float32(source.scale) * np.float32(s)) for s in scales)
            tensors.append(
                c.parameter(
                    f"{name} bias", steps.astype(np.int32), DType.INT32, Quantization(products, zeros)
                )
            )
        return tensors


def read_weights(
    c: Converter, node: OnnxNode, position: int, channel_axis: int, source: Quantization, bias: int | None = 2
) -> Weights:
    """Constant weights with ``channel_axis`` brought to the front, and the bias at input ``bias``.

    Float weights are quantized here, symmetric per channel: that takes no data.
    """
    found = c.constant(node, position, "weights")
    if found is None:
        raise RefusedError("lacks its weights")
    if not found.values.size or found.values.ndim <= channel_axis:
        raise RefusedError(f"has weights of shape {list(found.shape)}")
    c.spend(found.values.size)
    values = np.moveaxis(found.values, channel_axis, 0)
    if found.quantization is None:
        values, scales = _symmetric(values)
    else:
        scales = np.array(found.quantization.scales)
        if values.dtype != np.int8:
            raise RefusedError(f"has weights of {values.dtype}; int8 and uint8 are supported")
        if any(found.quantization.zero_points):
            raise RefusedError(
                "has weights with a zero point; symmetric ones are supported (WeightSymmetric of onnxruntime)"
            )
        if len(scales) > 1 and (found.quantization.axis != channel_axis or len(scales) != len(values)):
            raise RefusedError(
                f"has {len(scales)} scales along axis {found.quantization.axis} of its weights "
                f"{list(found.shape)}; one, or one per output channel (axis {channel_axis}), is supported"
            )
    added = None if bias is None else c.constant(node, bias, "bias")
    steps = None if added is None else _bias_steps(added, source.scale * scales, len(values))
    return Weights(values.astype(np.int8), scales, steps)


def _symmetric(values: Array) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    real = values.astype(np.float64)
    if not np.isfinite(real).all():
        raise RefusedError("has weights that are not finite numbers")
    largest = np.abs(real.reshape(len(real), -1)).max(1)
    scales = np.where(largest > 0, largest / 127, 1.0)
    steps = np.rint(real / scales.reshape(-1, *[1] * (real.ndim - 1)))
    return np.clip(steps, -127, 127).astype(np.int8), scales


def _bias_steps(added: Constant, products: NDArray[np.float64], channels: int) -> NDArray[np.float64]:
    if added.values.size not in (1, channels):
        raise RefusedError(f"has a bias of shape {list(added.shape)} for {channels} output channels")
    quantization = added.quantization
    if (
        quantization is not None
        and not any(quantization.zero_points)
        and np.allclose(quantization.scales, products, rtol=_ALIKE, atol=0)
    ):
        steps = added.values.astype(np.float64)
    else:
        steps = added.real.reshape(-1) / products
    return np.broadcast_to(steps.reshape(-1), channels).astype(np.float64)
