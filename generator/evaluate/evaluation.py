"""One call from scores to every figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from generator.errors import UsageError
from generator.evaluate.metrics import (
    Calibration,
    Classes,
    ClassFigures,
    Interval,
    Roc,
    Scores,
    best_threshold,
    calibration,
    class_figures,
    confusion_matrix,
    roc_curve,
    wilson_interval,
)


@dataclass(frozen=True)
class Evaluation:
    """A model's figures on one split.

    Attributes:
        engine: what computed, for example ``tflm-int8``.
        split: which pictures, for example ``Test``.
        count: pictures.
        threshold: a score of class 1 at or above it means class 1; None where the largest score decides.
        accuracy: part of the pictures that is right, 0..1.
        confusion: ``confusion[truth][answer]``, pictures.
        classes: figures of every class.
        accuracy_interval: Wilson's 95 % interval of the accuracy.
        roc: of class 1 with two classes, of each against the rest with more; a class that all or none of the
            pictures have is left out.
        calibration: what the scores are worth as probabilities.
    """

    engine: str
    split: str
    count: int
    threshold: float | None
    accuracy: float
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassFigures, ...]
    accuracy_interval: Interval
    roc: tuple[Roc, ...]
    calibration: Calibration

    @property
    def auc(self) -> float | None:
        """Area under the curve, the mean over the classes with more than two; None if there is no curve."""
        return sum(roc.auc for roc in self.roc) / len(self.roc) if self.roc else None


@dataclass(frozen=True)
class ThresholdChoice:
    """The threshold that is best on one split, and what it is worth there and on another.

    Chosen and judged on the same pictures it would look better than it is.
    """

    value: float
    chosen_on: str
    accuracy_there: float
    applied_to: str
    accuracy: float


def answers(scores: Scores, threshold: float | None) -> Classes:
    """The class of each row, as the firmware decides: by ``threshold``, or the first largest score."""
    given = np.argmax(scores, axis=1) if threshold is None else scores[:, 1] >= np.float32(threshold)
    return np.asarray(given, np.int64)


def evaluate(
    scores: Scores,
    truth: Sequence[int],
    labels: Sequence[str],
    *,
    engine: str,
    split: str,
    threshold: float | None,
) -> Evaluation:
    """Every figure of ``scores`` (N x classes, 0..1) against ``truth`` (N class numbers).

    Raises:
        UsageError: there are no pictures, other numbers of scores and of classes than of pictures and labels,
            or a threshold for more than two classes.
    """
    true = np.asarray(truth, np.int64)
    if not len(true):
        raise UsageError(f"{split}: holds no image")
    if scores.shape != (len(true), len(labels)):
        raise UsageError(
            f"the model gave {len(scores)} x {scores.shape[1]} scores for {len(true)} pictures of "
            f"{len(labels)} classes ({', '.join(labels)}): the pictures need the model's classes"
        )
    if threshold is not None and len(labels) != 2:
        raise UsageError(f"a threshold tells two classes apart, not {len(labels)}")
    given = answers(scores, threshold)
    confusion = confusion_matrix(true, given, len(labels))
    right = int(np.trace(confusion))
    columns = (1,) if len(labels) == 2 else range(len(labels))
    curves = (roc_curve(scores[:, c], true == c, labels[c]) for c in columns)
    return Evaluation(
        engine=engine,
        split=split,
        count=len(true),
        threshold=threshold,
        accuracy=right / len(true),
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        classes=class_figures(confusion, labels),
        accuracy_interval=wilson_interval(right, len(true)),
        roc=tuple(curve for curve in curves if curve is not None),
        calibration=calibration(scores, true, given),
    )


def choose_threshold(
    chosen: tuple[str, Scores, Sequence[int]], applied: tuple[str, Scores, Sequence[int]]
) -> ThresholdChoice:
    """Choose on one split, judge on another; each is its name, N x 2 scores and N class numbers."""
    (name, scores, truth), (other_name, other_scores, other_truth) = chosen, applied
    best = best_threshold(scores[:, 1], np.asarray(truth) == 1)
    right = answers(other_scores, best.value) == np.asarray(other_truth)
    return ThresholdChoice(best.value, name, best.accuracy, other_name, float(right.mean()))
