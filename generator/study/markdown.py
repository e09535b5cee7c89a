"""Tables and figures as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ABSENT = "-"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """A table whose first ``texts`` columns are text and whose others are numbers."""
    rule = ["---" if column < texts else "---:" for column in range(len(headings))]
    lines = [headings, rule, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def figure(name: str, caption: str) -> str:
    """A PNG beside the text."""
    return f"![{caption}]({name}.png)"


def percent(share: float | None) -> str:
    """A share, 0..1, in percent."""
    return ABSENT if share is None else f"{share:.2%}"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.2f}"


def span(interval: tuple[float, float] | None, *, signed: bool = False) -> str:
    """An interval of shares in percent, or of differences of them in points."""
    if interval is None:
        return ABSENT
    low, high = (100 * bound for bound in interval)
    return f"{low:+.2f} .. {high:+.2f}" if signed else f"{low:.2f} .. {high:.2f}"
