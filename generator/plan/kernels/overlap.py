"""How far a kernel's output must start below its input so that it overwrites only what has been read."""

from __future__ import annotations

import numpy as np

from generator.graph import Padding


def overlap_bytes(
    source: tuple[int, ...],
    output: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    pixel_bytes: int,
    window: tuple[int, int],
    together: int,
) -> int:
    """Bytes by which the output has to start below an input of shape ``source`` (1, height, width, channels).

    The kernel gathers what ``together`` outputs see, then writes them, ``pixel_bytes`` each, as one reads.
    ``output`` is the extent of what is convolved, ``window`` how much of it makes one output.
    """
    _, _, width, channels = source
    rows = np.arange(0, output[0], window[0]) * stride[0] - padding.top
    columns = np.arange(0, output[1], window[1]) * stride[1] - padding.left
    # Where the first byte lies that each output reads, and that any later one reads.
    reads = (np.maximum(rows, 0)[:, None] * width + np.maximum(columns, 0)[None, :]).reshape(-1) * channels
    later = np.minimum.accumulate(reads[::-1])[::-1]
    starts = np.arange(together, len(reads), together)
    return int(max((starts * pixel_bytes - later[starts]).max(initial=0), 0))
