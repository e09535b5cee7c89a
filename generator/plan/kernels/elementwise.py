"""Operators that treat each element, or each row, alone."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.lookup import unary_table
from generator.arithmetic.requantize import quantize_values, softmax_exponentials
from generator.graph import DType, Graph, Operator, Softmax, Unary
from generator.plan.cost import Work
from generator.plan.kernels.candidate import Candidate, Table, fields
from generator.plan.packing import number_lines


def softmax(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for SOFTMAX."""
    source = graph.operand(operator, 0)
    depth = source.shape[-1]
    table = softmax_exponentials(source.quant, cast(Softmax, operator.attributes).beta)
    return [
        Candidate(
            name="softmax_table",
            function="fc_softmax_s8",
            params_type="fc_softmax",
            params=fields(rows=source.element_count // depth, depth=depth),
            why="256 exponentials computed beforehand cost less than one at run time",
            work=Work(outputs=source.element_count),
            lookups=source.element_count,
            tables=(
                Table(
                    "exponentials",
                    "int32_t",
                    256,
                    1024,
                    number_lines(table.tolist()),
                    "exp(-scale * d) in Q31",
                ),
            ),
            in_place=(0,),
        )
    ]


def _lookup(graph: Graph, operator: Operator, table: NDArray[np.generic], why: str) -> list[Candidate]:
    count = graph.result(operator).element_count
    entries = table.view(np.uint8)
    return [
        Candidate(
            name="lookup_8",
            function="fc_lookup_8",
            params_type="fc_lookup",
            params=fields(count=count),
            why=why,
            work=Work(outputs=count),
            lookups=count,
            tables=(
                Table("table", "uint8_t", 256, 256, number_lines(entries.tolist()), "output by input + 128"),
            ),
            input_types=("uint8_t",),
            output_type="uint8_t",
            in_place=(0,),
        )
    ]


def unary(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for all functions of one element."""
    attributes = cast(Unary, operator.attributes)
    table = unary_table(attributes, graph.operand(operator, 0), graph.result(operator))
    return _lookup(graph, operator, table, "an int8 has 256 values: a table holds the result for each")


def quantize(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for QUANTIZE."""
    source, result = graph.operand(operator, 0), graph.result(operator)
    if source.dtype is DType.FLOAT32:
        return [
            Candidate(
                name="quantize_f32",
                function="fc_quantize_f32_s8",
                params_type="fc_quantize",
                params=fields(
                    count=result.element_count,
                    scale=float(result.quant.scale),
                    zero_point=result.quant.zero_point,
                    is_unsigned=False,
                ),
                why="the only kernel for it",
                work=Work(outputs=result.element_count),
                input_types=("float",),
                in_place=(0,),
            )
        ]
    # The table is read at byte ^ 0x80: that is input + 128 for int8; uint8 bytes come in the order below.
    every_byte = np.arange(256, dtype=np.uint8) ^ 0x80
    table = quantize_values(every_byte.view(source.dtype.numpy), source.quant, result)
    return _lookup(graph, operator, table, "a byte has 256 values: a table holds the result for each")


def dequantize(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for DEQUANTIZE."""
    source, result = graph.operand(operator, 0), graph.result(operator)
    return [
        Candidate(
            name="dequantize",
            function="fc_dequantize_8_f32",
            params_type="fc_quantize",
            params=fields(
                count=result.element_count,
                scale=float(source.quant.scale),
                zero_point=source.quant.zero_point,
                is_unsigned=source.dtype is DType.UINT8,
            ),
            why="the only kernel for it",
            work=Work(outputs=result.element_count),
            input_types=("uint8_t",),
            output_type="float",
        )
    ]
