"""Operators that treat elements alone, rows, or axes that go."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.folding import axes_of
from generator.convert.onnx.layout import Order, Shape, as_is, without
from generator.convert.onnx.normalization import affine
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.quantization import (
    FIXED,
    Tail,
    absorb_activation,
    asked_quantization,
    clip_range,
    result_quantization,
)
from generator.convert.onnx.values import Array, Constant, RefusedError, Value, quantization
from generator.convert.tflite_writer import Options
from generator.graph import DType, Quantization


def unary(c: Converter, node: OnnxNode, op: str, options: Options | None = None) -> None:
    """A function of one element."""
    source = c.lazy_value(node)
    name = node.outputs[0]
    fixed = FIXED.get(node.op)
    wanted = quantization(*fixed) if fixed else result_quantization(c, name)
    c.bind(name, c.emit(op, [source.tensor], source, name=name, quantization=wanted, options=options))


def real_function(c: Converter, node: OnnxNode, op: str) -> None:
    """A function of one element in float32, from int8 to int8: 256 outputs, which the reader tabulates."""
    source = c.lazy_value(node)
    name = node.outputs[0]
    wanted = result_quantization(c, name)
    options = None
    if op == "GELU":
        options = Options(
            "GeluOptions", {"Approximate": node.attributes.get("approximate", "none") == "tanh"}
        )
    real = c.emit("DEQUANTIZE", [source.tensor], source, name=f"{name} (operand)", dtype=DType.FLOAT32)
    result = c.emit(op, [real.tensor], real, name=f"{name} (real)", options=options, dtype=DType.FLOAT32)
    c.bind(name, c.emit("QUANTIZE", [result.tensor], source, name=name, quantization=wanted))


def leaky_relu(c: Converter, node: OnnxNode) -> None:
    """LeakyRelu."""
    alpha = float(node.attributes.get("alpha", 0.01))
    unary(c, node, "LEAKY_RELU", Options("LeakyReluOptions", {"Alpha": alpha}))


def elu(c: Converter, node: OnnxNode) -> None:
    """Elu."""
    if float(node.attributes.get("alpha", 1.0)) != 1.0:
        raise RefusedError(f"has alpha {node.attributes['alpha']:g}; 1 is supported")
    unary(c, node, "ELU")


def hard_sigmoid(c: Converter, node: OnnxNode) -> None:
    """HardSigmoid: max(0, min(1, alpha * x + beta)), as a depthwise convolution of one pixel."""
    source = c.value(node)
    alpha, beta = (float(node.attributes.get(k, d)) for k, d in (("alpha", 0.2), ("beta", 0.5)))
    name = node.outputs[0]
    wanted = result_quantization(c, name)
    if wanted.zero_point != -128:
        # The lowest value is the bound at 0, RELU_N1_TO_1 that at 1.
        raise RefusedError(
            "quantizes its output with a zero point other than the lowest value; its range is 0 to 1"
        )
    channels = source.held[-1]
    factors, offsets = np.full(channels, alpha), np.full(channels, beta)
    c.bind(name, affine(c, source, factors, offsets, Tail(name, "RELU_N1_TO_1"), wanted))


def clip(c: Converter, node: OnnxNode) -> None:
    """Relu and Clip that nothing before them can take in."""
    source = c.lazy_value(node)
    low, high = clip_range(c, node)
    name = node.outputs[0]
    if (low, high) == (0.0, math.inf):
        wanted = asked_quantization(c, name) or source.quant
        c.bind(name, c.emit("RELU", [source.tensor], source, name=name, quantization=wanted))
        return
    scale, zero_point = source.quant.scale, source.quant.zero_point
    for op, bound, reached in (("MAXIMUM", low, -128), ("MINIMUM", high, 127)):
        if math.isinf(bound):
            continue
        steps = max(-128, min(127, round(bound / scale) + zero_point))
        if steps != reached:
            limit = c.parameter(f"{name} bound", np.array([steps], np.int8), DType.INT8, source.quant)
            source = c.emit(
                op,
                [source.tensor, limit],
                source,
                name=f"{name} {op.lower()}",
                options=Options("MaximumMinimumOptions"),
            )
    c.bind(name, source)


def binary(c: Converter, node: OnnxNode, op: str) -> None:
    """Add, Sub, Mul, Div, with a fused activation."""
    tail = absorb_activation(c, node.outputs[0])
    wanted = result_quantization(c, tail.name)
    options = Options(f"{op.title()}Options", tail.options)
    tensors, like = _operands(c, node, [c.operand(node, 0), c.operand(node, 1)])
    c.bind(
        tail.name,
        c.emit(
            op,
            tensors,
            like,
            name=tail.name,
            shape=like.shape,
            order=like.order,
            quantization=wanted,
            options=options,
        ),
    )


def extremum(c: Converter, node: OnnxNode, op: str) -> None:
    """Max and Min: all operands in the output's steps, two at a time."""
    name = node.outputs[0]
    given = [c.operand(node, i) for i in range(len(node.inputs))]
    computed = [v for v in given if isinstance(v, Value)]
    wanted = asked_quantization(c, name) or computed[0].quant
    last, *rest = (c.rescaled(v, wanted, f"{name} operand") if isinstance(v, Value) else v for v in given)
    for other in rest:
        tensors, like = _operands(c, node, [last, other], wanted)
        last = c.emit(
            op,
            tensors,
            like,
            name=name,
            shape=like.shape,
            order=like.order,
            quantization=wanted,
            options=Options("MaximumMinimumOptions"),
        )
    c.bind(name, last)


