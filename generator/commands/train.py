"""``train``: pictures to a model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from generator.commands import options
from generator.commands.data import data_options, read_data, say_leaks
from generator.commands.evaluate import SYNTHETIC_NOTE
from generator.commands.output import Output, output_options
from generator.commands.typed import typed
from generator.errors import UsageError
from generator.evaluate import PAPER
from generator.evaluate.show import Column, print_evaluation
from generator.learn.architectures import ARCHITECTURES, architecture
from generator.learn.pipeline import make_model
from generator.learn.recipes import RECIPES, Recipe, fitted
from generator.learn.training import DEFAULT_SEED
from generator.pictures import ImageSet, Splitting, apart_from_test
from generator.quantize.keras_network import IO_TYPES, TensorIo

_DEFAULT_RECIPE = "paper"

copies_option = click.option(
    "--copies",
    multiple=True,
    metavar="N|SET=N",
    help="Augmented pictures in an epoch, of all sets together or of one [default: the recipe's].",
)


@click.command()
@click.argument("arch", type=click.Choice(sorted(ARCHITECTURES)))
@data_options
@click.option(
    "--recipe",
    "recipe_name",
    type=click.Choice(sorted(RECIPES)),
    default=_DEFAULT_RECIPE,
    show_default=True,
    help="As the paper trains, or for pictures from elsewhere (docs/training.md).",
)
@copies_option
@click.option("--epochs", type=click.IntRange(1), help="At most so many [default: the recipe's].")
@click.option(
    "--early-stop", "patience", type=click.IntRange(1), help="Stop after so many epochs without gain."
)
@click.option("--dropout/--no-dropout", default=True, help="Whether dropout layers act.")
@click.option(
    "--interpolations/--no-interpolations",
    default=None,
    help="Every picture scaled in five ways, or in one drawn by lot [default: the recipe's].",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Keras file of a network whose answers are half of the truth; may be repeated.",
)
@click.option("--seed", default=DEFAULT_SEED, show_default=True, type=click.IntRange(0))
@click.option(
    "--workers", type=click.IntRange(0), help="Processes that prepare pictures [default: one per processor]."
)
@click.option(
    "--io",
    type=click.Choice(IO_TYPES["int8"]),
    default="int8",
    show_default=True,
    help="Type of input and output.",
)
@options.out_option
@output_options
def train(
    arch: str,
    data: tuple[str, ...],
    held_out: tuple[str, ...],
    splitting: Splitting,
    recipe_name: str,
    copies: tuple[str, ...],
    epochs: int | None,
    patience: int | None,
    dropout: bool,
    interpolations: bool | None,
    teachers: tuple[Path, ...],
    seed: int,
    workers: int | None,
    io: TensorIo,
    out: Path | None,
    output: Output,
) -> None:
    """Train ARCH, quantize it, and evaluate both; writes a model folder.

    A training that was stopped goes on where it was when the same command is given again.
    """
    folder = out or Path("build") / "train" / arch
    if not data:
        raise UsageError("nothing to train with: name a folder with --data, or --data synthetic")
    wanted = copies_wished(copies)
    images = read_data(data, held_out, splitting, output, seed=seed)
    if held_out:
        images = _without_held_out(images, output)
    recipe = _recipe(recipe_name, epochs, patience, dropout, interpolations)
    outcome = make_model(
        architecture(arch),
        images,
        folder,
        fitted(recipe, images, wanted),
        seed=seed,
        teachers=teachers,
        workers=workers,
        io=io,
        command=typed("train", arch),
        progress=output.say,
    )
    if images.is_synthetic:
        output.say(SYNTHETIC_NOTE)
    for split in dict.fromkeys(evaluation.split for evaluation in outcome.evaluations):
        columns = [Column(e) for e in outcome.evaluations if e.split == split]
        print_evaluation(columns, PAPER.get(arch), output.results)
    say_leaks(images, output)
    output.say(f"wrote {folder}: build it with python -m generator build {folder}")
    output.json(
        {
            "folder": str(folder),
            "evaluations": [asdict(e) for e in outcome.evaluations],
            "left_out": [asdict(one) for one in images.left_out],
        }
    )


def _recipe(
    name: str, epochs: int | None, patience: int | None, dropout: bool, interpolations: bool | None
) -> Recipe:
    recipe = RECIPES[name]
    if interpolations is not None:
        recipe = replace(recipe, epoch=replace(recipe.epoch, each_interpolation=interpolations))
    return replace(
        recipe,
        epochs=recipe.epochs if epochs is None else epochs,
        patience=recipe.patience if patience is None else patience,
        dropout=recipe.dropout if dropout else 0.0,
    )


def copies_wished(words: Sequence[str]) -> Mapping[str, int] | int | None:
    """What ``--copies`` asks for: ``N``, or several ``SET=N``."""
    counts: dict[str, int] = {}
    for word in words:
        name, _, count = word.rpartition("=")
        if not count.isdecimal() or (len(words) > 1 and not name) or name in counts:
            raise UsageError(f"--copies {word}: give one number, or SET=NUMBER once for each set")
        counts[name] = int(count)
    if not counts:
        return None
    return counts.get("", counts)


def _without_held_out(images: ImageSet, output: Output) -> ImageSet:
    """The set whose Train and Validation hold nothing of Test."""
    apart = apart_from_test(images)
    gone = sum(len(images.splits[name]) - len(apart.splits[name]) for name in images.splits)
    if gone:
        output.say(f"{gone:,} pictures that stand in the held-out set, too, are kept out of training")
    return apart
