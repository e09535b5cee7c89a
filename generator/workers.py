"""Processes that work beside this one: results in order, never more in memory than they need."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from types import TracebackType
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD = 4  # items that wait for each process


def worker_count(wished: int | None) -> int:
    """So many processes, or one for each processor."""
    return (os.cpu_count() or 1) if wished is None else wished


class Workers:
    """A context manager: the processes begin with the first item, and end with it or with this process.

    Args:
        count: of processes.
        prepare: runs once in each, with ``arguments``; it must not fail.
        arguments: can be pickled.
    """

    def __init__(self, count: int, prepare: Callable[..., None], *arguments: Any) -> None:
        self._count = count
        # A fork would copy TensorFlow's threads' locks, but not the threads.
        self._pool = ProcessPoolExecutor(count, get_context("spawn"), _begin, (prepare, *arguments))

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def map(self, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """``work`` of each item, in order. An exception of it that can be pickled is raised here."""
        waiting: deque[Future[_Result]] = deque()
        for item in items:
            waiting.append(self._pool.submit(work, item))
            if len(waiting) > _AHEAD * self._count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _begin(prepare: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(*arguments)


def _end_with_parent() -> None:
    """A worker would wait for ever for a process that was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
