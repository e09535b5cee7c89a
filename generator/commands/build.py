"""``build``: the whole road, from a model to a report."""

from __future__ import annotations

from pathlib import Path

import click

from generator.commands import attach, options, road
from generator.commands.engine import NO_STEP, EngineChoice
from generator.commands.measure import measure, phases
from generator.commands.output import Output, output_options
from generator.errors import MismatchError, OverBudgetError, UsageError
from generator.imaging import load_samples
from generator.link import Client
from generator.plan import Optimize
from generator.render import Engine
from generator.report import (
    BudgetVerdict,
    Decision,
    Memory,
    MemoryTotal,
    ModelFacts,
    NetworkBeside,
    Region,
    Report,
    Simplification,
    Stack,
    Toolchain,
    Validation,
)
from generator.report.simplification import describe
from generator.report.tables import over_budget_table, print_report
from generator.report.write import write_report
from generator.toolchain.build import BuildResult
from generator.toolchain.elf import ElfImage
from generator.toolchain.memory import MemoryUse, memory_use
from generator.toolchain.stack import StackUse, stack_use
from generator.validate import Comparison, compare, make_inputs

_SHOWN_DECISIONS = 4
_NOTHING_REMOVED = Simplification(channels=0, macs=0, parameter_bytes=0, layers=())


@click.command()
@options.model_argument
@options.project_options
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="MODEL",
    help="Another network for the same firmware, run by your own code; may be repeated.",
)
@click.option("--shared-arena", is_flag=True, help="Networks take turns in one memory.")
@click.option("--inputs", default=32, show_default=True, type=click.IntRange(2), help="Inputs to compare on.")
@click.option("--no-validate", is_flag=True, help="Do not compare outputs with the reference.")
@click.option("--render-only", is_flag=True, help="Write the project and stop.")
@output_options
def build(
    model: str,
    board: str,
    engine: Engine,
    tflm_dir: Path | None,
    clock_mhz: int | None,
    out: Path | None,
    settings: Path | None,
    optimize: Optimize,
    others: tuple[str, ...],
    shared_arena: bool,
    inputs: int,
    no_validate: bool,
    render_only: bool,
    output: Output,
) -> None:
    """Cast MODEL into firmware, run it on the emulated part, and report whether it fits.

    MODEL is a .tflite file or the name of a shipped model.
    """
    target = road.choose_target(board, clock_mhz, engine, tflm_dir)
    if shared_arena and not others:
        raise UsageError("--shared-arena is about several networks: name the others by --with")
    if not render_only:
        _ = target.engine.definitions  # a library that is missing is told before anything is written
    planned = road.plan_model(model, settings, target, optimize)
    output.say(f"read {planned.source.path}: {len(planned.plan.steps)} steps, {planned.removal.macs:,} MACs")
    beside: tuple[road.Planned, ...] = ()
    for other in others:
        known = (planned, *beside)
        fresh = road.plan_model(other, None, target, optimize, beside=known, shared_arena=shared_arena)
        output.say(f"read {fresh.source.path}: {len(fresh.plan.steps)} steps, {fresh.removal.macs:,} MACs")
        beside += (fresh,)
    folder = road.default_folder(planned, out)
    road.render_to(planned, target, folder, beside=beside, shared_arena=shared_arena)
    output.say(f"rendered {folder}")
    if render_only:
        output.json({"out": str(folder)})
        return
    result = road.build_project(folder, target, output)
    image = ElfImage.load(result.elf)
    memory = memory_use(image, target.board.part)
    stack = stack_use(image) if target.engine.is_native else None

    with attach.on_emulator(result.elf, target.board, phases(planned, target.engine), output) as (
        machine,
        client,
    ):
        client.identify()
        decisions = _decide(client, planned, output)
        comparison = None if no_validate else _validate(client, planned, inputs, output)
        latency = measure(machine, client, planned, target)
        painted = client.status().stack_used_bytes

    report = _report(planned, target, result, memory, stack, painted)
    report = report.model_copy(
        update={
            "latency": latency,
            "validation": _validation(comparison),
            "decisions": decisions,
            "beside": tuple(_beside(other, target, image) for other in beside),
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
        stepwise = client.identity.engine == "native"
        return compare(client, planned.plan, planned.source.data, given, progress, stepwise=stepwise)


def _report(
    planned: road.Planned,
    target: road.Target,
    result: BuildResult,
    memory: MemoryUse,
    stack: StackUse | None,
    painted: int | None,
) -> Report:
    settings, board, engine = planned.source.settings, target.board, target.engine
    firmware = settings.firmware
    return Report(
        model=_facts(planned, engine),
        simplification=describe(planned.removal) if engine.is_native else _NOTHING_REMOVED,
        engine=engine.name,
        board=board.name,
        part=board.part.name,
        toolchain=Toolchain(compiler=result.compiler, flags=result.flags),
        memory=Memory(
            flash=MemoryTotal(
                used=memory.flash_bytes,
                budget=settings.budgets.flash_bytes,
                total=board.part.flash_bytes,
            ),
            ram=MemoryTotal(
                used=memory.ram_bytes, budget=settings.budgets.ram_bytes, total=board.part.ram_bytes
            ),
            activations_bytes=planned.arena_bytes(engine),
            stack_bytes=painted if stack is None else stack.total_bytes,
            regions={name: Region(used=r.used, total=r.total) for name, r in memory.regions.items()},
            stack=Stack(
                computed=None if stack is None else stack.total_bytes,
                painted=painted,
                reserved=firmware.stack_bytes if engine.is_native else firmware.tflm_stack_bytes,
                deepest=tuple(f"{f.function} {f.frame_bytes}" for f in (stack.chain if stack else ())),
            ),
        ),
        latency=None,
        validation=None,
        decisions=(),
        beside=(),
        budgets=BudgetVerdict(met=True, exceeded=()),
    )


def _facts(planned: road.Planned, engine: EngineChoice) -> ModelFacts:
    plan = planned.plan
    return ModelFacts(
        name=plan.name,
        sha256=plan.model_sha256,
        macs=planned.removal.macs,
        parameters=planned.removal.parameters,
        weights_bytes=planned.constant_bytes(engine),
    )


def _beside(planned: road.Planned, target: road.Target, image: ElfImage) -> NetworkBeside:
    engine = target.engine
    stack = stack_use(image, entry=f"{planned.plan.identifier}_run") if engine.is_native else None
    return NetworkBeside(
        model=_facts(planned, engine),
        activations_bytes=planned.arena_bytes(engine),
        stack_bytes=sum(f.frame_bytes for f in stack.chain) if stack and not stack.problems else None,
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
    needed = stack.painted if report.engine == "tflm" else stack.computed
    if needed is None or needed > stack.reserved:
        exceeded.append("stack")
    return BudgetVerdict(met=not exceeded, exceeded=tuple(exceeded))


def _judge(report: Report) -> None:
    """The exit code: a wrong answer is worse than a large or slow one."""
    validation = report.validation
    if validation is not None and not validation.bit_exact:
        raise MismatchError(
            f"{validation.mismatches:,} of {validation.elements:,} outputs differ from "
            f"{validation.reference}, by at most {validation.max_abs_diff:g}; "
            f"{validation.first_difference or NO_STEP[report.engine]}"
        )
    if not report.budgets.met:
        raise OverBudgetError(f"{report.model.name} is over budget:\n{over_budget_table(report)}")
