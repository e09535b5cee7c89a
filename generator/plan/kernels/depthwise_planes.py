"""DEPTHWISE_CONV_2D over planes of int16 (firmware/nn/fc_depthwise_planes.h)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.requantize import activation_range, conv_multipliers
from generator.graph import DepthwiseConv2D, Graph, Operator
from generator.plan.cost import Work
from generator.plan.kernels.candidate import (
    Candidate,
    biases_of,
    dims,
    down_channels,
    fields,
    weight_table,
)

LANES = 4
_SCRATCH_TARGET_BYTES = 4096
"""Strips are as high as this holds. Their rows in common are moved, so that higher ones gain little."""
_PLANES_MARGIN_BYTES = 4
_WEIGHTS_MARGIN_BYTES = 1
"""What is read, but not used, behind the weights: rows of three are loaded as words."""
_PRODUCTS_PER_ROW = 80
"""What beginning a row of a plane costs, in products."""
_ROWS_PER_STRIP = 6


@dataclass(frozen=True)
class Axis:
    """One direction of a depthwise convolution: sizes, and what its windows do."""

    input: int
    output: int
    kernel: int
    stride: int
    dilation: int
    pad: int


@dataclass(frozen=True)
class Planes:
    """Which way the planes lie, and how much of one is there at a time."""

    rows: Axis
    columns: Axis
    transposed: bool
    lanes: int

    @property
    def words(self) -> int:
        """Twin of fc_planes_words."""
        return self.columns.kernel // 2 + 1

    @property
    def pitch(self) -> int:
        """Twin of fc_planes_pitch."""
        return ((self.columns.output - 1) * self.columns.stride + self.columns.kernel + 1) // 2 * 2

    def span(self, rows: int) -> int:
        """Twin of fc_planes_span."""
        return (rows - 1) * self.rows.stride + (self.rows.kernel - 1) * self.rows.dilation + 1

    def scratch_bytes(self, strip_rows: int) -> int:
        """Twin of fc_depthwise_planes_scratch_size."""
        planes = self.lanes * self.span(strip_rows) * self.pitch * 2
        sums = strip_rows * self.columns.output * 4
        return self.rows.kernel * self.words * 8 + sums + planes + _PLANES_MARGIN_BYTES

    @property
    def strip_rows(self) -> int:
        """Rows of outputs computed from one filling of the planes."""
        rows = self.rows.output
        while rows > 1 and self.scratch_bytes(rows) > _SCRATCH_TARGET_BYTES:
            rows -= 1
        strips = -(-self.rows.output // rows)
        return -(-self.rows.output // strips)  # of the same height, as far as possible

    @property
    def products(self) -> int:
        """Products per channel, those of the zeros that fill words of weights included."""
        pairs, single = (
            divmod(self.columns.output, 2) if self.columns.stride == 1 else (0, self.columns.output)
        )
        singles_words = (self.columns.kernel + 1) // 2
        return self.rows.output * self.rows.kernel * 2 * (2 * pairs * self.words + single * singles_words)

    @property
    def filled(self) -> int:
        """Elements per channel that are unpacked, padding included."""
        return self.span(self.rows.output) * self.pitch

    @property
    def passes(self) -> int:
        """Rows begun per channel; beginning a strip of a channel costs as much as several."""
        strips = -(-self.rows.output // self.strip_rows)
        return self.rows.output + _ROWS_PER_STRIP * strips

    @property
    def is_three_by_three(self) -> bool:
        """Whether the products are those of fc_plane_sums.h."""
        return self.rows.kernel == self.columns.kernel == 3 and self.columns.stride <= 2

    @property
    def in_place(self) -> bool:
        """Whether outputs may overwrite the input: each one's byte has been unpacked before."""
        rows, columns = self.rows, self.columns
        if rows.output * columns.output > rows.input * columns.input:
            return False
        if self.strip_rows >= rows.output:
            return True
        if self.transposed:
            return rows.input == rows.output
        return columns.output <= columns.input and rows.pad < self.span(1)


def plane_candidates(graph: Graph, operator: Operator) -> list[Candidate]:
    """The kernel over planes, lying the cheaper way; none where its scaling does not hold."""
    attributes = cast(DepthwiseConv2D, operator.attributes)
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    channels = weights.shape[3]
    values = cast("NDArray[np.int8]", weights.values).reshape(weights.shape[1:])
    output_range = activation_range(attributes.activation, result)
    down = down_channels(
        values.reshape(-1, channels).T,
        biases_of(graph, operator, channels),
        conv_multipliers(graph, operator),
        source.quant,
        result.quant,
        output_range,
    )
    if down is None:
        return []
    padding = attributes.padding.top, attributes.padding.left
    height, width = (
        Axis(
            source.shape[1 + i],
            result.shape[1 + i],
            weights.shape[1 + i],
            attributes.stride[i],
            attributes.dilation[i],
            padding[i],
        )
        for i in range(2)
    )
    lanes = min(LANES, source.shape[3])
    ways = [Planes(height, width, False, lanes), Planes(width, height, True, lanes)]
    possible = [way for way in ways if way.columns.dilation == 1]
    if not possible:
        return []
    planes = min(possible, key=lambda way: way.products + _PRODUCTS_PER_ROW * way.rows.output)
    laid_out = values.transpose(2, 1, 0) if planes.transposed else values.transpose(2, 0, 1)
    pixels = height.output * width.output
    rows, columns = planes.rows, planes.columns
    along = "columns" if planes.transposed else "rows"
    return [
        Candidate(
            name="depthwise_planes_3x3" if planes.is_three_by_three else "depthwise_planes",
            function="fc_depthwise_conv_2d_planes_s8",
            params_type="fc_depthwise_planes",
            params=fields(
                input_rows=rows.input,
                input_columns=columns.input,
                channels=source.shape[3],
                output_rows=rows.output,
                output_columns=columns.output,
                multiplier=attributes.multiplier,
                kernel_rows=rows.kernel,
                kernel_columns=columns.kernel,
                row_stride=rows.stride,
                column_stride=columns.stride,
                row_dilation=rows.dilation,
                pad_rows=rows.pad,
                pad_columns=columns.pad,
                strip_rows=planes.strip_rows,
                input_zero_point=source.quant.zero_point,
                output_min=output_range[0],
                output_max=output_range[1],
                transposed=planes.transposed,
                one_sided=down.one_sided,
            ),
            why=f"two products at a time along the image's {along}, from planes of {lanes} channels",
            work=Work(
                products=planes.products * channels,
                gathered=planes.filled * source.shape[3],
                outputs=pixels * channels,
                calls=planes.passes * channels,
                rows=planes.span(planes.rows.output) * -(-source.shape[3] // lanes),
            ),
            macs=pixels * channels * rows.kernel * columns.kernel,
            tables=(
                weight_table(
                    np.append(laid_out.reshape(-1), np.zeros(_WEIGHTS_MARGIN_BYTES, np.int8)),
                    f"{weights.name} HWC {dims(weights.shape[1:])}, channel by channel along {along}",
                ),
                down.table,
            ),
            scratch_bytes=planes.scratch_bytes(planes.strip_rows),
            scratch_type="uint32_t",
            in_place=(0,) if attributes.multiplier == 1 and planes.in_place else (),
        )
    ]
