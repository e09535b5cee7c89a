"""Packing buffers with lifetimes into one arena.

Offline dynamic storage allocation is NP-hard; networks are small. Several orders are packed greedily, each
buffer at the lowest offset where it meets no buffer alive at the same time, one more from both ends of the
least arena, and the smallest result is taken; chains then meet the lower bound, and most networks.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Segment:
    """So many bytes from the start of ``first_step`` to the end of ``last_step``; offset within the place."""

    size_bytes: int
    first_step: int
    last_step: int
    offset: int = 0

    @cached_property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.offset + self.size_bytes


@dataclass(frozen=True)
class Request:
    """One place in the arena: what is occupied of it as time goes on, in order, no step twice."""

    key: str
    segments: tuple[Segment, ...]

    @cached_property
    def size_bytes(self) -> int:
        """The most it ever holds."""
        return max(s.end for s in self.segments)

    @cached_property
    def first_step(self) -> int:
        """First step of its life."""
        return self.segments[0].first_step

    @cached_property
    def step_count(self) -> int:
        """Length of its life."""
        return self.segments[-1].last_step - self.first_step + 1


@dataclass(frozen=True)
class Packing:
    """Offsets by key, and what the arena needs in all."""

    offsets: dict[str, int]
    size_bytes: int
    lower_bound_bytes: int


def pack(requests: Sequence[Request], alignment: int) -> Packing:
    """Place all requests; deterministic."""
    requests = [_aligned(r, alignment) for r in requests]
    orders: tuple[Callable[[Request], tuple[int, ...]], ...] = (
        lambda r: (-r.size_bytes, r.first_step),
        lambda r: (-r.size_bytes * r.step_count, r.first_step),
        lambda r: (-r.step_count, -r.size_bytes),
        lambda r: (r.first_step, -r.size_bytes),
        lambda r: (-r.first_step, -r.size_bytes),
    )
    bound = _most_at_once(requests)
    # From both ends: what lives through one step only, as scratch does, fills the gaps.
    long_first = sorted(requests, key=lambda r: (r.step_count == 1, r.first_step))
    packings = itertools.chain(
        (_place(sorted(requests, key=order)) for order in orders), [_place(long_first, top=bound)]
    )
    best: Packing | None = None
    for offsets in packings:
        size = max((offsets[r.key] + r.size_bytes for r in requests), default=0)
        if best is None or size < best.size_bytes:
            best = Packing(offsets, size, bound)
        if best.size_bytes == bound:
            break
    return best or Packing({}, 0, 0)


def first_fit_bytes(requests: Sequence[Request], alignment: int) -> int:
    """What one pass takes that places the requests in the order given, each at the lowest free offset."""
    aligned = [_aligned(r, alignment) for r in requests]
    offsets = _place(aligned)
    return max((offsets[r.key] + r.size_bytes for r in aligned), default=0)


def lower_bound_bytes(requests: Sequence[Request], alignment: int) -> int:
    """What no packing of all requests can do without: the most that is occupied at once."""
    return _most_at_once([_aligned(r, alignment) for r in requests])


def _aligned(request: Request, alignment: int) -> Request:
    if all(s.offset % alignment == 0 and s.end % alignment == 0 for s in request.segments):
        return request
    return Request(
        request.key,
        tuple(
            Segment(
                -(-s.end // alignment) * alignment - s.offset // alignment * alignment,
                s.first_step,
                s.last_step,
                s.offset // alignment * alignment,
            )
            for s in request.segments
        ),
    )


def _most_at_once(requests: Sequence[Request]) -> int:
    changes: defaultdict[int, int] = defaultdict(int)
    for segment in (s for r in requests for s in r.segments):
        changes[segment.first_step] += segment.size_bytes
        changes[segment.last_step + 1] -= segment.size_bytes
    return max(itertools.accumulate(changes[step] for step in sorted(changes)), default=0)


def _place(requests: Sequence[Request], top: int | None = None) -> dict[str, int]:
    """Each at the lowest offset that is free; with ``top``, what cannot lie at 0 ends there or below."""
    offsets: dict[str, int] = {}
    # By step, where segments lie: of those that are alive, and of those that begin.
    alive: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    begun: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for request in requests:
        # Where a segment would meet one that is alive at the same time.
        forbidden = [
            (start - mine.end + 1, end - mine.offset)
            for mine in request.segments
            for step in range(mine.first_step, mine.last_step + 1)
            for start, end in (alive if step == mine.first_step else begun)[step]
        ]
        position = _lowest(forbidden)
        if top is not None and position > 0:
            highest = _highest(forbidden, top - request.size_bytes)
            position = highest if highest >= 0 else position
        offsets[request.key] = position
        for segment in request.segments:
            extent = (position + segment.offset, position + segment.end)
            begun[segment.first_step].append(extent)
            for step in range(segment.first_step, segment.last_step + 1):
                alive[step].append(extent)
    return offsets


def _lowest(forbidden: Iterable[tuple[int, int]]) -> int:
    position = 0
    for start, end in sorted(forbidden):
        if start <= position < end:
            position = end
    return position


def _highest(forbidden: Iterable[tuple[int, int]], position: int) -> int:
    """Negative if there is none from 0 to ``position``."""
    for start, end in sorted(forbidden, key=lambda f: f[1], reverse=True):
        if start <= position < end:
            position = start - 1
    return position
