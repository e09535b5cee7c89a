"""Constants of the kernels that multiply two mixed channels at once (firmware/nn/fc_tile.h)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from generator.fixedpoint import Multiplier
from generator.graph import Quantization
from generator.plan.kernels.candidate import Table, down_channels, weight_table
from generator.plan.packing import pack_mixed_pairs

_SECOND_LIMIT = 1 << 23  # the second channel's sum is what is left of 32 bits above the first one's
_NO_CHANNEL = "{0, 0, 1, 0},"


@dataclass(frozen=True)
class MixedTables:
    """Weights in mixed pairs, channels, and how outputs are rounded."""

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
) -> MixedTables | None:
    """For ``weights`` of (channels, depth); None where the layer's figures do not allow it: its outputs must
    saturate to int8, scale down, and every second channel's sum must stay below 2**23 for any input.
    """
    packed = pack(weights)
    channels = down_channels(weights, biases, multipliers, source, result, output_range)
    if packed is None or channels is None or not channels.saturates:
        return None
    if any(largest >= _SECOND_LIMIT for largest in channels.largest[1::2]):
        return None
    table = channels.table
    if table.length % 2:
        entry_bytes = table.size_bytes // table.length
        table = replace(
            table,
            length=table.length + 1,
            size_bytes=table.size_bytes + entry_bytes,
            lines=(*table.lines, _NO_CHANNEL),
        )
    return MixedTables((weight_table(packed, comment), table), channels.one_sided)
