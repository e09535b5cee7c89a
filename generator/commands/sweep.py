"""``sweep``: accuracy against size and modelled latency of a set of small networks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import click

from generator.commands import options, road
from generator.commands.cast import caster
from generator.commands.data import data_options, read_data
from generator.commands.evaluate import SYNTHETIC_NOTE
from generator.commands.output import Output, output_options
from generator.errors import UsageError
from generator.learn.architectures import Architecture
from generator.learn.fake_quant import BITS
from generator.learn.pareto import draw_pareto
from generator.learn.recipes import PAPER, RECIPES, fitted
from generator.learn.sweep import (
    DEFAULT_TUNING_EPOCHS,
    DEFAULT_WEIGHTS,
    as_json,
    as_markdown,
    run_sweep,
    sweep_networks,
    write_tables,
)
from generator.pictures import Splitting
from generator.report.plotting import require_matplotlib


@click.command()
@data_options
@click.option(
    "--recipe",
    "recipe_name",
    type=click.Choice(sorted(RECIPES)),
    default=PAPER.name,
    show_default=True,
    help="How every network is trained (docs/training.md).",
)
@click.option("--epochs", type=click.IntRange(1), help="Of every network [default: the recipe's].")
@click.option(
    "--copies", type=click.IntRange(1), help="Augmented pictures in an epoch [default: the recipe's]."
)
@click.option(
    "--tuning-epochs",
    default=DEFAULT_TUNING_EPOCHS,
    show_default=True,
    type=click.IntRange(0),
    help="Fine-tuning of weights below 8 bits.",
)
@click.option(
    "--network", "chosen", multiple=True, help="Only this one; may be repeated [default: all eight]."
)
@click.option(
    "--weights",
    multiple=True,
    type=click.Choice([str(bits) for bits in BITS]),
    default=[str(bits) for bits in DEFAULT_WEIGHTS],
    show_default=True,
    help="Bits of the weights; may be repeated.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of every network.")
@options.board_option
@options.clock_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/sweep"),
    show_default=True,
    help="Folder of the results; what is finished there is not done again.",
)
@output_options
def sweep(
    data: tuple[str, ...],
    held_out: tuple[str, ...],
    splitting: Splitting,
    recipe_name: str,
    epochs: int | None,
    copies: int | None,
    tuning_epochs: int,
    chosen: tuple[str, ...],
    weights: tuple[str, ...],
    seed: int,
    board: str,
    clock_mhz: int | None,
    out: Path,
    output: Output,
) -> None:
    """Train small networks, quantize each to several widths of weights, and show which are worth it.

    Writes sweep.json, sweep.md, pareto.png and pareto.svg. Every network is built and run on the emulated
    board.
    """
    networks = chosen_networks(chosen)
    require_matplotlib()  # before anything takes time
    cast = caster(road.choose_target(board, clock_mhz), output)
    images = read_data(data, held_out, splitting, output, seed=seed)
    recipe = RECIPES[recipe_name]
    rows = run_sweep(
        images,
        out,
        cast,
        networks=networks,
        weights=[bits for bits in BITS if str(bits) in weights],
        recipe=fitted(replace(recipe, epochs=epochs or recipe.epochs), images, copies),
        tuning_epochs=tuning_epochs,
        seed=seed,
        progress=output.say,
    )
    written = (*write_tables(rows, out), *draw_pareto(rows, out))
    if images.is_synthetic:
        output.say(SYNTHETIC_NOTE)
    output.results.print(as_markdown(rows), soft_wrap=True)
    output.results.print(f"wrote {', '.join(str(path) for path in written)}", soft_wrap=True)
    output.json(as_json(rows))


def chosen_networks(names: Collection[str]) -> tuple[Architecture, ...]:
    """Networks of the sweep by name, all without names. UsageError says which there are not."""
    known = {network.name: network for network in sweep_networks()}
    unknown = sorted(set(names).difference(known))
    if unknown:
        raise UsageError(
            f"no network of the sweep is called {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return tuple(network for name, network in known.items() if not names or name in names)
