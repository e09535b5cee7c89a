"""One inference on the emulated part, counted."""

from __future__ import annotations

from generator.commands import road
from generator.commands.engine import EngineChoice, operator_label
from generator.emulator import CacheCounts, Causes, Machine, Profile
from generator.graph import operator_macs
from generator.link import Client
from generator.report import CacheUse, CycleCauses, FunctionLatency, Latency, LayerLatency
from generator.validate import make_inputs

# Silicon's time as a multiple of the modelled one: optimised CoreMark, least and most, published and as
# `python benchmarks/timing.py --coremark` models it (docs/timing.md).
_SILICON_FACTORS = (0.96, 1.10)
_MODEL_NOTE = (
    "modelled, memory included; optimised CoreMark takes 0.96 to 1.10 times the modelled time on silicon"
)


def phases(planned: road.Planned, engine: EngineChoice) -> tuple[str, ...]:
    """Functions that an inference is made of, as profiles tell it: each step, and the loop over them."""
    return (*(road.step_symbols(planned.plan) if engine.is_native else ()), road.run_symbol())


def measure(machine: Machine, client: Client, planned: road.Planned, target: road.Target) -> Latency:
    """One inference after a first one, as in a steady loop of frames."""
    cpu_hz = target.clock.sysclk_hz
    given = make_inputs(
        planned.graph, planned.source.folder, planned.source.info.normalization, realistic=1, noise=0
    )[0]
    for _ in range(2):
        for index, values in enumerate(given.values):
            client.write_input(values, index)
        machine.clear_profile()
        before = machine.caches
        client.run()
    profile = machine.profile()
    instructions_by_phase, causes_by_phase = profile.instructions_by_phase, profile.causes_by_phase
    inference = phases(planned, target.engine)
    instructions = sum(instructions_by_phase.get(phase, 0) for phase in inference)
    causes = Causes.sum(causes_by_phase.get(phase, Causes()) for phase in inference)
    cycles = round(causes.total)
    code_cache, data_cache = (_cache_use(*counts) for counts in zip(before, machine.caches, strict=True))
    ms = 1000 * cycles / cpu_hz
    budget = planned.source.settings.budgets.latency_ms
    return Latency(
        source="emulator-model",
        clock_mhz=cpu_hz / 1e6,
        instructions=instructions,
        cycles=cycles,
        causes=_causes(causes),
        instruction_cache=code_cache,
        data_cache=data_cache,
        ms=ms,
        fps=1000 / ms,
        budget_ms=budget,
        silicon_ms_range=(ms * _SILICON_FACTORS[0], ms * _SILICON_FACTORS[1]),
        note=_MODEL_NOTE,
        layers=_steps(planned, profile) if target.engine.is_native else _operators(planned),
        functions=_functions(profile, set(inference)),
    )


def _steps(planned: road.Planned, profile: Profile) -> tuple[LayerLatency, ...]:
    instructions, causes = profile.instructions_by_phase, profile.causes_by_phase
    plan = planned.plan
    return tuple(
        LayerLatency(
            index=step.index,
            name=step.name,
            op=step.op,
            kernel=step.kernel.name,
            macs=step.macs,
            instructions=instructions.get(symbol, 0),
            cycles=round(causes.get(symbol, Causes()).total),
            causes=_causes(causes.get(symbol, Causes())),
            memory=step.memory,
        )
        for step, symbol in zip(plan.steps, road.step_symbols(plan), strict=True)
    )


def _operators(planned: road.Planned) -> tuple[LayerLatency, ...]:
    """What the interpreter runs; it gives no figures of its own for each."""
    graph = planned.as_read
    return tuple(
        LayerLatency(
            index=index,
            name=operator_label(operator),
            op=operator.name,
            kernel="tflm",
            macs=operator_macs(graph, operator),
            instructions=None,
            cycles=None,
            causes=None,
            memory=planned.interpreter.arena_region,
        )
        for index, operator in enumerate(graph.operators)
    )


def _functions(profile: Profile, phases: set[str]) -> tuple[FunctionLatency, ...]:
    """The functions that ran during the inference, the most expensive first."""
    inference = Profile(tuple(edge for edge in profile.edges if edge.phase in phases))
    causes = inference.causes_by_function
    return tuple(
        FunctionLatency(
            name=name or "unknown",
            instructions=count,
            cycles=round(causes[name].total),
            causes=_causes(causes[name]),
        )
        for name, count in sorted(
            inference.instructions_by_function.items(), key=lambda item: (-item[1], item[0] or "")
        )
    )


def _causes(causes: Causes) -> CycleCauses:
    return CycleCauses(**causes.rounded())


def _cache_use(before: CacheCounts, after: CacheCounts) -> CacheUse:
    return CacheUse(
        lookups=after.lookups - before.lookups,
        misses=after.misses - before.misses,
        write_backs=after.write_backs - before.write_backs,
    )
