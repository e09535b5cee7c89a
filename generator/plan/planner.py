"""Choosing kernels, packing the arena, placing constants."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from generator.graph import Graph, Operator, Reshape
from generator.plan.arena import Packing, Request, Segment, pack
from generator.plan.kernels import KERNELS, Candidate
from generator.plan.types import (
    ARENA_ALIGNMENT_BYTES,
    Alternative,
    Argument,
    Buffer,
    BufferArgument,
    Constant,
    ConstantArgument,
    Endpoint,
    KernelChoice,
    Plan,
    Step,
)
from generator.targets import Part

# Names of the runtime, and headers of the project and of the C libraries, which a model's own must not hide.
_TAKEN = re.compile(
    r"fc(_.*)?|board|firmcast_config|machine|model_binding|model_data|platform|registers|sections"
    r"|assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg"
    r"|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|threads|time|uchar|wchar|wctype"
    r"|alloca|endian|fcntl|features|newlib|poll|pthread|sched|strings|termios|unistd"
)

DEFAULT_RESERVE_BYTES = 16 << 10


def make_plan(graph: Graph, part: Part, *, reserve_bytes: int = DEFAULT_RESERVE_BYTES) -> Plan:
    """Lay ``graph`` out for ``part``; ``arena_fits`` tells whether that works out.

    ``reserve_bytes`` of the arena's memory stay free for stack, data and the application's buffers.
    """
    drafts = _draft_steps(graph)
    layout = _lay_out(graph, drafts)
    region, why, fits = _arena_region(part, layout.packing.size_bytes, reserve_bytes)
    identifier = c_identifier(graph.name)
    constants: list[Constant] = []
    steps = []
    for draft in drafts:
        step_constants = [
            Constant(
                f"{draft.name}_{table.suffix}",
                table.c_type,
                table.length,
                table.size_bytes,
                table.lines,
                table.comment,
                "FLASH",
            )
            for table in draft.chosen.tables
        ]
        constants.extend(step_constants)
        steps.append(_finish_step(graph, draft, layout, step_constants, region))
    return Plan(
        name=graph.name,
        identifier=identifier,
        model_sha256=graph.sha256,
        part=part.name,
        steps=tuple(steps),
        constants=tuple(constants),
        buffers=layout.buffers,
        inputs=tuple(Endpoint(t, layout.offset(t.index)) for t in graph.input_tensors()),
        outputs=tuple(Endpoint(t, layout.offset(t.index)) for t in graph.output_tensors()),
        arena_bytes=layout.packing.size_bytes,
        arena_lower_bound_bytes=layout.packing.lower_bound_bytes,
        arena_region=region,
        arena_why=why,
        arena_fits=fits,
        parameters=sum(graph.tensors[i].element_count for i in _trained(graph)),
    )


def c_identifier(name: str) -> str:
    """``name`` as a C identifier in lower case."""
    text = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "model"
    return f"model_{text}" if text[0].isdigit() or _TAKEN.fullmatch(text) else text


def _trained(graph: Graph) -> set[int]:
    """Weights and biases: constant inputs of the operators that are kernels of the plan."""
    return {
        index
        for operator in graph.operators
        if not isinstance(operator.attributes, Reshape)
        for index in operator.inputs
        if index is not None and graph.tensors[index].is_constant
    }


@dataclass(frozen=True)
class _Draft:
    """A step before its buffers have places."""

    index: int
    operator: Operator
    name: str
    chosen: Candidate
    losers: tuple[Candidate, ...]


def _draft_steps(graph: Graph) -> list[_Draft]:
    drafts: list[_Draft] = []
    for operator in graph.operators:
        if isinstance(operator.attributes, Reshape):
            continue  # costs nothing: its result lies where its source lies
        candidates = KERNELS[type(operator.attributes)](graph, operator)
        ranked = sorted(candidates, key=lambda c: c.estimated_cycles)
        index = len(drafts)
        drafts.append(
            _Draft(
                index,
                operator,
                f"step_{index:02}_{c_identifier(operator.name)}",
                ranked[0],
                tuple(ranked[1:]),
            )
        )
    return drafts


class _Layout:
    """Where each tensor and each step's scratch lies."""

    def __init__(self, packing: Packing, places: dict[int, str], buffers: tuple[Buffer, ...]) -> None:
        self.packing = packing
        self._places = places
        self.buffers = buffers

    def offset(self, tensor_index: int) -> int:
        """Offset of a tensor's place."""
        return self.packing.offsets[self._places[tensor_index]]

    def scratch_offset(self, step_name: str) -> int:
        """Offset of a step's scratch."""
        return self.packing.offsets[f"{step_name}.scratch"]


@dataclass
class _Place:
    key: str
    segments: list[Segment]
    names: list[str]


def _lay_out(graph: Graph, drafts: Sequence[_Draft]) -> _Layout:
    """The smaller of the layouts with and without results that take over their inputs' places."""
    return min(
        (_lay_out_once(graph, drafts, in_place=in_place) for in_place in (True, False)),
        key=lambda layout: layout.packing.size_bytes,
    )


