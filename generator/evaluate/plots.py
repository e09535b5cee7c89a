"""ROC, reliability and confusion as pictures; the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generator.evaluate.evaluation import Evaluation
from generator.report.plotting import drawing

_SIDE_INCHES = 5.0
_CONFUSION_INCHES_PER_CLASS = 0.6


def draw_plots(evaluations: Sequence[Evaluation], folder: Path) -> tuple[Path, ...]:
    """Write ``roc.png``, ``reliability.png`` and ``confusion.png``; the last of the first evaluation alone.

    Raises:
        MissingToolError: Matplotlib is not installed.
        UsageError: the folder cannot be written.
    """
    paths = tuple(folder / f"{name}.png" for name in ("roc", "reliability", "confusion"))
    _draw_roc(evaluations, paths[0])
    _draw_reliability(evaluations, paths[1])
    _draw_confusion(evaluations[0], paths[2])
    return paths


def _draw_roc(evaluations: Sequence[Evaluation], path: Path) -> None:
    with drawing(_SIDE_INCHES, _SIDE_INCHES, path) as figure:
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        for evaluation in evaluations:
            for roc in evaluation.roc:
                axis.plot(
                    [0.0, *roc.false_positive_rates],
                    [0.0, *roc.true_positive_rates],
                    label=f"{evaluation.engine}, {roc.label}: AUC {roc.auc:.4f}",
                )
        axis.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1), ylim=(0, 1.01))
        axis.set_title(f"ROC on {evaluations[0].split}, {evaluations[0].count:,} pictures", fontsize=10)
        if any(evaluation.roc for evaluation in evaluations):
            axis.legend(loc="lower right", fontsize=8)


def _draw_reliability(evaluations: Sequence[Evaluation], path: Path) -> None:
    with drawing(_SIDE_INCHES, 1.4 * _SIDE_INCHES, path) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.5, 1))
        upper.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        for evaluation in evaluations:
            filled = [b for b in evaluation.calibration.bins if b.count]
            upper.plot(
                [b.confidence for b in filled],
                [b.accuracy for b in filled],
                marker="o",
                label=f"{evaluation.engine}: ECE {evaluation.calibration.expected_error:.4f}",
            )
        bins = evaluations[0].calibration.bins
        lower.bar(
            [b.low for b in bins], [b.count for b in bins], [b.high - b.low for b in bins], align="edge"
        )
        upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.01))
        lower.set(xlabel="confidence", ylabel="answers", yscale="symlog")
        upper.set_title(f"reliability on {evaluations[0].split}", fontsize=10)
        upper.legend(loc="lower left", fontsize=8)


def _draw_confusion(evaluation: Evaluation, path: Path) -> None:
    side = max(_SIDE_INCHES, 1.5 + _CONFUSION_INCHES_PER_CLASS * len(evaluation.classes))
    with drawing(side, side, path) as figure:
        confusion_panel(figure.subplots(), evaluation)


def confusion_panel(axis: Any, evaluation: Evaluation) -> None:
    """Draw pictures by truth and answer on Matplotlib's ``axis``, coloured by the part of the truth."""
    labels = [figures.label for figures in evaluation.classes]
    shares = [[n / max(1, sum(row)) for n in row] for row in evaluation.confusion]
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for truth, row in enumerate(evaluation.confusion):
        for answer, count in enumerate(row):
            colour = "white" if shares[truth][answer] > 0.5 else "black"
            axis.text(answer, truth, f"{count:,}", ha="center", va="center", color=colour)
    axis.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
    axis.set_yticks(range(len(labels)), labels)
    axis.set(xlabel="answer", ylabel="truth")
    axis.set_title(
        f"{evaluation.engine} on {evaluation.split}, accuracy {evaluation.accuracy:.2%}", fontsize=10
    )
