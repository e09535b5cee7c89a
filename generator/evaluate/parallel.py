"""Work in other processes, results in order, never more items in memory than the processes need."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from generator.errors import TargetError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD = 4  # items that wait for each process


def in_processes(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int,
    prepare: Callable[..., None],
    *arguments: Any,
) -> Iterator[_Result]:
    """``work`` of each item, in order. ``prepare(*arguments)`` runs once in every process; it must not fail.

    An exception of ``work`` that can be pickled is raised here. TargetError if a process ends by itself.
    """
    # A fork would copy TensorFlow's threads' locks, but not the threads.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), prepare, arguments)
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise TargetError(
            "a process that ran the network ended by itself, perhaps for want of memory: try again with "
            "fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
