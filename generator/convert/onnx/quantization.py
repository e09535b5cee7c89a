"""QuantizeLinear and DequantizeLinear, and the look ahead that tells an operator its output's quantization.

The device knows int8 alone. uint8 is int8 with 128 more, in values and zero point alike, so it is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import tflite

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.values import Array, Constant, RefusedError, Value
from generator.graph import Quantization

# Operators behind which values are what they were before.
TRANSPARENT = (
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "MaxPool", "Slice",
    "Split", "DepthToSpace", "SpaceToDepth", "GlobalMaxPool", "Gather", "Pad",
)  # fmt: skip
# Outputs that TFLite fixes: asking for another scale would only add an operator and a rounding.
FIXED = {
    "Softmax": (1 / 256, -128),
    "Sigmoid": (1 / 256, -128),
    "Tanh": (1 / 128, 0),
    "LogSoftmax": (16 / 256, 127),
}

_LOOK_AHEAD = 256  # names


def quantize(c: Converter, node: OnnxNode) -> None:
    """QuantizeLinear."""
    source = c.operand(node, 0)
    wanted = parameters(c, node)
    if isinstance(source, Constant):
        c.spend(source.values.nbytes)
        c.bind(node.outputs[0], _quantized(source, wanted, _steps_of(c, node)))
    elif wanted.is_per_channel:
        raise RefusedError("quantizes values of the network per channel; one scale is supported")
    elif source.quantization in _FIXED_QUANTIZATIONS:
        c.bind(node.outputs[0], source)
    else:
        c.bind(node.outputs[0], c.rescaled(source, wanted, node.outputs[0]))


def dequantize(c: Converter, node: OnnxNode) -> None:
    """DequantizeLinear: the value stays as it is, with what it means."""
    source = c.operand(node, 0)
    if isinstance(source, Value) or source.quantization is not None:
        c.bind(node.outputs[0], source)
        return
    if source.values.dtype not in (np.int8, np.uint8, np.int32):
        raise RefusedError(
            f"dequantizes a constant of {source.values.dtype}; int8, uint8 and int32 are supported"
        )
    values = source.values
    c.spend(values.nbytes)
    c.bind(
        node.outputs[0],
        Constant(
            (values.astype(np.int16) - 128).astype(np.int8) if values.dtype == np.uint8 else values,
            parameters(c, node, values.dtype),
        ),
    )


def asked_quantization(c: Converter, name: str) -> Quantization | None:
    """The quantization that a QuantizeLinear behind ``name`` asks for, if there is one."""
    return _quantization_behind(c, name, "QuantizeLinear")


def stored_quantization(c: Converter, name: str, steps: np.dtype[np.generic]) -> Quantization | None:
    """What an int8 or uint8 input means: the DequantizeLinear behind it knows."""
    return _quantization_behind(c, name, "DequantizeLinear", steps)


def _quantization_behind(
    c: Converter, name: str, op: str, steps: np.dtype[np.generic] | None = None
) -> Quantization | None:
    seen = {name}
    front = [name]
    while front and len(seen) <= _LOOK_AHEAD:
        readers = [node for n in front for node in c.readers.get(n, ())]
        for node in readers:
            if node.op == op:
                try:
                    found = parameters(c, node, steps)
                except RefusedError as error:
                    raise RefusedError(f"is read by {node}, which {error}") from None
                if not found.is_per_channel:
                    return found
        front = [n for node in readers if node.op in TRANSPARENT for n in node.outputs if n not in seen]
        seen.update(front)
    return None


def result_quantization(c: Converter, name: str) -> Quantization:
    """As :func:`asked_quantization`, refusing an operator whose output has none."""
    found = asked_quantization(c, name)
    if found is None:
        raise RefusedError(
            f"computes '{name}', which no QuantizeLinear reads: its range is not known; quantize every "
            "operator, or the float model (python -m generator quantize MODEL.onnx --data DIR)"
        )
    return found


def parameters(c: Converter, node: OnnxNode, stored: np.dtype[np.generic] | None = None) -> Quantization:
    """Scales and zero points of QuantizeLinear or DequantizeLinear, as of int8 or int32."""
    if node.attributes.get("block_size"):
        raise RefusedError("quantizes in blocks; one scale, or one per channel, is supported")
    scale = _known(c, node, 1)
    if scale is None:
        raise RefusedError("its scale is not a constant")
    steps = np.dtype(stored) if stored is not None else _steps_of(c, node)
    if steps not in (np.int8, np.uint8, np.int32):
        raise RefusedError(f"quantizes to {steps}; int8 and uint8 are supported")
    scales = scale.astype(np.float32).reshape(-1)
    if not len(scales) or not all(math.isfinite(s) and s > 0 for s in scales):
        raise RefusedError("has a scale that is not a positive number")
    zero = _known(c, node, 2)
    zeros = np.zeros(len(scales), np.int64) if zero is None else zero.astype(np.int64).reshape(-1)
    if len(zeros) != len(scales):
        raise RefusedError(f"has {len(scales)} scales and {len(zeros)} zero points")
    if steps == np.uint8:
        zeros = zeros - 128
    axis = int(node.attributes.get("axis", 1))
    if axis < 0 and len(scales) > 1:
        source = c.values.get(node.inputs[0])
        axis += len(source.shape) if source is not None else 0
    return Quantization(
        tuple(float(s) for s in scales), tuple(int(z) for z in zeros), axis if len(scales) > 1 else 0
    )


def _steps_of(c: Converter, node: OnnxNode) -> np.dtype[np.generic]:
    """The type that values are quantized to: the zero point's, uint8 without one."""
    zero = _known(c, node, 2)
    if zero is not None:
        return zero.dtype
    kind = {0: np.uint8, 2: np.uint8, 3: np.int8}.get(int(node.attributes.get("output_dtype", 0)), np.float32)
    return np.dtype(kind)