def prelu(c: Converter, node: OnnxNode) -> None:
    """PRelu with a constant slope."""
    name = node.outputs[0]
    slope = c.constant(node, 1, "slope")
    if slope is None:
        raise RefusedError("lacks its slope")
    wanted = result_quantization(c, name)
    tensors, like = _operands(c, node, [c.value(node), slope])
    c.bind(
        name,
        c.emit("PRELU", tensors, like, name=name, shape=like.shape, order=like.order, quantization=wanted),
    )


def _operands(
    c: Converter, node: OnnxNode, given: Sequence[Value | Constant], steps: Quantization | None = None
) -> tuple[list[int], Value]:
    """Two operands held alike, and a value with the result's shape and order.

    A constant is quantized to ``steps``, or as it is, or around 0 as finely as int8 allows.
    """
    rank = max(len(v.shape) for v in given)
    try:
        shape: Shape = np.broadcast_shapes(*(v.shape for v in given))
    except ValueError:
        raise RefusedError(f"operands {[list(v.shape) for v in given]} do not fit each other") from None
    computed = [c.settled(v) for v in given if isinstance(v, Value)]
    lead = max(computed, key=lambda v: (len(v.shape), math.prod(v.shape)))
    order = lead.order if len(lead.shape) == rank else as_is(rank)
    tensors = []
    for position, operand in enumerate(given):
        name = f"{node.outputs[0]} operand {position}"
        wide = (1,) * (rank - len(operand.shape)) + operand.shape
        if isinstance(operand, Constant):
            c.spend(operand.values.nbytes)
            values, own = _steps(operand, steps)
            tensors.append(c.parameter(name, values.reshape(wide).transpose(order), DType.INT8, own))
        else:
            settled = c.settled(operand)
            if len(settled.shape) < rank:
                settled = c.reshaped(c.arranged(settled, as_is(len(settled.shape)), name), wide, name)
            tensors.append(c.arranged(settled, order, name).tensor)
    return tensors, Value(lead.tensor, shape, shape, order, lead.quantization)


def _steps(operand: Constant, steps: Quantization | None) -> tuple[Array, Quantization]:
    own = operand.quantization
    if steps is None and own is not None and not own.is_per_channel and operand.values.dtype == np.int8:
        return operand.values, own
    real = operand.real
    if not np.isfinite(real).all():
        raise RefusedError("a constant operand is not a finite number")
    if steps is None:
        steps = quantization(float(np.abs(real).max(initial=0)) / 127 or 1.0, 0)
    values = np.clip(np.rint(real / steps.scale) + steps.zero_point, -128, 127).astype(np.int8)
    return values, steps


