"""``study``: the paper's whole study on other pictures, part by part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from generator.commands import options, road
from generator.commands.cast import caster
from generator.commands.data import data_options, read_data
from generator.commands.evaluate import SYNTHETIC_NOTE
from generator.commands.output import Output, output_options
from generator.commands.sweep import chosen_networks
from generator.commands.train import copies_option, copies_wished
from generator.commands.typed import typed
from generator.learn.recipes import PAPER, RECIPES, ROBUST, fitted
from generator.pictures import Splitting, open_data
from generator.report.plotting import require_matplotlib
from generator.study import PARTS, Study, run_study
from generator.study.pictures import read_groups, study_sets
from generator.study.run import README


@click.command()
@data_options
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(list(PARTS)),
    help="Only this part; may be repeated [default: all].",
)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings to repeat.")
@click.option(
    "--recipe",
    "recipe_name",
    type=click.Choice(sorted(RECIPES)),
    default=PAPER.name,
    show_default=True,
    help="How networks are trained; robustness has both recipes (docs/training.md).",
)
@click.option("--epochs", type=click.IntRange(1), help="Of every training [default: the recipe's].")
@copies_option
@click.option(
    "--robust-copies",
    type=click.IntRange(1),
    help="The same of the recipe robust, of all sets together [default: the recipe's].",
)
@click.option(
    "--models",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of finished model folders by architecture, for the part models [default: they are trained].",
)
@click.option(
    "--groups",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV file with the columns file and group: sources within a set, for the part source_gap.",
)
@click.option(
    "--network",
    "chosen",
    multiple=True,
    help="Only this one in the part below8bits; may be repeated [default: all eight].",
)
@click.option(
    "--sheets/--no-sheets", default=True, help="Figures of your pictures themselves [default: yes]."
)
@options.board_option
@options.clock_option
@click.option(
    "--workers", type=click.IntRange(0), help="Processes for pictures [default: one for each processor]."
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/study"),
    show_default=True,
    help="Folder of models and intermediate results; what is finished there is not done again.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/study"),
    show_default=True,
    help="Folder of README.md, tables and figures.",
)
@output_options
def study(
    data: tuple[str, ...],
    held_out: tuple[str, ...],
    splitting: Splitting,
    parts: tuple[str, ...],
    seeds: int,
    recipe_name: str,
    epochs: int | None,
    copies: tuple[str, ...],
    robust_copies: int | None,
    models: Path | None,
    groups: Path | None,
    chosen: tuple[str, ...],
    sheets: bool,
    board: str,
    clock_mhz: int | None,
    workers: int | None,
    work: Path,
    out: Path,
    output: Output,
) -> None:
    """Make the paper's tables and figures anew: data, models, ablation, robustness, source gap and more.

    Can be stopped at any time and called again: what is finished with the same settings stays.
    """
    require_matplotlib()  # before anything takes time
    networks = chosen_networks(chosen)
    wanted = copies_wished(copies)
    if held_out:  # what is left out is told once, of all folders
        joint = read_data(data, held_out, splitting, output)
        images = open_data(data, splitting=splitting)
    else:
        joint, images = None, read_data(data, (), splitting, output)
    images, judged = study_sets(images, joint)
    if images.is_synthetic:
        output.say(SYNTHETIC_NOTE)
    paper, robust = (
        fitted(replace(recipe, epochs=epochs or recipe.epochs), images, made)
        for recipe, made in ((PAPER, wanted), (ROBUST, robust_copies))
    )
    sections = run_study(
        Study(
            data=images,
            judged=judged,
            paper=paper,
            robust=robust,
            recipe={recipe.name: recipe for recipe in (paper, robust)}[recipe_name],
            seeds=tuple(range(seeds)),
            out=out,
            work=work,
            cast=caster(road.choose_target(board, clock_mhz), output),
            command=typed("study", without=("out", "work")),
            models=models,
            groups=None if groups is None else read_groups(groups, images),
            sweep=networks,
            sheets=sheets,
            workers=workers,
        ),
        parts or tuple(PARTS),
        output.say,
    )
    for section in sections.values():
        output.results.print(f"{section.title}\n{section.text}", soft_wrap=True)
    output.results.print(f"wrote {out / README}", soft_wrap=True)
    output.json({name: dict(section.facts) for name, section in sections.items()})
