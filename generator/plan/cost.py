"""What a kernel should cost, from the plan alone.

Linear in what the inner loops do. The coefficients are least-squares fits to the emulator's cycle model over
all candidates of the networks that ``benchmarks/estimates.py --fit`` runs; without that it prints how far
estimates are off. An estimate, and called so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What a step does: products that its loops compute (padding of groups and pairs included), input
    elements that it gathers or reads, output elements that it computes, calls of its inner function or
    starts of its inner loop, rows of input that it begins, elements that it handles one by one beside its
    main loop, as at borders.
    """

    products: int = 0
    gathered: int = 0
    outputs: int = 0
    calls: int = 0
    rows: int = 0
    singly: int = 0


@dataclass(frozen=True)
class Cost:
    """Cycles per product, gathered element, output element, step, call, row and single element; waiting for
    constants left out (memory.py).
    """

    per_product: float
    per_gathered: float
    per_output: float
    per_step: float = 0.0
    per_call: float = 0.0
    per_row: float = 0.0
    per_single: float = 0.0

    def cycles(self, work: Work) -> int:
        """Estimated cycles of one step."""
        return round(
            self.per_product * work.products
            + self.per_gathered * work.gathered
            + self.per_output * work.outputs
            + self.per_step
            + self.per_call * work.calls
            + self.per_row * work.rows
            + self.per_single * work.singly
        )


COSTS: Mapping[str, Cost] = {
    "add": Cost(0, 0, 29.91, 717.1),
    "add_linear": Cost(0, 0, 3.998, 70.79),
    "average_pool_2d": Cost(0, 4.308, 12.27, 0, 0, 0, 8.121),
    "conv_2d_bytes": Cost(0.5929, 3.447, 16.04, 357.8, 0, 3.775, 7.605),
    "conv_2d_words": Cost(0.5929, 1.937, 16.04, 357.8, 0, 0.8659, 22.75),
    "conv_2d_bytes_max_pool": Cost(0.5929, 3.447, 17.07, 357.8, 0, 3.775, 7.605),
    "conv_2d_words_max_pool": Cost(0.5929, 1.937, 17.07, 357.8, 0, 0.8659, 22.75),
    "conv_2d_bytes_tiles": Cost(0.5105, 1.665, 7.206, 120.4, 71.94, 8.293, 9.398),
    "conv_2d_words_tiles": Cost(0.5105, 1.127, 7.206, 120.4, 71.94, 1.202, 42.92),
    "conv_2d_bytes_max_pool_tiles": Cost(0.5105, 1.665, 18.75, 120.4, 166, 8.293, 9.398),
    "conv_2d_words_max_pool_tiles": Cost(0.5105, 1.127, 18.75, 120.4, 166, 1.202, 42.92),
    "conv_2d_winograd": Cost(0.5, 1.37, 49.6, 0, 52.4),
    "conv_2d_winograd_max_pool": Cost(0.5, 1.36, 41.7, 0, 54.3),
    "conv_2d_winograd_compact": Cost(0.5, 1.37, 49.6, 0, 52.4),
    "conv_2d_winograd_compact_max_pool": Cost(0.5, 1.36, 41.7, 0, 54.3),
    "depthwise_conv_2d": Cost(7.057, 0, 4.119, 0, 0, 7.72),
    "depthwise_planes": Cost(1.18, 1.645, 2.726, 0, 18.1, 118),
    "depthwise_planes_3x3": Cost(0.9913, 1.895, 0, 793.4, 15.4),
    "depthwise_conv_2d_words": Cost(3.247, 0, 18.11, 0, 0, 3.031),
    "dequantize": Cost(0, 0, 12.88, 27.24),
    "fully_connected": Cost(1.277, 0.4301, 14.6, 38.02),
    "fully_connected_blocks": Cost(0.6516, 0, 8.768, 61.65, 36, 0, 1.34),
    "lookup_8": Cost(0, 0, 6.312),
    "max_pool_2d": Cost(0, 5.199, 0, 0, 0, 0, 6.392),
    "quantize_f32": Cost(0, 0, 37.98, 34.91),
    "softmax_table": Cost(0, 0, 40.51, 111.2),
}
