"""What the planner tells kernels: packed constants, scratch sizes, which scaling holds, names."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from generator.arithmetic.fixedpoint import Multiplier, quantize_multiplier
from generator.arithmetic.requantize import AddScaling
from generator.assets import firmware_dir
from generator.fuse import fuse
from generator.plan import Goal, make_plan
from generator.plan.kernels.candidate import scales_down
from generator.plan.kernels.convolution import (
    STARTS_BYTES,
    conv_2d_scratch_bytes,
    conv_2d_tiles_scratch_bytes,
    pooled_conv_2d_scratch_bytes,
)
from generator.plan.kernels.depthwise_planes import Axis, Planes
from generator.plan.kernels.fully_connected import (
    fully_connected_blocks_scratch_bytes,
    fully_connected_scratch_bytes,
)
from generator.plan.kernels.layers_16 import columns_16_scratch_bytes
from generator.plan.kernels.linear_add import LinearAdd, linear_add
from generator.plan.kernels.recurrent import lstm_scratch_bytes, svdf_scratch_bytes
from generator.plan.kernels.winograd import Kind, winograd_scratch_bytes
from generator.plan.packing import pack_mixed_pairs, pack_nibble_pairs, pack_pairs
from generator.plan.planner import c_identifier
from generator.read import read_tflite_bytes
from generator.targets import load_board
from tests.plan.networks import Network, every_operator

_SIZES = """
#include <stdio.h>
#include "fc_nn.h"
int main(void)
{
    int h, w, c, out, tiles;
    while (scanf("%d %d %d %d %d", &h, &w, &c, &out, &tiles) == 5) {
        const struct fc_view view = {
            .kernel_height = h, .kernel_width = w, .input_channels = c, .in_words = c % 4 == 0};
        const struct fc_conv_2d conv = {
            .view = view, .output_height = 2, .output_width = 3, .output_channels = 5};
        const struct fc_fully_connected full = {.depth = h * w * c};
        const struct fc_conv_2d_max_pool pooled = {.conv = conv};
        struct fc_conv_2d_tiles tiled = {.view = view, .output_height = 2, .output_width = h,
            .output_channels = out, .window_height = 1, .window_width = 1, .tiles = tiles};
        printf("%d %d ", (int)fc_conv_2d_scratch_size(&conv), (int)fc_fully_connected_scratch_size(&full));
        const struct fc_fully_connected_blocks blocks = {.depth = h * w * c};
        printf("%d ", (int)fc_fully_connected_blocks_scratch_size(&blocks));
        printf("%d ", (int)fc_conv_2d_max_pool_scratch_size(&pooled));
        const struct fc_winograd winograd = {.input_channels = c, .group = 2 * h};
        printf("%d ", (int)fc_winograd_scratch_size(&winograd, FC_WINOGRAD_STORED));
        printf("%d ", (int)fc_winograd_scratch_size(&winograd, FC_WINOGRAD_COMPACT));
        printf("%d ", (int)fc_winograd_scratch_size(&winograd, FC_WINOGRAD_NIBBLES));
        const struct fc_lstm lstm = {.depth = h * c, .units = out};
        const struct fc_svdf svdf = {.depth = h * c};
        printf("%d %d ", (int)fc_lstm_scratch_size(&lstm), (int)fc_svdf_scratch_size(&svdf));
        printf("%d ", (int)fc_conv_2d_tiles_scratch_size(&tiled));
        printf("%d ", (int)fc_conv_2d_tiles_s4_scratch_size(&tiled));
        tiled.output_width *= 2;
        tiled.window_height = tiled.window_width = 2;
        printf("%d ", (int)fc_conv_2d_tiles_scratch_size(&tiled));
        const struct fc_conv_2d_16 wide = {.view = view};
        printf("%d\\n", (int)fc_conv_2d_16_scratch_size(&wide));
    }
    return 0;
}
"""


def test_scratch_sizes_equal_the_firmware_s(tmp_path: Path) -> None:
    (tmp_path / "sizes.c").write_text(_SIZES)
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-I", firmware_dir() / "nn", "sizes.c", "-o", "sizes"]
    subprocess.run(command, cwd=tmp_path, check=True)
    shapes = [
        (h, w, c, out, tiles)
        for h in range(1, 6)
        for w in (1, 3, 7)
        for c in (1, 2, 3, 4, 5, 8, 17, 64)
        for out, tiles in ((1, 1), (6, 1), (7, 3))
    ]
    done = subprocess.run(
        [tmp_path / "sizes"],
        input="\n".join(" ".join(map(str, s)) for s in shapes),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(shapes)
    for (h, w, c, out, tiles), line in zip(shapes, lines, strict=True):
        depth = h * w * c
        assert list(map(int, line.split())) == [
            conv_2d_scratch_bytes(depth, c),
            fully_connected_scratch_bytes(depth),
            fully_connected_blocks_scratch_bytes(depth),
            pooled_conv_2d_scratch_bytes(depth, c, 2 * 3 * 5),
            *(winograd_scratch_bytes(c, 2 * h, kind) for kind in Kind),
            lstm_scratch_bytes(h * c, out),
            svdf_scratch_bytes(h * c),
            conv_2d_tiles_scratch_bytes(depth, c, out, 2 * h, tiles, pooled=False),
            conv_2d_tiles_scratch_bytes(depth, c, out, 2 * h, tiles, pooled=False) + tiles * STARTS_BYTES,
            conv_2d_tiles_scratch_bytes(depth, c, out, h, tiles, pooled=True),
            columns_16_scratch_bytes(depth),
        ]


_PLANES_SIZES = """
#include <stdio.h>
#include "fc_nn.h"
int main(void)
{
    struct fc_depthwise_planes p = {0};
    while (scanf("%d %d %d %d %d %d %d %d", &p.strip_rows, &p.output_columns, &p.channels, &p.kernel_rows,
                 &p.kernel_columns, &p.row_stride, &p.column_stride, &p.row_dilation) == 8) {
        printf("%d\\n", (int)fc_depthwise_planes_scratch_size(&p));
    }
    return 0;
}
"""


def test_scratch_sizes_of_planes_equal_the_firmware_s(tmp_path: Path) -> None:
    (tmp_path / "sizes.c").write_text(_PLANES_SIZES)
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-I", firmware_dir() / "nn", "sizes.c", "-o", "sizes"]
    subprocess.run(command, cwd=tmp_path, check=True)
    rng = np.random.default_rng(5)
    shapes = rng.integers(1, [9, 50, 9, 6, 12, 4, 4, 4], (200, 8)).tolist()
    done = subprocess.run(
        [tmp_path / "sizes"],
        input="\n".join(" ".join(map(str, s)) for s in shapes),
        capture_output=True,
        text=True,
        check=True,
    )
    expected = []
    for strip, columns, channels, kernel_rows, kernel_columns, row_stride, column_stride, dilation in shapes:
        row = Axis(0, strip, kernel_rows, row_stride, dilation, 0)
        column = Axis(0, columns, kernel_columns, column_stride, 1, 0)
        expected.append(Planes(row, column, False, min(channels, 4)).scratch_bytes(strip))
    assert list(map(int, done.stdout.split())) == expected


def test_linear_addition_is_refused_where_it_does_not_hold() -> None:
    """Thirds, whose products no factor holds exactly, meet ties; sums beyond 32 bits."""
    points = (-128, 3, 4)

    def found(*scales: float) -> LinearAdd | None:
        real = [float(np.float32(s)) for s in scales]
        twice = 2 * max(real[:2])
        scaling = AddScaling(
            20,
            points[:2],
            (quantize_multiplier(real[0] / twice), quantize_multiplier(real[1] / twice)),
            quantize_multiplier(twice / (2**20 * real[2])),
        )
        return linear_add(scaling, points[2], -128, 127)

    assert found(0.05, 0.03, 0.06) is None
    assert found(0.5, 0.1, 0.05) is None
    ordinary, ties = found(0.0517, 0.0293, 0.0611), found(0.1, 0.1, 0.2)
    assert ordinary is not None
    assert ties is not None
    assert ties.sign_counts


@pytest.mark.parametrize(("channels", "depth"), [(1, 1), (2, 4), (3, 5), (4, 8), (5, 27), (8, 64), (1, 3)])
def test_packed_weights_are_where_the_kernels_read_them(channels: int, depth: int) -> None:
    weights = np.random.default_rng(depth).integers(-128, 128, (channels, depth)).astype(np.int8)
    packed = pack_pairs(weights)
    words = -(-depth // 4) * 2
    assert packed.size == -(-channels // 2) * words * 4 + 4
    half_of = {0: 0, 2: 1, 1: 2, 3: 3}  # a group's elements as halves of a widened column
    seen = np.zeros_like(packed, bool)
    for c in range(channels):
        for d in range(depth):
            half = half_of[d % 4]
            word = (c // 2) * words + (d // 4) * 2 + half // 2
            place = word * 4 + half % 2 * 2 + c % 2
            assert packed[place] == weights[c, d]
            seen[place] = True
    assert not packed[~seen].any()  # the rest pads with zeros


@pytest.mark.parametrize(("channels", "depth"), [(1, 1), (2, 4), (3, 5), (4, 8), (5, 27), (8, 64)])
def test_weights_of_four_bits_take_half_the_bytes(channels: int, depth: int) -> None:
    weights = np.random.default_rng(depth).integers(-7, 8, (channels, depth)).astype(np.int8)
    packed, bytes_ = pack_nibble_pairs(weights), pack_mixed_pairs(weights)
    assert packed is not None
    assert bytes_ is not None
    pairs = -(-channels // 2)
    ends = 4 * pairs
    assert packed.size - ends == (bytes_.size - ends) // 2
    rows = packed.reshape(pairs, -1)[:, :depth].astype(int)
    first = (rows & 15) - 8
    assert (first == weights[::2]).all()
    assert (
        (rows - first - 8) // 16 == np.vstack([weights, np.zeros((1, depth), int)])[1 : 2 * pairs : 2]
    ).all()


def test_weights_that_look_like_a_pair_s_end_stay_bytes() -> None:
    like_the_end = np.array([[-8, -8, -8, -8], [0, -8, 0, -8]], np.int8)
    assert pack_nibble_pairs(like_the_end) is None
    assert pack_nibble_pairs(like_the_end[::-1]) is not None
    assert pack_nibble_pairs(np.full((2, 4), 8, np.int8)) is None


def _holds(weight: int, depth: int, bias: int, zero_point: int, shift: int = -5) -> bool:
    weights = np.full((2, depth), weight, np.int8)
    weights[0] = 0
    return scales_down(weights, [0, bias], zero_point, (Multiplier(2**30, shift),) * 2)


def test_short_scaling_is_chosen_exactly_up_to_its_bound() -> None:
    """|weights| times the farthest activation plus |bias| stays below 2**30."""
    limit = 2**30
    per_input = 127 * 255  # weight 127, zero point -128: activations reach 255
    depth = limit // per_input
    rest = limit - depth * per_input
    assert rest > 0
    assert _holds(127, depth, rest - 1, -128)
    assert not _holds(127, depth, rest, -128)
    assert not _holds(127, depth, -rest, -128)
    assert _holds(-127, depth, -(rest - 1), 127)
    assert not _holds(-128, depth, rest - 1, 127)  # -128 counts as 128
    assert _holds(127, depth, rest, 0)  # activations within -128..127 only
    assert not _holds(0, 1, limit, 0)
    assert not _holds(0, 1, -(2**31), 0)


@pytest.mark.parametrize(("shift", "holds"), [(-32, False), (-31, True), (-1, True), (0, False), (1, False)])
def test_short_scaling_needs_a_shift_to_the_right(shift: int, holds: bool) -> None:
    assert _holds(1, 4, 5, 0, shift) is holds


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("mask_cnn", "mask_cnn"),
        ("3 x/y*", "model_3_x_y"),
        ("Mask-CNN v2.1 (final)", "mask_cnn_v2_1_final"),
        ("модель", "model"),
        ("maské", "mask"),
        ("", "model"),
        ("__", "model"),
        ("a\nb", "a_b"),
        # Not to hide headers of the project or the C library, nor functions of the runtime.
        ("math", "model_math"),
        ("board", "model_board"),
        ("model_data", "model_model_data"),
        ("fc_model", "model_fc_model"),
        ("FC_link", "model_fc_link"),
        ("features", "model_features"),
        ("fcn", "fcn"),
        ("mathematics", "mathematics"),
    ],
)
def test_identifiers_of_odd_names(name: str, identifier: str) -> None:
    assert c_identifier(name) == identifier
    assert re.fullmatch(r"[a-z_][a-z0-9_]*", identifier)
    graph = fuse(read_tflite_bytes(every_operator(), name, "x"))
    plan = make_plan(graph, load_board("nucleo_h743zi2").part)
    assert (plan.name, plan.identifier) == (name, identifier)


def test_names_of_steps_and_constants_are_unique_identifiers() -> None:
    plan = make_plan(fuse(read_tflite_bytes(every_operator(), "net", "x")), load_board("nucleo_h743zi2").part)
    names = [step.name for step in plan.steps] + [constant.symbol for constant in plan.constants]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_][a-z0-9_]*", name) for name in names)


def test_alternatives_say_why_not() -> None:
    graph = fuse(read_tflite_bytes(every_operator(channels=4), "net", "x"))
    plan = make_plan(graph, load_board("nucleo_h743zi2").part, goal=Goal("time"))
    depthwise = next(step.kernel for step in plan.steps if step.op == "DEPTHWISE_CONV_2D")
    assert depthwise.name == "depthwise_planes_3x3"
    assert [o.kernel for o in depthwise.alternatives] == ["depthwise_conv_2d_words", "depthwise_conv_2d"]
    for other in depthwise.alternatives:
        more = other.estimated_cycles - depthwise.estimated_cycles
        assert more > 0
        assert other.why_not.startswith(f"{more:,} cycles more")


def test_what_is_faster_but_not_chosen_tells_its_bytes() -> None:
    net = Network(1)
    source = net.activation(1, 16, 16, 16)
    graph = fuse(read_tflite_bytes(net.finish([source], [net.conv(source, 16)]), "net", "x"))
    kernels = [
        make_plan(graph, load_board("nucleo_h743zi2").part, goal=Goal(optimize)).steps[0].kernel
        for optimize in ("time", "ram")
    ]
    fastest, leanest = kernels
    assert not any("cycles fewer" in other.why_not for other in fastest.alternatives)
    faster = [o for o in leanest.alternatives if o.estimated_cycles < leanest.estimated_cycles]
    assert (fastest.name, fastest.variant) in [(o.kernel, o.variant) for o in faster]
    for other in faster:
        fewer = leanest.estimated_cycles - other.estimated_cycles
        assert re.fullmatch(
            rf"{fewer:,} cycles fewer, but [\d,]+ B more (arena|flash)( and .*)?", other.why_not
        )