def softmax(c: Converter, node: OnnxNode, op: str) -> None:
    """Softmax and LogSoftmax over one axis, which becomes the last."""
    source = c.value(node)
    rank = len(source.shape)
    axis = axes_of([int(node.attributes.get("axis", -1 if c.model.opset >= 13 else 1))], rank)[0]
    if c.model.opset < 13 and any(n > 1 for n in source.shape[axis + 1 :]):
        raise RefusedError(
            "before operator set 13 it takes all axes from its axis on together; one is supported"
        )
    if source.order[-1] != axis and source.shape[axis] > 1:
        source = c.arranged(source, (*(a for a in source.order if a != axis), axis))
    elif source.order[-1] != axis:
        raise RefusedError("takes the softmax of one element")
    name = node.outputs[0]
    options = Options("SoftmaxOptions", {"Beta": 1.0}) if op == "SOFTMAX" else Options("LogSoftmaxOptions")
    wanted = quantization(*FIXED[node.op])
    c.bind(name, c.emit(op, [source.tensor], source, name=name, quantization=wanted, options=options))


def reduce(c: Converter, node: OnnxNode, op: str) -> None:
    """ReduceMean, ReduceSum, ReduceMax, ReduceMin."""
    source = c.value(node)
    given = c.integers(node, 1, "axes")
    if not given and node.attributes.get("noop_with_empty_axes", 0):
        c.bind(node.outputs[0], source)
        return
    axes = axes_of(given, len(source.shape)) if given else list(range(len(source.shape)))
    reduce_axes(c, node, op, source, axes, keep=bool(node.attributes.get("keepdims", 1)))


def global_pool(c: Converter, node: OnnxNode, op: str) -> None:
    """GlobalAveragePool and GlobalMaxPool."""
    source = c.value(node)
    reduce_axes(c, node, op, source, list(range(2, len(source.shape))), keep=True)


def reduce_axes(
    c: Converter, node: OnnxNode, op: str, source: Value, axes: Sequence[int], *, keep: bool
) -> None:
    """Reduce axes that are counted as ONNX counts."""
    name = node.outputs[0]
    asked = asked_quantization(c, name)
    if op == "SUM" and asked is None:
        result_quantization(c, name)
    wanted = source.quant if op.startswith("REDUCE") else asked or source.quant
    shape, order = _reduced(source, axes, keep=keep)
    held = c.indices(f"{name} axes", sorted(source.order.index(axis) for axis in axes))
    options = Options("ReducerOptions", {"KeepDims": keep})
    c.bind(
        name,
        c.emit(
            op,
            [source.tensor, held],
            source,
            name=name,
            shape=shape,
            order=order,
            quantization=wanted,
            options=options,
        ),
    )


def _reduced(source: Value, axes: Sequence[int], *, keep: bool) -> tuple[Shape, Order]:
    if keep:
        return tuple(1 if a in axes else n for a, n in enumerate(source.shape)), source.order
    return tuple(n for a, n in enumerate(source.shape) if a not in axes), without(source.order, axes)


def arg(c: Converter, node: OnnxNode, op: str) -> None:
    """ArgMax and ArgMin: where along an axis the first of the greatest, or least, is. The result is int32."""
    source = c.value(node)
    axis = axes_of([int(node.attributes.get("axis", 0))], len(source.shape))[0]
    if node.attributes.get("select_last_index", 0):
        raise RefusedError("takes the last of equals; the first is supported")
    if node.attributes.get("keepdims", 1):
        raise RefusedError("keeps the axis; keepdims=0 is supported")
    name = node.outputs[0]
    shape, order = _reduced(source, [axis], keep=False)
    held = c.indices(f"{name} axis", [source.order.index(axis)])
    table = {"ARG_MAX": "ArgMaxOptions", "ARG_MIN": "ArgMinOptions"}[op]
    options = Options(table, {"OutputType": 2})
    found = c.emit(
        op,
        [source.tensor, held],
        source,
        name=name,
        shape=shape,
        order=order,
        options=options,
        dtype=DType.INT32,
    )
    c.bind(name, found)
