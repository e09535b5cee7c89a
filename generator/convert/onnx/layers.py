"""Convolutions and poolings: NHWC on the device."""

from __future__ import annotations

from dataclasses import replace

import tflite

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.layout import channels_last
from generator.convert.onnx.normalization import absorb
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.quantization import absorb_activation, result_quantization
from generator.convert.onnx.values import RefusedError, Value
from generator.convert.onnx.weights import Weights, read_weights
from generator.convert.onnx.window import Pair, Window, numbers, padded, pair, window
from generator.convert.tflite_writer import Options


def convolution(c: Converter, node: OnnxNode) -> None:
    """Conv: CONV_2D, grouped or not, or DEPTHWISE_CONV_2D."""
    rank = len(c.lazy_value(node).shape)
    source = c.image(node)
    weights = _image_weights(c, node, rank, source, 0)
    groups = int(node.attributes.get("group", 1))
    channels = source.shape[1]
    out, per_group, *kernel = weights.values.shape
    if groups < 1 or groups * per_group != channels or out % groups:
        raise RefusedError(
            f"weights {[out, per_group, *kernel]} do not fit {channels} channels in {groups} groups"
        )
    view = window(node, rank, pair(source.shape[2:]), pair(kernel))
    weights, tail = absorb(c, node, weights, source.quant)
    wanted = result_quantization(c, tail.name)
    held, padding = padded(c, source, view, tail.name)
    depthwise = groups == channels > 1
    fields = {"Padding": padding, "StrideH": view.stride[0], "StrideW": view.stride[1], **tail.options,
              "DilationHFactor": view.dilation[0], "DilationWFactor": view.dilation[1]}  # fmt: skip
    if depthwise:
        op, axis, values = "DEPTHWISE_CONV_2D", 3, weights.values.transpose(1, 2, 3, 0)
        options = Options("DepthwiseConv2DOptions", {**fields, "DepthMultiplier": out // channels})
    else:
        op, axis, values = "CONV_2D", 0, weights.values.transpose(0, 2, 3, 1)
        options = Options("Conv2DOptions", fields)
    tensors = weights.written(c, tail.name, values, axis, source.quant)
    result = c.emit(
        op,
        [held.tensor, *tensors],
        held,
        name=tail.name,
        shape=(source.shape[0], out, *view.out),
        order=channels_last(4),
        quantization=wanted,
        options=options,
    )
    c.bind_image(tail.name, result, rank)


def _image_weights(c: Converter, node: OnnxNode, rank: int, source: Value, channel_axis: int) -> Weights:
    weights = read_weights(c, node, 1, channel_axis, source.quant)
    values = weights.values
    if values.ndim != rank:
        raise RefusedError(f"has weights of rank {values.ndim} for an input of rank {rank}")
    kernel = tuple(values.shape[2:])
    if tuple(node.attributes.get("kernel_shape", kernel)) != kernel:
        raise RefusedError(f"its kernel_shape is not that of its weights, {list(kernel)}")
    return replace(weights, values=values[:, :, None, :]) if rank == 3 else weights


def transposed_convolution(c: Converter, node: OnnxNode) -> None:
    """ConvTranspose: TRANSPOSE_CONV, whose result is cut where the pads are not TFLite's."""
    rank = len(c.lazy_value(node).shape)
    source = c.image(node)
    weights = _image_weights(c, node, rank, source, 1)
    if int(node.attributes.get("group", 1)) != 1 or max(numbers(node, "dilations", rank, 1)) > 1:
        raise RefusedError("has groups or dilations; one group without dilation is supported")
    out, channels, *kernel = weights.values.shape
    if channels != source.shape[1]:
        raise RefusedError(f"has weights for {channels} channels, its input has {source.shape[1]}")
    stride = pair(numbers(node, "strides", rank, 1))
    sizes = pair(source.shape[2:])
    full = pair((n - 1) * s + k for n, s, k in zip(sizes, stride, kernel, strict=True))
    begin, result = _cut(node, rank, sizes, stride, full)
    weights, tail = absorb(c, node, weights, source.quant)
    wanted = result_quantization(c, tail.name)
    same = all(
        -(-r // s) == n and b == max((n - 1) * s + k - r, 0) // 2
        for r, s, n, b, k in zip(result, stride, sizes, begin, kernel, strict=True)
    )
    shape = (source.shape[0], out, *(result if same else full))
    fields = {"StrideH": stride[0], "StrideW": stride[1], **tail.options,
              "Padding": tflite.Padding.SAME if same else tflite.Padding.VALID}  # fmt: skip
    size = c.indices(f"{tail.name} size", (shape[0], *shape[2:], out))
    values = weights.values.transpose(0, 2, 3, 1)
    first, *bias = weights.written(c, tail.name, values, 0, source.quant)
    computed = c.emit(
        "TRANSPOSE_CONV",
        [size, first, source.tensor, *bias],
        source,
        name=tail.name,
        shape=shape,
        order=channels_last(4),
        quantization=wanted,
        options=Options("TransposeConvOptions", fields),
    )
    if not same and (result != full):
        computed = c.sliced(computed, (0, 0, *begin), (shape[0], out, *result), f"{tail.name} (cut)")
    c.bind_image(tail.name, computed, rank)


def _cut(node: OnnxNode, rank: int, sizes: Pair, stride: Pair, full: Pair) -> tuple[Pair, Pair]:
    """Where the result of a ConvTranspose begins in what all its windows cover, and its size."""
    pads = numbers(node, "pads", rank, 0)
    extra = numbers(node, "output_padding", rank, 0)
    auto = node.attributes.get("auto_pad", "NOTSET")
    begins, outs = [], []
    for axis in (0, 1):
        before = pads[axis]
        out = full[axis] + extra[axis] - before - pads[axis + 2]
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            out = sizes[axis] * stride[axis]
            total = max(full[axis] + extra[axis] - out, 0)
            before = total // 2 if auto == "SAME_UPPER" else total - total // 2
        if node.attributes.get("output_shape"):
            raise RefusedError("has an output_shape; pads and output_padding are supported")
        if out < 1 or before + out > full[axis]:
            raise RefusedError(
                "reaches out of what its windows cover (output_padding larger than the pads behind)"
            )
        begins.append(before)
        outs.append(out)
    return pair(begins), pair(outs)


def pool(c: Converter, node: OnnxNode, *, average: bool) -> None:
    """MaxPool and AveragePool."""
    rank = len(c.lazy_value(node).shape)
    source = c.image(node)
    if any(node.outputs[1:]):
        raise RefusedError("gives indices too; values alone are supported")
    if node.attributes.get("kernel_shape") is None:
        raise RefusedError("lacks its kernel_shape")
    size = pair(numbers(node, "kernel_shape", rank, 1))
    view = window(node, rank, pair(source.shape[2:]), size)
    if max(view.dilation) > 1:
        raise RefusedError("has dilations, which are not supported")
    counted = average and bool(node.attributes.get("count_include_pad", 0))
    if average:
        _check_average(view, source, counted=counted)
    tail = absorb_activation(c, node.outputs[0])
    # TFLite's SAME averages what is there: pads that count have to be there.
    held, padding = padded(c, source, view, tail.name, fill=None if average else -128, same=not counted)
    fields = {"Padding": padding, "StrideH": view.stride[0], "StrideW": view.stride[1], **tail.options,
              "FilterHeight": size[0], "FilterWidth": size[1]}  # fmt: skip
    result = c.emit(
        "AVERAGE_POOL_2D" if average else "MAX_POOL_2D",
        [held.tensor],
        held,
        name=tail.name,
        shape=(*source.shape[:2], *view.out),
        order=channels_last(4),
        options=Options("Pool2DOptions", fields),
    )
    c.bind_image(tail.name, result, rank)


def _check_average(view: Window, source: Value, *, counted: bool) -> None:
    sizes = pair(source.shape[2:])
    needed = view.needed(sizes)
    if counted and any(n[1] > p[1] for n, p in zip(needed, view.pads, strict=True)):
        raise RefusedError("counts pads, but its last windows reach beyond them (ceil_mode)")
    if not counted and any(map(any, needed)) and not view.is_same(sizes):
        raise RefusedError(
            f"averages without its pads {[list(p) for p in view.pads]}; supported are count_include_pad=1, "
            "no pads, and those of SAME_UPPER"
        )
