"""``build``: the whole road, from a model to a report."""

from __future__ import annotations

from pathlib import Path

import click

from generator.commands import attach, options, road
from generator.commands.output import Output, output_options
from generator.emulator import CacheCounts, Causes, Machine, Profile
from generator.errors import MismatchError, OverBudgetError
from generator.imaging import load_samples
from generator.link import Client
from generator.plan import Optimize
from generator.report import (
    BudgetVerdict,
    CacheUse,
    CycleCauses,
    Decision,
    FunctionLatency,
    Latency,
    LayerLatency,
    Memory,
    MemoryTotal,
    ModelFacts,
    Region,
    Report,
    Stack,
    Toolchain,
    Validation,
)
from generator.report.simplification import describe
from generator.report.tables import over_budget_table, print_report
from generator.report.write import write_report
from generator.targets import Board
from generator.toolchain.elf import ElfImage
from generator.toolchain.memory import MemoryUse, memory_use
from generator.toolchain.stack import StackUse, stack_use
from generator.validate import Comparison, compare, make_inputs

_SHOWN_DECISIONS = 4

# Silicon's time as a multiple of the modelled one: optimised CoreMark, least and most, published and as
# `python benchmarks/timing.py --coremark` models it (docs/timing.md).
_SILICON_FACTORS = (0.96, 1.10)
_MODEL_NOTE = (
    "modelled, memory included; optimised CoreMark takes 0.96 to 1.10 times the modelled time on silicon"
)


@click.command()
@options.model_argument
@options.board_option
@options.engine_option
@options.clock_option
@options.out_option
@options.settings_option
@options.optimize_option
@click.option("--inputs", default=32, show_default=True, type=click.IntRange(2), help="Inputs to compare on.")
@click.option("--no-validate", is_flag=True, help="Do not compare outputs with the reference.")
@click.option("--render-only", is_flag=True, help="Write the project and stop.")
@output_options
def build(
    model: str,
    board: str,
    engine: str,
    clock_mhz: int | None,
    out: Path | None,
    settings: Path | None,
    optimize: Optimize,
    inputs: int,
    no_validate: bool,
    render_only: bool,
    output: Output,
) -> None:
    """Cast MODEL into firmware, run it on the emulated part, and report whether it fits.

    MODEL is a .tflite file or the name of a shipped model.
    """
    target = road.choose_target(board, clock_mhz)
    planned = road.plan_model(model, settings, target, optimize)
    output.say(f"read {planned.source.path}: {len(planned.plan.steps)} steps, {planned.removal.macs:,} MACs")
    folder = road.default_folder(planned, out)
    road.render_to(planned, target, folder)
    output.say(f"rendered {folder}")
    if render_only:
        output.json({"out": str(folder)})
        return
    result = road.build_project(folder, output)
    image = ElfImage.load(result.elf)
    memory, stack = memory_use(image, target.board.part), stack_use(image)

    phases = (*road.step_symbols(planned.plan), road.run_symbol())
    with attach.on_emulator(result.elf, target.board, phases, output) as (machine, client):
        client.identify()
        decisions = _decide(client, planned, output)
        comparison = None if no_validate else _validate(client, planned, inputs, output)
        latency = _measure(machine, client, planned, target.clock.sysclk_hz)
        painted = client.status().stack_used_bytes

    report = _report(planned, target.board, result.compiler, result.flags, memory, stack, painted)
    report = report.model_copy(
        update={
            "latency": latency,
            "validation": _validation(comparison),
            "decisions": decisions,
        }
    )
    report = report.model_copy(update={"budgets": _verdict(report)})
    write_report(report, folder)
    output.json(report)
    print_report(report, output.results)
    output.say(f"report: {folder / 'report.json'}")
    _judge(report)


def _decide(client: Client, planned: road.Planned, output: Output) -> tuple[Decision, ...]:
    """What the firmware makes of the first pictures that come with the model."""
    if planned.application.image is None:
        return ()
    decisions = []
    for sample in load_samples(planned.source.folder)[:_SHOWN_DECISIONS]:
        client.send_image(sample.image)
        decision = client.classify()
        decisions.append(
            Decision(
                image=sample.name,
                label=decision.label or f"class {decision.class_index}",
                score=decision.score,
                door_open=decision.door_open,
                cycles=decision.cycles,
            )
        )
    output.detail(f"classified {len(decisions)} pictures")
    return tuple(decisions)


