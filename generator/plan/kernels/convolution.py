"""CONV_2D, alone and with the pooling that reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import Multiplier
from generator.arithmetic.requantize import conv_multipliers
from generator.graph import Activation, Conv2D, Graph, Operator, PooledConv2D
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    Params,
    Table,
    activation_bounds,
    biases_of,
    channel_table,
    dims,
    fields,
    fold_zero_point,
    output_range,
    scales_down,
    view_fields,
    weight_table,
    windows_inside,
)
from generator.plan.kernels.overlap import overlap_bytes
from generator.plan.kernels.tiles import BYTES, NIBBLES, mixed_tables
from generator.plan.kernels.winograd import winograd
from generator.plan.packing import (
    COLUMNS,
    COLUMNS_MARGIN_BYTES,
    GROUP,
    TILE,
    groups,
    in_gathered_order,
    pack_mixed_pairs,
    pack_nibble_pairs,
    pack_pairs,
)

_TILES_TOGETHER = (1, 2, 3, 4, 6, 8)
"""Tiles that may be gathered before any meets the weights."""
STARTS_BYTES = 16
"""What comes first in the scratch for each tile with weights of four bits."""
_BLOCK_BYTES = 8 << 10
"""Weights that several tiles meet in turn: half of the data cache."""


@dataclass(frozen=True)
class _Weights:
    """How the kernel by tiles finds its weights."""

    function: str
    suffix: str
    pack: Callable[[NDArray[np.int8]], NDArray[np.int8] | None]
    mixing: int
    comment: str
    why: str
    starts_bytes: int
    """Scratch for what a tile's sums start from."""
    scratch_type: str
    line_cycles: float
    """Work of a tile on 32 bytes: four groups of four products, or eight."""


_WEIGHTS = (
    _Weights(
        "fc_conv_2d_tiles_s8",
        "",
        pack_mixed_pairs,
        BYTES,
        "two products of two mixed channels per word",
        "",
        0,
        "int16_t",
        66.0,
    ),
    _Weights(
        "fc_conv_2d_tiles_s4",
        "_s4",
        pack_nibble_pairs,
        NIBBLES,
        "four bits each, two mixed channels per byte",
        ", weights of four bits",
        STARTS_BYTES,
        "int32_t",
        132.0,
    ),
)


