"""CONV_2D 3x3 by Winograd's F(2x2, 3x3) in integers (firmware/nn/fc_winograd.h), alone and with 2x2 pooling."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.graph import Conv2D, Graph, Operator, Pool2D, PooledConv2D
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    Table,
    biases_of,
    dims,
    down_channels,
    fields,
    output_range,
)
from generator.plan.packing import GROUP, number_lines
from generator.requantize import conv_multipliers

POSITIONS = 16
CHANNELS = 4
PAIR = 2
MARGIN_WORDS = 1
_TILE_GROUPS = (16, 8, 4)
"""Tiles transformed before any is multiplied; also all of them."""
_TRANSFORM = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]])
_SUM_LIMIT = 1 << 29  # four times as much comes out of the kernel's additions and must fit 32 bits


def winograd_scratch_bytes(channels: int, group: int) -> int:
    """Twin of fc_winograd_scratch_size: sums, transformed tiles, 4x4 pixels."""
    sums = POSITIONS * CHANNELS * PAIR
    return (sums + group // PAIR * POSITIONS * channels) * 4 + POSITIONS * channels


def pack_winograd(weights: NDArray[np.int8]) -> NDArray[np.uint32]:
    """(channels, 3, 3, channels in) transformed, as the words of two input channels that the kernel reads.

    Order: block of four output channels (the last filled with zeros), position, pair of input channels,
    output channel. Pairs are channels 0 2 and 1 3 of each four. Flat: ceil(channels / 4) * 32 * channels in
    words, and a margin that the kernel reads but does not use.
    """
    channels, _, _, depth = weights.shape
    blocks = -(-channels // CHANNELS)
    padded = np.zeros((blocks * CHANNELS, POSITIONS, depth), np.int16)
    transformed = np.einsum("yh,xw,ohwi->oyxi", _TRANSFORM, _TRANSFORM, weights.astype(np.int64))
    padded[:channels] = transformed.reshape(channels, POSITIONS, depth)
    # Block, channel, position, four, low or high half, first or second pair of a four.
    split = padded.reshape(blocks, CHANNELS, POSITIONS, depth // GROUP, 2, 2)
    halves = np.ascontiguousarray(split.transpose(0, 2, 3, 5, 1, 4)).astype("<i2")
    return np.concatenate([halves.reshape(-1).view("<u4"), np.zeros(MARGIN_WORDS, np.uint32)])


def winograd(graph: Graph, operator: Operator) -> list[Candidate]:
    """Candidates that differ in how many tiles share one reading of the weights; none where it does not
    hold: 3x3 with stride and dilation 1, input channels in whole words, scaling that goes down.
    """
    attributes = operator.attributes
    if isinstance(attributes, PooledConv2D):
        pool, convolution = attributes.pool, attributes.convolution
    else:
        pool, convolution = None, cast(Conv2D, attributes)
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    channels_out, kernel_h, kernel_w, channels = weights.shape
    if (
        (kernel_h, kernel_w) != (3, 3)
        or convolution.stride != (1, 1)
        or convolution.dilation != (1, 1)
        or channels % GROUP
        or (pool is not None and pool.window != (2, 2))
    ):
        return []
    values = cast("NDArray[np.int8]", weights.values)
    bounds = _bounds(graph, operator, convolution, pool)
    flat = values.reshape(channels_out, -1)
    down = down_channels(
        flat,
        biases_of(graph, operator, channels_out),
        conv_multipliers(graph, operator),
        source.quant,
        result.quant,
        bounds,
    )
    if down is None or 128 * np.abs(flat.astype(np.int64)).sum(axis=1).max() >= _SUM_LIMIT:
        return []
    step = 1 if pool is None else 2
    height, width = result.shape[1] * step, result.shape[2] * step
    tiles = -(-height // 2) * -(-width // 2)
    packed = pack_winograd(values)
    weight_table = Table(
        "weights",
        "uint32_t",
        packed.size,
        packed.nbytes,
        number_lines(packed.tolist()),
        f"{weights.name} OHWI {dims(weights.shape)}, transformed for 2x2 outputs, two input channels per word",
    )
    computed = width * height if pool is None else int(np.prod(attributes.convolved))
    candidates = []
    for group in _groups(tiles):
        passes = -(-tiles // group)
        candidates.append(
            Candidate(
                name="conv_2d_winograd" if pool is None else "conv_2d_winograd_max_pool",
                function="fc_conv_2d_winograd_s8",
                params_type="fc_winograd",
                params=fields(
                    input_height=source.shape[1],
                    input_width=source.shape[2],
                    input_channels=channels,
                    output_height=height,
                    output_width=width,
                    output_channels=channels_out,
                    pad_top=convolution.padding.top,
                    pad_left=convolution.padding.left,
                    input_zero_point=source.quant.zero_point,
                    output_min=bounds[0],
                    output_max=bounds[1],
                    group=group,
                    one_sided=down.one_sided,
                    pooled=pool is not None,
                ),
                why=f"3x3 with stride 1: 16 products for 4 outputs; {group} tiles at a time, "
                f"{passes * packed.nbytes:,} B of weights read",
                work=_work(tiles, group, channels, channels_out),
                macs=computed * flat.size,
                tables=(weight_table, down.table),
                scratch_bytes=winograd_scratch_bytes(channels, group),
                scratch_type="int32_t",
                weights_read_bytes=passes * packed.nbytes,
            )
        )
    return candidates


def _bounds(graph: Graph, operator: Operator, convolution: Conv2D, pool: Pool2D | None) -> tuple[int, int]:
    """One clamp that does what the convolution's and then the pooling's do."""
    low, high = output_range(graph, operator, convolution.activation).values()
    if pool is not None:
        pool_low, pool_high = output_range(graph, operator, pool.activation).values()
        low, high = (min(max(bound, pool_low), pool_high) for bound in (low, high))
    return low, high


def _groups(tiles: int) -> list[int]:
    """Numbers of tiles to offer, in order of preference where they cost the same."""
    everything = -(-tiles // PAIR) * PAIR
    groups = [group for group in _TILE_GROUPS if group < everything]
    return [everything, *groups] if everything <= _TILE_GROUPS[0] else [*groups, everything]


def _work(tiles: int, group: int, channels: int, channels_out: int) -> Work:
    blocks = -(-channels_out // CHANNELS)
    pairs = tiles // group * (group // PAIR) + -(-(tiles % group) // PAIR)
    return Work(
        products=pairs * PAIR * POSITIONS * channels * blocks * CHANNELS,
        gathered=tiles * POSITIONS * channels,
        outputs=pairs * PAIR * blocks * CHANNELS,
    )