def _validate(client: Client, planned: road.Planned, count: int, output: Output) -> Comparison:
    noise = count // 2
    given = make_inputs(
        planned.graph,
        planned.source.folder,
        planned.source.info.normalization,
        realistic=count - noise,
        noise=noise,
    )
    with output.progress(f"comparing {count} inputs with the reference on the emulated part") as progress:
        return compare(client, planned.plan, planned.source.data, given, progress)


def _measure(machine: Machine, client: Client, planned: road.Planned, cpu_hz: int) -> Latency:
    """One inference after a first one, as in a steady loop of frames."""
    plan = planned.plan
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
    symbols = road.step_symbols(plan)
    phases = (*symbols, road.run_symbol())
    instructions = sum(instructions_by_phase.get(phase, 0) for phase in phases)
    causes = Causes.sum(causes_by_phase.get(phase, Causes()) for phase in phases)
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
        layers=tuple(
            LayerLatency(
                index=step.index,
                name=step.name,
                op=step.op,
                kernel=step.kernel.name,
                macs=step.macs,
                instructions=instructions_by_phase.get(symbol, 0),
                cycles=round(causes_by_phase.get(symbol, Causes()).total),
                causes=_causes(causes_by_phase.get(symbol, Causes())),
                memory=step.memory,
            )
            for step, symbol in zip(plan.steps, symbols, strict=True)
        ),
        functions=_functions(profile, set(phases)),
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


def _report(
    planned: road.Planned,
    board: Board,
    compiler: str,
    flags: str,
    memory: MemoryUse,
    stack: StackUse,
    painted: int | None,
) -> Report:
    settings = planned.source.settings
    return Report(
        model=_facts(planned),
        simplification=describe(planned.removal),
        engine="native",
        board=board.name,
        part=board.part.name,
        toolchain=Toolchain(compiler=compiler, flags=flags),
        memory=Memory(
            flash=MemoryTotal(
                used=memory.flash_bytes,
                budget=settings.budgets.flash_bytes,
                total=board.part.flash_bytes,
            ),
            ram=MemoryTotal(
                used=memory.ram_bytes, budget=settings.budgets.ram_bytes, total=board.part.ram_bytes
            ),
            activations_bytes=planned.plan.arena_bytes,
            stack_bytes=stack.total_bytes,
            regions={name: Region(used=r.used, total=r.total) for name, r in memory.regions.items()},
            stack=Stack(
                computed=stack.total_bytes,
                painted=painted,
                reserved=settings.firmware.stack_bytes,
                deepest=tuple(f"{frame.function} {frame.frame_bytes}" for frame in stack.chain),
            ),
        ),
        latency=None,
        validation=None,
        decisions=(),
        budgets=BudgetVerdict(met=True, exceeded=()),
    )


def _facts(planned: road.Planned) -> ModelFacts:
    plan = planned.plan
    return ModelFacts(
        name=plan.name,
        sha256=plan.model_sha256,
        macs=planned.removal.macs,
        parameters=planned.removal.parameters,
        weights_bytes=plan.weights_bytes,
    )


def _validation(comparison: Comparison | None) -> Validation | None:
    if comparison is None:
        return None
    return Validation(
        reference=comparison.reference,
        inputs=comparison.inputs,
        elements=comparison.elements,
        mismatches=comparison.mismatches,
        max_abs_diff=comparison.max_abs_diff,
        bit_exact=comparison.bit_exact,
        first_difference=None if comparison.first_difference is None else str(comparison.first_difference),
    )


def _verdict(report: Report) -> BudgetVerdict:
    exceeded = []
    for name, total in (("flash", report.memory.flash), ("ram", report.memory.ram)):
        if total.used > (total.total if total.budget is None else total.budget):
            exceeded.append(name)
    latency = report.latency
    if (
        latency
        and latency.ms is not None
        and latency.budget_ms is not None
        and latency.ms > latency.budget_ms
    ):
        exceeded.append("latency")
    stack = report.memory.stack
    if stack.computed is None or stack.computed > stack.reserved:
        exceeded.append("stack")
    return BudgetVerdict(met=not exceeded, exceeded=tuple(exceeded))


def _judge(report: Report) -> None:
    """The exit code: a wrong answer is worse than a large or slow one."""
    validation = report.validation
    if validation is not None and not validation.bit_exact:
        raise MismatchError(
            f"{validation.mismatches:,} of {validation.elements:,} outputs differ from "
            f"{validation.reference}, by at most {validation.max_abs_diff:g}; "
            f"{validation.first_difference or 'every step alone agrees'}"
        )
    if not report.budgets.met:
        raise OverBudgetError(f"{report.model.name} is over budget:\n{over_budget_table(report)}")
