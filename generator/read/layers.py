"""Readers of operators with weights, and of poolings: SAME and VALID become pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import tflite

from generator.graph import (
    Conv2D,
    DepthwiseConv2D,
    DType,
    FullyConnected,
    Padding,
    Pool2D,
    PoolKind,
    Quantization,
    Tensor,
    TransposeConv,
    concatenation,
    merged_view,
    row_major,
)
from generator.read.activations import fused_activation
from generator.read.node import Node, Piece

# What keeps every 32-bit index and accumulator of the kernels in range.
MAX_ACCUMULATIONS = 1 << 16
MAX_GROUPS = 256
_MAX_BIAS = 1 << 46  # of int64: sums and their products with a scale stay within 64 bits
_MAX_SCALE_16 = 1 << 7  # of int16 accumulators to outputs, as TFLM assumes
_MAX_WINDOW_16 = 1 << 15  # elements of int16 that a mean sums up in 32 bits


def _weights_and_bias(
    node: Node,
    source: Tensor,
    weights: Tensor,
    bias: Tensor | None,
    channel_axis: int,
    bias_types: tuple[DType, ...] = (DType.INT64, DType.INT32),
) -> bool:
    """Check constant symmetric int8 weights, per tensor or per output channel, and an int32 bias; one of
    ``bias_types`` with int16 activations.
    """
    types = bias_types if source.dtype is DType.INT16 else (DType.INT32,)
    good = node.require(weights.is_constant, f"weights {weights} are not constant")
    good &= node.require(weights.dtype is DType.INT8, f"weights {weights} are not int8")
    channels = weights.shape[channel_axis]
    quantization = weights.quantization
    if node.require(quantization is not None, f"weights {weights} are not quantized") and quantization:
        good &= node.require(
            len(quantization.scales) in (1, channels)
            and (not quantization.is_per_channel or quantization.axis == channel_axis),
            f"weights {weights} have {len(quantization.scales)} scales along axis {quantization.axis}; "
            f"one, or {channels} along axis {channel_axis}, are supported",
        )
        good &= node.require(
            not any(quantization.zero_points), f"weights {weights} have a zero point other than 0"
        )
        good &= node.multiplies_by(_factor(source, quantization, node.outputs[0]))
    else:
        good = False
    if bias is not None:
        good &= node.require(bias.is_constant, f"bias {bias} is not constant")
        good &= node.require(bias.dtype in types, f"bias {bias} is not {' or '.join(t.value for t in types)}")
        good &= node.require(
            bias.element_count == channels,
            f"bias {bias} has not one value per output channel ({channels})",
        )
        good = good and node.require(
            int(np.abs(bias.values.astype(np.float64)).max()) <= _MAX_BIAS,
            f"bias {bias} has values beyond 2^46",
        )
    return good and _scales_16(node, source, weights)


def _scales_16(node: Node, source: Tensor, weights: Tensor) -> bool:
    """Check that int16 accumulators are not scaled up further than their arithmetic allows."""
    if source.dtype is not DType.INT16:
        return True
    scale = _factor(source, weights.quant, node.outputs[0])
    return node.require(
        scale < _MAX_SCALE_16, f"multiplies sums by {scale:.3g}, less than {_MAX_SCALE_16} expected"
    )


def _factor(source: Tensor, weights: Quantization, result: Tensor) -> float:
    """The greatest by which sums are multiplied."""
    return source.quant.scale * max(weights.scales) / result.quant.scale


def _resolve_padding(
    node: Node, scheme: int, image: Tensor, window: tuple[int, int], stride: tuple[int, int], strided: Tensor
) -> Padding | None:
    """SAME or VALID as pixels, checked against the shape of ``strided``, which has a pixel for each place of
    the window on ``image``. ``window`` includes dilation.
    """
    sizes, output = image.shape[1:3], strided.shape
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
            f"{strided} does not fit {image} and the window ({out} along axis {axis + 1})",
        ):
            return None
    return Padding(pads[0][0], pads[0][1], pads[1][0], pads[1][1])


def _image_shapes(node: Node, source: Tensor) -> bool:
    result = node.outputs[0]
    return node.require(
        len(source.shape) == 4 and len(result.shape) == 4 and source.shape[0] == result.shape[0],
        f"input {source} and output {result} must be 4-D with a batch of 1",
    )


def _positive(node: Node, **values: int) -> bool:
    return all(
        [
            node.require(0 < v <= 1024, f"{n.replace('_', ' ')} is {v}, 1 to 1024 expected")
            for n, v in values.items()
        ]
    )


def convolution(node: Node, *, depthwise: bool) -> list[Piece]:
    """CONV_2D, grouped or not, or DEPTHWISE_CONV_2D."""
    if not node.arity((2, 3)):
        return []
    options = node.options(tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
    source, weights, result = node.operand(0), node.operand(1), node.outputs[0]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    stride = (options.StrideH(), options.StrideW())
    dilation = (options.DilationHFactor(), options.DilationWFactor())
    activation = fused_activation(node, options.FusedActivationFunction())
    if not (
        node.quantized(source, result)
        and node.require(len(weights.shape) == 4, f"weights {weights} must be 4-D")
        and _weights_and_bias(node, source, weights, bias, *((3, (DType.INT64,)) if depthwise else (0,)))
        and _image_shapes(node, source)
        and _positive(
            node, stride_h=stride[0], stride_w=stride[1], dilation_h=dilation[0], dilation_w=dilation[1]
        )
    ):
        return []
    channels_in, channels_out = source.shape[3], result.shape[3]
    window = tuple((weights.shape[a + 1] - 1) * dilation[a] + 1 for a in (0, 1))
    padding = _resolve_padding(node, options.Padding(), source, (window[0], window[1]), stride, result)
    if depthwise:
        # Kernels of TFLM take the multiplier from the options, ours from the shapes: they must agree.
        shapes_fit = (
            weights.shape[0] == 1
            and weights.shape[3] == channels_out
            and options.DepthMultiplier() == channels_out / channels_in
            and channels_out % channels_in == 0
        )
    else:
        groups = channels_in // weights.shape[3]
        shapes_fit = (
            weights.shape[0] == channels_out
            and groups * weights.shape[3] == channels_in
            and groups <= MAX_GROUPS
            and channels_out % max(groups, 1) == 0
        )
    accumulations = weights.element_count // channels_out
    if (
        not node.require(shapes_fit, f"weights {weights} do not fit input {source} and output {result}")
        or not node.require(
            accumulations <= MAX_ACCUMULATIONS,
            f"sums {accumulations} products, at most {MAX_ACCUMULATIONS} supported",
        )
        or padding is None
    ):
        return []
    if depthwise:
        multiplier = channels_out // channels_in
        return node.whole(DepthwiseConv2D(stride, dilation, padding, activation, multiplier))
    convolution = Conv2D(stride, dilation, padding, activation)
    return node.whole(convolution) if groups == 1 else _grouped(node, convolution, groups)


def _grouped(node: Node, convolution: Conv2D, groups: int) -> list[Piece]:
    """A convolution of each group's channels, and their results side by side."""
    source, weights, result = node.operand(0), node.operand(1), node.outputs[0]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    channels_in, channels_out = weights.shape[3], weights.shape[0] // groups
    strides = row_major(source.shape)
    pieces = []
    parts = []
    for group in range(groups):
        shape = (*source.shape[:3], channels_in)
        part = node.intermediate(source, shape, f"group {group}")
        view = merged_view("SLICE", group * channels_in, shape, strides)
        pieces.append(Piece(view, (source,), part))
        units = slice(group * channels_out, (group + 1) * channels_out)
        own = [_units(node, t, units) for t in (weights, bias) if t is not None]
        parts.append(node.intermediate(result, (*result.shape[:3], channels_out), f"group {group}"))
        pieces.append(Piece(convolution, (part, *own), parts[-1]))
    joined = concatenation([part.shape for part in parts], 3)
    return [*pieces, Piece(joined, tuple(parts), result)]