def _lay_out_once(graph: Graph, drafts: Sequence[_Draft], *, in_place: bool) -> _Layout:
    source_of = {
        op.outputs[0]: op.inputs[0]
        for op in graph.operators
        if isinstance(op.attributes, Reshape) and op.inputs[0] is not None
    }

    def storage(index: int) -> int:
        """The tensor whose bytes a tensor is; reshapes are merged, so one hop is enough."""
        return source_of.get(index, index)

    last_use = {storage(i): len(drafts) for i in graph.outputs}
    for draft in drafts:
        for index in draft.operator.inputs:
            if index is not None and not graph.tensors[index].is_constant:
                last_use[storage(index)] = max(last_use.get(storage(index), -1), draft.index)

    places: dict[int, _Place] = {}
    requests: list[_Place] = []

    def new_place(key: str, name: str, segment: Segment) -> _Place:
        place = _Place(key, [segment], [name])
        requests.append(place)
        return place

    for tensor in graph.input_tensors():
        segment = Segment(tensor.size_bytes, -1, last_use.get(tensor.index, -1))
        places[tensor.index] = new_place(f"tensor_{tensor.index}", tensor.name, segment)
    for draft in drafts:
        result = graph.result(draft.operator)
        end = last_use.get(result.index, draft.index)
        place = _place_to_take_over(graph, draft, places, last_use, storage) if in_place else None
        if place is not None and end > draft.index and result.size_bytes <= place.segments[-1].size_bytes:
            place.segments.append(Segment(result.size_bytes, draft.index + 1, end))
            place.names.append(result.name)
            places[result.index] = place
        else:
            segment = Segment(result.size_bytes, draft.index, end)
            places[result.index] = new_place(f"tensor_{result.index}", result.name, segment)
        if draft.chosen.scratch_bytes:
            scratch = Segment(draft.chosen.scratch_bytes, draft.index, draft.index)
            new_place(f"{draft.name}.scratch", f"{draft.name} scratch", scratch)

    packing = pack([Request(p.key, tuple(p.segments)) for p in requests], ARENA_ALIGNMENT_BYTES)
    buffers = tuple(
        Buffer(
            name,
            "scratch" if p.key.endswith(".scratch") else "activation",
            packing.offsets[p.key],
            segment.size_bytes,
            segment.first_step,
            segment.last_step,
            None if i == 0 else p.names[i - 1],
        )
        for p in requests
        for i, (name, segment) in enumerate(zip(p.names, p.segments, strict=True))
    )
    keys = {index: place.key for index, place in places.items()}
    keys.update({view: keys[storage(view)] for view in source_of if storage(view) in keys})
    return _Layout(packing, keys, buffers)


def _place_to_take_over(
    graph: Graph,
    draft: _Draft,
    places: dict[int, _Place],
    last_use: dict[int, int],
    storage: Callable[[int], int],
) -> _Place | None:
    """The place of an input that the kernel can overwrite and that nobody reads afterwards."""
    sources = [storage(i) for i in draft.operator.inputs if i is not None]
    for position in draft.chosen.in_place:
        index = sources[position]
        if index in places and last_use[index] == draft.index:
            return places[index]
    return None


def _finish_step(
    graph: Graph, draft: _Draft, layout: _Layout, constants: Sequence[Constant], region: str
) -> Step:
    chosen, operator = draft.chosen, draft.operator
    result = graph.result(operator)
    inputs = tuple(graph.activations_in(operator))
    arguments: list[Argument] = [
        BufferArgument(c_type, layout.offset(tensor.index), constant=True)
        for tensor, c_type in zip(inputs, chosen.input_types, strict=True)
    ]
    arguments += [ConstantArgument(constant.symbol) for constant in constants]
    if chosen.scratch_bytes:
        arguments.append(
            BufferArgument(chosen.scratch_type, layout.scratch_offset(draft.name), constant=False)
        )
    arguments.append(BufferArgument(chosen.output_type, layout.offset(result.index), constant=False))
    return Step(
        index=draft.index,
        operator_index=operator.index,
        op=operator.name,
        name=draft.name,
        kernel=KernelChoice(
            chosen.name,
            chosen.function,
            chosen.why,
            chosen.work,
            chosen.estimated_cycles,
            tuple(
                Alternative(
                    loser.name,
                    loser.estimated_cycles,
                    f"{loser.why}, but costs more: estimated {loser.estimated_cycles:,} cycles",
                )
                for loser in draft.losers
            ),
        ),
        params_type=chosen.params_type,
        params=chosen.params,
        arguments=tuple(arguments),
        inputs=inputs,
        output=result,
        output_offset=layout.offset(result.index),
        macs=chosen.macs,
        weights_bytes=sum(constant.size_bytes for constant in constants),
        memory=region,
    )


def _arena_region(part: Part, arena_bytes: int, reserve_bytes: int) -> tuple[str, str, bool]:
    """The fastest memory that holds the arena."""
    rank = {"dtcm": 0, "sram": 1}
    rams = sorted((m for m in part.memories if m.kind in rank), key=lambda m: (rank[m.kind], -m.size_bytes))
    passed: list[str] = []
    for memory in rams:
        if arena_bytes + reserve_bytes <= memory.size_bytes:
            why = "fastest memory" if not passed else f"too large for {', '.join(passed)}"
            return memory.name, f"{why} that holds {arena_bytes:,} B and leaves {reserve_bytes:,} B", True
        passed.append(memory.name)
    largest = max(rams, key=lambda m: m.size_bytes)
    return largest.name, f"no memory of {part.name} holds {arena_bytes:,} B", False
