"""BATCH_MATMUL."""

from __future__ import annotations

from typing import cast

import numpy as np

from generator.arithmetic.requantize import product_multiplier
from generator.graph import BatchMatMul, Graph, Operator, Quantization
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    DOWN_LIMIT,
    Candidate,
    Table,
    dims,
    fields,
    scale_literal,
    weight_table,
)

AXES = 3
_BLOCK = 2  # rows of each matrix that are multiplied together


def batch_matmul(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for BATCH_MATMUL."""
    attributes = cast(BatchMatMul, operator.attributes)
    first, second, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    multiplier = product_multiplier(first.quant, second.quant, result.quant.scale)
    largest = attributes.depth * _largest(first.quant) * _largest(second.quant)
    batches = ((1, 0, 0),) * (AXES - len(attributes.batches)) + attributes.batches
    sizes = (1, attributes.rows * attributes.depth, attributes.columns * attributes.depth)
    members = {
        f"{name}_{axis}": batch[i] * sizes[i]
        for i, name in enumerate(("count", "a", "b"))
        for axis, batch in enumerate(batches)
    }
    tables: tuple[Table, ...] = ()
    if second.is_constant:
        values = np.asarray(second.values, np.int8).reshape(-1)
        tables = (weight_table(values, f"{second.name} {dims(second.shape)}"),)
    blocks = result.element_count // (attributes.rows * attributes.columns)
    blocks *= -(-attributes.rows // _BLOCK) * -(-attributes.columns // _BLOCK)
    return [
        Candidate(
            name="batch_matmul",
            function="fc_batch_matmul_s8",
            params_type="fc_batch_matmul",
            params=fields(
                **members,
                rows=attributes.rows,
                columns=attributes.columns,
                depth=attributes.depth,
                zero_point_a=first.quant.zero_point,
                zero_point_b=second.quant.zero_point,
                scale=scale_literal(multiplier),
                scale_down=largest < DOWN_LIMIT and -31 <= multiplier.shift <= -1,
                output_zero_point=result.quant.zero_point,
            ),
            why="the only kernel for it: two rows of each matrix at a time",
            work=Work(
                products=blocks * _BLOCK * _BLOCK * attributes.depth,
                outputs=result.element_count,
                calls=blocks,
            ),
            macs=attributes.products,
            tables=tables,
            passes=-(-attributes.rows // _BLOCK),
            input_types=("int8_t",) if tables else ("int8_t", "int8_t"),
        )
    ]


def _largest(quantization: Quantization) -> int:
    """Most that an int8 less its zero point can be."""
    return max(127 - quantization.zero_point, 128 + quantization.zero_point)
