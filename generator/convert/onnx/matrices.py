"""Products of matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from generator.convert.onnx.converter import Converter
from generator.convert.onnx.layout import Shape, as_is
from generator.convert.onnx.normalization import absorb
from generator.convert.onnx.parse import OnnxNode
from generator.convert.onnx.quantization import result_quantization
from generator.convert.onnx.values import RefusedError, Value
from generator.convert.onnx.weights import Weights, read_weights
from generator.convert.tflite_writer import Options


def matmul(c: Converter, node: OnnxNode) -> None:
    """MatMul: FULLY_CONNECTED if the second operand is constant, else BATCH_MATMUL."""
    source = c.lazy_value(node)
    second = c.operand(node, 1)
    if isinstance(second, Value):
        _batch_matmul(c, node, c.settled(source), c.settled(second))
        return
    if len(second.shape) != 2 or len(source.shape) < 2:
        raise RefusedError(f"multiplies by a constant of shape {list(second.shape)}; 2-D is supported")
    _fully_connected(c, node, source, read_weights(c, node, 1, 1, source.quant, None))


def _batch_matmul(c: Converter, node: OnnxNode, first: Value, second: Value) -> None:
    rank = len(first.shape)
    if rank != len(second.shape) or not 2 <= rank <= 4 or first.shape[-1] != second.shape[-2]:
        raise RefusedError(
            f"multiplies {list(first.shape)} by {list(second.shape)}; one rank, 2 to 4, is supported"
        )
    if first.shape[:-2] != second.shape[:-2]:
        raise RefusedError("repeats one operand for several of the other; as many of both are supported")
    usual = as_is(rank)
    across = (*usual[:-2], rank - 1, rank - 2)
    # A matrix held across is read across instead of moved.
    turned = [value.order == across for value in (first, second)]
    operands = [c.arranged(v, across if t else usual) for v, t in zip((first, second), turned, strict=True)]
    name = node.outputs[0]
    c.bind(
        name,
        c.emit(
            "BATCH_MATMUL",
            [value.tensor for value in operands],
            first,
            name=name,
            shape=(*first.shape[:-1], second.shape[-1]),
            quantization=result_quantization(c, name),
            options=Options("BatchMatMulOptions", {"AdjX": turned[0], "AdjY": turned[1]}),
        ),
    )


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
    weights, tail = absorb(c, node, weights, source.quant)
    wanted = result_quantization(c, tail.name)
    options = Options("FullyConnectedOptions", {**tail.options, "KeepNumDims": rank > 2})
    tensors = weights.written(c, tail.name, values, 0, source.quant)
    shape: Shape = (*source.shape[:-1], weights.channels)
    c.bind(
        tail.name,
        c.emit(
            "FULLY_CONNECTED",
            [source.tensor, *tensors],
            source,
            name=tail.name,
            shape=shape,
            order=source.order,
            quantization=wanted,
            options=options,
        ),
    )
