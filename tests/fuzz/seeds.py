"""What mutation starts from: a small model of every operator, and networks."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from tests.nn.checks import Make
from tests.nn.operators import OPERATORS
from tests.plan.networks import every_operator, random_network
from tests.support import models
from tests.support.cli import ROOT

EXAMPLES = 4


@cache
def tflite_models() -> dict[str, bytes]:
    """By name; the same every time."""
    found = {f"{name}_{i}": model for name in OPERATORS for i, model in enumerate(_examples(name))}
    rng = np.random.default_rng(0)
    image = {"height": 5, "width": 6, "kernel": (3, 2)}
    found |= {
        "convolution": models.convolution(rng, depthwise=False, channels=3, filters=4, **image),
        "depthwise": models.convolution(rng, depthwise=True, channels=2, filters=4, same=True, **image),
        "pooled": models.convolution(rng, depthwise=False, channels=1, filters=2, pool=(2, 2), **image),
        "dense": models.fully_connected(rng, rows=2, depth=5, units=3),
        "softmax": models.softmax(2, 5, 0.1),
        "quantize": models.convert("QUANTIZE", 6, "float32", "int8", None, (0.1, 3)),
        "requantize": models.convert("QUANTIZE", 6, "uint8", "int8", (0.2, 100), (0.1, 3)),
        "dequantize": models.convert("DEQUANTIZE", 6, "int8", "float32", (0.1, 3)),
        "network": every_operator(),
    }
    found |= {path.stem: path.read_bytes() for path in sorted((ROOT / "models").glob("*/*.tflite"))}
    return found | {f"random_{seed}": random_network(seed) for seed in range(6)}


def _examples(operator: str) -> list[bytes]:
    found: list[bytes] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(make=OPERATORS[operator])
    def collect(make: Make) -> None:
        found.append(make(np.random.default_rng(len(found))))

    collect()
    return found
