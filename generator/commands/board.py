"""``flash`` and ``monitor``: a real board."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from generator.commands import attach, options
from generator.commands.emulate import DEFAULT_ELF, require_elf
from generator.commands.output import Output, output_options
from generator.flash import TOOLS
from generator.flash import flash as write_to_board
from generator.imaging import read_image
from generator.link import Client
from generator.link import monitor as watch
from generator.targets import load_board


@click.command()
@click.argument("elf", type=click.Path(path_type=Path), default=DEFAULT_ELF)
@click.option("--tool", type=click.Choice(TOOLS), help="Which tool [default: the first that is installed].")
@click.option("--dry-run", is_flag=True, help="Print the command and do not run it.")
@output_options
def flash(elf: Path, tool: str | None, dry_run: bool, output: Output) -> None:
    """Write ELF to a board over ST-Link."""
    result = write_to_board(require_elf(elf), tool=tool, dry_run=dry_run)
    if result.ran:
        output.detail(result.output)
        output.results.print(f"{elf} written with {result.tool}", soft_wrap=True)
    else:
        output.results.print(shlex.join(result.command), soft_wrap=True)
    output.json({"tool": result.tool, "command": list(result.command), "flashed": result.ran})


@click.command()
@click.option("--port", help="Serial port, e.g. /dev/ttyACM0 [default: the only ST-Link].")
@options.images_option
@options.board_option
@output_options
def monitor(port: str | None, images: tuple[Path, ...], board: str, output: Output) -> None:
    """Show what a board prints; with --image, have it classify pictures first."""
    transport = attach.open_port(port, load_board(board))
    if images:
        with Client(transport, on_text=output.results.print) as client:
            for path in images:
                client.send_image(read_image(path))
                client.classify()
    else:
        watch(transport, output.results.print)
