"""The networks that benchmarks run on."""

from __future__ import annotations

from pathlib import Path

from generator.catalog import shipped_models

MLPERF_TINY = Path(__file__).resolve().parents[2] / "shared" / "models" / "mlperf_tiny"


def networks() -> list[str]:
    """The shipped models, and MLPerf Tiny's where they lie beside the checkout: what `build` takes."""
    return [*shipped_models(), *map(str, sorted(MLPERF_TINY.glob("*.tflite")))]
