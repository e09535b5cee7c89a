"""What a kernel should cost, from the plan alone.

Linear in what the inner loops do. The coefficients are least-squares fits to the emulator's cycle model over
all candidates of the networks that ``benchmarks/estimates.py --fit`` runs; without that it prints how far
estimates are off. An estimate, and called so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass


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

    def __add__(self, other: Work) -> Work:
        """Both, one after the other."""
        mine, others = (astuple(work) for work in (self, other))
        return Work(*(a + b for a, b in zip(mine, others, strict=True)))


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
    "conv_2d_16": Cost(3.0, 0, 20.0, 50, 10.0),
    "conv_2d_16_pairs": Cost(0.6, 2.5, 22.0, 100, 40.0),
    "conv_2d_16_pairs_singly": Cost(0.6, 10.5, 22.0, 100),
    "conv_2d_16_wide": Cost(5.0, 0, 25.0, 50, 10.0),
    "depthwise_conv_2d_16": Cost(3.5, 0, 20.0, 50, 12.0),
    "depthwise_conv_2d_16_wide": Cost(7.0, 0, 25.0, 50, 15.0),
    "fully_connected_16": Cost(3.0, 0, 20.0, 50, 10.0),
    "fully_connected_16_pairs": Cost(1.1, 0, 15.0, 50, 5.0),
    "fully_connected_16_wide": Cost(5.0, 0, 25.0, 50, 10.0),
    "logistic_16": Cost(0, 0, 21.0, 20),
    "rescale": Cost(0, 0, 10.0, 30),
    "slopes_16": Cost(0, 0, 20.5, 30),
    "softmax_16": Cost(0, 0, 45.0, 30),
    "tanh_16": Cost(0, 0, 21.0, 20),
    "transpose_conv_16": Cost(3.0, 0, 40.0, 50, 15.0),
    "transpose_conv_16_wide": Cost(5.0, 0, 45.0, 50, 15.0),
    "add": Cost(0, 0, 29.91, 701),
    "arg_max_axis": Cost(0, 6.022, 7.217, 3.077),
    "arg_min_axis": Cost(0, 6.022, 7.217, 3.077),
    "concatenate": Cost(0, 5.092, 0, 134, 8.481, 0, 5.556),
    "copy": Cost(0, 3, 0, 60, 5.5, 0, 1),
    "div": Cost(0, 0, 119.5),
    "max_axis": Cost(0, 4.6, 6, 8.6),
    "maximum": Cost(0, 0, 4.5, 11.45),
    "min_axis": Cost(0, 5.001, 7.033, 8.646),
    "minimum": Cost(0, 0, 6.695),
    "mul": Cost(0, 0, 17.47),
    "pad": Cost(0, 5.362, 0.05, 310.5),
    "prelu": Cost(0, 0, 13.93),
    "resize_bilinear": Cost(0, 0, 16.6, 50, 13.0),
    "select": Cost(0, 4.738, 0, 20, 2, 0, 5),
    "squared_difference": Cost(0, 0, 27.51),
    "sub": Cost(0, 0, 22.53),
    "sum_axis": Cost(0, 3.012, 24.09, 4.419),
    "batch_matmul": Cost(1.45, 0, 6.0, 50, 20.0),
    "lstm": Cost(1.25, 1.3, 455.0, 50, 100.0),
    "add_linear": Cost(0, 0, 3.998, 49.19),
    "average_pool_2d_16": Cost(0, 5.5, 3.0, 30, 0, 0, 6.0),
    "average_pool_2d": Cost(0, 4.014, 3.196, 0, 0, 0, 5.536),
    "conv_2d_bytes": Cost(0.5984, 3.438, 16.38, 325.2, 0, 2.712, 7.585),
    "conv_2d_words": Cost(0.5984, 2.026, 16.38, 325.2, 0, 0.3874, 14.89),
    "conv_2d_bytes_max_pool": Cost(0.5984, 3.438, 17.12, 325.2, 0, 2.712, 7.585),
    "conv_2d_words_max_pool": Cost(0.5984, 2.026, 17.12, 325.2, 0, 0.3874, 14.89),
    "conv_2d_bytes_tiles": Cost(0.4958, 1.678, 6.478, 28.33, 100.1, 5.398, 9.554),
    "conv_2d_bytes_tiles_s4": Cost(0.5876, 0.09472, 6.124, 158.7, 58.64, 50.43, 12.69),
    "conv_2d_words_tiles": Cost(0.4958, 1.206, 6.478, 28.33, 100.1, 0, 36.39),
    "conv_2d_words_tiles_s4": Cost(0.5876, 1.51, 6.124, 158.7, 58.64, 39, 26.23),
    "conv_2d_bytes_max_pool_tiles": Cost(0.4958, 1.678, 14.63, 28.33, 192.4, 5.398, 9.554),
    "conv_2d_bytes_max_pool_tiles_s4": Cost(0.5876, 0.09472, 9.119, 158.7, 0, 50.43, 12.69),
    "conv_2d_words_max_pool_tiles": Cost(0.4958, 1.206, 14.63, 28.33, 192.4, 0, 36.39),
    "conv_2d_words_max_pool_tiles_s4": Cost(0.5876, 1.51, 9.119, 158.7, 0, 39, 26.23),
    "conv_2d_winograd": Cost(0.5005, 1.699, 56.98, 0, 40),
    "conv_2d_winograd_max_pool": Cost(0.5005, 1.699, 23.65, 0, 106.2),
    "conv_2d_winograd_compact": Cost(0.5036, 1.398, 63.8, 748.5, 36.71),
    "conv_2d_winograd_compact_s4": Cost(0.5036, 1.398, 63.8, 748.5, 36.71, 0, 0.8),
    "conv_2d_winograd_compact_max_pool": Cost(0.5036, 1.398, 18.92, 748.5, 123.5),
    "conv_2d_winograd_compact_max_pool_s4": Cost(0.5036, 1.398, 18.92, 748.5, 123.5, 0, 0.8),
    "depthwise_conv_2d": Cost(7.142, 0, 2.922, 0, 0, 9.084),
    "depthwise_planes": Cost(1.171, 1.837, 2.617, 79.59, 17.8, 107.9),
    "depthwise_planes_3x3": Cost(0.8657, 2.561, 0, 411.7, 14.08, 31.78),
    "depthwise_conv_2d_words": Cost(3.19, 0, 18.33, 0, 0, 3.509),
    "svdf": Cost(1.6, 1.3, 60.0, 50),
    "dequantize": Cost(0, 0, 12.95, 21.12),
    "fully_connected": Cost(1.248, 1.255, 23.22, 45.52),
    "fully_connected_blocks": Cost(0.6612, 0, 3.279, 75.92, 81.02, 0, 1.54),
    "fully_connected_blocks_s4": Cost(0.7508, 0, 0, 115.6, 114.8, 0, 1.651),
    "log_softmax_table": Cost(0, 0, 38.0, 250),
    "lookup_8": Cost(0, 0, 3.13, 16),
    "max_pool_2d_16": Cost(0, 6.0, 3.0, 30, 0, 0, 8.0),
    "max_pool_2d": Cost(0, 4.016, 0, 0, 0, 0, 6.238),
    "quantize_f32": Cost(0, 0, 38.3, 25.67),
    "softmax_table": Cost(0, 0, 37.53, 148.5),
    "transpose_conv_bytes": Cost(0.5984, 3.438, 16.38, 325.2, 50.0, 2.712),
    "transpose_conv_words": Cost(0.5984, 2.026, 16.38, 325.2, 50.0, 0.3874),
}