def _known(c: Converter, node: OnnxNode, position: int) -> Array | None:
    """A constant input even before the walk has come to it: the look ahead reads on."""
    name = node.inputs[position] if position < len(node.inputs) else ""
    if name in c.model.constants:
        return c.model.constants[name]
    found = c.values.get(name)
    return found.values if isinstance(found, Constant) else None


def _quantized(source: Constant, wanted: Quantization, steps: np.dtype[np.generic]) -> Constant:
    """A constant in the steps of ``wanted``, rounded as ONNX does: half to even."""
    if source.quantization is not None:
        source = Constant(source.real)
    shape = [1] * source.values.ndim
    if wanted.is_per_channel:
        if not (wanted.axis < source.values.ndim and source.values.shape[wanted.axis] == len(wanted.scales)):
            raise RefusedError(f"has {len(wanted.scales)} scales along axis {wanted.axis} of {source.shape}")
        shape[wanted.axis] = -1
    scales = np.array(wanted.scales, np.float32).reshape(shape)
    values = np.rint(source.values.astype(np.float32) / scales) + np.array(wanted.zero_points).reshape(shape)
    kind = np.int32 if steps == np.int32 else np.int8
    limits = np.iinfo(kind)
    return Constant(np.clip(values, limits.min, limits.max).astype(kind), wanted)


_FIXED_QUANTIZATIONS = frozenset(
    Quantization((float(np.float32(scale)),), (zero,)) for scale, zero in FIXED.values()
)


@dataclass(frozen=True)
class Tail:
    """What follows an operator and becomes part of it: ``activation`` is TFLite's name of it, ``name`` the
    value that is computed in the end."""

    name: str
    activation: str

    @property
    def options(self) -> dict[str, int]:
        """The field that all options tables with an activation have."""
        return {"FusedActivationFunction": getattr(tflite.ActivationFunctionType, self.activation)}


_FUSED_RANGES = {(0.0, math.inf): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}


def clip_range(c: Converter, node: OnnxNode) -> tuple[float, float]:
    """Lower and upper bound of Relu or Clip."""
    if node.op == "Relu":
        return 0.0, math.inf
    low = c.number(node, 1, "min", -math.inf)
    high = c.number(node, 2, "max", math.inf)
    return (low if low > -1e30 else -math.inf), (high if high < 1e30 else math.inf)


def absorb_activation(c: Converter, name: str) -> Tail:
    """The Relu or Clip that alone reads ``name``, as part of the operator that computes it."""
    reader = c.only_reader(name)
    if reader is None or reader.op not in ("Relu", "Clip") or reader.inputs[0] != name:
        return Tail(name, "NONE")
    activation = _FUSED_RANGES.get(clip_range(c, reader))
    if activation is None:
        return Tail(name, "NONE")
    c.absorbed.add(reader.index)
    return Tail(reader.outputs[0], activation)
