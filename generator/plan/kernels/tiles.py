"""Constants of the kernels that multiply two mixed channels at once (firmware/nn/fc_tile.h)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.fixedpoint import Multiplier, wrap_int32
from generator.graph import Quantization
from generator.plan.kernels.candidate import DownChannel, Table, down_channels, weight_table
from generator.plan.packing import pack_mixed_pairs

BYTES, NIBBLES = 1 << 8, 1 << 4
"""What the second channel of a pair is multiplied with where weights are bytes, or of four bits."""
_SUM_LIMIT = 1 << 31  # the second channel's sum is what is left of 32 bits above the first one's
_NO_CHANNEL = DownChannel(0, 0, 1, 0)
_PAIR_BYTES = 32  # struct fc_pair


@dataclass(frozen=True)
class MixedTables:
    """Weights in mixed pairs, pairs of channels, and how outputs are rounded."""

    tables: tuple[Table, Table]
    one_sided: bool


def mixed_tables(
    weights: NDArray[np.int8],
    biases: list[int],
    multipliers: tuple[Multiplier, ...],
    source: Quantization,
    result: Quantization,
    output_range: tuple[int, int],
    comment: str,
    pack: Callable[[NDArray[np.int8]], NDArray[np.int8] | None] = pack_mixed_pairs,
    mixing: int = BYTES,
) -> MixedTables | None:
    """For ``weights`` of (channels, depth); None where the layer's figures do not allow it: its outputs must
    saturate to int8, scale down, and every second channel's sum must stay below 2**31 / ``mixing`` for any
    input. ``mixing``: how many times its weights are, compared with the first one's, as ``pack`` packs them.
    """
    packed = pack(weights)
    channels = down_channels(weights, biases, multipliers, source, result, output_range)
    if packed is None or channels is None or not channels.saturates:
        return None
    if any(largest >= _SUM_LIMIT // mixing for largest in channels.largest[1::2]):
        return None
    comment_pairs = (
        f"scales of both channels (mantissa, shift, rounding), {mixing} * second + first bias, first bias"
    )
    lines = []
    for first, second in itertools.zip_longest(
        channels.channels[::2], channels.channels[1::2], fillvalue=_NO_CHANNEL
    ):
        scales = (c for d in (first, second) for c in (d.mantissa, d.shift, d.rounding))
        biases_of_pair = wrap_int32(mixing * second.bias + first.bias), first.bias
        lines.append(f"{{{', '.join(map(str, (*scales, *biases_of_pair)))}}},")
    table = Table(
        "pairs", "struct fc_pair", len(lines), len(lines) * _PAIR_BYTES, tuple(lines), comment_pairs
    )
    return MixedTables((weight_table(packed, comment), table), channels.one_sided)
