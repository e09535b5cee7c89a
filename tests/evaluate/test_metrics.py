"""Figures by hand, and properties that hold for any scores."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.errors import UsageError
from generator.evaluate import answers, choose_threshold, evaluate
from generator.evaluate.metrics import best_threshold, calibration, roc_curve, wilson_interval
from generator.evaluate.show import Column, as_json

# Few different scores, so that ties are common; a float32 as networks give.
_SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1, width=32)


@st.composite
def scored(draw):
    """Scores of class 1 and the truth, both classes present."""
    count = draw(st.integers(2, 30))
    scores = np.array(draw(st.lists(_SCORES, min_size=count, max_size=count)))
    positive = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    positive[:2] = [True, False]
    return scores, positive


def binary(scores, truth, threshold: float | None = 0.5):
    column = np.array(scores, np.float64)
    table = np.stack([1 - column, column], axis=1)
    return evaluate(table, truth, ("no mask", "mask"), engine="tflm-int8", split="Test", threshold=threshold)


def test_confusion_precision_recall_f1():
    result = binary([0.9, 0.8, 0.3, 0.5, 0.1], [1, 1, 1, 0, 0])
    assert result.confusion == ((1, 1), (1, 2))
    assert result.accuracy == pytest.approx(3 / 5)
    bare, mask = result.classes
    assert (bare.precision, bare.recall, bare.f1, bare.support) == (0.5, 0.5, 0.5, 2)
    assert mask.precision == mask.recall == mask.f1 == pytest.approx(2 / 3)
    assert mask.support == 3


def test_threshold_moves_answers_and_nothing_divides_by_zero():
    assert binary([0.6, 0.6], [1, 0], threshold=0.7).confusion == ((1, 0), (1, 0))
    lonely = binary([0.1], [1])
    assert (lonely.classes[1].precision, lonely.classes[1].recall, lonely.classes[1].f1) == (0.0, 0.0, 0.0)
    assert lonely.roc == ()
    assert lonely.auc is None


def test_many_classes_take_the_first_largest_score():
    scores = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7], [0.0, 0.4, 0.6], [0.2, 0.5, 0.3]])
    result = evaluate(scores, [0, 2, 1, 1], ("a", "b", "c"), engine="x", split="Test", threshold=None)
    assert result.confusion == ((1, 0, 0), (0, 1, 1), (0, 0, 1))
    assert result.accuracy == 0.75
    assert [roc.label for roc in result.roc] == ["a", "b", "c"]
    # a: all pairs; b: 0.4 and 0.5 against 0.5 and 0.2: 2.5 of 4; c: all pairs.
    assert [roc.auc for roc in result.roc] == pytest.approx([1.0, 2.5 / 4, 1.0])
    assert result.auc == pytest.approx((2 + 2.5 / 4) / 3)
    brier = (0.5 + 0.14 + 0.72 + 0.38) / 4
    assert result.calibration.brier == pytest.approx(brier)


def test_wilson_by_hand():
    # 95 of 100: (0.95 + z2/200 -+ z sqrt(0.95*0.05/100 + z2/40000)) / (1 + z2/100)
    interval = wilson_interval(95, 100)
    assert (interval.low, interval.high) == pytest.approx((0.88825, 0.97846), abs=1e-5)
    assert wilson_interval(5, 5).high == 1.0
    assert wilson_interval(0, 5).low == 0.0


def test_calibration_by_hand():
    confidence = np.array([0.95, 0.95, 0.95, 0.65])
    scores = np.stack([1 - confidence, confidence], axis=1)
    found = calibration(scores, np.array([1, 1, 0, 1]), np.ones(4, np.int64))
    assert [(round(b.low, 1), b.count) for b in found.bins if b.count] == [(0.6, 1), (0.9, 3)]
    assert found.expected_error == pytest.approx(3 / 4 * abs(0.95 - 2 / 3) + 1 / 4 * 0.35)
    assert found.brier == pytest.approx((2 * 0.05**2 + 0.95**2 + 0.35**2) / 4)


def test_best_threshold_is_the_middle_of_the_widest_gap():
    scores = np.array([0.1, 0.3, 0.8, 0.9])
    best = best_threshold(scores, np.array([False, False, True, True]))
    assert best.accuracy == 1.0
    assert best.value == pytest.approx(0.55)
    # One class alone: nobody, or everybody, is called positive.
    assert best_threshold(scores, np.zeros(4, bool)).value == pytest.approx(0.95)
    assert best_threshold(scores, np.ones(4, bool)).value == pytest.approx(0.05)


def test_threshold_is_judged_on_pictures_it_was_not_chosen_on():
    def two(values):
        return np.stack([1 - np.array(values), np.array(values)], axis=1)

    choice = choose_threshold(
        ("Validation", two([0.2, 0.6]), [0, 1]), ("Test", two([0.5, 0.3, 0.9]), [0, 0, 1])
    )
    assert choice.value == pytest.approx(0.4)
    assert (choice.accuracy_there, choice.accuracy) == (1.0, pytest.approx(2 / 3))


@given(scored())
def test_auc_is_the_share_of_pairs_in_order(case):
    scores, positive = case
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[positive]
        for low in scores[~positive]
    ]
    roc = roc_curve(scores, positive, "x")
    assert roc is not None
    assert roc.auc == pytest.approx(sum(pairs) / len(pairs))
    for threshold, false_rate, true_rate in zip(
        roc.thresholds, roc.false_positive_rates, roc.true_positive_rates, strict=True
    ):
        assert false_rate == (scores[~positive] >= threshold).mean()
        assert true_rate == (scores[positive] >= threshold).mean()


@given(scored())
def test_no_threshold_is_better_than_the_best(case):
    scores, positive = case
    best = best_threshold(scores, positive)
    assert 0 <= best.value <= 1
    given_answers = answers(np.stack([1 - scores, scores], axis=1), best.value)
    assert (given_answers == positive).mean() == pytest.approx(best.accuracy)
    for threshold in (*scores, *((scores[:-1] + scores[1:]) / 2), 0.0, 1.0):
        assert ((scores >= threshold) == positive).mean() <= best.accuracy + 1e-12


@given(scored())
def test_figures_agree_with_each_other_and_are_json(case):
    scores, positive = case
    result = binary(scores, positive.astype(int))
    assert sum(map(sum, result.confusion)) == result.count == sum(c.support for c in result.classes)
    assert result.accuracy_interval.low <= result.accuracy <= result.accuracy_interval.high
    assert sum(b.count for b in result.calibration.bins) == result.count
    assert 0 <= result.calibration.expected_error <= 1
    json.dumps(as_json(Column(result)), allow_nan=False)


@pytest.mark.parametrize(
    ("scores", "truth", "threshold", "words"),
    [
        (np.zeros((0, 2)), [], 0.5, "holds no image"),
        (np.zeros((2, 3)), [0, 1], None, "need the model's classes"),
        (np.zeros((3, 2)), [0, 1], None, "3 x 2 scores for 2 pictures"),
    ],
)
def test_what_does_not_fit_is_said(scores, truth, threshold, words):
    with pytest.raises(UsageError, match=words):
        evaluate(scores, truth, ("no", "yes"), engine="x", split="Test", threshold=threshold)
