"""What a .tflite file would need on a target, from its plan alone."""

from __future__ import annotations

from pathlib import Path

from generator.commands import road
from generator.learn.sweep import Estimate, Modelled


def estimator(target: road.Target) -> Estimate:
    """Return the estimate for a board at a clock, which plans a file and compiles nothing."""

    def estimate(path: Path) -> Modelled:
        planned = road.plan_model(str(path), None, target)
        cycles, hertz = planned.plan.estimated_cycles, target.clock.sysclk_hz
        return Modelled(
            cycles=cycles,
            ms=1000 * cycles / hertz,
            clock_mhz=hertz / 1e6,
            constants_bytes=planned.plan.weights_bytes,
            arena_bytes=planned.plan.arena_bytes,
            macs=planned.removal.macs,
        )

    return estimate
