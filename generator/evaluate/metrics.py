"""Figures of a classifier from its scores: pure NumPy, no pictures, no models.

``scores`` are N x classes, 0..1; ``truth`` is N class numbers, ``answers`` N class numbers given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Scores: TypeAlias = npt.NDArray[np.float64]
Classes: TypeAlias = npt.NDArray[np.int64]

_Z_95 = 1.959963984540054  # standard normal, two-sided 95 %
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Interval:
    """A confidence interval, 0..1."""

    low: float
    high: float


@dataclass(frozen=True)
class ClassFigures:
    """Precision, recall and F1 of one class, 0..1 (0 where nothing was counted), and its pictures."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Roc:
    """Receiver operating characteristic of one class against all others.

    Attributes:
        label: the class that counts as positive.
        thresholds: every score that occurs, falling; a score at or above it is called positive.
        false_positive_rates: for each, part of the others that is called positive.
        true_positive_rates: for each, part of the class that is.
        auc: area under the curve, equal to the part of all (positive, negative) pairs that are ordered
            rightly, a tie counting half.
    """

    label: str
    thresholds: tuple[float, ...]
    false_positive_rates: tuple[float, ...]
    true_positive_rates: tuple[float, ...]
    auc: float


@dataclass(frozen=True)
class BestThreshold:
    """The threshold with the highest accuracy, in the middle of the widest range that has it."""

    value: float
    accuracy: float


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence lies above ``low`` up to ``high``.

    ``confidence`` and ``accuracy`` are means over them, None where there are none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """Whether confidence is what it claims to be.

    Attributes:
        bins: of equal width, over the score of the answer that was given.
        expected_error: mean distance of confidence and accuracy, each bin weighted by its answers (ECE).
        brier: mean squared error of the scores: of class 1 with two classes (0..1), summed over all
            classes with more (0..2).
    """

    bins: tuple[Bin, ...]
    expected_error: float
    brier: float


def wilson_interval(right: int, count: int) -> Interval:
    """95 % interval of a proportion (Wilson 1927), which holds near 0 and 1 too; ``count`` above 0."""
    share, z2 = right / count, _Z_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z_95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    # Rounding must not push the exact bounds 0 and 1 inside.
    return Interval(0.0 if right == 0 else middle - half, 1.0 if right == count else middle + half)


def confusion_matrix(truth: Classes, answers: Classes, classes: int) -> npt.NDArray[np.int64]:
    """Pictures by ``[truth][answer]``."""
    return np.bincount(truth * classes + answers, minlength=classes**2).reshape(classes, classes)


def class_figures(confusion: npt.NDArray[np.int64], labels: Sequence[str]) -> tuple[ClassFigures, ...]:
    """Figures of each class."""
    figures = []
    for index, label in enumerate(labels):
        right = int(confusion[index, index])
        support, answered = int(confusion[index].sum()), int(confusion[:, index].sum())
        precision, recall = right / answered if answered else 0.0, right / support if support else 0.0
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0
        figures.append(ClassFigures(label, precision, recall, f1, support))
    return tuple(figures)


def roc_curve(scores: npt.NDArray[Any], positive: npt.NDArray[np.bool_], label: str) -> Roc | None:
    """The curve of one column of scores; None if all pictures, or none, are of the class."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return None
    thresholds, called, hits = _called_positive(scores, positive)
    true_rates, false_rates = hits / positives, (called - hits) / negatives
    # Equal scores make one sloping piece, so the trapezium counts a tie half.
    heights = np.append(0.0, true_rates)
    auc = np.sum(np.diff(false_rates, prepend=0.0) * (heights[1:] + heights[:-1]) / 2)
    return Roc(label, _floats(thresholds), _floats(false_rates), _floats(true_rates), float(auc))


def best_threshold(scores: npt.NDArray[Any], positive: npt.NDArray[np.bool_]) -> BestThreshold:
    """The threshold of the highest accuracy for "positive from this score on".

    All thresholds between two scores that follow each other decide alike; of those ranges with the highest
    accuracy the widest is taken (of equally wide ones the nearest to 0.5), and its middle, in float32 as on
    the device.
    """
    thresholds, called, hits = _called_positive(scores, positive)
    # Nobody is called positive above the highest score.
    right = np.append(hits + (~positive).sum() - (called - hits), (~positive).sum())
    high = np.append(thresholds, 1.0)
    low = np.append(np.append(thresholds[1:], 0.0), thresholds[0])
    exists = np.append(np.full(len(thresholds), True), thresholds[0] < 1.0)
    best = [
        (high[i] - low[i], -abs((high[i] + low[i]) / 2 - 0.5), low[i], high[i])
        for i in np.flatnonzero(exists & (right == right[exists].max()))
    ]
    _, _, above, up_to = max(best)
    middle = float(np.float32((above + up_to) / 2))
    value = middle if above < middle <= up_to else float(up_to)
    return BestThreshold(value, float(right[exists].max() / len(scores)))


def calibration(scores: Scores, truth: Classes, answers: Classes) -> Calibration:
    """Reliability of the scores of the answers given."""
    rows = np.arange(len(scores))
    confidence, right = scores[rows, answers], answers == truth
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    place = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    bins, error = [], 0.0
    for index, (low, high) in enumerate(pairwise(edges)):
        members = place == index
        count = int(members.sum())
        claimed = float(confidence[members].mean()) if count else None
        found = float(right[members].mean()) if count else None
        if claimed is not None and found is not None:
            error += count / len(scores) * abs(claimed - found)
        bins.append(Bin(float(low), float(high), count, claimed, found))
    squared = (scores - np.eye(scores.shape[1])[truth]) ** 2
    brier = squared[:, 1] if scores.shape[1] == 2 else squared.sum(axis=1)
    return Calibration(tuple(bins), error, float(brier.mean()))


def _called_positive(
    scores: npt.NDArray[Any], positive: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Each score that occurs, falling; how many are at or above it, and how many of those are positive."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    return falling[last], last + 1, np.cumsum(positive[order])[last]


def _floats(values: npt.NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
