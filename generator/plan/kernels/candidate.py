"""What a kernel of firmware/nn needs to run an operator, and how its facts are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import INT32_MAX, Multiplier, wrap_int32
from generator.arithmetic.requantize import activation_range
from generator.graph import Activation, Conv2D, DepthwiseConv2D, Graph, Operator, Quantization
from generator.plan.cost import COSTS, Work
from generator.plan.packing import GROUP, channel_lines, number_lines

_CHANNEL_BYTES = 12  # struct fc_channel
_DOWN_CHANNEL_BYTES = 16  # struct fc_down_channel
DOWN_LIMIT = 1 << 30  # fc_scale_down's accumulators stay below


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
    """A kernel that can run an operator. Arguments are inputs, state, ``tables``, scratch if any, output."""

    name: str
    function: str
    params_type: str
    params: tuple[tuple[str, str], ...]
    why: str
    work: Work
    variant: str = ""
    """What tells it from others of the same name."""
    macs: int = 0
    tables: tuple[Table, ...] = ()
    scratch_bytes: int = 0
    scratch_type: str = ""
    input_types: tuple[str, ...] = ("int8_t",)
    """Of the inputs that are no constants."""
    state_types: tuple[str, ...] = ()
    """Of the variables that it reads and writes."""
    inputs_as_list: bool = False
    """The inputs come as one array of pointers."""
    output_type: str = "int8_t"
    in_place: tuple[int, ...] = ()
    """Which of the inputs that are no constants the output may take over from the first byte."""
    overlap_bytes: int | None = None
    """So far below its first input, or farther, the output may start and overlap it: what the kernel writes
    over, it has read. None: never."""
    passes: int = 1
    """How often its tables are read through, one after the other."""
    lookups: int | None = None
    """How often it looks something up in its table instead."""
    line_cycles: float | None = None
    """Cycles of work on a cache line of weights, its first table, while the next ones are fetched; None: they
    are not asked for before they are wanted."""
    scratch_passes: int = 1
    """How often all of its scratch is read through."""

    @property
    def estimated_cycles(self) -> int:
        """Estimate from the plan alone."""
        return COSTS[self.name].cycles(self.work)


Params = tuple[tuple[str, str], ...]


def fields(**values: int | float | bool | str) -> Params:
    """Members of a parameter structure as C literals; floats to the last bit."""

    def literal(value: int | float | bool | str) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return f"{value.hex()}f"
        return str(value)

    return tuple((name, literal(value)) for name, value in values.items())


def scale_literal(multiplier: Multiplier) -> str:
    """``struct fc_scale``."""
    return f"{{{multiplier.mantissa}, {multiplier.shift}}}"


def dims(shape: tuple[int, ...]) -> str:
    """As in 3x3x8."""
    return "x".join(map(str, shape))


def biases_of(graph: Graph, operator: Operator, channels: int) -> list[int]:
    """Third input, or zeros."""
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
    return bool(bounds.max() < DOWN_LIMIT) and all(-31 <= m.shift <= -1 for m in multipliers)


@dataclass(frozen=True)
class DownChannel:
    """``struct fc_down_channel``."""

    bias: int
    mantissa: int
    shift: int
    rounding: int


@dataclass(frozen=True)
class DownChannels:
    """Each output channel of a layer that scales down, and what kernels may rely on."""

    channels: tuple[DownChannel, ...]
    largest: tuple[int, ...]
    """Most that each accumulator's magnitude can be, for any input."""
    one_sided: bool
    """No output below the zero point: negative accumulators need no care when rounding."""
    saturates: bool
    """The output's bounds are those of int8."""

    @property
    def table(self) -> Table:
        """One entry per channel."""
        lines = tuple(f"{{{c.bias}, {c.mantissa}, {c.shift}, {c.rounding}}}," for c in self.channels)
        size_bytes = len(lines) * _DOWN_CHANNEL_BYTES
        comment = "bias and input zero point, scale mantissa, right shift, rounding and output zero point"
        return Table("channels", "struct fc_down_channel", len(lines), size_bytes, lines, comment)


def down_channels(
    weights: NDArray[np.int8],
    biases: list[int],
    multipliers: tuple[Multiplier, ...],
    source: Quantization,
    result: Quantization,
    output_range: tuple[int, int],
) -> DownChannels | None:
    """For kernels that multiply activations as stored and scale down only; None where that does not hold.

    ``weights`` is (channels, depth). The input's zero point is folded into the biases. It holds when for
    every input an accumulator stays below 2**30, its shift goes right, and the rounding does not overflow.
    """
    wide = weights.astype(np.int64)
    ends = wide * (-128 - source.zero_point), wide * (127 - source.zero_point)
    lows = np.minimum(*ends).sum(axis=1) + biases
    highs = np.maximum(*ends).sum(axis=1) + biases
    largest = np.maximum(np.abs(lows), np.abs(highs)).tolist()
    channels = []
    folded = fold_zero_point(weights, biases, source.zero_point)
    for bound, bias, m in zip(largest, folded, multipliers, strict=True):
        mantissa, shift = m.mantissa, -m.shift
        if mantissa == 0 or (shift > 0 and bound < 1 << (shift - 1)):
            mantissa, shift = 0, 1  # always the zero point; the shift may be too far for the rounding
        if not 1 <= shift <= 31 or bound >= DOWN_LIMIT or bound + (257 << shift >> 1) > INT32_MAX:
            return None
        rounding = (1 << (shift - 1)) + (result.zero_point << shift)
        channels.append(DownChannel(bias, mantissa, shift, rounding))
    return DownChannels(
        tuple(channels),
        tuple(largest),
        one_sided=output_range[0] >= result.zero_point,
        saturates=output_range == (-128, 127),
    )


