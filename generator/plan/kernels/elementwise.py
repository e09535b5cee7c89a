"""Operators that treat each element, or each row, alone."""

from __future__ import annotations

from typing import cast

from generator.arithmetic.lookup import byte_table
from generator.arithmetic.requantize import log_softmax_scaling, softmax_exponentials
from generator.graph import DType, Graph, Operator, Quantization, Softmax
from generator.plan.cost import Work
from generator.plan.kernels.candidate import Candidate, Table, fields, scale_literal
from generator.plan.kernels.functions_16 import rescale
from generator.plan.packing import number_lines


def softmax(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for SOFTMAX."""
    source = graph.operand(operator, 0)
    depth = source.shape[-1]
    return [
        Candidate(
            name="softmax_table",
            function="fc_softmax_s8",
            params_type="fc_softmax",
            params=fields(rows=source.element_count // depth, depth=depth),
            why="256 exponentials computed beforehand cost less than one at run time",
            work=Work(outputs=source.element_count),
            lookups=source.element_count,
            tables=(_exponentials(source.quant, cast(Softmax, operator.attributes).beta),),
            in_place=(0,),
        )
    ]


def log_softmax(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for LOG_SOFTMAX."""
    source = graph.operand(operator, 0)
    scaling = log_softmax_scaling(source.quant)
    return [
        Candidate(
            name="log_softmax_table",
            function="fc_log_softmax_s8",
            params_type="fc_log_softmax",
            params=fields(
                rows=source.element_count // source.shape[-1],
                depth=source.shape[-1],
                radius=scaling.radius,
                scale=scale_literal(scaling.input),
                reverse_scale=scale_literal(scaling.reverse),
            ),
            why="256 exponentials computed beforehand cost less than one at run time",
            work=Work(outputs=source.element_count),
            lookups=source.element_count,
            tables=(_exponentials(source.quant, 1.0),),
            in_place=(0,),
        )
    ]


def _exponentials(source: Quantization, beta: float) -> Table:
    lines = number_lines(softmax_exponentials(source, beta).tolist())
    return Table("exponentials", "int32_t", 256, 1024, lines, "exp(-scale * d) in Q31")


def lookup(graph: Graph, operator: Operator) -> list[Candidate]:
    """The kernel for all functions of one byte."""
    table = byte_table(graph, operator)
    if table is None:
        raise ValueError(f"{operator} is no function of a byte")
    count = graph.result(operator).element_count
    return [
        Candidate(
            name="lookup_8",
            function="fc_lookup_8",
            params_type="fc_lookup",
            params=fields(count=count),
            why="a byte has 256 values: a table holds the result for each",
            work=Work(outputs=count),
            lookups=count,
            tables=(Table("table", "uint8_t", 256, 256, number_lines(table), "output by input ^ 0x80"),),
            input_types=("uint8_t",),
            output_type="uint8_t",
            in_place=(0,),
        )
    ]


def quantize(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for QUANTIZE."""
    source, result = graph.operand(operator, 0), graph.result(operator)
    if source.dtype is DType.FLOAT32:
        return [
            Candidate(
                name="quantize_f32",
                function=f"fc_quantize_f32_{'s16' if result.dtype is DType.INT16 else 's8'}",
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
                output_type=f"{result.dtype.value}_t",
                in_place=(0,),
            )
        ]
    if DType.INT16 in (source.dtype, result.dtype):
        return rescale(graph, operator)
    return lookup(graph, operator)


def dequantize(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for DEQUANTIZE."""
    source, result = graph.operand(operator, 0), graph.result(operator)
    wide = source.dtype is DType.INT16
    return [
        Candidate(
            name="dequantize",
            function="fc_dequantize_16_f32" if wide else "fc_dequantize_8_f32",
            params_type="fc_quantize",
            params=fields(
                count=result.element_count,
                scale=float(source.quant.scale),
                zero_point=source.quant.zero_point,
                is_unsigned=source.dtype is DType.UINT8,
            ),
            why="the only kernel for it",
            work=Work(outputs=result.element_count),
            input_types=("int16_t" if wide else "uint8_t",),
            output_type="float",
        )
    ]
