"""Constants in the layout that the kernels read (firmware/nn/fc_columns.h), and as C source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from generator.fixedpoint import Multiplier

GROUP = 4
_COLUMNS_PER_LINE = 24


def groups(depth: int) -> int:
    """Groups of four products that hold ``depth`` of them."""
    return -(-depth // GROUP)


def pack_pairs(weights: NDArray[np.int8], *, split: bool) -> NDArray[np.int8]:
    """(channels, depth) into pairs of channels interleaved by words of four, zero-padded to whole ones.

    For split columns the bytes of a word keep the model's order; for linear columns they stand as
    w0 w2 w1 w3. Result is flat: ceil(channels / 2) * groups * 8 bytes.
    """
    channels, depth = weights.shape
    padded = np.zeros((-(-channels // 2) * 2, groups(depth) * GROUP), np.int8)
    padded[:channels, :depth] = weights
    words = padded.reshape(-1, 2, groups(depth), GROUP)
    if not split:
        words = words[..., [0, 2, 1, 3]]
    return np.ascontiguousarray(words.transpose(0, 2, 1, 3)).reshape(-1)


def number_lines(values: Iterable[int]) -> tuple[str, ...]:
    """Decimal initialisers, a fixed number per line."""
    texts = [str(int(v)) for v in values]
    return tuple(
        ", ".join(texts[i : i + _COLUMNS_PER_LINE]) + "," for i in range(0, len(texts), _COLUMNS_PER_LINE)
    )


def channel_lines(biases: Sequence[int], multipliers: Sequence[Multiplier]) -> tuple[str, ...]:
    """``struct fc_channel`` initialisers, one per line."""
    return tuple(
        f"{{{bias}, {{{m.mantissa}, {m.shift}}}}}," for bias, m in zip(biases, multipliers, strict=True)
    )
