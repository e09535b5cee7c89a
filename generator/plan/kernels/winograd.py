"""CONV_2D 3x3 by Winograd's F(2x2, 3x3) in integers (firmware/nn/fc_winograd.h), alone and with pooling."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.requantize import conv_multipliers
from generator.graph import Conv2D, Graph, Operator, Padding, Pool2D, PooledConv2D, Tensor
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    DownChannels,
    Table,
    biases_of,
    dims,
    down_channels,
    fields,
    output_range,
    weight_table,
    word_table,
)
from generator.plan.packing import GROUP, fit_nibbles, nibbles

POSITIONS = 16
CHANNELS = 4
PAIR = 2
MARGIN_WORDS = 1
_STORED_GROUPS = (2, 4, 8, 16)
_COMPACT_GROUPS = (*_STORED_GROUPS, 32)
"""Tiles transformed before any is multiplied; all of them, if that is less. More would gain under 1 % and
take memory: 32 bytes a tile and channel.
"""
_LINE_CYCLES, _COMPACT_LINE_CYCLES = 16.0, 39.0
"""Work of a pair of tiles on 32 bytes of transformed weights; half of that of transforming as many others."""
_UNROLLED = (2, 4, 8, 16)
"""Fours of input channels that the kernel has a loop without jumps for."""
_TRANSFORM = np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]])
_SUM_LIMIT = 1 << 29  # four times as much comes out of the kernel's additions and must fit 32 bits


class Kind(Enum):
    """``enum fc_winograd_weights``: transformed beforehand, or as int8 or nibbles."""

    STORED = 0
    COMPACT = 1
    NIBBLES = 2


def winograd_scratch_bytes(channels: int, group: int, kind: Kind) -> int:
    """Twin of fc_winograd_scratch_size: sums, or in their place an unpacked kernel, and four kernels if
    transformed there, or in their place four columns of pixels half transformed; tiles, places of outputs, a
    pixel of padding.
    """
    unpacked = 2 * _packed_words(channels) if kind is Kind.NIBBLES else 0
    kernels = 0 if kind is Kind.STORED else POSITIONS * CHANNELS * channels // 2
    products = max(POSITIONS * CHANNELS * PAIR, unpacked) + kernels
    columns = 4 * (2 * channels + 1)
    tiles = group // PAIR * POSITIONS * channels
    return (max(products, columns) + tiles + 4 * group) * 4 + channels


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


def pack_compact(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """(channels, 3, 3, channels in) as the kernel reads what it transforms itself: channel (filled with zeros
    to whole blocks), four input channels, the nine products of each. Flat.
    """
    channels, _, _, depth = weights.shape
    padded = np.zeros((-(-channels // CHANNELS) * CHANNELS, 9, depth // GROUP, GROUP), np.int8)
    padded[:channels] = weights.reshape(channels, 9, depth // GROUP, GROUP)
    packed: NDArray[np.int8] = padded.transpose(0, 2, 1, 3).reshape(-1)
    return packed


def _packed_words(channels: int) -> int:
    """Twin of fc_winograd_packed_words: of an output channel's kernel as nibbles."""
    return (9 * channels + 7) // 8


def pack_compact_nibbles(weights: NDArray[np.int8]) -> NDArray[np.uint32]:
    """The same as nibbles, each channel filled with zeros to whole words of them."""
    channels = pack_compact(weights).reshape(-1, 9 * weights.shape[3])
    padded = np.zeros((len(channels), 8 * _packed_words(weights.shape[3])), np.int8)
    padded[:, : channels.shape[1]] = channels
    words = padded.reshape(-1, 2, GROUP)
    return nibbles(words[:, 0], words[:, 1]).reshape(-1).view("<u4")