def channel_table(biases: list[int], multipliers: tuple[Multiplier, ...], prefix: str = "") -> Table:
    """``struct fc_channel`` of each output channel."""
    return Table(
        f"{prefix}channels",
        "struct fc_channel",
        len(biases),
        len(biases) * _CHANNEL_BYTES,
        channel_lines(biases, multipliers),
        "bias, scale mantissa and shift per output channel",
    )


def weight_table(packed: NDArray[np.int8], comment: str, prefix: str = "") -> Table:
    """Packed weights."""
    return Table(
        f"{prefix}weights", "int8_t", packed.size, packed.size, number_lines(packed.tolist()), comment
    )


def word_table(packed: NDArray[np.uint32], comment: str) -> Table:
    """Weights packed into words."""
    return Table("weights", "uint32_t", packed.size, packed.nbytes, number_lines(packed.tolist()), comment)


def integer_table(suffix: str, values: Sequence[int], comment: str) -> Table:
    """int32 values."""
    return Table(suffix, "int32_t", len(values), 4 * len(values), number_lines(values), comment)


def activation_bounds(graph: Graph, operator: Operator, activation: Activation) -> tuple[int, int]:
    """Least and greatest output that a fused activation leaves."""
    return activation_range(activation, graph.result(operator))


def output_range(graph: Graph, operator: Operator, activation: Activation) -> dict[str, int]:
    """The same as members of a parameter structure."""
    low, high = activation_bounds(graph, operator, activation)
    return {"output_min": low, "output_max": high}


def _kernel_fields(
    graph: Graph, operator: Operator, attributes: Conv2D | DepthwiseConv2D
) -> dict[str, int | float | bool | str]:
    """Extents of a convolution's kernel, its stride, dilation and padding."""
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
    }


def view_fields(
    graph: Graph, operator: Operator, attributes: Conv2D | DepthwiseConv2D
) -> dict[str, int | float | bool | str]:
    """``struct fc_view``: what an output pixel of a convolution sees."""
    source = graph.operand(operator, 0)
    return {
        "input_height": source.shape[1],
        "input_width": source.shape[2],
        "input_channels": source.shape[3],
        **_kernel_fields(graph, operator, attributes),
        "padding": source.quant.zero_point,
        "in_words": source.shape[3] % GROUP == 0,
    }


def taps_inside(input_size: int, output_size: int, kernel: int, stride: int, dilation: int, pad: int) -> int:
    """Of all windows along an axis, the elements that lie inside the input."""
    starts = range(-pad, -pad + output_size * stride, stride)
    return sum(
        _below(starts, input_size - tap * dilation) - _below(starts, -tap * dilation) for tap in range(kernel)
    )


def windows_inside(
    input_size: int, output_size: int, kernel: int, stride: int, dilation: int, pad: int
) -> int:
    """Windows along an axis of which nothing lies outside the input."""
    reach = (kernel - 1) * dilation
    starts = range(-pad, -pad + output_size * stride, stride)
    return max(0, _below(starts, input_size - reach) - _below(starts, 0))


def _below(ascending: range, limit: int) -> int:
    return min(max(0, -((ascending.start - limit) // ascending.step)), len(ascending))


def fold_zero_point(weights: NDArray[np.integer[Any]], biases: list[int], zero_point: int) -> list[int]:
    """Biases for activations multiplied as stored; ``weights`` is (channels, depth). Wraps to int32."""
    totals = weights.astype(np.int64).sum(axis=1).tolist()
    return [wrap_int32(b - zero_point * t) for b, t in zip(biases, totals, strict=True)]


def window_fields(
    graph: Graph, operator: Operator, attributes: Conv2D | DepthwiseConv2D
) -> dict[str, int | float | bool | str]:
    """What convolutions have in common: kernel, stride, dilation, padding, zero points, output range."""
    return {
        **_kernel_fields(graph, operator, attributes),
        "input_zero_point": graph.operand(operator, 0).quant.zero_point,
        "output_zero_point": graph.result(operator).quant.zero_point,
        **output_range(graph, operator, attributes.activation),
    }
