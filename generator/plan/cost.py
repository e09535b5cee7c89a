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
    elements that it gathers or reads, output elements that it writes.
    """

    products: int = 0
    gathered: int = 0
    outputs: int = 0


@dataclass(frozen=True)
class Cost:
    """Cycles per product, per gathered element, per output element, and per step."""

    per_product: float
    per_gathered: float
    per_output: float
    per_step: float

    def cycles(self, work: Work) -> int:
        """Estimated cycles of one step."""
        return round(
            self.per_product * work.products
            + self.per_gathered * work.gathered
            + self.per_output * work.outputs
            + self.per_step
        )


COSTS: Mapping[str, Cost] = {
    "add": Cost(0.0, 0.0, 31.0, 0),
    "add_linear": Cost(0.0, 0.0, 4.0, 0),
    "average_pool_2d": Cost(0.0, 4.2, 51.73, 0),
    "conv_2d_bytes": Cost(0.69, 1.92, 14.89, 2446),
    "conv_2d_words": Cost(0.69, 0.67, 14.89, 2446),
    "conv_2d_bytes_max_pool": Cost(0.67, 5.23, 15.27, 1201),
    "conv_2d_words_max_pool": Cost(0.67, 2.28, 15.27, 1201),
    "depthwise_conv_2d": Cost(11.74, 0.0, 0.0, 0),
    "depthwise_planes": Cost(1.0, 1.0, 10.0, 0),
    "depthwise_conv_2d_words": Cost(3.08, 0.0, 22.35, 0),
    "dequantize": Cost(0.0, 0.0, 13.0, 10),
    "fully_connected": Cost(1.24, 1.93, 15.28, 0),
    "lookup_8": Cost(0.0, 0.0, 6.02, 0),
    "max_pool_2d": Cost(0.0, 6.83, 0.0, 198),
    "quantize_f32": Cost(0.0, 0.0, 42.42, 187),
    "softmax_table": Cost(0.0, 0.0, 32.38, 116),
}
