"""Constants in the layout that the kernels read (firmware/nn/fc_columns.h), and as C source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import Multiplier

GROUP = 4
COLUMNS = 3
TILE = 4
BLOCK_PAIRS = 4
WEIGHTS_END = 0x80008000
WEIGHTS_MARGIN_BYTES = 4
COLUMNS_MARGIN_BYTES = 8
_COLUMNS_PER_LINE = 24


def groups(depth: int) -> int:
    """Groups of four products that hold ``depth`` of them."""
    return -(-depth // GROUP)


def in_gathered_order(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """(channels, kernel height, kernel width, channels in) as (channels, depth), in the order of fc_gather.h.

    Whole words of each kernel row come first, then what is left of each row.
    """
    channels, height, width, depth = weights.shape
    rows = weights.reshape(channels, height, width * depth)
    whole = width * depth // GROUP * GROUP
    parts = [part.reshape(channels, -1) for part in (rows[..., :whole], rows[..., whole:])]
    return np.concatenate(parts, axis=1)


def pack_pairs(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """(channels, depth) into pairs of channels, two products of both per word, zero-padded to whole groups.

    A word's bytes are c0h0 c1h0 c0h1 c1h1, where h counts the halves of a column: elements 0 2 1 3 of each
    group. Result is flat: ceil(channels / 2) * groups * 8 bytes, and a margin that the kernel reads but does
    not use.
    """
    channels, depth = weights.shape
    padded = np.zeros((-(-channels // 2) * 2, groups(depth), GROUP), np.int8)
    padded.reshape(len(padded), -1)[:channels, :depth] = weights
    halves = padded[..., [0, 2, 1, 3]].reshape(-1, 2, groups(depth) * GROUP).transpose(0, 2, 1)
    return np.concatenate([halves.reshape(-1), np.zeros(WEIGHTS_MARGIN_BYTES, np.int8)])


def pack_mixed_pairs(weights: NDArray[np.int8]) -> NDArray[np.int8] | None:
    """The same, but each half of a word is 256 * second + first, and a word ends each pair (fc_tile.h).

    None if a half overflows or could be taken for the end: -128 of the second channel.
    """
    words = _mixed_words(weights)
    return None if words is None else _ended(words.reshape(-(-len(weights) // 2), -1))


def pack_mixed_blocks(weights: NDArray[np.int8]) -> NDArray[np.int8] | None:
    """The same, with the words of each four whole pairs alternating, and one word at their end.

    The rest follows pair by pair (fc_fully_connected_blocks.h).
    """
    words = _mixed_words(weights)
    if words is None:
        return None
    blocks, pairs = _in_blocks(words, len(weights))
    return np.concatenate([_ended(blocks), _ended(pairs)])


def fit_nibbles(weights: NDArray[np.int8]) -> bool:
    """Whether four bits hold all of them."""
    return bool(weights.size) and weights.min() >= -8 and weights.max() <= 7


def nibbles(first: NDArray[np.int8], second: NDArray[np.int8]) -> NDArray[np.int8]:
    """Bytes of two weights each (firmware/nn/fc_nibbles.h)."""
    packed: NDArray[np.int8] = second * np.int8(16) + first + np.int8(8)
    return packed


def pack_nibble_pairs(weights: NDArray[np.int8]) -> NDArray[np.int8] | None:
    """(channels, depth) into pairs of channels, a byte for an element of both; a word ends each pair.

    None if four bits do not hold them or they could be taken for that word.
    """
    if not fit_nibbles(weights):
        return None
    words = _nibble_words(_words_of_pairs(weights)).reshape(-(-len(weights) // 2), -1)
    return None if (words == WEIGHTS_END).any() else _ended(words)


def pack_nibble_blocks(weights: NDArray[np.int8]) -> NDArray[np.int8] | None:
    """In the order of :func:`pack_mixed_blocks` without ends; a margin that the kernel reads but ignores.

    None if four bits do not hold them.
    """
    if not fit_nibbles(weights):
        return None
    ordered = np.concatenate([p.reshape(-1) for p in _in_blocks(_words_of_pairs(weights), len(weights))])
    return np.concatenate([_nibble_words(ordered).view(np.int8), np.zeros(WEIGHTS_MARGIN_BYTES, np.int8)])


def _nibble_words(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Two words of two products of two channels as one: the first in its even bytes."""
    products = words.view(np.int8).reshape(-1, 2, 2, 2)  # words, halves, channels
    packed = nibbles(products[..., 0], products[..., 1]).transpose(0, 2, 1)
    return np.ascontiguousarray(packed).reshape(-1).view("<u4")


def _in_blocks(words: NDArray[np.uint32], channels: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """A row for each four whole pairs, their words alternating, and one for each pair that is left."""
    pairs = words.reshape(-(-channels // 2), -1)
    blocked = channels // (2 * BLOCK_PAIRS) * BLOCK_PAIRS
    blocks = pairs[:blocked].reshape(-1, BLOCK_PAIRS, pairs.shape[1]).transpose(0, 2, 1)
    return blocks.reshape(len(blocks), BLOCK_PAIRS * pairs.shape[1]), pairs[blocked:]


def _words_of_pairs(weights: NDArray[np.int8]) -> NDArray[np.uint32]:
    """Those of :func:`pack_pairs`, without its margin."""
    return pack_pairs(weights)[:-WEIGHTS_MARGIN_BYTES].view("<u4")


def _mixed_words(weights: NDArray[np.int8]) -> NDArray[np.uint32] | None:
    """All words of all pairs, flat."""
    halves = _words_of_pairs(weights).view(np.int8).reshape(-1, 2).astype(np.int32)
    mixed = halves[:, 0] + 256 * halves[:, 1]
    if mixed.size and mixed.min() <= -(1 << 15):
        return None
    return mixed.astype("<i2").view("<u4")


def _ended(rows: NDArray[np.uint32]) -> NDArray[np.int8]:
    """Rows of words one after the other, each followed by the word that ends it."""
    end = np.full((len(rows), 1), WEIGHTS_END, "<u4")
    return np.concatenate([rows, end], axis=1).reshape(-1).view(np.int8)


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