def winograd(graph: Graph, operator: Operator) -> list[Candidate]:
    """Candidates that differ in where weights are transformed, here or by the kernel, and in how many tiles
    share one reading of them. None where the arithmetic does not hold: it takes 3x3 with stride and dilation
    1, input channels in whole words, scaling that goes down.
    """
    layer = _layer(graph, operator)
    if layer is None:
        return []
    name = f"{layer.weights.name} OHWI {dims(layer.weights.shape)}"
    values = cast("NDArray[np.int8]", layer.weights.values)
    stored = word_table(
        pack_winograd(values), f"{name}, transformed for 2x2 outputs, two input channels per word"
    )
    in_a_row = f"{name}, the nine products of four input channels in a row"
    tables = {Kind.STORED: stored, Kind.COMPACT: weight_table(pack_compact(values), in_a_row)}
    if fit_nibbles(values):
        tables[Kind.NIBBLES] = word_table(pack_compact_nibbles(values), f"{in_a_row}, four bits each")
    return [
        _candidate(layer, group, table, kind)
        for kind, table in tables.items()
        for group in _groups(layer.tiles, _STORED_GROUPS if kind is Kind.STORED else _COMPACT_GROUPS)
    ]


@dataclass(frozen=True)
class _Layer:
    """What the candidates have in common."""

    source: Tensor
    weights: Tensor
    channels: DownChannels
    fields: dict[str, int | float | bool | str]
    extent: tuple[int, int]
    """Height and width of what is convolved."""
    padding: Padding
    pooled: bool
    macs: int

    @property
    def tiles(self) -> int:
        return -(-self.extent[0] // 2) * -(-self.extent[1] // 2)


def _layer(graph: Graph, operator: Operator) -> _Layer | None:
    attributes = operator.attributes
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    if isinstance(attributes, PooledConv2D):
        pool, convolution = attributes.pool, attributes.convolution
        height, width = result.shape[1] * 2, result.shape[2] * 2
        computed = attributes.convolved
    else:
        pool, convolution = None, cast(Conv2D, attributes)
        height, width = result.shape[1], result.shape[2]
        computed = height, width
    channels_out, kernel_h, kernel_w, channels = weights.shape
    if (
        (kernel_h, kernel_w, *convolution.stride, *convolution.dilation) != (3, 3, 1, 1, 1, 1)
        or channels % GROUP
        or (pool is not None and pool.window != (2, 2))
    ):
        return None
    flat = cast("NDArray[np.int8]", weights.values).reshape(channels_out, -1)
    bounds = _bounds(graph, operator, convolution, pool)
    down = down_channels(
        flat,
        biases_of(graph, operator, channels_out),
        conv_multipliers(graph, operator),
        source.quant,
        result.quant,
        bounds,
    )
    if down is None or 128 * np.abs(flat.astype(np.int64)).sum(axis=1).max() >= _SUM_LIMIT:
        return None
    return _Layer(
        source=source,
        weights=weights,
        channels=down,
        fields={
            "input_height": source.shape[1],
            "input_width": source.shape[2],
            "input_channels": channels,
            "output_height": height,
            "output_width": width,
            "output_channels": channels_out,
            "pad_top": convolution.padding.top,
            "pad_left": convolution.padding.left,
            "input_zero_point": source.quant.zero_point,
            "output_min": bounds[0],
            "output_max": bounds[1],
            "one_sided": down.one_sided,
            "pooled": pool is not None,
        },
        extent=(height, width),
        padding=convolution.padding,
        pooled=pool is not None,
        macs=computed[0] * computed[1] * flat.size,
    )


_NAMES = {
    Kind.STORED: ("conv_2d_winograd{}", "fc_conv_2d_winograd_s8", "of transformed weights"),
    Kind.COMPACT: (
        "conv_2d_winograd_compact{}",
        "fc_conv_2d_winograd_compact_s8",
        "of weights, transformed in passing,",
    ),
    Kind.NIBBLES: (
        "conv_2d_winograd_compact{}_s4",
        "fc_conv_2d_winograd_compact_s4",
        "of weights of four bits, unpacked and transformed in passing,",
    ),
}
"""Of kernels and functions, and what is read."""


def _candidate(layer: _Layer, group: int, weights: Table, kind: Kind) -> Candidate:
    name, function, where = _NAMES[kind]
    passes = -(-layer.tiles // group)
    channels_out, _, _, channels = layer.weights.shape
    return Candidate(
        variant=f"{group} tiles",
        name=name.format("_max_pool" if layer.pooled else ""),
        function=function,
        params_type="fc_winograd",
        params=fields(**layer.fields, group=group),
        why=f"3x3 with stride 1: 16 products for 4 outputs; {group} tiles at a time, so that "
        f"{passes * weights.size_bytes:,} B {where} are read",
        work=_work(layer.tiles, group, channels, channels_out, kind),
        macs=layer.macs,
        tables=(weights, layer.channels.table),
        scratch_bytes=winograd_scratch_bytes(channels, group, kind),
        scratch_type="int32_t",
        scratch_passes=passes * -(-channels_out // CHANNELS),
        overlap_bytes=winograd_overlap_bytes(
            layer.source.shape, layer.extent, layer.padding, channels_out, group, pooled=layer.pooled
        ),
        passes=passes,
        line_cycles=_LINE_CYCLES if kind is Kind.STORED else _COMPACT_LINE_CYCLES,
    )


def _bounds(graph: Graph, operator: Operator, convolution: Conv2D, pool: Pool2D | None) -> tuple[int, int]:
    """One clamp that does what the convolution's and then the pooling's do."""
    low, high = output_range(graph, operator, convolution.activation).values()
    if pool is not None:
        pool_low, pool_high = output_range(graph, operator, pool.activation).values()
        low, high = (min(max(bound, pool_low), pool_high) for bound in (low, high))
    return low, high


def _groups(tiles: int, offered: tuple[int, ...]) -> list[int]:
    """Of the numbers of tiles on offer those that differ: none but the last beyond all tiles."""
    everything = -(-tiles // PAIR) * PAIR
    return sorted({min(group, everything) for group in offered})


def winograd_overlap_bytes(
    source: tuple[int, ...],
    output: tuple[int, int],
    padding: Padding,
    channels_out: int,
    group: int,
    *,
    pooled: bool,
) -> int:
    """Bytes by which the output has to start below an input of shape ``source`` (1, height, width, channels)
    for a group of tiles to overwrite nothing that a later one reads. ``output`` is the convolution's extent.
    """
    _, _, width, channels = source
    down, across = (-(-size // 2) for size in output)
    y, x = np.divmod(np.arange(0, down * across), across)
    reads = (np.maximum(2 * y - padding.top, 0) * width + np.maximum(2 * x - padding.left, 0)) * channels
    later = np.minimum.accumulate(reads[::-1])[::-1]
    rows, columns = np.minimum(2 * y + 2, output[0]), np.minimum(2 * x + 2, output[1])
    ends = y * across + x + 1 if pooled else (rows - 1) * output[1] + columns
    firsts = np.arange(group, len(reads), group)
    return int(
        max((np.maximum.accumulate(ends)[firsts - 1] * channels_out - later[firsts]).max(initial=0), 0)
    )


def _work(tiles: int, group: int, channels: int, channels_out: int, kind: Kind) -> Work:
    """Elements gathered are those of inputs, half (twice as many where a group starts) and wholly
    transformed, and of weights transformed here; single ones are weights unpacked. Calls are three per tile,
    two per block of channels and pair of tiles; where the loop over input channels is not unrolled, each
    position costs about half a call more.
    """
    looped = 0 if channels // GROUP in _UNROLLED else POSITIONS // 2
    blocks = -(-channels_out // CHANNELS)
    pairs = tiles // group * (group // PAIR) + -(-(tiles % group) // PAIR)
    starts = -(-tiles // group)
    kernels = 0 if kind is Kind.STORED else starts * blocks * CHANNELS
    unpacked = 8 * _packed_words(channels) if kind is Kind.NIBBLES else 0
    return Work(
        products=pairs * PAIR * POSITIONS * channels * blocks * CHANNELS,
        gathered=((tiles + starts) * POSITIONS // 2 + (tiles + kernels) * POSITIONS) * channels,
        outputs=pairs * PAIR * blocks * CHANNELS,
        calls=3 * tiles + (2 + looped) * pairs * blocks,
        singly=kernels * unpacked,
    )