def _as_tiles(pixels: int) -> int:
    """Pixels of fc_conv_2d.h; each that is left over takes as long as a tile."""
    return (pixels // COLUMNS + pixels % COLUMNS) * COLUMNS


def view_scratch_bytes(depth: int, channels: int, columns: int) -> int:
    """Twin of fc_view_scratch_size: int16 columns, and a patch of bytes where channels are no whole words."""
    patch = 0 if channels % GROUP == 0 else groups(depth) * GROUP
    return groups(depth) * GROUP * columns * 2 + COLUMNS_MARGIN_BYTES + patch


def conv_2d_scratch_bytes(depth: int, channels: int) -> int:
    """Twin of fc_conv_2d_scratch_size."""
    return view_scratch_bytes(depth, channels, COLUMNS)


def pooled_conv_2d_scratch_bytes(depth: int, channels: int, row_bytes: int) -> int:
    """Twin of fc_conv_2d_max_pool_scratch_size: columns, then ``row_bytes`` of the convolution's rows."""
    return -(-conv_2d_scratch_bytes(depth, channels) // 4) * 4 + row_bytes


def conv_2d_tiles_scratch_bytes(
    depth: int, channels_in: int, channels_out: int, outputs: int, tiles: int, *, pooled: bool
) -> int:
    """Twin of fc_conv_2d_tiles_scratch_size: the columns of ``tiles`` tiles, and outputs aside.

    ``outputs`` are pixels of the result, of windows where ``pooled``.
    """
    full = pooled or outputs % TILE == 0
    aside = 0 if full and channels_out % 2 == 0 else (1 if pooled else TILE) * 2 * -(-channels_out // 2)
    columns = groups(depth) * GROUP * TILE * 2
    return (tiles - 1) * columns + view_scratch_bytes(depth, channels_in, TILE) + aside


@dataclass(frozen=True)
class _Convolution:
    """What the kernels for CONV_2D share, alone or with its pooling."""

    graph: Graph
    operator: Operator
    attributes: Conv2D

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights: channels out, kernel height and width, channels in."""
        return self.graph.operand(self.operator, 1).shape

    @property
    def depth(self) -> int:
        """Products of an output."""
        return self.shape[1] * self.shape[2] * self.shape[3]

    @property
    def weights(self) -> NDArray[np.int8]:
        """Channels by depth, in the order in which inputs are gathered."""
        return in_gathered_order(cast("NDArray[np.int8]", self.graph.operand(self.operator, 1).values))

    @property
    def biases(self) -> list[int]:
        """As in the network."""
        return biases_of(self.graph, self.operator, self.shape[0])

    @property
    def multipliers(self) -> tuple[Multiplier, ...]:
        """One per channel."""
        return conv_multipliers(self.graph, self.operator)

    @property
    def view(self) -> Params:
        """``struct fc_view``."""
        return fields(**view_fields(self.graph, self.operator, self.attributes))

    @property
    def why(self) -> str:
        """How the input is gathered."""
        channels = self.shape[3]
        return (
            f"input channels ({channels}) come in whole words, widened where they lie"
            if channels % GROUP == 0
            else f"input channels ({channels}) come in no whole words: put together, then widened"
        )

    def work(self, height: int, width: int, computed: int) -> Work:
        """For ``height`` by ``width`` pixels that take as long as ``computed`` in full tiles."""
        pixels = height * width
        return Work(
            products=computed * groups(self.depth) * GROUP * -(-self.shape[0] // 2) * 2,
            gathered=pixels * self.depth,
            outputs=pixels * self.shape[0],
            rows=pixels * self.shape[1],
            singly=self._singly(height, width),
        )

    def _singly(self, height: int, width: int) -> int:
        """What is gathered one by one because padding may be among it: pixels that come in whole words, where
        rows are inside or padding as a whole, or else elements.
        """
        source = self.graph.operand(self.operator, 0)
        a = self.attributes
        inside_y, inside_x = (
            windows_inside(source.shape[1 + i], count, self.shape[1 + i], a.stride[i], a.dilation[i], pad)
            for i, (count, pad) in enumerate(((height, a.padding.top), (width, a.padding.left)))
        )
        if a.dilation[1] != 1:
            inside_x = 0
        if source.shape[3] % GROUP == 0:
            return height * (width - inside_x) * self.shape[1] * self.shape[2]
        return (height * width - inside_y * inside_x) * self.depth

    def overlap(self, output: tuple[int, int], window: tuple[int, int] = (1, 1), together: int = TILE) -> int:
        """Distance below the input at which the output may overlap it."""
        return overlap_bytes(
            self.graph.operand(self.operator, 0).shape,
            output,
            self.attributes.stride,
            self.attributes.padding,
            self.shape[0],
            window,
            together,
        )

    def plain(self, height: int, width: int) -> tuple[Params, tuple[Table, ...]]:
        """Parameters and constants of fc_conv_2d_s8 for an output of that size."""
        source = self.graph.operand(self.operator, 0).quant
        weights, biases, multipliers = self.weights, self.biases, self.multipliers
        comment = f"{self.name} OHWI {dims(self.shape)}, two products of two channels per word"
        params = (
            *((f"view.{name}", value) for name, value in self.view),
            *fields(
                output_height=height,
                output_width=width,
                output_channels=self.shape[0],
                output_zero_point=self.graph.result(self.operator).quant.zero_point,
                **output_range(self.graph, self.operator, self.attributes.activation),
                scale_down=scales_down(weights, biases, source.zero_point, multipliers),
            ),
        )
        folded = fold_zero_point(weights, biases, source.zero_point)
        return params, (weight_table(pack_pairs(weights), comment), channel_table(folded, multipliers))

    @property
    def name(self) -> str:
        """Of the weights."""
        return self.graph.operand(self.operator, 1).name

    def tiled(self, name: str, height: int, width: int, window: tuple[int, int]) -> list[Candidate]:
        """The kernel by tiles, if the layer allows it: over ``height`` by ``width`` pixels."""
        return [c for weights in _WEIGHTS for c in self._tiled(name, height, width, window, weights)]

    def _tiled(
        self, name: str, height: int, width: int, window: tuple[int, int], how: _Weights
    ) -> list[Candidate]:
        mixed = mixed_tables(
            self.weights,
            self.biases,
            self.multipliers,
            self.graph.operand(self.operator, 0).quant,
            self.graph.result(self.operator).quant,
            activation_bounds(self.graph, self.operator, self.attributes.activation),
            f"{self.name} OHWI {dims(self.shape)}, {how.comment}",
            how.pack,
            how.mixing,
        )
        if mixed is None:
            return []
        channels, pairs = self.shape[0], -(-self.shape[0] // 2)
        pooled = window != (1, 1)
        outputs = height * width // (window[0] * window[1])
        work = self.work(height, width, -(-height * width // TILE) * TILE)
        kept = ", the greatest of each window scaled" if pooled else ""
        all_tiles = -(-outputs // (1 if pooled else TILE))
        pair_bytes = mixed.tables[0].size_bytes // pairs
        candidates = []
        for tiles in sorted({min(count, all_tiles) for count in _TILES_TOGETHER}):
            passes = -(-all_tiles // tiles)
            block = pairs if tiles == 1 else max(1, min(pairs, _BLOCK_BYTES // pair_bytes))
            candidates.append(
                Candidate(
                    name=f"{name}{how.suffix}",
                    variant=f"{tiles} tile{'s' if tiles > 1 else ''}",
                    function=how.function,
                    params_type="fc_conv_2d_tiles",
                    params=(
                        *((f"view.{name}", value) for name, value in self.view),
                        *fields(
                            output_height=height,
                            output_width=width,
                            output_channels=channels,
                            window_height=window[0],
                            window_width=window[1],
                            tiles=tiles,
                            block=block,
                            one_sided=mixed.one_sided,
                        ),
                    ),
                    why=f"{self.why}; four pixels by two mixed channels{how.why}{kept}; {tiles} of "
                    f"{all_tiles} tiles share{'s' if tiles == 1 else ''} a pass over the weights",
                    work=replace(
                        work,
                        outputs=all_tiles * (1 if pooled else TILE) * 2 * pairs,
                        calls=all_tiles * -(-pairs // block),
                    ),
                    macs=height * width * self.depth * channels,
                    tables=mixed.tables,
                    scratch_bytes=tiles * how.starts_bytes
                    + conv_2d_tiles_scratch_bytes(
                        self.depth, self.shape[3], channels, outputs, tiles, pooled=pooled
                    ),
                    scratch_type=how.scratch_type,
                    overlap_bytes=self.overlap((height, width), window, tiles * (1 if pooled else TILE)),
                    passes=passes,
                    line_cycles=how.line_cycles,
                )
            )
        return candidates


def conv_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for CONV_2D."""
    _, height, width, channels = graph.result(operator).shape
    convolution = _Convolution(graph, operator, cast(Conv2D, operator.attributes))
    pixels = height * width
    params, tables = convolution.plain(height, width)
    in_words = convolution.shape[3] % GROUP == 0
    plain = Candidate(
        name="conv_2d_words" if in_words else "conv_2d_bytes",
        function="fc_conv_2d_s8",
        params_type="fc_conv_2d",
        params=params,
        why=f"{convolution.why}; any scale and range",
        work=convolution.work(height, width, _as_tiles(pixels)),
        macs=pixels * convolution.depth * channels,
        tables=tables,
        scratch_bytes=conv_2d_scratch_bytes(convolution.depth, convolution.shape[3]),
        scratch_type="int16_t",
        overlap_bytes=convolution.overlap((height, width), together=COLUMNS),
        passes=-(-pixels // COLUMNS),
    )
    tiled = convolution.tiled(f"{plain.name}_tiles", height, width, (1, 1))
    return [*tiled, plain, *winograd(graph, operator)]


def pooled_conv_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for CONV_2D with the MAX_POOL_2D that alone reads it."""
    attributes = cast(PooledConv2D, operator.attributes)
    _, rows, columns, channels = graph.result(operator).shape
    window_h, window_w = attributes.pool.window
    convolution = _Convolution(graph, operator, attributes.convolution)
    covered = rows * window_h, columns * window_w
    params, tables = convolution.plain(window_h, covered[1])
    pool_range = output_range(graph, operator, attributes.pool.activation)
    row_pool = {
        "input_height": window_h,
        "input_width": covered[1],
        "channels": channels,
        "output_height": 1,
        "output_width": columns,
        "window_height": window_h,
        "window_width": window_w,
        "stride_height": window_h,
        "stride_width": window_w,
        "pad_top": 0,
        "pad_left": 0,
        **pool_range,
    }
    height, width = attributes.convolved
    in_words = convolution.shape[3] % GROUP == 0
    plain = Candidate(
        name="conv_2d_words_max_pool" if in_words else "conv_2d_bytes_max_pool",
        function="fc_conv_2d_max_pool_s8",
        params_type="fc_conv_2d_max_pool",
        params=(
            *((f"conv.{name}", value) for name, value in params),
            *fields(**{f"row_pool.{name}": value for name, value in row_pool.items()}),
            *fields(rows=rows),
        ),
        why=f"{convolution.why}; pooled row by row: its {height * width * channels:,} B never exist",
        work=convolution.work(*covered, rows * _as_tiles(window_h * covered[1])),
        macs=height * width * convolution.depth * channels,
        tables=tables,
        scratch_bytes=pooled_conv_2d_scratch_bytes(
            convolution.depth, convolution.shape[3], window_h * covered[1] * channels
        ),
        scratch_type="int16_t",
        passes=-(-covered[0] * covered[1] // COLUMNS),
    )
    if window_h * window_w != TILE or attributes.pool.activation is not Activation.NONE:
        return [plain, *winograd(graph, operator)]
    tiled = convolution.tiled(f"{plain.name}_tiles", *covered, (window_h, window_w))
    return [*(replace(t, macs=plain.macs) for t in tiled), plain, *winograd(graph, operator)]
