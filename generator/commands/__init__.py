"""The command line. Each module holds commands; ``road`` holds the steps that they share."""

from __future__ import annotations

import click

from generator import __version__
from generator.commands.analyze import analyze
from generator.commands.board import flash, monitor
from generator.commands.build import build
from generator.commands.data import data
from generator.commands.emulate import emulate
from generator.commands.evaluate import evaluate
from generator.commands.quantize import quantize
from generator.commands.study import study
from generator.commands.sweep import sweep
from generator.commands.train import train
from generator.commands.validate import validate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="firmcast")
def cli() -> None:
    """Cast a trained int8 network into bare-metal STM32H7 firmware, and prove it without a board."""


for _command in (
    build,
    analyze,
    validate,
    emulate,
    data,
    train,
    quantize,
    sweep,
    evaluate,
    study,
    flash,
    monitor,
):
    cli.add_command(_command)
