"""The one door to Matplotlib, and pictures whose bytes depend on the figures alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generator.errors import MissingToolError, UsageError


def require_matplotlib() -> Any:
    """Return the ``matplotlib`` module. MissingToolError if it is not installed."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingToolError("a picture needs Matplotlib: pip install 'firmcast[plot]'") from error
    return mpl


@contextmanager
def png(path: Path, width_inches: float, height_inches: float) -> Iterator[Any]:
    """A Matplotlib figure in its default style, written to ``path`` as PNG when the block ends well.

    Raises:
        MissingToolError: Matplotlib is not installed.
        UsageError: ``path`` cannot be written.
    """
    mpl = require_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    with mpl.rc_context(), style.context("default"):
        figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
        yield figure
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=100, metadata={"Software": None})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
