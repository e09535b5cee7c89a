"""Reductions along an axis."""

from __future__ import annotations

from typing import cast

from generator.arithmetic.fixedpoint import Multiplier
from generator.arithmetic.reduction import ReduceScaling, reduce_scaling
from generator.graph import DType, Graph, Operator, Reduce, ReduceKind
from generator.plan.cost import Work
from generator.plan.kernels.candidate import Candidate, fields, scale_literal

_FUNCTIONS = {
    ReduceKind.MEAN: "sum_axis",
    ReduceKind.SUM: "sum_axis",
    ReduceKind.MAX: "max_axis",
    ReduceKind.MIN: "min_axis",
    ReduceKind.ARG_MAX: "arg_max_axis",
    ReduceKind.ARG_MIN: "arg_min_axis",
}
_UNSCALED = ReduceScaling(0, Multiplier(0, 0))


def reduce(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for MEAN, SUM, REDUCE_MAX, REDUCE_MIN, ARG_MAX and ARG_MIN."""
    attributes = cast(Reduce, operator.attributes)
    source, result = graph.operand(operator, 0), graph.result(operator)
    name = _FUNCTIONS[attributes.kind]
    scales = name == "sum_axis"
    scaling = reduce_scaling(attributes, source.quant, result.quant) if scales else _UNSCALED
    return [
        Candidate(
            name=name,
            function=f"fc_{name}_{'s16' if source.dtype is DType.INT16 else 's8'}",
            params_type="fc_reduce",
            params=fields(
                outer=attributes.outer,
                reduced=attributes.reduced,
                inner=attributes.inner,
                offset=scaling.offset,
                scale=scale_literal(scaling.multiplier),
                output_zero_point=result.quant.zero_point if scales else 0,
            ),
            why="the only kernel for it",
            work=Work(gathered=source.element_count, outputs=result.element_count),
            input_types=(f"{source.dtype.value}_t",),
            output_type=f"{result.dtype.value}_t",
        )
    ]
