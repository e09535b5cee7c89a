"""Where a command writes: results to standard output, what it is doing to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Step = Callable[[int, int], None]


class Output:
    """Standard output is for results: tables, or exactly one JSON object with ``as_json``."""

    def __init__(self, *, as_json: bool, quiet: bool, verbose: bool) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self._quiet = quiet
        width = None if sys.stdout.isatty() else 120
        self.results = Console(markup=False, highlight=False, width=width, quiet=as_json or quiet)
        self._messages = Console(stderr=True, markup=False, highlight=False, quiet=quiet)

    def say(self, message: str) -> None:
        """Tell what is being done."""
        self._messages.print(message, soft_wrap=True)

    def detail(self, message: str) -> None:
        """Tell more, with ``-v`` only."""
        if self.verbose:
            self._messages.print(message, soft_wrap=True)

    def json(self, value: BaseModel | dict[str, Any]) -> None:
        """Print the result of a command called with ``--json``."""
        if self.as_json:
            plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            click.echo(json.dumps(plain, indent=2))

    @contextmanager
    def progress(self, title: str) -> Iterator[Step]:
        """A bar for a step that takes long; without a terminal, a line at its start."""
        if not self._messages.is_terminal:
            self.say(title)
            yield lambda _done, _total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._messages, transient=False, disable=self._quiet) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


_Command = TypeVar("_Command", bound=Callable[..., Any])


def output_options(command: _Command) -> _Command:
    """``--json``, ``-q`` and ``-v``; the command gets an :class:`Output` as ``output``."""

    def wrapped(*args: Any, as_json: bool, quiet: bool, verbose: bool, **kwargs: Any) -> Any:
        return command(*args, output=Output(as_json=as_json, quiet=quiet, verbose=verbose), **kwargs)

    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__click_params__ = list(getattr(command, "__click_params__", []))  # type: ignore[attr-defined]
    for option in (
        click.option("-v", "--verbose", is_flag=True, help="Say more."),
        click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors and the JSON result."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object."),
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]
