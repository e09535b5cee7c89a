"""Figures for people, the paper's beside ours, and as values for JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from generator.evaluate.evaluation import Evaluation, ThresholdChoice
from generator.evaluate.paper import PaperModel
from generator.evaluate.robustness import Robustness

_ABSENT = "-"


@dataclass(frozen=True)
class Column:
    """What one engine achieved.

    Attributes:
        evaluation: its figures.
        choice: the best threshold, None with more than two classes or without a second split.
        file_bytes: size of its model file, None if it does not matter.
    """

    evaluation: Evaluation
    choice: ThresholdChoice | None = None
    file_bytes: int | None = None


def as_json(column: Column) -> dict[str, Any]:
    """A column as one object, the evaluation's own figures first."""
    return {
        **asdict(column.evaluation),
        "auc": column.evaluation.auc,
        "best_threshold": None if column.choice is None else asdict(column.choice),
        "file_bytes": column.file_bytes,
    }


def size_reduction(float_bytes: int | None, int8_bytes: int | None) -> float | None:
    """Part of the float file that the int8 file saves, 0..1."""
    return 1 - int8_bytes / float_bytes if float_bytes and int8_bytes else None


def print_evaluation(
    columns: Sequence[Column], paper: PaperModel | None, console: Console, *, reduction: float | None = None
) -> None:
    """All figures with a column for each engine, then the confusion matrix of each."""
    first = columns[0].evaluation
    table = Table(
        title=f"{first.split}, {first.count:,} pictures",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column.evaluation.engine, justify="right", no_wrap=True)
    if paper is not None:
        for heading in ("paper float32", "paper int8"):
            table.add_column(heading, justify="right", no_wrap=True)

    def row(name: str, cell: Callable[[Column], str], *of_paper: str) -> None:
        beside = () if paper is None else (of_paper or (_ABSENT, _ABSENT))
        table.add_row(name, *(cell(column) for column in columns), *beside)

    accuracies = () if paper is None else (f"{paper.float32_accuracy:.2%}", f"{paper.int8_accuracy:.2%}")
    row("accuracy", lambda c: f"{c.evaluation.accuracy:.2%}", *accuracies)
    row("  95 % interval", _interval)
    for index, figures in enumerate(first.classes):
        known = None if paper is None else paper.figures_of(figures.label)
        values = ("",) * 2 if known is None else tuple(f"{value:g}" for value in known)
        for offset, name in enumerate(("precision", "recall")):
            beside = () if known is None else (_ABSENT, values[offset])
            row(f"{figures.label}: {name}", _class_figure(index, name), *beside)
        row("  F1", _class_figure(index, "f1"))
    row("area under ROC", lambda c: _number(c.evaluation.auc))
    row("calibration error (ECE)", lambda c: f"{c.evaluation.calibration.expected_error:.4f}")
    row("Brier score", lambda c: f"{c.evaluation.calibration.brier:.4f}")
    if any(column.choice for column in columns):
        row("threshold", lambda c: _number(c.evaluation.threshold, ".3f"))
        chosen_on = next(c.choice.chosen_on for c in columns if c.choice)
        row(f"best threshold on {chosen_on}", lambda c: _number(c.choice.value if c.choice else None, ".3f"))
        row("  accuracy with it", lambda c: _number(c.choice.accuracy if c.choice else None, ".2%"))
    if any(column.file_bytes for column in columns):
        sizes = () if paper is None else (paper.float32_file, paper.int8_file)
        row("model file", lambda c: _bytes(c.file_bytes), *sizes)
    if reduction is not None:
        saved = () if paper is None else ("", f"{paper.reduction:.2%}")
        cells = ["" if "int8" not in c.evaluation.engine else f"{reduction:.2%}" for c in columns]
        table.add_row("  size reduction", *cells, *saved)
    console.print(table)
    if paper is not None:
        console.print(
            f'paper: its model "{paper.name}" on its own pictures (arXiv 2011.14858, Tables 2 to 5), '
            "so a difference is no verdict",
            soft_wrap=True,
        )
    for column in columns:
        print_confusion(column.evaluation, console)


def print_confusion(evaluation: Evaluation, console: Console) -> None:
    """Pictures by truth and answer."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"{evaluation.engine}: truth, and what it was called", no_wrap=True)
    for figures in evaluation.classes:
        table.add_column(figures.label, justify="right")
    for figures, counts in zip(evaluation.classes, evaluation.confusion, strict=True):
        table.add_row(figures.label, *(f"{count:,}" for count in counts))
    console.print(table)


def print_robustness(result: Robustness, console: Console) -> None:
    """A row for each corruption, accuracy below its level."""
    table = Table(
        title=f"{result.engine}: accuracy of {result.count:,} spoilt pictures, clean {result.clean:.2%}; "
        "the paper leaves this open",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("level: accuracy")
    for strength in range(1, len(result.corruptions[0].levels) + 1):
        table.add_column(str(strength), justify="right", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    for line in result.corruptions:
        cells = (f"{level:g}: {a:.1%}" for level, a in zip(line.levels, line.accuracies, strict=True))
        table.add_row(f"{line.name}, {line.unit}", *cells, f"{line.mean:.1%}")
    table.add_section()
    table.add_row("all", *("" for _ in result.corruptions[0].levels), f"{result.mean:.1%}")
    console.print(table)


def _interval(column: Column) -> str:
    interval = column.evaluation.accuracy_interval
    return f"{100 * interval.low:.2f}..{interval.high:.2%}"


def _class_figure(index: int, name: str) -> Callable[[Column], str]:
    return lambda column: f"{getattr(column.evaluation.classes[index], name):.4f}"


def _number(value: float | None, form: str = ".4f") -> str:
    return _ABSENT if value is None else format(value, form)


def _bytes(count: int | None) -> str:
    return _ABSENT if count is None else f"{count:,} B"