def _units(node: Node, parameter: Tensor, units: slice) -> Tensor:
    """Weights or biases of some output channels, which are the first axis."""
    values = parameter.values.reshape(parameter.shape[0], -1)[units]
    quantization = parameter.quantization
    if quantization is not None and quantization.is_per_channel:
        quantization = replace(
            quantization, scales=quantization.scales[units], zero_points=quantization.zero_points[units]
        )
    node.budget.made(values.nbytes)
    shape = (values.shape[0], *parameter.shape[1:])
    part = node.intermediate(parameter, shape, f"units {units.start} to {units.stop - 1}")
    return replace(part, data=values.tobytes(), quantization=quantization)


def transpose_convolution(node: Node) -> list[Piece]:
    """TRANSPOSE_CONV: the output's shape first, then weights, then activations."""
    if not node.arity((3, 4)):
        return []
    options = node.options(tflite.TransposeConvOptions)
    weights, source, result = node.operand(1), node.operand(2), node.outputs[0]
    bias = node.inputs[3] if len(node.inputs) > 3 else None
    stride = (options.StrideH(), options.StrideW())
    activation = fused_activation(node, options.FusedActivationFunction())
    shape = node.integers(0, "output shape")
    if shape is None or not (
        node.result_shape(shape)
        and node.quantized(source, result)
        and node.require(len(weights.shape) == 4, f"weights {weights} must be 4-D")
        and _weights_and_bias(node, source, weights, bias, 0, (DType.INT64,))
        and _image_shapes(node, source)
        and node.require(source.shape[0] == 1, f"input {source} must have a batch of 1")
        and _positive(node, stride_h=stride[0], stride_w=stride[1])
        and node.require(
            weights.shape[0] == result.shape[3] and weights.shape[3] == source.shape[3],
            f"weights {weights} do not fit input {source} and output {result}",
        )
    ):
        return []
    _, *window, channels_in = weights.shape
    accumulations = window[0] * window[1] * channels_in
    padding = _resolve_padding(node, options.Padding(), result, (window[0], window[1]), stride, source)
    if padding is None or not node.require(
        accumulations <= MAX_ACCUMULATIONS,
        f"sums {accumulations} products, at most {MAX_ACCUMULATIONS} supported",
    ):
        return []
    operands = (source, weights) if bias is None else (source, weights, bias)
    return [Piece(TransposeConv(stride, padding, activation), operands, result)]


