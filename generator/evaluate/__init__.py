"""How often a classifier is right, how sure it may be, and what it takes to make it fail.

Scorers turn pictures into scores (:mod:`~generator.evaluate.scorers`), :func:`evaluate` turns scores into
figures; nothing here knows where pictures come from.
"""

from generator.evaluate.evaluation import (
    Evaluation,
    ThresholdChoice,
    answers,
    choose_threshold,
    evaluate,
)
from generator.evaluate.metrics import Scores
from generator.evaluate.paper import PAPER, PAPER_SETS, PaperModel
from generator.evaluate.robustness import CORRUPTIONS, Robustness, corrupt, measure_robustness
from generator.evaluate.scorers import FirmwareScorer, Scorer, TflmScorer, as_scores

__all__ = [
    "CORRUPTIONS",
    "PAPER",
    "PAPER_SETS",
    "Evaluation",
    "FirmwareScorer",
    "PaperModel",
    "Robustness",
    "Scorer",
    "Scores",
    "TflmScorer",
    "ThresholdChoice",
    "answers",
    "as_scores",
    "choose_threshold",
    "corrupt",
    "evaluate",
    "measure_robustness",
]
