"""Functions of two elements, constant or computed, with axes repeated as needed."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import cast

from generator.arithmetic.binary import BinaryScaling, binary_scaling, sum_scaling
from generator.arithmetic.requantize import add_scaling
from generator.graph import PAIR_LOOPS, Add, Binary, DType, Graph, Operator, Tensor, paired_axes
from generator.plan.cost import Work
from generator.plan.kernels.candidate import Candidate, Table, dims, fields, output_range, scale_literal
from generator.plan.kernels.linear_add import linear_add
from generator.plan.packing import number_lines

_SCALED = ("add", "sub", "mul", "prelu")


def add(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for ADD."""
    scaling = add_scaling(graph, operator)
    general = _pairs(graph, operator, "add", sum_scaling(scaling))
    first, second, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    if result.dtype is DType.INT16:
        return [general]
    bounds = output_range(graph, operator, cast(Add, operator.attributes).activation)
    found = linear_add(scaling, result.quant.zero_point, bounds["output_min"], bounds["output_max"])
    if found is None or general.tables or not first.shape == second.shape == result.shape:
        return [general]
    linear = replace(
        general,
        name="add_linear",
        function="fc_add_linear_s8",
        params_type="fc_add_linear",
        params=fields(count=result.element_count, **asdict(found), **bounds),
        why="one linear function gives TFLM's result for each of the 65,536 pairs of inputs",
    )
    return [linear, general]


def binary(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for the others."""
    kind = cast(Binary, operator.attributes).kind
    return [_pairs(graph, operator, kind.value.lower(), binary_scaling(kind, graph, operator))]


def _pairs(graph: Graph, operator: Operator, function: str, scaling: BinaryScaling) -> Candidate:
    """fc_each_pair: a constant comes second, as a table."""
    attributes = cast("Add | Binary", operator.attributes)
    operands = [graph.operand(operator, i) for i in range(2)]
    result = graph.result(operator)
    swapped = operands[0].is_constant
    a, b = reversed(operands) if swapped else operands
    zero_points = scaling.zero_points[::-1] if swapped else scaling.zero_points
    suffix, c_type = ("s16", "int16_t") if result.dtype is DType.INT16 else ("s8", "int8_t")
    axes = paired_axes(a.shape, b.shape, result.shape)
    axes = [(1, 0, 0)] * (PAIR_LOOPS - len(axes)) + axes
    members = {
        f"{name}_{axis}": values[i]
        for i, name in enumerate(("count", "a", "b"))
        for axis, values in enumerate(axes)
    }
    return Candidate(
        name=function,
        function=f"fc_{function}_{suffix}",
        params_type="fc_binary",
        params=fields(
            **members,
            swapped=swapped,
            zero_point_a=zero_points[0],
            zero_point_b=zero_points[1],
            output_zero_point=result.quant.zero_point,
            left_shift=scaling.left_shift,
            scale_a=scale_literal(scaling.first),
            scale_b=scale_literal(scaling.second),
            output_scale=scale_literal(scaling.output),
            scale_down=result.dtype is DType.INT8 and _scales_down(function, scaling),
            **output_range(graph, operator, attributes.activation),
        ),
        why="takes any scales and shapes",
        work=Work(outputs=result.element_count),
        tables=(_operand(b),) if b.is_constant else (),
        input_types=(c_type,) if b.is_constant else (c_type, c_type),
        output_type=c_type,
        in_place=tuple(
            i
            for i, t in enumerate((a,) if b.is_constant else (a, b))
            if t.element_count == result.element_count
        ),
    )


def _scales_down(function: str, scaling: BinaryScaling) -> bool:
    """Whether fc_scale_down holds: products of operands, and sums on their common scale, stay below 2**29."""
    scales = {"prelu": (scaling.output, scaling.second)}.get(function, (scaling.output,))
    return function in _SCALED and all(-31 <= scale.shift <= -1 for scale in scales)


def _operand(tensor: Tensor) -> Table:
    lines = number_lines(tensor.values.reshape(-1).tolist())
    comment = f"{tensor.name} {dims(tensor.shape)}"
    return Table(
        "operand", f"{tensor.dtype.value}_t", tensor.element_count, tensor.size_bytes, lines, comment
    )