def pool(node: Node, kind: PoolKind) -> list[Piece]:
    """MAX_POOL_2D or AVERAGE_POOL_2D."""
    if not node.arity((1,)):
        return []
    options = node.options(tflite.Pool2DOptions)
    source, result = node.operand(0), node.outputs[0]
    window = (options.FilterHeight(), options.FilterWidth())
    stride = (options.StrideH(), options.StrideW())
    activation = fused_activation(node, options.FusedActivationFunction())
    if not (
        node.quantized(source, result)
        and node.same_quantization(source, result)
        and _image_shapes(node, source)
        and node.require(source.shape[0] == 1, f"input {source} must have a batch of 1")
        and _positive(node, window_h=window[0], window_w=window[1], stride_h=stride[0], stride_w=stride[1])
        and node.require(source.shape[3] == result.shape[3], f"{source} and {result} differ in channels")
        and node.require(
            source.dtype is DType.INT8 or window[0] * window[1] <= _MAX_WINDOW_16,
            f"pools {window[0] * window[1]} elements of int16, at most {_MAX_WINDOW_16} supported",
        )
    ):
        return []
    padding = _resolve_padding(node, options.Padding(), source, window, stride, result)
    return [] if padding is None else node.whole(Pool2D(kind, window, stride, padding, activation))


def fully_connected(node: Node) -> list[Piece]:
    """FULLY_CONNECTED."""
    if not node.arity((2, 3)):
        return []
    options = node.options(tflite.FullyConnectedOptions)
    source, weights, result = node.operand(0), node.operand(1), node.outputs[0]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    activation = fused_activation(node, options.FusedActivationFunction())
    if not (
        node.quantized(source, result)
        and node.require(options.WeightsFormat() == 0, "shuffled weights are not supported")
        and node.require(len(weights.shape) == 2, f"weights {weights} must be 2-D")
        and _weights_and_bias(node, source, weights, bias, 0)
    ):
        return []
    units, depth = weights.shape
    good = node.require(
        source.element_count % depth == 0
        and result.element_count == source.element_count // depth * units
        and result.shape[-1:] == (units,),
        f"weights {weights} do not fit input {source} and output {result}",
    ) and node.require(
        depth <= MAX_ACCUMULATIONS, f"sums {depth} products, at most {MAX_ACCUMULATIONS} supported"
    )
    return node.whole(FullyConnected(activation)) if good else []
