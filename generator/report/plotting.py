"""The one door to Matplotlib, and pictures whose bytes depend on the figures alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generator.errors import MissingToolError
from generator.records import write_whole

_NO_ORIGIN = {"png": {"Software": None}, "svg": {"Date": None}}


def require_matplotlib() -> Any:
    """Return the ``matplotlib`` module. MissingToolError if it is not installed."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingToolError("a picture needs Matplotlib: pip install 'firmcast[plot]'") from error
    return mpl


@contextmanager
def drawing(width_inches: float, height_inches: float, *paths: Path) -> Iterator[Any]:
    """A Matplotlib figure in its default style, written to each of ``paths`` when the block ends well.

    Args:
        width_inches: of the figure.
        height_inches: of the figure.
        paths: SVG where they end in ``.svg``, else PNG.

    Raises:
        MissingToolError: Matplotlib is not installed.
        UsageError: a path cannot be written.
    """
    mpl = require_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    with mpl.rc_context(), style.context("default"):
        mpl.rcParams["svg.hashsalt"] = "firmcast"
        figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
        yield figure
        for path in paths:
            kind = "svg" if path.suffix == ".svg" else "png"
            content = io.BytesIO()
            figure.savefig(content, format=kind, dpi=100, metadata=_NO_ORIGIN[kind])
            write_whole(path, content.getvalue())
