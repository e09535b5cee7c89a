"""What a handful of runs say: means, spreads, and paired differences with their interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

# Student's t, two-sided 95 %, by degrees of freedom from 1; beyond, the last is wider than needed.
_T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Spread:
    """Values, their mean, and their standard deviation (n - 1), None of a single one."""

    values: tuple[float, ...]
    mean: float
    deviation: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean by Student's t; None of a single value."""
        if self.deviation is None:
            return None
        half = _T_95[min(len(self.values) - 1, len(_T_95)) - 1] * self.deviation / math.sqrt(len(self.values))
        return self.mean - half, self.mean + half


def spread(values: Sequence[float]) -> Spread:
    """Mean and spread of at least one value."""
    return Spread(tuple(values), fmean(values), stdev(values) if len(values) > 1 else None)


def paired(first: Sequence[float], second: Sequence[float]) -> Spread:
    """``first`` minus ``second``, run by run: what the runs of one seed have in common cancels."""
    return spread([a - b for a, b in zip(first, second, strict=True)])
