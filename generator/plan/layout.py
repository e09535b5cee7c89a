"""Where every buffer of a network lies in the arena.

A result may take over the place of an input that nobody reads afterwards: from the same byte where the kernel
works element by element, or starting so far below it that whatever the kernel overwrites has been read. Both
inputs and outputs of a convolution then need little more than the larger of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from generator.graph import Graph, Operator, Reshape
from generator.plan.arena import Packing, Request, Segment, lower_bound_bytes, pack
from generator.plan.kernels import Candidate
from generator.plan.types import ARENA_ALIGNMENT_BYTES, Buffer


@dataclass(frozen=True)
class Draft:
    """A step before its buffers have places."""

    index: int
    operator: Operator
    name: str
    chosen: Candidate
    losers: tuple[Candidate, ...]


@dataclass(frozen=True)
class Layout:
    """Where each tensor and each step's scratch lies."""

    packing: Packing
    buffers: tuple[Buffer, ...]
    occupied_bytes: tuple[int, ...]
    tensor_offsets: Mapping[int, int]
    scratch_offsets: Mapping[int, int]
    """By step."""


@dataclass
class _Place:
    """Bytes that tensors take over from one another; offsets may be below 0 until all are known."""

    key: str
    tensors: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Index, offset, first and last step of each, in order."""
    sizes: list[int] = field(default_factory=list)

    @property
    def low(self) -> int:
        return min(offset for _, offset, _, _ in self.tensors)

    def segments(self) -> Iterator[Segment]:
        """What is occupied: each tensor until the step that computes the next, in that step both."""
        base = self.low
        extents = [
            (offset - base, offset - base + size)
            for (_, offset, _, _), size in zip(self.tensors, self.sizes, strict=True)
        ]
        for position, (_, _, first, last) in enumerate(self.tensors):
            start, end = extents[position]
            alone_from = first
            if position:
                low, high = min(start, extents[position - 1][0]), max(end, extents[position - 1][1])
                yield Segment(high - low, first, first, low)
                alone_from += 1
            taken_over = position + 1 < len(self.tensors)
            until = self.tensors[position + 1][2] - 1 if taken_over else last
            if alone_from <= until:
                yield Segment(end - start, alone_from, until, start)


class Layouts:
    """Finds small layouts of a graph's drafts, and remembers which take-overs were good. Deterministic.

    Trying grows with the third power of the number of layers, and ends after ``effort`` steps of buffers'
    lives laid out, which is beyond what 80 convolutions take.
    """

    def __init__(self, graph: Graph, effort: int = 500_000) -> None:
        self._graph = graph
        self._last: frozenset[int] = frozenset()
        self._effort = effort

    @property
    def exhausted(self) -> bool:
        """Whether no more should be tried."""
        return self._effort <= 0

    def _arranged(self, drafts: Sequence[Draft], take_over: frozenset[int]) -> _Arrangement:
        arrangement = _Arrangement(self._graph, drafts, take_over)
        self._effort -= arrangement.life
        return arrangement

    def best(self, drafts: Sequence[Draft], *, quick: bool = False) -> Layout:
        """The smallest layout that trying each take-over with and without finds, from all, none, and the last
        good ones; ``quick``: of those three.
        """
        possible = frozenset(
            d.index for d in drafts if d.chosen.in_place or d.chosen.overlap_bytes is not None
        )
        first, *others = dict.fromkeys((self._last & possible, possible, frozenset()))
        best = self._climbed(self._arranged(drafts, first), possible, quick=quick)
        for start in others:
            arrangement = self._arranged(drafts, start)
            if quick and arrangement.lower_bound_bytes >= best.size_bytes:
                continue  # packing it would be in vain
            found = self._climbed(arrangement, possible, quick=quick)
            if found.size_bytes < best.size_bytes:
                best = found
        if not quick:
            self._last = best.take_over
        return best.layout()

    def _climbed(self, best: _Arrangement, possible: frozenset[int], *, quick: bool) -> _Arrangement:
        improved = not quick
        while improved:
            improved = False
            for index in sorted(possible):
                if self.exhausted:
                    return best
                other = self._arranged(best.drafts, best.take_over ^ {index})
                if other.lower_bound_bytes < best.size_bytes and other.size_bytes < best.size_bytes:
                    best, improved = other, True
        return best


class _Arrangement:
    """Which tensors share places under a set of take-overs; packed when asked how large that gets."""

    def __init__(self, graph: Graph, drafts: Sequence[Draft], take_over: frozenset[int]) -> None:
        self.drafts = drafts
        self.take_over = take_over
        self._graph = graph
        self._source_of = {
            op.outputs[0]: op.inputs[0]
            for op in graph.operators
            if isinstance(op.attributes, Reshape) and op.inputs[0] is not None
        }
        self._places = self._put_all()
        self._requests = [Request(p.key, tuple(p.segments())) for p in self._places]
        self._requests += [
            Request(_scratch_key(d), (Segment(d.chosen.scratch_bytes, d.index, d.index),))
            for d in drafts
            if d.chosen.scratch_bytes
        ]

    @property
    def life(self) -> int:
        """Steps that all its buffers live through."""
        return sum(request.step_count for request in self._requests)

    @cached_property
    def lower_bound_bytes(self) -> int:
        """What it needs at least."""
        return lower_bound_bytes(self._requests, ARENA_ALIGNMENT_BYTES)

    @cached_property
    def packing(self) -> Packing:
        """Where the places are."""
        return pack(self._requests, ARENA_ALIGNMENT_BYTES)

    @property
    def size_bytes(self) -> int:
        """What it needs."""
        return self.packing.size_bytes

    def _storage(self, index: int) -> int:
        """The tensor whose bytes a tensor is; reshapes are merged, so one hop is enough."""
        return self._source_of.get(index, index)

    def _put_all(self) -> list[_Place]:
        graph = self._graph
        last_use = self._last_uses()
        place_of: dict[int, _Place] = {}
        places: list[_Place] = []

        def put(index: int, place: _Place, offset: int, first: int) -> None:
            if not place.tensors:
                places.append(place)
            place.tensors.append((index, offset, first, max(last_use.get(index, first), first)))
            place.sizes.append(graph.tensors[index].size_bytes)
            place_of[index] = place

        for tensor in (*graph.input_tensors(), *graph.variables()):
            put(tensor.index, _Place(f"tensor_{tensor.index}"), 0, -1)
        for draft in self.drafts:
            result = graph.result(draft.operator)
            found = None
            if draft.index in self.take_over:
                inputs = [self._storage(t.index) for t in graph.activations_in(draft.operator)]
                found = _input_to_take_over(graph, draft, inputs, place_of, last_use)
            if found is None:
                put(result.index, _Place(f"tensor_{result.index}"), 0, draft.index)
            else:
                place, distance = found
                put(result.index, place, place.tensors[-1][1] - distance, draft.index)
        return places

    def _last_uses(self) -> dict[int, int]:
        """By tensor: the last step that reads it."""
        # Between runs inputs are written and outputs read; variables outlast both.
        lasting = (*self._graph.outputs, *(t.index for t in self._graph.variables()))
        last_use = {self._storage(i): len(self.drafts) for i in lasting}
        for draft in self.drafts:
            for tensor in self._graph.activations_in(draft.operator):
                index = self._storage(tensor.index)
                last_use[index] = max(last_use.get(index, -1), draft.index)
        return last_use

    def layout(self) -> Layout:
        """Every buffer in its place."""
        drafts, packing = self.drafts, self.packing
        offsets = {
            index: packing.offsets[place.key] + offset - place.low
            for place in self._places
            for index, offset, _, _ in place.tensors
        }
        views = {view: offsets[source] for view, source in self._source_of.items() if source in offsets}
        scratches = {d.index: packing.offsets[_scratch_key(d)] for d in drafts if d.chosen.scratch_bytes}
        buffers = [*_activations(self._graph, self._places, offsets), *_scratches(drafts, scratches)]
        changes = [0] * (len(drafts) + 2)
        for segment in (s for r in self._requests for s in r.segments):
            changes[max(segment.first_step, 0)] += segment.size_bytes
            changes[segment.last_step + 1] -= segment.size_bytes
        return Layout(
            packing,
            tuple(sorted(buffers, key=lambda b: (b.first_step, b.offset, b.name))),
            tuple(itertools.accumulate(changes))[: len(drafts)],
            {**offsets, **views},
            scratches,
        )


def _scratch_key(draft: Draft) -> str:
    return f"{draft.name}.scratch"


def _input_to_take_over(
    graph: Graph,
    draft: Draft,
    inputs: Sequence[int],
    place_of: Mapping[int, _Place],
    last_use: Mapping[int, int],
) -> tuple[_Place, int] | None:
    """The place of an input that the kernel may overwrite and nobody reads later, and how far below it."""
    chosen = draft.chosen
    size_bytes = graph.result(draft.operator).size_bytes
    ways = [(p, 0) for p in chosen.in_place if size_bytes <= graph.tensors[inputs[p]].size_bytes]
    if chosen.overlap_bytes is not None:
        ways.append((0, -(-chosen.overlap_bytes // ARENA_ALIGNMENT_BYTES) * ARENA_ALIGNMENT_BYTES))
    for position, distance in ways:
        index = inputs[position]
        place = place_of.get(index)
        if place is not None and last_use[index] == draft.index and place.tensors[-1][0] == index:
            return place, distance
    return None


def _activations(graph: Graph, places: Sequence[_Place], offsets: Mapping[int, int]) -> Iterator[Buffer]:
    for place in places:
        for position, (index, _, first, last) in enumerate(place.tensors):
            before = graph.tensors[place.tensors[position - 1][0]].name if position else None
            tensor = graph.tensors[index]
            role = "state" if tensor.is_variable else "activation"
            start = first if before is None else first + 1
            yield Buffer(tensor.name, role, offsets[index], tensor.size_bytes, start, last, before)


def _scratches(drafts: Sequence[Draft], offsets: Mapping[int, int]) -> Iterator[Buffer]:
    for draft in drafts:
        if draft.chosen.scratch_bytes:
            size = draft.chosen.scratch_bytes
            yield Buffer(
                f"{draft.name} scratch", "scratch", offsets[draft.index], size, draft.index, draft.index
            )
