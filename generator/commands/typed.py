"""What a reader types to repeat a command, without anything of this machine."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path

import click

_NOT_OF_THE_RESULT = ("workers", "as_json", "quiet", "verbose")


def typed(*words: str, without: Collection[str] = ("out",)) -> str:
    """``words`` and the running command's options, but those ``without``; absolute paths by their names."""
    parts = ["python -m generator", *words]
    context = click.get_current_context()
    for parameter in context.command.params:
        if not isinstance(parameter, click.Option) or parameter.name in (*_NOT_OF_THE_RESULT, *without):
            continue
        value = context.params.get(str(parameter.name))
        if value == parameter.get_default(context) or value in (None, ()):
            continue
        if parameter.is_flag:
            parts.append(parameter.opts[0] if value else parameter.secondary_opts[0])
            continue
        for one in value if isinstance(value, tuple) else (value,):
            path = Path(str(one))
            parts += [parameter.opts[0], shlex.quote(path.name if path.is_absolute() else str(one))]
    return " ".join(parts)
