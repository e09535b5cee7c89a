"""The differences of the layers as a picture; the same comparison gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from generator.report.plotting import drawing
from generator.validate.arrays import Array
from generator.validate.implementations import FLOAT, TARGET
from generator.validate.layers import Difference, LayerComparison, Pair
from generator.validate.rules import Engine
from generator.validate.show import sentence

_INHERITED, _OWN, _LARGEST = "#9ecae1", "#08519c", "#d94801"
_ROW_INCHES, _MAP_INCHES, _WIDTH_INCHES = 2.4, 4.0, 10.0
_LEAST_PERCENT = 1e-3  # what a bar begins at: shares are drawn by their logarithm


def draw(comparison: LayerComparison, path: Path) -> None:
    """Write a PNG: a profile along the layers for each implementation against TFLM, then a map.

    The map shows the first layer that departs, of the target if it does, else of the first that does.

    Raises:
        MissingToolError: Matplotlib is not installed.
        UsageError: ``path`` cannot be written.
    """
    pairs = [p for p in comparison.pairs if Engine.TFLM.value in (p.first, p.second)]
    departing = sorted((p for p in pairs if p.departure), key=lambda p: TARGET not in (p.first, p.second))
    heights = [_ROW_INCHES * len(pairs)] + [_MAP_INCHES] * bool(departing)
    with drawing(_WIDTH_INCHES, sum(heights), path) as figure:
        parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axis, pair in zip(parts[0].subplots(len(pairs), 1, squeeze=False)[:, 0], pairs, strict=True):
            (_noise if FLOAT in (pair.first, pair.second) else _profile)(axis, comparison, pair)
        if departing:
            _map(parts[1], comparison, departing[0])


def _titled(axis: Any, comparison: LayerComparison, pair: Pair) -> None:
    names = {i.key: i.name for i in comparison.implementations}
    axis.set_title(f"{names[pair.first]} against {names[pair.second]}", loc="left", fontsize=8)
    axis.set_xticks(
        range(len(comparison.layers)), [str(layer.operator_index) for layer in comparison.layers], fontsize=7
    )
    axis.set_xlabel("operator", fontsize=8)
    axis.set_xlim(-0.6, len(comparison.layers) - 0.4)


def _profile(axis: Any, comparison: LayerComparison, pair: Pair) -> None:
    """Share of differing elements, the layer's own within it, and the largest difference."""
    places = np.arange(len(comparison.layers))
    key = next(k for k in (pair.first, pair.second) if k != Engine.TFLM.value)
    axis.set_ylim(_LEAST_PERCENT, 100.0)
    axis.set_yscale("log")
    axis.bar(places, [_share(d) for d in pair.differences], color=_INHERITED, label="differ")
    axis.bar(places, [_share(d) for d in comparison.own[key]], 0.4, color=_OWN, label="by the layer itself")
    axis.set_ylabel("elements, %", fontsize=8)
    steps = axis.twinx()
    largest = [np.nan if d is None or d.max_steps is None else d.max_steps for d in pair.differences]
    steps.plot(places, largest, ".", color=_LARGEST, label="largest")
    steps.set_ylabel("steps", fontsize=8, color=_LARGEST)
    steps.set_ylim(0, max(1.0, np.nanmax([0.0, *largest])) * 1.2)
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=2, fontsize=7, frameon=False)
    _titled(axis, comparison, pair)


def _noise(axis: Any, comparison: LayerComparison, pair: Pair) -> None:
    """Signal to noise against float."""
    sqnr = [np.nan if d is None or d.sqnr_db is None else d.sqnr_db for d in pair.differences]
    axis.plot(range(len(sqnr)), sqnr, "o-", color=_OWN)
    axis.set_ylabel("SQNR, dB", fontsize=8)
    _titled(axis, comparison, pair)


def _map(figure: Any, comparison: LayerComparison, pair: Pair) -> None:
    """Where the first layer that departs does so: rows and columns, the largest of the channels; or bars."""
    if pair.departure is None:
        raise ValueError("nothing departs")
    plane = _plane(pair.departure.apart)
    axis = figure.subplots()
    if min(plane.shape) == 1:
        axis.bar(np.arange(plane.size), plane.reshape(-1), color=_LARGEST)
        axis.set_xlabel("element", fontsize=8)
        axis.set_ylabel("steps", fontsize=8)
    else:
        shown = axis.imshow(plane, cmap="magma", interpolation="nearest")
        figure.colorbar(shown, ax=axis, label="steps, largest of the channels")
    both, where = sentence(comparison, pair).split("; ")[0].split(": ", 1)
    figure.suptitle(f"{both}\n{where}\nshown on {pair.departure.input_name}", fontsize=8)


def _plane(apart: Array) -> Array:
    """Two axes: rows and columns of a picture, or one row of a vector."""
    if apart.ndim == 4:
        largest: Array = apart.max(axis=(0, 3))
        return largest
    return apart.reshape(1, -1)


def _share(difference: Difference | None) -> float:
    return 0.0 if difference is None else 100.0 * difference.differing / difference.elements
