"""Operators that treat each element alone, a row, or an axis."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.binary import binary_scaling, binary_values
from generator.arithmetic.curves import (
    curve_scaling,
    curve_values,
    softmax_multiplier,
    softmax_row_16,
    softmax_tables,
)
from generator.arithmetic.lookup import float_values, unary_table
from generator.arithmetic.reduction import reduce_values
from generator.arithmetic.requantize import (
    add_scaling,
    add_values,
    log_softmax_row,
    log_softmax_scaling,
    quantize_values,
    softmax_exponentials,
    softmax_row,
)
from generator.arithmetic.slopes import STRAIGHT, slope_values, slopes
from generator.graph import (
    Add,
    Binary,
    Dequantize,
    DType,
    Graph,
    LogSoftmax,
    Lookup,
    Operator,
    Quantize,
    Reduce,
    ReduceKind,
    Softmax,
    Unary,
)
from generator.reference.values import Array, Compute, Values, finish, integers, operand

_NOT_SCALED = (ReduceKind.ARG_MAX, ReduceKind.ARG_MIN)


def _add(graph: Graph, operator: Operator, values: Values) -> Array:
    first, second = np.broadcast_arrays(*(integers(graph, operator, values, i) for i in range(2)))
    return finish(
        graph,
        operator,
        add_values(first, second, add_scaling(graph, operator)),
        cast(Add, operator.attributes).activation,
    )


def _binary(graph: Graph, operator: Operator, values: Values) -> Array:
    attributes = cast(Binary, operator.attributes)
    first, second = np.broadcast_arrays(*(integers(graph, operator, values, i) for i in range(2)))
    scaling = binary_scaling(attributes.kind, graph, operator)
    return finish(
        graph, operator, binary_values(attributes.kind, first, second, scaling), attributes.activation
    )


def _unary(graph: Graph, operator: Operator, values: Values) -> Array:
    unary, source, result = (
        cast(Unary, operator.attributes),
        graph.operand(operator, 0),
        graph.result(operator),
    )
    if source.dtype is DType.FLOAT32:
        return float_values(unary, cast("NDArray[np.float32]", operand(graph, operator, values)))
    if source.dtype is DType.INT16:
        image = integers(graph, operator, values)
        if unary.kind in STRAIGHT:
            return slope_values(image, slopes(unary, source, result), 0).astype(np.int16)
        return curve_values(unary.kind, image, curve_scaling(unary.kind, source.quant)).astype(np.int16)
    table = unary_table(unary, source, result)
    looked_up: Array = table[integers(graph, operator, values) + 128]
    return looked_up


def _lookup(graph: Graph, operator: Operator, values: Values) -> Array:
    table = np.frombuffer(cast(Lookup, operator.attributes).table, graph.result(operator).dtype.numpy)
    looked_up: Array = table[operand(graph, operator, values).view(np.uint8) ^ 0x80]
    return looked_up


def _reduce(graph: Graph, operator: Operator, values: Values) -> Array:
    reduce = cast(Reduce, operator.attributes)
    result = graph.result(operator)
    image = integers(graph, operator, values).reshape(reduce.outer, reduce.reduced, reduce.inner)
    if reduce.kind in _NOT_SCALED:
        return reduce_values(reduce, image, graph.operand(operator, 0).quant, None).astype(np.int32)
    reduced = reduce_values(reduce, image, graph.operand(operator, 0).quant, result.quant)
    return np.clip(reduced, *result.dtype.range).astype(result.dtype.numpy)


def _softmax(graph: Graph, operator: Operator, values: Values) -> Array:
    source = graph.operand(operator, 0)
    beta = cast(Softmax, operator.attributes).beta
    rows = integers(graph, operator, values).reshape(-1, source.shape[-1])
    if source.dtype is DType.INT16:
        multiplier = softmax_multiplier(source.quant, beta)
        tables = [table.tolist() for table in softmax_tables()]
        return np.array([softmax_row_16(row.tolist(), multiplier, *tables) for row in rows], np.int16)
    table = softmax_exponentials(source.quant, beta)
    return np.array([softmax_row([int(v) for v in row], table) for row in rows], np.int8)


def _log_softmax(graph: Graph, operator: Operator, values: Values) -> Array:
    source = graph.operand(operator, 0)
    table, scaling = softmax_exponentials(source.quant, 1.0), log_softmax_scaling(source.quant)
    rows = integers(graph, operator, values).reshape(-1, source.shape[-1])
    return np.array([log_softmax_row([int(v) for v in row], table, scaling) for row in rows], np.int8)


def _quantize(graph: Graph, operator: Operator, values: Values) -> Array:
    source = graph.operand(operator, 0)
    # A float tensor may carry the quantization that it is going to get.
    quantization = None if source.dtype is DType.FLOAT32 else source.quantization
    return quantize_values(values[source.index], quantization, graph.result(operator))


def _dequantize(graph: Graph, operator: Operator, values: Values) -> Array:
    quant = graph.operand(operator, 0).quant
    centred = (integers(graph, operator, values) - quant.zero_point).astype(np.float32)
    real: Array = np.float32(quant.scale) * centred
    return real


ELEMENTWISE: Compute = {
    Add: _add,
    Binary: _binary,
    Unary: _unary,
    Lookup: _lookup,
    Reduce: _reduce,
    Softmax: _softmax,
    LogSoftmax: _log_softmax,
    Quantize: _quantize,
    Dequantize: _dequantize,
}
