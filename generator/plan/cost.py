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
    elements that it gathers or reads, output elements that it writes, and how often its loops are begun, for
    kernels where that depends on more than the outputs.
    """

    products: int = 0
    gathered: int = 0
    outputs: int = 0
    passes: int = 0


@dataclass(frozen=True)
class Cost:
    """Cycles per product, per gathered element, per output element, per step, and per pass."""

    per_product: float
    per_gathered: float
    per_output: float
    per_step: float
    per_pass: float = 0.0

    def cycles(self, work: Work) -> int:
        """Estimated cycles of one step."""
        return round(
            self.per_product * work.products
            + self.per_gathered * work.gathered
            + self.per_output * work.outputs
            + self.per_pass * work.passes
            + self.per_step
        )


COSTS: Mapping[str, Cost] = {
    "add": Cost(0.0, 0.0, 33.0, 17),
    "add_linear": Cost(0.0, 0.0, 3.5, 28),
    "average_pool_2d": Cost(0.0, 0.68, 7.82, 433),
    "conv_2d_bytes": Cost(0.69, 1.92, 14.89, 2446),
    "conv_2d_words": Cost(0.69, 0.67, 14.89, 2446),
    "conv_2d_bytes_max_pool": Cost(0.67, 5.14, 13.6, 1346),
    "conv_2d_words_max_pool": Cost(0.67, 2.23, 13.6, 1346),
    "depthwise_conv_2d": Cost(11.89, 0.0, 0.0, 0),
    "depthwise_planes": Cost(0.8, 3.9, 1.2, 37, 17.6),
    "depthwise_planes_3x3": Cost(0.75, 1.95, 0.0, 474, 15.71),
    "depthwise_conv_2d_words": Cost(2.25, 0.0, 32.44, 0),
    "dequantize": Cost(0.0, 0.0, 13.0, 10),
    "fully_connected": Cost(1.24, 1.93, 15.28, 0),
    "lookup_8": Cost(0.0, 0.0, 6.02, 0),
    "max_pool_2d": Cost(0.0, 1.0, 0.0, 563),
    "quantize_f32": Cost(0.0, 0.0, 42.42, 187),
    "softmax_table": Cost(0.0, 0.0, 32.38, 116),
}
