"""Networks run in other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from generator.errors import TargetError
from generator.workers import Workers

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_processes(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int,
    prepare: Callable[..., None],
    *arguments: Any,
) -> Iterator[_Result]:
    """``work`` of each item, in order, as :class:`~generator.workers.Workers` does it.

    TargetError if a process ends by itself.
    """
    try:
        with Workers(workers, prepare, *arguments) as processes:
            yield from processes.map(work, items)
    except BrokenProcessPool as error:
        raise TargetError(
            "a process that ran the network ended by itself, perhaps for want of memory: try again with "
            "fewer --workers"
        ) from error
