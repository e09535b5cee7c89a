"""Whatever a file asks for, the answer comes in time and within a gigabyte."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.read.heavy import HEAVY
from tests.support.cli import ROOT

# In units of heavy.unit_s, of which an idle desktop does some ten a second.
REFUSED_UNITS = 20
PLANNED_UNITS = 150


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_models_are_bounded(name: str) -> None:
    expected, _ = HEAVY[name]
    done = subprocess.run(
        [sys.executable, "-m", "tests.read.heavy", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    units, outcome = done.stdout.split(" ", 1)
    assert outcome.startswith(expected), outcome
    assert "malformed" not in outcome
    assert float(units) < (REFUSED_UNITS if expected == "refused" else PLANNED_UNITS)
