"""One reader per operator: the schema's options into typed attributes, with every rule that the kernels need.

A reader returns the attributes, or None after it has added what is wrong to ``Node.problems``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tflite

from generator.graph import (
    Activation,
    Add,
    Attributes,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    DType,
    FullyConnected,
    Logistic,
    Padding,
    Pool2D,
    PoolKind,
    Quantize,
    Reshape,
    Softmax,
    Tensor,
)

_ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: Activation.NONE,
    tflite.ActivationFunctionType.RELU: Activation.RELU,
    tflite.ActivationFunctionType.RELU6: Activation.RELU6,
    tflite.ActivationFunctionType.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
}
_ACTIVATION_NAMES = {
    number: name for name, number in vars(tflite.ActivationFunctionType).items() if isinstance(number, int)
}

# What keeps every 32-bit index and accumulator of the kernels in range.
MAX_ACCUMULATIONS = 1 << 16
# SOFTMAX sums so many times exp(0) = 2**19 in an int32 (gemmlowp's 12 integer bits).
MAX_SOFTMAX_DEPTH = (1 << 12) - 1


class LacksOptionsError(Exception):
    """An operator without the options that it needs."""


@dataclass
class Node:
    """An operator while it is being read."""

    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Any
    problems: list[str] = field(default_factory=list)

    def require(self, condition: bool, problem: str) -> bool:
        """Note ``problem`` unless ``condition``; returns the condition."""
        if not condition:
            self.problems.append(problem)
        return condition

    def arity(self, inputs: tuple[int, ...], outputs: int = 1) -> bool:
        """Check the number of inputs (any of ``inputs``) and outputs, none of the required ones absent."""
        wanted = " or ".join(map(str, inputs))
        return (
            self.require(len(self.inputs) in inputs, f"has {len(self.inputs)} inputs, needs {wanted}")
            and self.require(
                len(self.outputs) == outputs, f"has {len(self.outputs)} outputs, needs {outputs}"
            )
            and self.require(
                all(t is not None for t in self.inputs[: min(inputs)]),
                "lacks an input that it cannot do without",
            )
        )

    def operand(self, position: int) -> Tensor:
        """An input that :meth:`arity` has found present."""
        tensor = self.inputs[position]
        if tensor is None:
            raise ValueError(f"input {position} is absent")
        return tensor

    def int8(self, *tensors: Tensor) -> bool:
        """Check that the tensors are int8 with one scale and zero point."""
        return all([self._int8(tensor) for tensor in tensors])

    def _int8(self, tensor: Tensor) -> bool:
        if tensor.dtype is DType.FLOAT32:
            return self.require(
                False,
                f"tensor {tensor} is float32: quantize the model to int8 first "
                "(python -m generator quantize MODEL.keras --data DIR)",
            )
        return self.require(
            tensor.dtype is DType.INT8, f"tensor {tensor} is not int8"
        ) and self.quantized_per_tensor(tensor)

    def quantized_per_tensor(self, tensor: Tensor) -> bool:
        """Check for exactly one scale and zero point."""
        return self.require(
            tensor.quantization is not None and not tensor.quantization.is_per_channel,
            f"tensor {tensor} needs one scale and one zero point",
        )

    def activation(self, number: int) -> Activation:
        """The fused activation, or NONE after noting that it is unsupported."""
        if number not in _ACTIVATIONS:
            self.problems.append(
                f"fused activation {_ACTIVATION_NAMES.get(number, number)} is not supported "
                f"(supported: {', '.join(a.value for a in Activation)})"
            )
        return _ACTIVATIONS.get(number, Activation.NONE)

    def weights_and_bias(self, weights: Tensor, bias: Tensor | None, channel_axis: int) -> bool:
        """Check constant symmetric int8 weights, per tensor or per output channel, and an int32 bias."""
        good = self.require(weights.is_constant, f"weights {weights} are not constant")
        good &= self.require(weights.dtype is DType.INT8, f"weights {weights} are not int8")
        channels = weights.shape[channel_axis]
        quantization = weights.quantization
        if self.require(quantization is not None, f"weights {weights} are not quantized") and quantization:
            good &= self.require(
                len(quantization.scales) in (1, channels)
                and (not quantization.is_per_channel or quantization.axis == channel_axis),
                f"weights {weights} have {len(quantization.scales)} scales along axis {quantization.axis}; "
                f"one, or {channels} along axis {channel_axis}, are supported",
            )
            good &= self.require(
                not any(quantization.zero_points), f"weights {weights} have a zero point other than 0"
            )
        else:
            good = False
        if bias is not None:
            good &= self.require(bias.is_constant, f"bias {bias} is not constant")
            good &= self.require(bias.dtype is DType.INT32, f"bias {bias} is not int32")
            good &= self.require(
                bias.element_count == channels,
                f"bias {bias} has not one value per output channel ({channels})",
            )
        return good


def _resolve_padding(
    node: Node, scheme: int, sizes: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]
) -> Padding | None:
    """SAME or VALID as pixels, checked against the output's shape. ``window`` includes dilation."""
    output = node.outputs[0].shape
    pads: list[tuple[int, int]] = []
    for axis in (0, 1):
        if scheme == tflite.Padding.SAME:
            out = -(-sizes[axis] // stride[axis])
            total = max((out - 1) * stride[axis] + window[axis] - sizes[axis], 0)
            pads.append((total // 2, total - total // 2))
        elif scheme == tflite.Padding.VALID:
            out = (sizes[axis] - window[axis]) // stride[axis] + 1
            pads.append((0, 0))
        else:
            node.problems.append(f"unknown padding {scheme}")
            return None
        if not node.require(
            out >= 1 and len(output) == 4 and output[axis + 1] == out,
            f"output {node.outputs[0]} does not fit its input and window ({out} along axis {axis + 1})",
        ):
            return None
    return Padding(pads[0][0], pads[0][1], pads[1][0], pads[1][1])


def _image_shapes(node: Node) -> bool:
    source, result = node.operand(0), node.outputs[0]
    return node.require(
        len(source.shape) == 4 and len(result.shape) == 4 and source.shape[0] == result.shape[0] == 1,
        f"input {source} and output {result} must be 4-D with a batch of 1",
    )


def _positive(node: Node, **values: int) -> bool:
    return all(
        [
            node.require(0 < v <= 1024, f"{n.replace('_', ' ')} is {v}, 1 to 1024 expected")
            for n, v in values.items()
        ]
    )


def _convolution(node: Node, *, depthwise: bool) -> Attributes | None:
    if not node.arity((2, 3)):
        return None
    options = node.options(tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
    source, weights, result = node.operand(0), node.operand(1), node.outputs[0]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    stride = (options.StrideH(), options.StrideW())
    dilation = (options.DilationHFactor(), options.DilationWFactor())
    activation = node.activation(options.FusedActivationFunction())
    if not (
        node.int8(source, result)
        and node.require(len(weights.shape) == 4, f"weights {weights} must be 4-D")
        and node.weights_and_bias(weights, bias, 3 if depthwise else 0)
        and _image_shapes(node)
        and _positive(
            node, stride_h=stride[0], stride_w=stride[1], dilation_h=dilation[0], dilation_w=dilation[1]
        )
    ):
        return None
    channels_in, channels_out = source.shape[3], result.shape[3]
    window = tuple((weights.shape[a + 1] - 1) * dilation[a] + 1 for a in (0, 1))
    padding = _resolve_padding(
        node, options.Padding(), (source.shape[1], source.shape[2]), (window[0], window[1]), stride
    )
    if depthwise:
        # Kernels of TFLM take the multiplier from the options, ours from the shapes: they must agree.
        shapes_fit = (
            weights.shape[0] == 1
            and weights.shape[3] == channels_out
            and options.DepthMultiplier() in (0, channels_out / channels_in)
            and channels_out % channels_in == 0
        )
    else:
        shapes_fit = weights.shape[0] == channels_out and weights.shape[3] == channels_in
        if node.outputs and not shapes_fit and channels_in % max(weights.shape[3], 1) == 0:
            node.problems.append(
                f"grouped convolution (weights {weights} on input {source}) is not supported"
            )
            return None
    accumulations = weights.element_count // channels_out
    if (
        not node.require(shapes_fit, f"weights {weights} do not fit input {source} and output {result}")
        or not node.require(
            accumulations <= MAX_ACCUMULATIONS,
            f"sums {accumulations} products, at most {MAX_ACCUMULATIONS} supported",
        )
        or padding is None
    ):
        return None
    if depthwise:
        return DepthwiseConv2D(stride, dilation, padding, activation, channels_out // channels_in)
    return Conv2D(stride, dilation, padding, activation)


def _same_quantization(node: Node, first: Tensor, second: Tensor) -> bool:
    return node.require(
        first.quantization is not None
        and second.quantization is not None
        and first.quantization.scales == second.quantization.scales
        and first.quantization.zero_points == second.quantization.zero_points,
        f"tensors {first} and {second} must have the same scale and zero point",
    )


def _pool(node: Node, kind: PoolKind) -> Attributes | None:
    if not node.arity((1,)):
        return None
    options = node.options(tflite.Pool2DOptions)
    source, result = node.operand(0), node.outputs[0]
    window = (options.FilterHeight(), options.FilterWidth())
    stride = (options.StrideH(), options.StrideW())
    activation = node.activation(options.FusedActivationFunction())
    if not (
        node.int8(source, result)
        and _same_quantization(node, source, result)
        and _image_shapes(node)
        and _positive(node, window_h=window[0], window_w=window[1], stride_h=stride[0], stride_w=stride[1])
        and node.require(source.shape[3] == result.shape[3], f"{source} and {result} differ in channels")
    ):
        return None
    padding = _resolve_padding(node, options.Padding(), (source.shape[1], source.shape[2]), window, stride)
    return None if padding is None else Pool2D(kind, window, stride, padding, activation)


def _fully_connected(node: Node) -> Attributes | None:
    if not node.arity((2, 3)):
        return None
    options = node.options(tflite.FullyConnectedOptions)
    source, weights, result = node.operand(0), node.operand(1), node.outputs[0]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    activation = node.activation(options.FusedActivationFunction())
    if not (
        node.int8(source, result)
        and node.require(options.WeightsFormat() == 0, "shuffled weights are not supported")
        and node.require(len(weights.shape) == 2, f"weights {weights} must be 2-D")
        and node.weights_and_bias(weights, bias, 0)
    ):
        return None
    units, depth = weights.shape
    good = node.require(
        source.element_count % depth == 0 and result.element_count == source.element_count // depth * units,
        f"weights {weights} do not fit input {source} and output {result}",
    ) and node.require(
        depth <= MAX_ACCUMULATIONS, f"sums {depth} products, at most {MAX_ACCUMULATIONS} supported"
    )
    return FullyConnected(activation) if good else None


def _add(node: Node) -> Attributes | None:
    if not node.arity((2,)):
        return None
    options = node.options(tflite.AddOptions)
    first, second, result = node.operand(0), node.operand(1), node.outputs[0]
    activation = node.activation(options.FusedActivationFunction())
    if not (
        node.int8(first, second, result)
        and node.require(
            first.shape == second.shape == result.shape,
            f"adds {first} and {second} into {result}: shapes must be equal (no broadcasting)",
        )
    ):
        return None
    return Add(activation)


def _reshape(node: Node) -> Attributes | None:
    if not node.arity((1, 2)):
        return None
    source, result = node.operand(0), node.outputs[0]
    good = node.require(
        source.dtype is result.dtype and source.element_count == result.element_count,
        f"reshapes {source} into {result}, which has another number or type of elements",
    )
    return Reshape() if good else None


def _softmax(node: Node) -> Attributes | None:
    if not node.arity((1,)):
        return None
    beta = node.options(tflite.SoftmaxOptions).Beta()
    source, result = node.operand(0), node.outputs[0]
    if not (
        node.int8(source, result)
        and node.require(0 < beta < 1e6, f"beta is {beta}, a positive number expected")
        and node.require(
            len(source.shape) >= 1 and source.shape[-1] <= MAX_SOFTMAX_DEPTH,
            f"{source} must have a last axis of at most {MAX_SOFTMAX_DEPTH}",
        )
        and node.require(
            result.quant.scale == 1 / 256 and result.quant.zero_point == -128,
            f"output {result} must have scale 1/256 and zero point -128",
        )
        and node.require(source.shape == result.shape, f"{source} and {result} differ in shape")
    ):
        return None
    return Softmax(beta)


def _logistic(node: Node) -> Attributes | None:
    if not node.arity((1,)):
        return None
    source, result = node.operand(0), node.outputs[0]
    if not (
        node.int8(source, result)
        and node.require(
            result.quant.scale == 1 / 256 and result.quant.zero_point == -128,
            f"output {result} must have scale 1/256 and zero point -128",
        )
        and node.require(source.shape == result.shape, f"{source} and {result} differ in shape")
    ):
        return None
    return Logistic()


def _quantize(node: Node) -> Attributes | None:
    if not node.arity((1,)):
        return None
    source, result = node.operand(0), node.outputs[0]
    good = node.require(
        (source.dtype, result.dtype)
        in {
            (DType.FLOAT32, DType.INT8),
            (DType.INT8, DType.INT8),
            (DType.UINT8, DType.INT8),
            (DType.INT8, DType.UINT8),
        },
        f"from {source} to {result} is not supported (float32, int8 or uint8 to int8; int8 to uint8)",
    )
    good = good and node.quantized_per_tensor(result)
    good = good and (source.dtype is DType.FLOAT32 or node.quantized_per_tensor(source))
    good = good and node.require(source.shape == result.shape, f"{source} and {result} differ in shape")
    return Quantize() if good else None


def _dequantize(node: Node) -> Attributes | None:
    if not node.arity((1,)):
        return None
    source, result = node.operand(0), node.outputs[0]
    good = node.require(
        source.dtype in (DType.INT8, DType.UINT8) and result.dtype is DType.FLOAT32,
        f"from {source} to {result} is not supported (int8 or uint8 to float32)",
    )
    good = good and node.quantized_per_tensor(source)
    good = good and node.require(source.shape == result.shape, f"{source} and {result} differ in shape")
    return Dequantize() if good else None


Reader = Callable[[Node], "Attributes | None"]

READERS: Mapping[int, Reader] = {
    tflite.BuiltinOperator.CONV_2D: lambda node: _convolution(node, depthwise=False),
    tflite.BuiltinOperator.DEPTHWISE_CONV_2D: lambda node: _convolution(node, depthwise=True),
    tflite.BuiltinOperator.MAX_POOL_2D: lambda node: _pool(node, PoolKind.MAX),
    tflite.BuiltinOperator.AVERAGE_POOL_2D: lambda node: _pool(node, PoolKind.AVERAGE),
    tflite.BuiltinOperator.FULLY_CONNECTED: _fully_connected,
    tflite.BuiltinOperator.ADD: _add,
    tflite.BuiltinOperator.RESHAPE: _reshape,
    tflite.BuiltinOperator.SOFTMAX: _softmax,
    tflite.BuiltinOperator.LOGISTIC: _logistic,
    tflite.BuiltinOperator.QUANTIZE: _quantize,
    tflite.BuiltinOperator.DEQUANTIZE: _dequantize,
}

OPERATOR_NAMES: Mapping[int, str] = {
    number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)
}
