"""FULLY_CONNECTED."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.requantize import fully_connected_multipliers
from generator.graph import FullyConnected, Graph, Operator
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    activation_bounds,
    biases_of,
    channel_table,
    dims,
    fields,
    fold_zero_point,
    output_range,
    scales_down,
    weight_table,
)
from generator.plan.kernels.tiles import NIBBLES, mixed_tables
from generator.plan.packing import (
    BLOCK_PAIRS,
    GROUP,
    groups,
    pack_mixed_blocks,
    pack_nibble_blocks,
    pack_pairs,
)

_GROUP_CYCLES = 20.0
"""Work of a block of units on a group of inputs: 32 bytes of weights."""
_NIBBLE_GROUP_CYCLES = 24.0
"""The same where weights are unpacked: 16 bytes of them."""
_BLOCK_CYCLES = 145.0
"""What a block takes beside its groups."""


def fully_connected_scratch_bytes(depth: int) -> int:
    """Twin of fc_fully_connected_scratch_size: one int16 column."""
    return groups(depth) * GROUP * 2


def fully_connected_blocks_scratch_bytes(depth: int) -> int:
    """Twin of fc_fully_connected_blocks_scratch_size: inputs that are no whole words."""
    return 0 if depth % GROUP == 0 else groups(depth) * GROUP


def fully_connected(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for FULLY_CONNECTED."""
    attributes = cast(FullyConnected, operator.attributes)
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    units, depth = weights.shape
    rows = source.element_count // depth
    values = cast("NDArray[np.int8]", weights.values)
    biases, multipliers = biases_of(graph, operator, units), fully_connected_multipliers(graph, operator)
    name = f"{weights.name} {dims(weights.shape)}"
    plain = Candidate(
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
        why="any scale and range",
        work=Work(
            products=rows * groups(depth) * GROUP * -(-units // 2) * 2,
            gathered=rows * depth,
            outputs=rows * units,
        ),
        macs=rows * depth * units,
        tables=(
            weight_table(
                pack_pairs(values),
                f"{name}, two products of two units per word",
            ),
            channel_table(fold_zero_point(values, biases, source.quant.zero_point), multipliers),
        ),
        scratch_bytes=fully_connected_scratch_bytes(depth),
        scratch_type="int16_t",
    )
    bounds = activation_bounds(graph, operator, attributes.activation)
    layer = values, biases, multipliers, source.quant, result.quant, bounds
    comment = f"{name}, two products of two mixed units per word, by blocks of eight"
    mixed = mixed_tables(*layer, comment, pack_mixed_blocks)
    if mixed is None:
        return [plain]
    words = depth % GROUP == 0
    in_blocks = units // (2 * BLOCK_PAIRS) * 2 * BLOCK_PAIRS
    blocks = replace(
        plain,
        name="fully_connected_blocks",
        function="fc_fully_connected_blocks_words_s8" if words else "fc_fully_connected_blocks_s8",
        params_type="fc_fully_connected_blocks",
        params=fields(rows=rows, depth=depth, units=units, one_sided=mixed.one_sided),
        why="eight units at a time, two mixed in each word; inputs widened in registers",
        work=Work(
            products=rows * in_blocks * groups(depth) * GROUP,
            outputs=rows * units,
            calls=rows * in_blocks // (2 * BLOCK_PAIRS),
            singly=rows * (units - in_blocks) * groups(depth) * GROUP,
        ),
        tables=mixed.tables,
        scratch_bytes=fully_connected_blocks_scratch_bytes(depth),
        passes=rows,
        line_cycles=_GROUP_CYCLES + _BLOCK_CYCLES / groups(depth),
        scratch_type="int8_t",
    )
    comment = f"{name}, four bits each, two mixed units per byte, by blocks of eight"
    packed = mixed_tables(*layer, comment, pack_nibble_blocks, NIBBLES)
    if packed is None:
        return [blocks, plain]
    four_bits = replace(
        blocks,
        name="fully_connected_blocks_s4",
        function=blocks.function.replace("_s8", "_s4"),
        why="weights of four bits, two to a byte in flash; eight units at a time, unpacked in registers",
        tables=packed.tables,
        line_cycles=2 * _NIBBLE_GROUP_CYCLES + 2 * _BLOCK_CYCLES / groups(depth),
    )
    return [blocks, four_bits, plain]
