"""``validate``: the same inputs through the reference and a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import numpy as np

from generator.commands import attach, options, road
from generator.commands.engine import NO_STEP
from generator.commands.output import Output, output_options
from generator.errors import MismatchError
from generator.link import Client
from generator.plan import Optimize
from generator.read import read_tflite_bytes
from generator.render import Engine
from generator.report.plotting import require_matplotlib
from generator.validate import Comparison, TestInput, compare, implementations, make_inputs
from generator.validate.implementations import TARGET, Absent, Implementation
from generator.validate.layers import LayerComparison, compare_layers, layers_of
from generator.validate.picture import draw
from generator.validate.results import results
from generator.validate.show import as_json, print_layers

_LAYER_INPUTS = 8


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
@click.option("--layers", is_flag=True, help="Compare layer by layer: float, LiteRT, TFLM and the target.")
@click.option(
    "--float",
    "float_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The float network, .keras or .tflite, for --layers (which it implies).",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="PNG to draw the differences of the layers into (implies --layers).",
)
@options.project_options
@output_options
def validate(
    model: str,
    where: str,
    port: str | None,
    inputs: int,
    seed: int,
    layers: bool,
    float_path: Path | None,
    picture: Path | None,
    board: str,
    engine: Engine,
    tflm_dir: Path | None,
    clock_mhz: int | None,
    out: Path | None,
    settings: Path | None,
    optimize: Optimize,
    output: Output,
) -> None:
    """Hold a target's outputs against TensorFlow Lite for Microcontrollers, bit for bit.

    The first step that differs is named. With --layers every layer is compared, on at most 8 of the inputs,
    with LiteRT too, and its rounding rule told (docs/differences.md).
    """
    if picture is not None:
        require_matplotlib()
    target = road.choose_target(board, clock_mhz, engine, tflm_dir)
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
    explained: tuple[LayerComparison, tuple[Absent, ...]] | None = None
    with _client(where, planned, target, folder, port, output) as client:
        with output.progress(f"comparing {inputs} inputs with the reference on {where}") as progress:
            model_file, stepwise = planned.source.data, target.engine.is_native
            comparison = compare(client, planned.plan, model_file, given, progress, stepwise=stepwise)
        if layers or float_path is not None or picture is not None:
            explained = _explain(client, where, planned, float_path, _some(given, comparison), output)
    result = {
        "on": where,
        "reference": comparison.reference,
        "inputs": comparison.inputs,
        "elements": comparison.elements,
        "mismatches": comparison.mismatches,
        "max_abs_diff": comparison.max_abs_diff,
        "bit_exact": comparison.bit_exact,
        "first_difference": None if comparison.first_difference is None else str(comparison.first_difference),
    }
    if explained is not None:
        if picture is not None:
            draw(explained[0], picture)
        result["explanation"] = as_json(*explained)
        print_layers(*explained, output.results)
    output.json(result)
    summary = f"{comparison.elements:,} outputs of {comparison.inputs} inputs against {comparison.reference}"
    if not comparison.bit_exact:
        raise MismatchError(
            f"{summary}: {comparison.mismatches:,} differ, by at most {comparison.max_abs_diff:g}; "
            f"{comparison.first_difference or NO_STEP[engine]}"
        )
    output.results.print(f"{summary}: bit-exact")


def _some(given: tuple[TestInput, ...], comparison: Comparison) -> tuple[TestInput, ...]:
    """At most so many inputs, of all kinds; the first that showed a difference among them."""
    chosen = {given[round(i)].name for i in np.linspace(0, len(given) - 1, _LAYER_INPUTS)}
    if comparison.first_difference is not None:
        chosen.add(comparison.first_difference.input_name)
    return tuple(test_input for test_input in given if test_input.name in chosen)


def _explain(
    client: Client,
    where: str,
    planned: road.Planned,
    float_path: Path | None,
    given: tuple[TestInput, ...],
    output: Output,
) -> tuple[LayerComparison, tuple[Absent, ...]]:
    model = planned.source.data
    as_read = read_tflite_bytes(model, planned.source.name, str(planned.source.path))
    candidates = [
        implementations.target(client, planned.plan, planned.graph, where)
        if client.identity.engine == "native"
        else Absent(TARGET, "an interpreter shows no steps"),
        implementations.tflm(model, as_read),
        *implementations.litert(model, as_read),
        *([] if float_path is None else [implementations.float_model(float_path, model, as_read)]),
    ]
    indices = [result.index for result in results(model)]
    with output.progress(f"comparing the layers on {len(given)} inputs") as progress:
        comparison = compare_layers(
            layers_of(as_read, planned.plan, indices),
            [c for c in candidates if isinstance(c, Implementation)],
            given,
            progress,
        )
    return comparison, tuple(c for c in candidates if isinstance(c, Absent))


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
            elf = road.build_project(folder, target, output).elf
            if where == "renode":
                yield stack.enter_context(attach.on_renode(elf, output))
            else:
                yield stack.enter_context(attach.on_emulator(elf, target.board, (), output))[1]
