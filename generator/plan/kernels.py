"""The kernel registry: for each operator the kernels of firmware/nn that can run it, with everything each
needs. A faster variant is one more :class:`Candidate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.fixedpoint import Multiplier
from generator.graph import (
    Activation,
    Add,
    Attributes,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    DType,
    FullyConnected,
    Graph,
    Logistic,
    Operator,
    Pool2D,
    PooledConv2D,
    PoolKind,
    Quantize,
    Softmax,
)
from generator.plan.cost import COSTS, Work
from generator.plan.packing import (
    COLUMNS,
    COLUMNS_MARGIN_BYTES,
    GROUP,
    channel_lines,
    groups,
    number_lines,
    pack_pairs,
)
from generator.requantize import (
    activation_range,
    add_scaling,
    conv_multipliers,
    fully_connected_multipliers,
    logistic_table,
    quantize_values,
    softmax_exponentials,
)

_CHANNEL_BYTES = 12  # struct fc_channel
_DOWN_LIMIT = 1 << 30  # fc_scale_down's accumulators stay below


@dataclass(frozen=True)
class Table:
    """A constant that a kernel reads; gets its symbol and region from the planner."""

    suffix: str
    c_type: str
    length: int
    size_bytes: int
    lines: tuple[str, ...]
    comment: str


@dataclass(frozen=True)
class Candidate:
    """A kernel that can run an operator. Arguments are input(s), ``tables``, scratch if any, output."""

    name: str
    function: str
    params_type: str
    params: tuple[tuple[str, str], ...]
    why: str
    work: Work
    macs: int = 0
    tables: tuple[Table, ...] = ()
    scratch_bytes: int = 0
    scratch_type: str = ""
    input_types: tuple[str, ...] = ("int8_t",)
    output_type: str = "int8_t"
    in_place: tuple[int, ...] = ()
    """Input positions whose buffer the output may take over from its first byte."""

    @property
    def estimated_cycles(self) -> int:
        """Estimate from the plan alone."""
        return COSTS[self.name].cycles(self.work)


Params = tuple[tuple[str, str], ...]


def _fields(**values: int | float | bool | str) -> Params:
    def literal(value: int | float | bool | str) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return f"{value.hex()}f"
        return str(value)

    return tuple((name, literal(value)) for name, value in values.items())


def _scale(multiplier: Multiplier) -> str:
    return f"{{{multiplier.mantissa}, {multiplier.shift}}}"


def conv_2d_scratch_bytes(depth: int, channels: int) -> int:
    """Twin of fc_conv_2d_scratch_size: three int16 columns, and a patch of bytes for odd channel counts."""
    patch = 0 if channels % GROUP == 0 else groups(depth) * GROUP
    return groups(depth) * GROUP * COLUMNS * 2 + COLUMNS_MARGIN_BYTES + patch


def pooled_conv_2d_scratch_bytes(depth: int, channels: int, row_bytes: int) -> int:
    """Twin of fc_conv_2d_max_pool_scratch_size: columns, then ``row_bytes`` of the convolution's rows."""
    return -(-conv_2d_scratch_bytes(depth, channels) // 4) * 4 + row_bytes


def fully_connected_scratch_bytes(depth: int) -> int:
    """Twin of fc_fully_connected_scratch_size: one int16 column."""
    return groups(depth) * GROUP * 2


def _biases(graph: Graph, operator: Operator, channels: int) -> list[int]:
    bias = graph.optional_operand(operator, 2)
    return [0] * channels if bias is None else [int(b) for b in bias.values.reshape(-1)]


def scales_down(
    weights: NDArray[np.int8], biases: list[int], zero_point: int, multipliers: tuple[Multiplier, ...]
) -> bool:
    """Whether fc_scale_down holds for every input: each accumulator's bound stays below 2**30, every shift is
    -31..-1. ``weights`` is (channels, depth); activations are int8 less ``zero_point``.
    """
    largest = max(127 - zero_point, zero_point + 128)
    bounds = np.abs(weights.astype(np.int64)).sum(axis=1) * largest + np.abs(np.array(biases, np.int64))
    return bool(bounds.max() < _DOWN_LIMIT) and all(-31 <= m.shift <= -1 for m in multipliers)


def _channel_table(biases: list[int], multipliers: tuple[Multiplier, ...]) -> Table:
    return Table(
        "channels",
        "struct fc_channel",
        len(biases),
        len(biases) * _CHANNEL_BYTES,
        channel_lines(biases, multipliers),
        "bias, scale mantissa and shift per output channel",
    )


def _weight_table(packed: NDArray[np.int8], comment: str) -> Table:
    return Table("weights", "int8_t", packed.size, packed.size, number_lines(packed.tolist()), comment)


def _output_range(graph: Graph, operator: Operator, activation: Activation) -> dict[str, int]:
    low, high = activation_range(activation, graph.result(operator))
    return {"output_min": low, "output_max": high}


def _window(
    graph: Graph, operator: Operator, attributes: Conv2D | DepthwiseConv2D
) -> dict[str, int | float | bool | str]:
    """What convolutions have in common: kernel, stride, dilation, padding, zero points, output range."""
    weights = graph.operand(operator, 1)
    return {
        "kernel_height": weights.shape[1],
        "kernel_width": weights.shape[2],
        "stride_height": attributes.stride[0],
        "stride_width": attributes.stride[1],
        "dilation_height": attributes.dilation[0],
        "dilation_width": attributes.dilation[1],
        "pad_top": attributes.padding.top,
        "pad_left": attributes.padding.left,
        "input_zero_point": graph.operand(operator, 0).quant.zero_point,
        "output_zero_point": graph.result(operator).quant.zero_point,
        **_output_range(graph, operator, attributes.activation),
    }


@dataclass(frozen=True)
class _Convolution:
    """What CONV_2D needs, alone or with its pooling."""

    fields: dict[str, int | float | bool | str]
    tables: tuple[Table, ...]
    depth: int
    channels_in: int
    channels_out: int
    in_words: bool
    why: str

    def products(self, pixels: int) -> int:
        """Products that the kernel computes for so many pixels, padding included."""
        return pixels * groups(self.depth) * GROUP * -(-self.channels_out // 2) * 2


def _convolution(
    graph: Graph, operator: Operator, attributes: Conv2D, height: int, width: int
) -> _Convolution:
    source, weights = graph.operand(operator, 0), graph.operand(operator, 1)
    channels_out, kernel_h, kernel_w, channels_in = weights.shape
    depth = kernel_h * kernel_w * channels_in
    flat = cast("NDArray[np.int8]", weights.values).reshape(channels_out, depth)
    biases, multipliers = _biases(graph, operator, channels_out), conv_multipliers(graph, operator)
    in_words = channels_in % GROUP == 0
    return _Convolution(
        fields={
            "input_height": source.shape[1],
            "input_width": source.shape[2],
            "input_channels": channels_in,
            "output_height": height,
            "output_width": width,
            "output_channels": channels_out,
            **_window(graph, operator, attributes),
            "scale_down": scales_down(flat, biases, source.quant.zero_point, multipliers),
        },
        tables=(
            _weight_table(
                pack_pairs(flat),
                f"{weights.name} OHWI {_dims(weights.shape)}, two products of two channels per word",
            ),
            _channel_table(biases, multipliers),
        ),
        depth=depth,
        channels_in=channels_in,
        channels_out=channels_out,
        in_words=in_words,
        why=f"input channels ({channels_in}) come in whole words, widened where they lie"
        if in_words
        else f"input channels ({channels_in}) come in no whole words: put together, then widened",
    )


def _conv_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    _, height, width, _ = graph.result(operator).shape
    convolution = _convolution(graph, operator, cast(Conv2D, operator.attributes), height, width)
    pixels = height * width
    return [
        Candidate(
            name="conv_2d_words" if convolution.in_words else "conv_2d_bytes",
            function="fc_conv_2d_s8",
            params_type="fc_conv_2d",
            params=_fields(**convolution.fields),
            why=convolution.why,
            work=Work(
                products=convolution.products(pixels),
                gathered=pixels * convolution.depth,
                outputs=pixels * convolution.channels_out,
            ),
            macs=pixels * convolution.depth * convolution.channels_out,
            tables=convolution.tables,
            scratch_bytes=conv_2d_scratch_bytes(convolution.depth, convolution.channels_in),
            scratch_type="int16_t",
        )
    ]


def _pooled_conv_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    attributes = cast(PooledConv2D, operator.attributes)
    result = graph.result(operator)
    _, rows, columns, channels = result.shape
    window_h, window_w = attributes.pool.window
    convolution = _convolution(graph, operator, attributes.convolution, window_h, columns * window_w)
    row_pool = {
        "input_height": window_h,
        "input_width": columns * window_w,
        "channels": channels,
        "output_height": 1,
        "output_width": columns,
        "window_height": window_h,
        "window_width": window_w,
        "stride_height": window_h,
        "stride_width": window_w,
        "pad_top": 0,
        "pad_left": 0,
        **_output_range(graph, operator, attributes.pool.activation),
    }
    pixels = rows * window_h * columns * window_w
    height, width = attributes.convolved
    return [
        Candidate(
            name="conv_2d_words_max_pool" if convolution.in_words else "conv_2d_bytes_max_pool",
            function="fc_conv_2d_max_pool_s8",
            params_type="fc_conv_2d_max_pool",
            params=(
                *_fields(**{f"conv.{name}": value for name, value in convolution.fields.items()}),
                *_fields(**{f"row_pool.{name}": value for name, value in row_pool.items()}),
                *_fields(rows=rows),
            ),
            why=f"{convolution.why}; pooled row by row: its {height * width * channels:,} B never exist",
            work=Work(
                products=convolution.products(pixels),
                gathered=pixels * convolution.depth,
                outputs=pixels * channels,
            ),
            macs=height * width * convolution.depth * channels,
            tables=convolution.tables,
            scratch_bytes=pooled_conv_2d_scratch_bytes(
                convolution.depth, convolution.channels_in, window_h * columns * window_w * channels
            ),
            scratch_type="int16_t",
        )
    ]


def _depthwise_conv_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    attributes = cast(DepthwiseConv2D, operator.attributes)
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    _, kernel_h, kernel_w, channels = weights.shape
    values = cast("NDArray[np.int8]", weights.values)
    biases, multipliers = _biases(graph, operator, channels), conv_multipliers(graph, operator)
    pixels = result.shape[1] * result.shape[2]
    macs = pixels * channels * kernel_h * kernel_w
    plain = Candidate(
        name="depthwise_conv_2d",
        function="fc_depthwise_conv_2d_s8",
        params_type="fc_depthwise_conv_2d",
        params=_fields(
            input_height=source.shape[1],
            input_width=source.shape[2],
            input_channels=source.shape[3],
            output_height=result.shape[1],
            output_width=result.shape[2],
            multiplier=attributes.multiplier,
            **_window(graph, operator, attributes),
            scale_down=scales_down(
                values.reshape(-1, channels).T, biases, source.quant.zero_point, multipliers
            ),
        ),
        why=f"takes any number of channels ({channels} here) and any multiplier",
        work=Work(products=macs, outputs=pixels * channels),
        macs=macs,
        tables=(
            _weight_table(values.reshape(-1), f"{weights.name} HWC {_dims(weights.shape[1:])}"),
            _channel_table(biases, multipliers),
        ),
    )
    if attributes.multiplier != 1 or channels % GROUP:
        return [plain]
    words = replace(
        plain,
        name="depthwise_conv_2d_words",
        function="fc_depthwise_conv_2d_words_s8",
        why=f"channels ({channels}) come in whole words: four at a time",
        work=Work(products=macs, outputs=pixels * channels),
    )
    return [words, plain]


def _fully_connected(graph: Graph, operator: Operator) -> list[Candidate]:
    attributes = cast(FullyConnected, operator.attributes)
    source, weights, result = graph.operand(operator, 0), graph.operand(operator, 1), graph.result(operator)
    units, depth = weights.shape
    rows = source.element_count // depth
    values = cast("NDArray[np.int8]", weights.values)
    biases, multipliers = _biases(graph, operator, units), fully_connected_multipliers(graph, operator)
    return [
        Candidate(
            name="fully_connected",
            function="fc_fully_connected_s8",
            params_type="fc_fully_connected",
            params=_fields(
                rows=rows,
                depth=depth,
                units=units,
                input_zero_point=source.quant.zero_point,
                output_zero_point=result.quant.zero_point,
                **_output_range(graph, operator, attributes.activation),
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
                _weight_table(
                    pack_pairs(values),
                    f"{weights.name} {_dims(weights.shape)}, two products of two units per word",
                ),
                _channel_table(biases, multipliers),
            ),
            scratch_bytes=fully_connected_scratch_bytes(depth),
            scratch_type="int16_t",
        )
    ]


def _pool_2d(graph: Graph, operator: Operator) -> list[Candidate]:
    attributes = cast(Pool2D, operator.attributes)
    source, result = graph.operand(operator, 0), graph.result(operator)
    kind = "max" if attributes.kind is PoolKind.MAX else "average"
    window = attributes.window[0] * attributes.window[1]
    return [
        Candidate(
            name=f"{kind}_pool_2d",
            function=f"fc_{kind}_pool_2d_s8",
            params_type="fc_pool_2d",
            params=_fields(
                input_height=source.shape[1],
                input_width=source.shape[2],
                channels=source.shape[3],
                output_height=result.shape[1],
                output_width=result.shape[2],
                window_height=attributes.window[0],
                window_width=attributes.window[1],
                stride_height=attributes.stride[0],
                stride_width=attributes.stride[1],
                pad_top=attributes.padding.top,
                pad_left=attributes.padding.left,
                **_output_range(graph, operator, attributes.activation),
            ),
            why="the only kernel for it",
            work=Work(gathered=result.element_count * window, outputs=result.element_count),
            in_place=(0,) if attributes.padding.is_none else (),
        )
    ]


def _add(graph: Graph, operator: Operator) -> list[Candidate]:
    scaling = add_scaling(graph, operator)
    result = graph.result(operator)
    return [
        Candidate(
            name="add",
            function="fc_add_s8",
            params_type="fc_add",
            params=_fields(
                count=result.element_count,
                left_shift=scaling.left_shift,
                zero_point_a=scaling.input_zero_points[0],
                zero_point_b=scaling.input_zero_points[1],
                output_zero_point=result.quant.zero_point,
                scale_a=_scale(scaling.input_multipliers[0]),
                scale_b=_scale(scaling.input_multipliers[1]),
                output_scale=_scale(scaling.output_multiplier),
                **_output_range(graph, operator, cast(Add, operator.attributes).activation),
            ),
            why="the only kernel for it",
            work=Work(outputs=result.element_count),
            input_types=("int8_t", "int8_t"),
            in_place=(0, 1),
        )
    ]


def _softmax(graph: Graph, operator: Operator) -> list[Candidate]:
    source = graph.operand(operator, 0)
    depth = source.shape[-1]
    table = softmax_exponentials(source.quant, cast(Softmax, operator.attributes).beta)
    return [
        Candidate(
            name="softmax_table",
            function="fc_softmax_s8",
            params_type="fc_softmax",
            params=_fields(rows=source.element_count // depth, depth=depth),
            why="256 exponentials computed beforehand cost less than one at run time",
            work=Work(outputs=source.element_count),
            tables=(
                Table(
                    "exponentials",
                    "int32_t",
                    256,
                    1024,
                    number_lines(table.tolist()),
                    "exp(-scale * d) in Q31",
                ),
            ),
            in_place=(0,),
        )
    ]


def _lookup(graph: Graph, operator: Operator, table: NDArray[np.generic], why: str) -> list[Candidate]:
    count = graph.result(operator).element_count
    entries = table.view(np.uint8)
    return [
        Candidate(
            name="lookup_8",
            function="fc_lookup_8",
            params_type="fc_lookup",
            params=_fields(count=count),
            why=why,
            work=Work(outputs=count),
            tables=(
                Table("table", "uint8_t", 256, 256, number_lines(entries.tolist()), "output by input + 128"),
            ),
            input_types=("uint8_t",),
            output_type="uint8_t",
            in_place=(0,),
        )
    ]


def _logistic(graph: Graph, operator: Operator) -> list[Candidate]:
    table = logistic_table(graph.operand(operator, 0).quant)
    return _lookup(graph, operator, table, "an int8 has 256 values: a table holds the sigmoid of each")


def _quantize(graph: Graph, operator: Operator) -> list[Candidate]:
    source, result = graph.operand(operator, 0), graph.result(operator)
    if source.dtype is DType.FLOAT32:
        return [
            Candidate(
                name="quantize_f32",
                function="fc_quantize_f32_s8",
                params_type="fc_quantize",
                params=_fields(
                    count=result.element_count,
                    scale=float(result.quant.scale),
                    zero_point=result.quant.zero_point,
                    is_unsigned=False,
                ),
                why="the only kernel for it",
                work=Work(outputs=result.element_count),
                input_types=("float",),
                in_place=(0,),
            )
        ]
    # The table is read at byte ^ 0x80: that is input + 128 for int8; uint8 bytes come in the order below.
    every_byte = np.arange(256, dtype=np.uint8) ^ 0x80
    table = quantize_values(every_byte.view(source.dtype.numpy), source.quant, result)
    return _lookup(graph, operator, table, "a byte has 256 values: a table holds the result for each")


def _dequantize(graph: Graph, operator: Operator) -> list[Candidate]:
    source, result = graph.operand(operator, 0), graph.result(operator)
    return [
        Candidate(
            name="dequantize",
            function="fc_dequantize_8_f32",
            params_type="fc_quantize",
            params=_fields(
                count=result.element_count,
                scale=float(source.quant.scale),
                zero_point=source.quant.zero_point,
                is_unsigned=source.dtype is DType.UINT8,
            ),
            why="the only kernel for it",
            work=Work(outputs=result.element_count),
            input_types=("uint8_t",),
            output_type="float",
        )
    ]


def _dims(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


KERNELS: Mapping[type[Attributes], Callable[[Graph, Operator], list[Candidate]]] = {
    Conv2D: _conv_2d,
    PooledConv2D: _pooled_conv_2d,
    DepthwiseConv2D: _depthwise_conv_2d,
    FullyConnected: _fully_connected,
    Pool2D: _pool_2d,
    Add: _add,
    Softmax: _softmax,
    Logistic: _logistic,
    Quantize: _quantize,
    Dequantize: _dequantize,
}
