"""Operators with weights, and poolings: NHWC on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tflite

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.layout import Shape, as_is, channels_last
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.quantization import Tail, absorb_activation, result_quantization
from generator.convert.onnx.values import Array, Constant, RefusedError, Value
from generator.convert.onnx.weights import Weights, read_weights
from generator.convert.tflite_writer import Options
from generator.graph import DType, Quantization

_LARGEST = 1 << 16  # of a stride, a dilation or a pad
Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How a window slides over height and width. ``pads`` are before and after, of each; ``out`` what comes out."""

    size: Pair
    stride: Pair
    dilation: Pair
    pads: tuple[Pair, Pair]
    out: Pair

    @property
    def reach(self) -> Pair:
        """Pixels from the first to the last of a window."""
        return _pair((k - 1) * d + 1 for k, d in zip(self.size, self.dilation, strict=True))

    def is_same(self, sizes: Pair) -> bool:
        """Whether TFLite's SAME pads likewise."""
        for axis in (0, 1):
            out = -(-sizes[axis] // self.stride[axis])
            total = max((out - 1) * self.stride[axis] + self.reach[axis] - sizes[axis], 0)
            needed = self._needed(axis, sizes[axis])
            if out != self.out[axis] or (self.pads[axis][0], needed) != (total // 2, total - total // 2):
                return False
        return True

    def needed(self, sizes: Pair) -> tuple[Pair, Pair]:
        """Pads without what no window reaches."""
        return (self.pads[0][0], self._needed(0, sizes[0])), (self.pads[1][0], self._needed(1, sizes[1]))

    def _needed(self, axis: int, size: int) -> int:
        return max((self.out[axis] - 1) * self.stride[axis] + self.reach[axis] - size - self.pads[axis][0], 0)


def _pair(values: Sequence[int] | object) -> Pair:
    first, second = values  # type: ignore[misc]
    return int(first), int(second)


def _numbers(node: OnnxNode, name: str, rank: int, default: int) -> tuple[int, ...]:
    """An attribute of one number per axis of an image; those of one axis are its width."""
    count = 2 * (rank - 2) if name == "pads" else rank - 2
    given = node.attributes.get(name)
    values = (default,) * count if given is None else tuple(int(n) for n in given)
    if len(values) != count or min(values) < 0 or max(values) > _LARGEST:
        raise RefusedError(f"has {name} {list(values)[:16]}; {count} numbers from 0 on are needed")
    if rank == 3:
        values = (default, values[0]) if count == 1 else (0, values[0], 0, values[1])
    return values


def window(node: OnnxNode, rank: int, sizes: Pair, size: Pair) -> Window:
    """Stride, dilation and pads of a node."""
    stride, dilation = (_pair(_numbers(node, name, rank, 1)) for name in ("strides", "dilations"))
    if min(*stride, *dilation, *size) < 1:
        raise RefusedError("has a stride, dilation or kernel size of 0")
    auto = node.attributes.get("auto_pad", "NOTSET")
    given = _numbers(node, "pads", rank, 0)
    pads, outs = [], []
    for axis in (0, 1):
        reach = (size[axis] - 1) * dilation[axis] + 1
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            out = -(-sizes[axis] // stride[axis])
            total = max((out - 1) * stride[axis] + reach - sizes[axis], 0)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
            pads.append((first, total - first))
        elif auto in ("NOTSET", "VALID"):
            pads.append((given[axis], given[axis + 2]) if auto == "NOTSET" else (0, 0))
            free = sizes[axis] + sum(pads[axis]) - reach
            out = (
                -(-free // stride[axis]) + 1
                if node.attributes.get("ceil_mode", 0)
                else free // stride[axis] + 1
            )
            if (out - 1) * stride[axis] >= sizes[axis] + pads[axis][0] and out > 1:
                out -= 1  # a window that would begin in the padding behind is none
        else:
            raise RefusedError(f"has auto_pad {auto}; NOTSET, VALID, SAME_UPPER, SAME_LOWER are supported")
        if out < 1:
            raise RefusedError(
                f"its window of {reach} is larger than the padded {sizes[axis] + sum(pads[axis])}"
            )
        outs.append(out)
    return Window(size, stride, dilation, (pads[0], pads[1]), _pair(outs))


def padded(
    c: Converter, source: Value, view: Window, name: str, *, fill: int | None = None, same: bool = True
) -> tuple[Value, int]:
    """The image with its pads, unless TFLite's SAME adds them, and which padding is then to be named.

    Pads are zeros, or ``fill``; without ``same`` they are always added here.
    """
    sizes = _pair(source.shape[2:])
    if same and view.is_same(sizes):
        return source, tflite.Padding.SAME
    (top, bottom), (left, right) = view.needed(sizes)
    if top + bottom + left + right == 0:
        return source, tflite.Padding.VALID
    n, channels, height, width = source.shape
    around = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    inputs = [source.tensor, c.parameter(f"{name} pads", around, DType.INT32)]
    if fill is not None:
        inputs.append(c.parameter(f"{name} fill", np.array([fill], np.int8), DType.INT8, source.quant))
    wide = c.emit(
        "PAD" if fill is None else "PADV2",
        inputs,
        source,
        name=f"{name} (padded)",
        shape=(n, channels, height + top + bottom, width + left + right),
        order=channels_last(4),
        options=Options("PadOptions" if fill is None else "PadV2Options"),
    )
    return wide, tflite.Padding.VALID


def _normalization(c: Converter, node: OnnxNode) -> tuple[Array, Array] | None:
    """Factor and offset of each channel of a BatchNormalization; None if the network computes them."""
    given = [c.values.get(name) for name in node.inputs[1:5]]
    known = [v.real.reshape(-1) for v in given if isinstance(v, Constant)]
    if len(known) < 4 or len({len(v) for v in known}) > 1:
        return None
    gamma, beta, mean, variance = known
    with np.errstate(all="ignore"):
        factors = gamma / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
        offsets = beta - mean * factors
    return (factors, offsets) if np.isfinite(factors).all() and np.isfinite(offsets).all() else None


def _absorbed(c: Converter, node: OnnxNode, weights: Weights, source: Quantization) -> tuple[Weights, Tail]:
    """The weights with a BatchNormalization behind the node, or a bias added there, folded into them."""
    name = node.outputs[0]
    reader = c.only_reader(name)
    if reader is not None and reader.op == "BatchNormalization" and reader.inputs[0] == name:
        normalization = _normalization(c, reader)
        if normalization is not None and len(normalization[0]) == weights.channels:
            c.absorbed.add(reader.index)
            weights, name = weights.scaled(*normalization, source.scale), reader.outputs[0]
    elif reader is not None and reader.op == "Add" and node.op == "MatMul" and weights.bias is None:
        added = c.values.get(reader.inputs[1 - reader.inputs.index(name)])
        if isinstance(added, Constant) and added.shape in ((weights.channels,), (1, weights.channels)):
            c.absorbed.add(reader.index)
            offsets = added.real.reshape(-1) / (source.scale * weights.scales)
            weights, name = replace(weights, bias=offsets), reader.outputs[0]
    return weights, absorb_activation(c, name)


def convolution(c: Converter, node: OnnxNode) -> None:
    """Conv: CONV_2D, grouped or not, or DEPTHWISE_CONV_2D."""
    rank = len(c.value(node).shape)
    source = c.image(node)
    weights = _image_weights(c, node, rank, source, 0)
    groups = int(node.attributes.get("group", 1))
    channels = source.shape[1]
    out, per_group, *kernel = weights.values.shape
    if groups < 1 or groups * per_group != channels or out % groups:
        raise RefusedError(
            f"weights {[out, per_group, *kernel]} do not fit {channels} channels in {groups} groups"
        )
    view = window(node, rank, _pair(source.shape[2:]), _pair(kernel))
    weights, tail = _absorbed(c, node, weights, source.quant)
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
    result = c.emit(op, [held.tensor, *tensors], held, name=tail.name, shape=(source.shape[0], out, *view.out),
                    order=channels_last(4), quantization=wanted, options=options)  # fmt: skip
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
    rank = len(c.value(node).shape)
    source = c.image(node)
    weights = _image_weights(c, node, rank, source, 1)
    if int(node.attributes.get("group", 1)) != 1 or max(_numbers(node, "dilations", rank, 1)) > 1:
        raise RefusedError("has groups or dilations; one group without dilation is supported")
    out, channels, *kernel = weights.values.shape
    if channels != source.shape[1]:
        raise RefusedError(f"has weights for {channels} channels, its input has {source.shape[1]}")
    stride = _pair(_numbers(node, "strides", rank, 1))
    sizes = _pair(source.shape[2:])
    full = _pair((n - 1) * s + k for n, s, k in zip(sizes, stride, kernel, strict=True))
    begin, result = _cut(node, rank, sizes, stride, full)
    weights, tail = _absorbed(c, node, weights, source.quant)
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
    computed = c.emit("TRANSPOSE_CONV", [size, first, source.tensor, *bias], source, name=tail.name, shape=shape,
                      order=channels_last(4), quantization=wanted,
                      options=Options("TransposeConvOptions", fields))  # fmt: skip
    if not same and (result != full):
        computed = c.sliced(computed, (0, 0, *begin), (shape[0], out, *result), f"{tail.name} (cut)")
    c.bind_image(tail.name, computed, rank)


def _cut(node: OnnxNode, rank: int, sizes: Pair, stride: Pair, full: Pair) -> tuple[Pair, Pair]:
    """Where the result of a ConvTranspose begins in what all its windows cover, and its size."""
    pads = _numbers(node, "pads", rank, 0)
    extra = _numbers(node, "output_padding", rank, 0)
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
    return _pair(begins), _pair(outs)


def matmul(c: Converter, node: OnnxNode) -> None:
    """MatMul with a constant second operand."""
    source = c.lazy_value(node)
    second = c.operand(node, 1)
    if isinstance(second, Value):
        raise RefusedError("multiplies two tensors of the network; a constant second operand is supported")
    if len(second.shape) != 2 or len(source.shape) < 2:
        raise RefusedError(f"multiplies by a constant of shape {list(second.shape)}; 2-D is supported")
    _fully_connected(c, node, source, read_weights(c, node, 1, 1, source.quant, None))


def gemm(c: Converter, node: OnnxNode) -> None:
    """Gemm with constant weights and bias."""
    source = c.lazy_value(node)
    alpha, beta = (float(node.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
    if node.attributes.get("transA", 0) or alpha <= 0:
        raise RefusedError("transposes its first operand or has no positive alpha; neither is supported")
    if len(source.shape) != 2:
        raise RefusedError(f"input of rank {len(source.shape)}; 2-D is expected")
    weights = read_weights(c, node, 1, 0 if node.attributes.get("transB", 0) else 1, source.quant)
    if (alpha, beta) != (1.0, 1.0):
        bias = None if weights.bias is None else weights.bias * (beta / alpha)
        weights = replace(weights, scales=weights.scales * alpha, bias=bias)
    _fully_connected(c, node, source, weights)


def _fully_connected(c: Converter, node: OnnxNode, source: Value, weights: Weights) -> None:
    """FULLY_CONNECTED; where the input is a flattened image the weights follow its order instead."""
    values = weights.values
    if values.ndim != 2 or values.shape[1] != source.shape[-1]:
        raise RefusedError(f"weights do not fit an input of {source.shape[-1]} columns: {list(values.shape)}")
    if source.shape != source.whole and source.order[0] == 0 and source.whole[0] == source.shape[0]:
        order = [axis - 1 for axis in source.order[1:]]
        columns = np.arange(values.shape[1]).reshape(source.whole[1:]).transpose(order)
        values = values[:, columns.reshape(-1)]
        source = replace(source, whole=source.shape, order=as_is(2))
    else:
        source = c.settled(source)
    rank = len(source.shape)
    if source.order[-1] != rank - 1:
        source = c.arranged(source, (*(a for a in source.order if a != rank - 1), rank - 1))
    weights, tail = _absorbed(c, node, weights, source.quant)
    wanted = result_quantization(c, tail.name)
    options = Options("FullyConnectedOptions", {**tail.options, "KeepNumDims": rank > 2})
    tensors = weights.written(c, tail.name, values, 0, source.quant)
    shape: Shape = (*source.shape[:-1], weights.channels)
    c.bind(tail.name, c.emit("FULLY_CONNECTED", [source.tensor, *tensors], source, name=tail.name, shape=shape,
                             order=source.order, quantization=wanted, options=options))  # fmt: skip


def batch_normalization(c: Converter, node: OnnxNode) -> None:
    """A BatchNormalization with no layer before it: a depthwise convolution of one pixel."""
    normalization = _normalization(c, node)
    if normalization is None:
        raise RefusedError("has parameters that are not constant finite numbers, one per channel")
    source = c.value(node)
    rank = len(source.shape)
    if rank < 2 or len(normalization[0]) != source.shape[1]:
        raise RefusedError(f"has parameters for {len(normalization[0])} channels of {list(source.shape)}")
    source = c.arranged(source, channels_last(rank) if rank > 2 else as_is(2))
    tail = absorb_activation(c, node.outputs[0])
    c.bind(tail.name, affine(c, source, *normalization, tail, result_quantization(c, tail.name)))


def affine(
    c: Converter, source: Value, factors: Array, offsets: Array, tail: Tail, wanted: Quantization
) -> Value:
    """Each channel, the last held axis, times a factor and plus an offset, rounded once."""
    channels = source.held[-1]
    name = tail.name
    shape = (1, 1, math.prod(source.held) // channels, channels)
    plain = replace(source, shape=source.held, whole=source.held, order=as_is(len(source.held)))
    flat = plain if len(plain.shape) == 4 else c.reshaped(plain, shape, f"{name} (channels last)")
    # A weight of 127 is the factor, unless the offset then exceeds an int32.
    scales = np.maximum(np.abs(factors) / 127, np.abs(offsets) / (source.quant.scale * 2.0**30))
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32).astype(np.float64)
    steps = np.rint(factors / scales).clip(-127, 127).astype(np.int8)
    weights = Weights(steps.reshape(-1, 1), scales, offsets / (source.quant.scale * scales))
    tensors = weights.written(c, name, steps.reshape(1, 1, 1, -1), 3, source.quant)
    fields = {
        "Padding": tflite.Padding.VALID,
        "StrideH": 1,
        "StrideW": 1,
        "DepthMultiplier": 1,
        **tail.options,
    }
    result = c.emit("DEPTHWISE_CONV_2D", [flat.tensor, *tensors], flat, name=name, quantization=wanted,
                    options=Options("DepthwiseConv2DOptions", fields))  # fmt: skip
    result = result if len(plain.shape) == 4 else c.reshaped(result, plain.shape, f"{name} (shape)")
    return replace(result, shape=source.shape, whole=source.whole, order=source.order)


def pool(c: Converter, node: OnnxNode, *, average: bool) -> None:
    """MaxPool and AveragePool."""
    rank = len(c.value(node).shape)
    source = c.image(node)
    if any(node.outputs[1:]):
        raise RefusedError("gives indices too; values alone are supported")
    if node.attributes.get("kernel_shape") is None:
        raise RefusedError("lacks its kernel_shape")
    size = _pair(_numbers(node, "kernel_shape", rank, 1))
    view = window(node, rank, _pair(source.shape[2:]), size)
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
    result = c.emit("AVERAGE_POOL_2D" if average else "MAX_POOL_2D", [held.tensor], held, name=tail.name,
                    shape=(*source.shape[:2], *view.out), order=channels_last(4),
                    options=Options("Pool2DOptions", fields))  # fmt: skip
    c.bind_image(tail.name, result, rank)


def _check_average(view: Window, source: Value, *, counted: bool) -> None:
    sizes = _pair(source.shape[2:])
    needed = view.needed(sizes)
    if counted and any(n[1] > p[1] for n, p in zip(needed, view.pads, strict=True)):
        raise RefusedError("counts pads, but its last windows reach beyond them (ceil_mode)")
    if not counted and any(map(any, needed)) and not view.is_same(sizes):
        raise RefusedError(
            f"averages without its pads {[list(p) for p in view.pads]}; supported are count_include_pad=1, no pads, "
            "and those of SAME_UPPER"
        )
