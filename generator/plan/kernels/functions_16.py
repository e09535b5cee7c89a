"""Functions of int16 elements or rows, and changes from and to int16."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.curves import curve_scaling, sigmoid_table, softmax_multiplier, softmax_tables
from generator.arithmetic.requantize import requantize_multiplier
from generator.arithmetic.slopes import STRAIGHT, slopes
from generator.graph import DType, Graph, Operator, Softmax, Unary
from generator.plan.cost import Work
from generator.plan.kernels.candidate import Candidate, Params, Table, fields, scale_literal
from generator.plan.packing import number_lines

_SHORT_NAMES = {DType.INT8: "s8", DType.INT16: "s16"}


def unary_16(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for the functions of one element."""
    unary, source, result = (
        cast(Unary, operator.attributes),
        graph.operand(operator, 0),
        graph.result(operator),
    )
    count = result.element_count
    if unary.kind in STRAIGHT:
        found = slopes(unary, source, result)
        params = fields(
            count=count,
            above=scale_literal(found.above),
            below=scale_literal(found.below),
            output_min=found.low,
            output_max=found.high,
        )
        return [_each(graph, operator, "slopes_16", "fc_slopes_s16", "fc_slopes", params)]
    scaling = curve_scaling(unary.kind, source.quant)
    function = unary.kind.value.lower()
    return [
        _each(
            graph,
            operator,
            f"{function}_16",
            f"fc_{function}_s16",
            "fc_curve",
            fields(count=count, factor=scaling.factor, shift=scaling.shift),
            _points("table", sigmoid_table(), "logistic function, 24 points to a unit, 1/65536"),
        )
    ]


def softmax_16(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for SOFTMAX."""
    source = graph.operand(operator, 0)
    depth = source.shape[-1]
    multiplier = softmax_multiplier(source.quant, cast(Softmax, operator.attributes).beta)
    exponentials, reciprocals = softmax_tables()
    return [
        _each(
            graph,
            operator,
            "softmax_16",
            "fc_softmax_s16",
            "fc_softmax_16",
            fields(rows=source.element_count // depth, depth=depth, scale=scale_literal(multiplier)),
            _points("exponentials", exponentials, "exp(x), x from -10 to 0, 1/32768"),
            _points("reciprocals", reciprocals, "1 / (1 + x), x from 0 to 1, 1/32768"),
        )
    ]


def rescale(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for QUANTIZE from or to int16, between integers."""
    source, result = graph.operand(operator, 0), graph.result(operator)
    low, high = result.dtype.range
    params = fields(
        count=result.element_count,
        input_zero_point=source.quant.zero_point,
        output_zero_point=result.quant.zero_point,
        scale=scale_literal(requantize_multiplier(source.quant, result.quant)),
        output_min=low,
        output_max=high,
    )
    function = f"fc_rescale_{_SHORT_NAMES[source.dtype]}_{_SHORT_NAMES[result.dtype]}"
    return [_each(graph, operator, "rescale", function, "fc_rescale", params)]


def _each(
    graph: Graph,
    operator: Operator,
    name: str,
    function: str,
    params_type: str,
    params: Params,
    *tables: Table,
) -> Candidate:
    source, result = graph.operand(operator, 0), graph.result(operator)
    return Candidate(
        name=name,
        function=function,
        params_type=params_type,
        params=params,
        why="the only kernel for it",
        work=Work(outputs=result.element_count),
        tables=tables,
        lookups=result.element_count if tables else None,
        input_types=(f"{source.dtype.value}_t",),
        output_type=f"{result.dtype.value}_t",
        in_place=(0,) if source.dtype.size_bytes == result.dtype.size_bytes else (),
    )


def _points(suffix: str, values: NDArray[np.int16] | NDArray[np.uint16], comment: str) -> Table:
    c_type = f"{values.dtype.name}_t"
    return Table(suffix, c_type, values.size, values.nbytes, number_lines(values.tolist()), comment)
