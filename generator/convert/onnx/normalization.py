"""BatchNormalization: folded into the layer before it, or a layer of its own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import tflite
from numpy.typing import NDArray

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.layout import as_is, channels_last
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.quantization import Tail, absorb_activation, result_quantization
from generator.convert.onnx.values import Constant, RefusedError, Value
from generator.convert.onnx.weights import Weights
from generator.convert.tflite_writer import Options
from generator.graph import Quantization

_Reals: TypeAlias = NDArray[np.float64]


def normalization(c: Converter, node: OnnxNode) -> tuple[_Reals, _Reals] | None:
    """Factor and offset of each channel of a BatchNormalization; None if the network computes them."""
    given = [c.values.get(name) for name in node.inputs[1:5]]
    known = [v.real.reshape(-1) for v in given if isinstance(v, Constant)]
    if len(known) < 4 or len({len(v) for v in known}) > 1 or node.attributes.get("training_mode"):
        return None
    gamma, beta, mean, variance = known
    with np.errstate(all="ignore"):
        factors = gamma / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
        offsets = beta - mean * factors
    return (factors, offsets) if np.isfinite(factors).all() and np.isfinite(offsets).all() else None


def absorb(c: Converter, node: OnnxNode, weights: Weights, source: Quantization) -> tuple[Weights, Tail]:
    """The weights with a BatchNormalization behind the node, or a bias added there, folded into them."""
    name = node.outputs[0]
    reader = c.only_reader(name)
    if reader is not None and reader.op == "BatchNormalization" and reader.inputs[0] == name:
        found = normalization(c, reader)
        if found is not None and len(found[0]) == weights.channels:
            c.absorbed.add(reader.index)
            weights, name = weights.scaled(*found, source.scale), reader.outputs[0]
    elif reader is not None and reader.op == "Add" and node.op == "MatMul" and weights.bias is None:
        added = c.values.get(reader.inputs[1 - reader.inputs.index(name)])
        if isinstance(added, Constant) and added.shape in ((weights.channels,), (1, weights.channels)):
            c.absorbed.add(reader.index)
            offsets = added.real.reshape(-1) / (source.scale * weights.scales)
            weights, name = replace(weights, bias=offsets), reader.outputs[0]
    return weights, absorb_activation(c, name)


def batch_normalization(c: Converter, node: OnnxNode) -> None:
    """A BatchNormalization with no layer before it: a depthwise convolution of one pixel."""
    found = normalization(c, node)
    if found is None:
        raise RefusedError("has parameters that are not constant finite numbers, one per channel")
    source = c.value(node)
    rank = len(source.shape)
    if rank < 2 or len(found[0]) != source.shape[1]:
        raise RefusedError(f"has parameters for {len(found[0])} channels of {list(source.shape)}")
    source = c.arranged(source, channels_last(rank) if rank > 2 else as_is(2))
    tail = absorb_activation(c, node.outputs[0])
    c.bind(tail.name, affine(c, source, *found, tail, result_quantization(c, tail.name)))


def affine(
    c: Converter, source: Value, factors: _Reals, offsets: _Reals, tail: Tail, wanted: Quantization
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
    result = c.emit(
        "DEPTHWISE_CONV_2D",
        [flat.tensor, *tensors],
        flat,
        name=name,
        quantization=wanted,
        options=Options("DepthwiseConv2DOptions", fields),
    )
    result = result if len(plain.shape) == 4 else c.reshaped(result, plain.shape, f"{name} (shape)")
    return replace(result, shape=source.shape, whole=source.whole, order=source.order)
