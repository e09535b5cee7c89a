"""FULLY_CONNECTED."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.graph import FullyConnected, Graph, Operator
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    biases_of,
    channel_table,
    dims,
    fields,
    fold_zero_point,
    output_range,
    scales_down,
    weight_table,
)
from generator.plan.packing import GROUP, groups, pack_pairs
from generator.requantize import fully_connected_multipliers


def fully_connected_scratch_bytes(depth: int) -> int:
    """Twin of fc_fully_connected_scratch_size: one int16 column."""
    return groups(depth) * GROUP * 2


def fully_connected(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for FULLY_CONNECTED."""
    attributes = cast(FullyConnected, operator.attributes)
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    units, depth = weights.shape
    rows = source.element_count // depth
    values = cast("NDArray[np.int8]", weights.values)
    biases, multipliers = biases_of(graph, operator, units), fully_connected_multipliers(graph, operator)
    return [
        Candidate(
            name="fully_connected",
            function="fc_fully_connected_s8",
            params_type="fc_fully_connected",
            params=fields(
                rows=rows,
                depth=depth,
                units=units,
                output_zero_point=result.quant.zero_point,
                **output_range(graph, operator, attributes.activation),
                scale_down=scales_down(values, biases, source.quant.zero_point, multipliers),
            ),
            why="the only kernel for it",
            work=Work(
                products=rows * groups(depth) * GROUP * -(-units // 2) * 2,
                gathered=rows * depth,
                outputs=rows * units,
            ),
            macs=rows * depth * units,
            tables=(
                weight_table(
                    pack_pairs(values),
                    f"{weights.name} {dims(weights.shape)}, two products of two units per word",
                ),
                channel_table(fold_zero_point(values, biases, source.quant.zero_point), multipliers),
            ),
            scratch_bytes=fully_connected_scratch_bytes(depth),
            scratch_type="int16_t",
        )
    ]
