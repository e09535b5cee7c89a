"""``data``, and the options by which ``train`` and ``evaluate`` name pictures."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from generator.commands.output import Output, output_options
from generator.errors import UsageError
from generator.pictures import SPLITTINGS, ImageSet, Splitting, find_leaks, open_data
from generator.pictures.report import DataReport, Sizes, describe, draw_sheet
from generator.pictures.sets import some_of

_Command = TypeVar("_Command", bound=Callable[..., Any])

held_out_option = click.option(
    "--held-out",
    multiple=True,
    metavar="DIR",
    help="Folder whose pictures are the Test split as a whole and meet no training; may be repeated.",
)


def _splits_option(*names: str) -> Callable[[_Command], _Command]:
    return click.option(
        *names,
        "splitting",
        type=click.Choice(SPLITTINGS),
        default="given",
        show_default=True,
        help="Splits as the folders give them, or made anew so that no near-duplicate straddles them.",
    )


def data_options(command: _Command) -> _Command:
    """``--data``, ``--held-out`` and ``--splits``, for :func:`read_data`."""
    data = click.option(
        "--data",
        multiple=True,
        metavar="DIR",
        help="Folder of images in class folders, or 'synthetic' for drawings; may be repeated.",
    )
    return data(held_out_option(_splits_option("--splits")(command)))


def read_data(
    data: Sequence[str], held_out: Sequence[str], splitting: Splitting, output: Output, *, seed: int = 0
) -> ImageSet:
    """Open the pictures that a user names, and say what was left out.

    Raises:
        UsageError: nothing is named, or whatever :func:`~generator.pictures.open_data` raises.
    """
    if not data and not held_out:
        raise UsageError(
            "no pictures are named: a folder of them is needed (train, evaluate: --data DIR), or 'synthetic'"
        )
    with output.progress("reading pictures") as step:
        images = open_data(data, held_out=held_out, splitting=splitting, seed=seed, progress=step)
    kinds = Counter(one.kind for one in images.left_out)
    if kinds:
        output.say("left out: " + ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds)))
    bad = [f"{one.file}: {one.reason}" for one in images.left_out if one.kind in ("unreadable", "conflict")]
    for line in some_of(bad):
        output.say(f"  {line}")
    return images


def say_leaks(images: ImageSet, output: Output) -> None:
    """Say how many pictures of each split stand in an earlier one, too."""
    for split, count in Counter(leak.split for leak in find_leaks(images)).items():
        output.say(
            f"{count:,} of {len(images.splits[split]):,} pictures of {split} stand in an earlier split, too: "
            "accuracy on them flatters (python -m generator data names them)"
        )


@click.command()
@click.argument("folders", nargs=-1, metavar="DIR...")
@held_out_option
@_splits_option("--split", "--splits")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for report.json and sheet.png [default: build/data/NAME].",
)
@output_options
def data(
    folders: tuple[str, ...],
    held_out: tuple[str, ...],
    splitting: Splitting,
    out: Path | None,
    output: Output,
) -> None:
    """Say what the pictures in the folders DIR are: counts, sizes, what is bad, doubled, and leaks.

    Several folders become one set. Writes report.json and sheet.png.
    """
    images = read_data(folders, held_out, splitting, output)
    report = describe(images)
    folder = out or Path("build") / "data" / images.name.replace(" ", "")
    _write(images, report, folder)
    _print(report, output)
    output.say(f"wrote {folder / 'report.json'} and {folder / 'sheet.png'}")
    output.json(asdict(report))


def _write(images: ImageSet, report: DataReport, folder: Path) -> None:
    """Both files, or neither."""
    folder = folder.resolve()
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        draw_sheet(images, unfinished / "sheet.png")
        content = json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n"
        (unfinished / "report.json").write_text(content, encoding="utf-8")
        for name in ("sheet.png", "report.json"):
            (unfinished / name).replace(folder / name)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}; name another with --out") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _print(report: DataReport, output: Output) -> None:
    table = _table(f"{report.name}: {report.pictures:,} pictures", ("set", "split", *report.labels))
    for source, splits in report.sources.items():
        for split, counts in splits.items():
            table.add_row(source, split, *(f"{counts[label]:,}" for label in report.labels))
    if len(report.sources) > 1:
        for split, counts in report.splits.items():
            table.add_row("all", split, *(f"{counts[label]:,}" for label in report.labels), style="bold")
    output.results.print(table)
    if report.synthetic:
        output.results.print("drawings: a smoke test, no statement about people")
    lines = [f"smallest class: {report.balance:.0%} of the largest"]
    if report.width is not None and report.height is not None:
        lines.append(
            f"pixels: width {_span(report.width)}, height {_span(report.height)} (smallest, median, largest)"
        )
    kinds = Counter(one.kind for one in report.left_out)
    lines.append("left out: " + (", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds)) or "nothing"))
    for source, others in report.left_alone.items():
        if others:
            lines.append(f"left alone in {source}: " + ", ".join(f"{n} {what}" for what, n in others.items()))
    groups = report.near_duplicates
    found = f"{sum(map(len, groups)):,} pictures, at most {max(map(len, groups), default=0)} of one picture"
    lines.append(f"near-duplicates: {found if groups else 'none'}")
    if report.groups_of_several_classes:
        lines.append(
            f"  {report.groups_of_several_classes} of the groups hold more than one class: look at them"
        )
    output.results.print("\n".join(lines))
    _print_leaks(report, output)


def _print_leaks(report: DataReport, output: Output) -> None:
    if not report.leaks:
        output.results.print("leaks: none; no picture stands in two splits")
        return
    columns = ("split", "class", "pictures", "stand earlier, too", "with equal pixels", "left without them")
    table = _table("Leaks: accuracy on these pictures flatters", columns)
    found = Counter((leak.split, leak.label) for leak in report.leaks)
    equal = Counter((leak.split, leak.label) for leak in report.leaks if leak.equal)
    for split in ("Validation", "Test"):
        for label in report.labels:
            count, leaking = report.splits[split][label], found[split, label]
            figures = (count, leaking, equal[split, label], count - leaking)
            table.add_row(split, label, *(f"{figure:,}" for figure in figures))
    output.results.print(table)
    totals = {label: sum(counts[label] for counts in report.splits.values()) for label in report.labels}
    for label, count in report.straddling.items():
        output.results.print(
            f"{count:,} of {totals[label]:,} pictures of {label} stand in more than one split"
        )
    examples = [
        f"  {leak.file} is {'equal to' if leak.equal else 'nearly'} {leak.like}" for leak in report.leaks
    ]
    output.results.print("\n".join(some_of(examples)), soft_wrap=True)
    output.results.print("--split clean makes splits without leaks (train --splits clean)")


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < 2 else "right")
    return table


def _span(sizes: Sizes) -> str:
    return f"{sizes.min}, {sizes.median:g}, {sizes.max}"
