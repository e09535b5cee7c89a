"""Figures of the networks made here: Keras in float32, TFLM in integers, pixels divided by 255."""

from __future__ import annotations

from pathlib import Path

from generator.evaluate import Evaluation, Scorer, TflmScorer, evaluate
from generator.learn.keras_scorer import KerasScorer
from generator.pictures import ImageSet, SplitName
from generator.quantize.calibration import PIXELS

THRESHOLD = 0.5


def float_evaluation(path: Path, data: ImageSet, split: SplitName) -> Evaluation:
    """A Keras file's. Raises ModelError, UsageError or MissingToolError as its parts do."""
    return _evaluated(KerasScorer(path, PIXELS), data, split)


def int8_evaluation(path: Path, data: ImageSet, split: SplitName) -> Evaluation:
    """A ``.tflite`` file's, as float_evaluation."""
    return _evaluated(TflmScorer(path.read_bytes(), str(path), PIXELS, len(data.labels)), data, split)


def _evaluated(scorer: Scorer, data: ImageSet, split: SplitName) -> Evaluation:
    part = data.splits[split]
    return evaluate(
        scorer(part.images()),
        part.labels,
        data.labels,
        engine=scorer.engine,
        split=split,
        threshold=THRESHOLD if scorer.takes_threshold else None,
    )
