"""``python -m generator`` and the console script ``firmcast``."""

from __future__ import annotations

import os
import sys

import click

from generator.commands import cli
from generator.errors import FirmcastError


def main() -> None:
    """Run the command line; every foreseeable failure is a message and the contract's exit code."""
    try:
        cli.main(prog_name="firmcast", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except FirmcastError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
