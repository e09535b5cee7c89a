"""What the planner tells Winograd's kernel, and where it offers it."""

from __future__ import annotations

import numpy as np
import pytest

from generator.fuse import fuse
from generator.graph import Padding
from generator.plan.kernels.winograd import pack_compact, pack_winograd, winograd, winograd_overlap_bytes
from generator.read import read_tflite_bytes
from tests.support import models


@pytest.mark.parametrize(("channels", "depth"), [(1, 4), (4, 8), (6, 12)])
def test_winograd_s_weights_are_where_the_kernels_read_them(channels: int, depth: int) -> None:
    weights = np.random.default_rng(depth).integers(-128, 128, (channels, 3, 3, depth)).astype(np.int8)
    weights[0, :, :, 0] = -128  # the largest that a transformed weight can be
    packed, compact = pack_winograd(weights), pack_compact(weights)
    blocks = -(-channels // 4)
    assert packed.size == blocks * 4 * 16 * depth // 2 + 1
    assert compact.size == blocks * 4 * 9 * depth
    halves, used = packed.view(np.int16).reshape(-1, 2), np.zeros((packed.size, 2), bool)
    for c in range(channels):
        for d in range(depth):
            pair, half = d // 4 * 2 + d % 2, d % 4 // 2
            g = weights[c, :, :, d].astype(int)
            rows = np.array([g[0], g[0] + g[1] + g[2], g[0] - g[1] + g[2], g[2]]).T
            both = np.array([rows[0], rows[0] + rows[1] + rows[2], rows[0] - rows[1] + rows[2], rows[2]])
            for position, value in enumerate(both.T.reshape(-1)):
                word = ((c // 4 * 16 + position) * (depth // 2) + pair) * 4 + c % 4
                assert halves[word, half] == value
                used[word, half] = True
            start = (c * (depth // 4) + d // 4) * 36 + d % 4
            assert compact[start : start + 36 : 4].tolist() == weights[c, :, :, d].reshape(-1).tolist()
    assert not halves[~used].any()  # the rest pads with zeros
    assert not compact[channels * 9 * depth :].any()


def _winograd_names(**changes: object) -> set[str]:
    shape: dict[str, object] = {"height": 8, "width": 8, "channels": 8, "filters": 8, "kernel": (3, 3)}
    model = models.convolution(np.random.default_rng(0), depthwise=False, **{**shape, **changes})  # type: ignore[arg-type]
    graph = fuse(read_tflite_bytes(model, "net", "x"))
    (operator,) = graph.operators
    return {candidate.name for candidate in winograd(graph, operator)}


def test_winograd_is_offered_where_it_holds() -> None:
    assert _winograd_names() == {"conv_2d_winograd", "conv_2d_winograd_compact"}
    pooled = {"conv_2d_winograd_max_pool", "conv_2d_winograd_compact_max_pool"}
    assert _winograd_names(pool=(2, 2)) == pooled
    for changes in (
        {"kernel": (3, 1)},
        {"kernel": (5, 5)},
        {"stride": (1, 2)},
        {"dilation": (2, 1)},
        {"channels": 6},
        {"pool": (2, 3)},
        {"output_scale": 0.00002},  # scaling goes up
    ):
        assert not _winograd_names(**changes)


def test_winograd_needs_four_times_the_sum_to_fit() -> None:
    """128 times the weights' magnitudes stays below 2**29, whatever the accumulator's own bound."""
    depth = 2**29 // (128 * 9 * 127) // 4 * 4
    for channels, holds in ((depth, True), (depth + 4, False)):
        weights = np.full((1, 3, 3, channels), 127, np.int8)
        names = _winograd_names(height=3, width=3, channels=channels, filters=1, weights=weights)
        assert bool(names) is holds


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize(
    ("height", "width", "channels", "filters"), [(8, 8, 4, 4), (7, 9, 4, 8), (9, 6, 8, 3)]
)
def test_winograd_s_output_may_start_so_far_below_its_input(
    height: int, width: int, channels: int, filters: int, same: bool, pooled: bool
) -> None:
    """The smallest distance at which no group writes what a later one reads, byte by byte."""
    border, step = int(same), 2 if pooled else 1
    out_h, out_w = (size - 2 + 2 * border for size in (height, width))
    out_h, out_w = out_h // step * step, out_w // step * step
    down, across = -(-out_h // 2), -(-out_w // 2)
    reads, writes = [], []
    for y in range(down):
        for x in range(across):
            rows = range(max(2 * y - border, 0), min(2 * y - border + 4, height))
            columns = range(max(2 * x - border, 0), min(2 * x - border + 4, width))
            reads.append([(r * width + c) * channels for r in rows for c in columns])
            if pooled:
                writes.append([(y * across + x + 1) * filters])
            else:
                rows, columns = range(2 * y, min(2 * y + 2, out_h)), range(2 * x, min(2 * x + 2, out_w))
                writes.append([(r * out_w + c + 1) * filters for r in rows for c in columns])
    for group in (2, 4, 6, len(reads) + len(reads) % 2):
        needed = 0
        for start in range(group, len(reads), group):
            written = max(end for tile in writes[:start] for end in tile)
            needed = max(needed, written - min(first for tile in reads[start:] for first in tile))
        padding = Padding(border, border, border, border)
        shape = (1, height, width, channels)
        found = winograd_overlap_bytes(shape, (out_h, out_w), padding, filters, group, pooled=pooled)
        assert found == needed
