"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from generator.commands.engine import ENGINES, TFLM_DIR_VARIABLE
from generator.plan import OPTIMIZE
from generator.targets import board_names

_Command = TypeVar("_Command", bound=Callable[..., Any])

DEFAULT_MODEL = "mask_cnn"
DEFAULT_BOARD = "nucleo_h743zi2"

model_argument = click.argument("model", default=DEFAULT_MODEL)
board_option = click.option(
    "--board",
    default=DEFAULT_BOARD,
    show_default=True,
    help=f"{', '.join(board_names())}, or the path of a board's TOML file.",
)
clock_option = click.option(
    "--clock-mhz", type=click.IntRange(1, 1000), help="Core clock [default: the board's, 480]."
)
engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="native",
    show_default=True,
    help="What runs the network: generated code, or TensorFlow Lite for Microcontrollers.",
)
tflm_dir_option = click.option(
    "--tflm-dir",
    envvar=TFLM_DIR_VARIABLE,
    type=click.Path(path_type=Path),
    help="Tree of TensorFlow Lite for Microcontrollers, for --engine tflm [default: $TFLM_DIR].",
)
out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the project [default: build/MODEL-NAME].",
)
settings_option = click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with budgets and more [default: firmcast.toml in the model's folder].",
)
optimize_option = click.option(
    "--optimize",
    type=click.Choice(OPTIMIZE),
    default="balanced",
    show_default=True,
    help="What the plan is to be good at, within the budgets.",
)
images_option = click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(path_type=Path),
    help="JPEG, PNG, BMP or WebP to classify; may be repeated.",
)


def project_options(command: _Command) -> _Command:
    """Everything that a rendered project depends on beside its model."""
    for option in (
        optimize_option,
        settings_option,
        out_option,
        clock_option,
        tflm_dir_option,
        engine_option,
        board_option,
    ):
        command = option(command)
    return command
