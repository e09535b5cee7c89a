"""Means, spreads, intervals, tables: values known by hand."""

from __future__ import annotations

import pytest

from generator.study.markdown import percent, points, span, table
from generator.study.statistics import paired, spread


def test_interval_of_three_runs_is_student_s():
    found = spread([0.90, 0.92, 0.94])
    assert found.mean == pytest.approx(0.92)
    assert found.deviation == pytest.approx(0.02)
    low, high = found.interval
    assert high - low == pytest.approx(2 * 4.303 * 0.02 / 3**0.5)


def test_one_run_has_no_interval():
    assert spread([0.5]).deviation is None
    assert spread([0.5]).interval is None


def test_pairs_lose_what_a_seed_has_in_common():
    found = paired([0.91, 0.81, 0.71], [0.90, 0.80, 0.70])
    assert found.mean == pytest.approx(0.01)
    assert found.deviation == pytest.approx(0, abs=1e-12)


def test_many_runs_have_an_interval_that_is_rather_too_wide():
    assert spread([0.0, 1.0] * 20).interval[1] - 0.5 > 2.0 * 0.506 / 40**0.5


def test_table_is_markdown_whatever_names_hold():
    assert table(["a", "b"], [["x|y", "1"]]).splitlines() == ["| a | b |", "| --- | ---: |", "| x/y | 1 |"]
    assert (percent(None), percent(0.5), points(-0.0123)) == ("-", "50.00%", "-1.23")
    assert span((0.1, 0.2)) == "10.00 .. 20.00"
    assert span((-0.1, 0.2), signed=True) == "-10.00 .. +20.00"
