"""What a kernel should cost, from the plan alone.

Linear in what the inner loops do; the coefficients are least-squares fits to the emulator's cycle model over
the models that ``benchmarks/estimates.py`` runs, which also prints the error. An estimate, and called so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Cycles per multiply-accumulate, per gathered input element, per output element, and per step."""

    per_mac: float
    per_gathered: float
    per_output: float
    per_step: float = 0.0

    def cycles(self, *, macs: int = 0, gathered: int = 0, outputs: int = 0) -> int:
        """Estimated cycles of one step."""
        return round(
            self.per_mac * macs + self.per_gathered * gathered + self.per_output * outputs + self.per_step
        )


CONV_2D_SPLIT = Cost(1.2, 1.0, 10.0, 200)
CONV_2D_LINEAR = Cost(1.2, 4.0, 10.0, 200)
DEPTHWISE_CONV_2D = Cost(16.0, 0.0, 30.0, 200)
DEPTHWISE_CONV_2D_WORDS = Cost(3.0, 0.0, 20.0, 200)
FULLY_CONNECTED = Cost(1.0, 1.0, 12.0, 200)
POOL_2D = Cost(0.0, 4.0, 8.0, 200)
ADD = Cost(0.0, 0.0, 30.0, 100)
LOOKUP = Cost(0.0, 0.0, 4.0, 50)
SOFTMAX = Cost(0.0, 0.0, 30.0, 250)
QUANTIZE = Cost(0.0, 0.0, 20.0, 50)
