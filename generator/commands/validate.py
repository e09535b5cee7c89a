"""``validate``: the same inputs through the reference and a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from generator.commands import attach, options, road
from generator.commands.output import Output, output_options
from generator.errors import MismatchError
from generator.link import Client
from generator.plan import Optimize
from generator.validate import compare, make_inputs


@click.command()
@options.model_argument
@click.option(
    "--on",
    "where",
    type=click.Choice(["host", "emulator", "renode", "board"]),
    default="emulator",
    show_default=True,
    help="The target: a program of this computer, the emulated part, Renode, or a board at --port.",
)
@click.option("--port", help="Serial port of the board, e.g. /dev/ttyACM0 [default: the only ST-Link].")
@click.option(
    "--inputs", default=32, show_default=True, type=click.IntRange(2), help="Half pictures, half noise."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the noise.")
@options.board_option
@options.clock_option
@options.out_option
@options.settings_option
@options.optimize_option
@output_options
def validate(
    model: str,
    where: str,
    port: str | None,
    inputs: int,
    seed: int,
    board: str,
    clock_mhz: int | None,
    out: Path | None,
    settings: Path | None,
    optimize: Optimize,
    output: Output,
) -> None:
    """Hold a target's outputs against TensorFlow Lite for Microcontrollers, bit for bit.

    The first step that differs is named.
    """
    target = road.choose_target(board, clock_mhz)
    planned = road.plan_model(model, settings, target, optimize)
    folder = road.default_folder(planned, out)
    noise = inputs // 2
    given = make_inputs(
        planned.graph,
        planned.source.folder,
        planned.source.info.normalization,
        realistic=inputs - noise,
        noise=noise,
        seed=seed,
    )
    with (
        _client(where, planned, target, folder, port, output) as client,
        output.progress(f"comparing {inputs} inputs with the reference on {where}") as progress,
    ):
        comparison = compare(client, planned.plan, planned.source.data, given, progress)
    output.json(
        {
            "on": where,
            "reference": comparison.reference,
            "inputs": comparison.inputs,
            "elements": comparison.elements,
            "mismatches": comparison.mismatches,
            "max_abs_diff": comparison.max_abs_diff,
            "bit_exact": comparison.bit_exact,
            "first_difference": None
            if comparison.first_difference is None
            else str(comparison.first_difference),
        }
    )
    summary = f"{comparison.elements:,} outputs of {comparison.inputs} inputs against {comparison.reference}"
    if not comparison.bit_exact:
        raise MismatchError(
            f"{summary}: {comparison.mismatches:,} differ, by at most {comparison.max_abs_diff:g}; "
            f"{comparison.first_difference or 'every step alone agrees'}"
        )
    output.results.print(f"{summary}: bit-exact")


@contextmanager
def _client(
    where: str, planned: road.Planned, target: road.Target, folder: Path, port: str | None, output: Output
) -> Iterator[Client]:
    with ExitStack() as stack:
        if where == "host":
            host_folder = folder.with_name(f"{folder.name}-host")
            yield stack.enter_context(attach.on_host(planned, target, host_folder, output))
        elif where == "board":
            yield stack.enter_context(attach.on_board(planned, target.board, port, output))
        else:
            road.render_to(planned, target, folder)
            elf = road.build_project(folder, output).elf
            if where == "renode":
                yield stack.enter_context(attach.on_renode(elf, output))
            else:
                yield stack.enter_context(attach.on_emulator(elf, target.board, (), output))[1]
