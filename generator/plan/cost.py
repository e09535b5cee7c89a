"""What a kernel should cost, from the plan alone.

Linear in what the inner loops do; the coefficients are least-squares fits to the emulator's cycle model over
the models that ``benchmarks/estimates.py`` runs, which also prints the error. An estimate, and called so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What a step does: products that its loops compute (padding of groups and pairs included), input
    elements that it gathers or reads, output elements that it writes, calls of its inner function or
    starts of its inner loop.
    """

    products: int = 0
    gathered: int = 0
    outputs: int = 0
    calls: int = 0


@dataclass(frozen=True)
class Cost:
    """Cycles per product, gathered element, output element, step and call; waiting for memory left out."""

    per_product: float
    per_gathered: float
    per_output: float
    per_step: float
    per_call: float = 0.0

    def cycles(self, work: Work) -> int:
        """Estimated cycles of one step."""
        return round(
            self.per_product * work.products
            + self.per_gathered * work.gathered
            + self.per_output * work.outputs
            + self.per_step
            + self.per_call * work.calls
        )


COSTS: Mapping[str, Cost] = {
    "add": Cost(0.0, 0.0, 33.0, 17),
    "add_linear": Cost(0.0, 0.0, 3.5, 28),
    "average_pool_2d": Cost(0.0, 0.68, 7.82, 433),
    "conv_2d_bytes": Cost(0.69, 1.92, 14.89, 2446),
    "conv_2d_words": Cost(0.69, 0.67, 14.89, 2446),
    "conv_2d_bytes_max_pool": Cost(0.67, 5.23, 15.27, 1201),
    "conv_2d_words_max_pool": Cost(0.67, 2.28, 15.27, 1201),
    "conv_2d_bytes_tiles": Cost(0.53, 1.2, 6.0, 500),
    "conv_2d_words_tiles": Cost(0.53, 0.8, 6.0, 500),
    "conv_2d_bytes_max_pool_tiles": Cost(0.53, 1.2, 12.0, 500),
    "conv_2d_words_max_pool_tiles": Cost(0.53, 0.8, 12.0, 500),
    "conv_2d_winograd": Cost(0.5, 1.37, 49.6, 0, 52.4),
    "conv_2d_winograd_max_pool": Cost(0.5, 1.36, 41.7, 0, 54.3),
    "conv_2d_winograd_compact": Cost(0.5, 1.37, 49.6, 0, 52.4),
    "conv_2d_winograd_compact_max_pool": Cost(0.5, 1.36, 41.7, 0, 54.3),
    "depthwise_conv_2d": Cost(11.89, 0.0, 0.0, 0),
    "depthwise_planes": Cost(0.8, 3.9, 1.2, 37, 17.6),
    "depthwise_planes_3x3": Cost(0.75, 1.95, 0.0, 474, 15.71),
    "depthwise_conv_2d_words": Cost(2.25, 0.0, 32.44, 0),
    "dequantize": Cost(0.0, 0.0, 13.0, 10),
    "fully_connected": Cost(1.24, 1.93, 15.28, 0),
    "fully_connected_blocks": Cost(0.63, 0.0, 11.0, 50),
    "lookup_8": Cost(0.0, 0.0, 6.02, 0),
    "max_pool_2d": Cost(0.0, 1.0, 0.0, 563),
    "quantize_f32": Cost(0.0, 0.0, 42.42, 187),
    "softmax_table": Cost(0.0, 0.0, 32.38, 116),
}
