"""Choosing kernels, packing the arena, placing constants."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from generator.graph import Graph, Reshape, Tensor
from generator.plan.choice import choose
from generator.plan.goal import Goal
from generator.plan.kernels import KERNELS, Registry
from generator.plan.layout import Draft, Layout
from generator.plan.memory import Memories
from generator.plan.placement import place_constants
from generator.plan.sharing import round_alike, share_kernels
from generator.plan.types import (
    Alternative,
    Argument,
    BufferArgument,
    Constant,
    ConstantArgument,
    Endpoint,
    KernelChoice,
    ListArgument,
    Plan,
    Step,
)
from generator.targets import MemoryCost, Part

# Names of the runtime, and headers of the project and of the C libraries, which a model's own must not hide.
_TAKEN = re.compile(
    r"fc(_.*)?|board|firmcast_.*|machine|model_binding|model_data|platform|registers|sections"
    r"|assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg"
    r"|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|threads|time|uchar|wchar|wctype"
    r"|alloca|endian|fcntl|features|newlib|poll|pthread|sched|strings|termios|unistd"
)

DEFAULT_RESERVE_BYTES = 16 << 10


def make_plan(
    graph: Graph,
    part: Part,
    *,
    reserve_bytes: int = DEFAULT_RESERVE_BYTES,
    costs: Mapping[str, MemoryCost] | None = None,
    goal: Goal | None = None,
    kernels: Registry = KERNELS,
) -> Plan:
    """Lay ``graph`` out for ``part``; ``arena_fits`` tells whether that works out.

    ``reserve_bytes`` of the arena's memory stay free for stack, data and the application's buffers. ``costs``
    are the core cycles that each memory takes; without them nothing waits and nothing is copied. ``kernels``
    are those to choose from.
    """
    goal = goal or Goal()
    memories = Memories(part, costs or {})
    choice = choose(graph, _draft_steps(graph, kernels), memories, goal)
    drafts, layout = choice.drafts, choice.layout
    arena_bytes = layout.packing.size_bytes
    region, why, fits = arena_region(part, arena_bytes, reserve_bytes)
    places = place_constants(drafts, memories, goal, (region, arena_bytes), reserve_bytes)
    identifier = c_identifier(graph.name)
    constants: list[Constant] = []
    steps = []
    for draft, alternatives in zip(drafts, choice.alternatives, strict=True):
        step_constants = []
        for number, table in enumerate(draft.chosen.tables):
            place = places[draft.index, number]
            step_constants.append(
                Constant(
                    f"{draft.name}_{table.suffix}",
                    table.c_type,
                    table.length,
                    table.size_bytes,
                    table.lines,
                    table.comment,
                    place.region,
                    round(place.saved_cycles),
                    place.why,
                )
            )
        constants.extend(step_constants)
        stall = sum(
            memories.stall_cycles(table, draft.chosen, constant.region)
            for table, constant in zip(draft.chosen.tables, step_constants, strict=True)
        )
        state = (graph.tensors[i] for i in draft.operator.state)
        moved = (*graph.activations_in(draft.operator), *state, graph.result(draft.operator))
        stall += memories.arena_stall_cycles(sum(t.size_bytes for t in moved), draft.chosen, region)
        steps.append(_finish_step(graph, draft, alternatives, layout, step_constants, region, round(stall)))
    shared_steps, shared_kernels = share_kernels(round_alike(steps, goal), constants, goal)
    return Plan(
        name=graph.name,
        identifier=identifier,
        model_sha256=graph.sha256,
        part=part.name,
        optimize=goal.optimize,
        steps=shared_steps,
        shared_kernels=shared_kernels,
        constants=tuple(constants),
        buffers=layout.buffers,
        occupied_bytes=layout.occupied_bytes,
        inputs=_endpoints(graph.input_tensors(), layout),
        outputs=_endpoints(graph.output_tensors(), layout),
        variables=_endpoints(graph.variables(), layout),
        arena_bytes=layout.packing.size_bytes,
        arena_lower_bound_bytes=layout.packing.lower_bound_bytes,
        arena_region=region,
        arena_why=why,
        arena_fits=fits,
        parameters=sum(graph.tensors[i].element_count for i in _trained(graph)),
    )


def _endpoints(tensors: Sequence[Tensor], layout: Layout) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(tensor, layout.tensor_offsets[tensor.index]) for tensor in tensors)


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


def _draft_steps(graph: Graph, kernels: Registry) -> list[Draft]:
    drafts: list[Draft] = []
    for operator in graph.operators:
        if isinstance(operator.attributes, Reshape):
            continue  # costs nothing: its result lies where its source lies
        candidates = kernels[type(operator.attributes)](graph, operator)
        ranked = sorted(candidates, key=lambda c: c.estimated_cycles)
        index = len(drafts)
        drafts.append(
            Draft(
                index,
                operator,
                f"step_{index:02}_{c_identifier(operator.name)}",
                ranked[0],
                tuple(ranked[1:]),
            )
        )
    return drafts


def _finish_step(
    graph: Graph,
    draft: Draft,
    alternatives: tuple[Alternative, ...],
    layout: Layout,
    constants: Sequence[Constant],
    region: str,
    stall_cycles: int,
) -> Step:
    chosen, operator = draft.chosen, draft.operator
    result = graph.result(operator)
    inputs, state = tuple(graph.activations_in(operator)), tuple(graph.tensors[i] for i in operator.state)
    buffers = tuple(
        BufferArgument(c_type, layout.tensor_offsets[tensor.index], constant=True)
        for tensor, c_type in zip(inputs, chosen.input_types, strict=True)
    )
    listed = chosen.inputs_as_list
    arguments: list[Argument] = [ListArgument(chosen.input_types[0], buffers)] if listed else [*buffers]
    arguments += [
        BufferArgument(c_type, layout.tensor_offsets[tensor.index], constant=False)
        for tensor, c_type in zip(state, chosen.state_types, strict=True)
    ]
    arguments += [ConstantArgument(constant.symbol) for constant in constants]
    if chosen.scratch_bytes:
        arguments.append(
            BufferArgument(chosen.scratch_type, layout.scratch_offsets[draft.index], constant=False)
        )
    arguments.append(BufferArgument(chosen.output_type, layout.tensor_offsets[result.index], constant=False))
    return Step(
        index=draft.index,
        operator_index=operator.index,
        op=operator.name,
        name=draft.name,
        kernel=KernelChoice(
            chosen.name,
            chosen.variant,
            chosen.function,
            chosen.why,
            chosen.work,
            chosen.estimated_cycles + stall_cycles,
            stall_cycles,
            alternatives,
        ),
        params_type=chosen.params_type,
        params=chosen.params,
        arguments=tuple(arguments),
        inputs=inputs,
        state=state,
        output=result,
        output_offset=layout.tensor_offsets[result.index],
        macs=chosen.macs,
        weights_bytes=sum(constant.size_bytes for constant in constants),
        memory=region,
    )


def arena_region(part: Part, arena_bytes: int, reserve_bytes: int) -> tuple[str, str, bool]:
    """The fastest memory that holds the arena and leaves ``reserve_bytes``, why, and whether there is one."""
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
