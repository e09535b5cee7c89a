"""The steps of the road that several commands walk, from MODEL to an open link to a target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.application import Application, describe_application
from generator.catalog import ModelSource, find_model
from generator.commands.engine import NATIVE, EngineChoice
from generator.commands.output import Output
from generator.errors import ModelError, OverBudgetError, UsageError
from generator.fuse import fuse
from generator.graph import Graph
from generator.plan import Goal, Interpreter, Optimize, Plan, make_plan, plan_interpreter
from generator.read import operator_names, read_tflite_bytes
from generator.render import Engine, Network, Platform, render_project, write_project
from generator.report.plan_tables import fitting_parts
from generator.simplify import Removal, simplify
from generator.targets import Board, ClockTree, clock_tree, load_board, memory_costs
from generator.toolchain.build import BuildResult, cmake_build

# Data of platform, link and application beside stack, arena and image buffers: 2.3 KiB as shipped.
_RUNTIME_BYTES = 6 << 10


@dataclass(frozen=True)
class Target:
    """A board at a clock, and the engine on it."""

    board: Board
    clock: ClockTree
    engine: EngineChoice = NATIVE


@dataclass(frozen=True)
class Planned:
    """A model up to its plan."""

    source: ModelSource
    as_read: Graph
    """The network of the file, which the interpreter runs."""
    graph: Graph
    """What is left of it, which the plan runs."""
    removal: Removal
    """What simplifying took away, and the network's size as read."""
    plan: Plan
    interpreter: Interpreter
    application: Application

    def arena_bytes(self, engine: EngineChoice) -> int:
        """Bytes of a context."""
        return self.plan.arena_bytes if engine.is_native else self.interpreter.arena_bytes

    def constant_bytes(self, engine: EngineChoice) -> int:
        """Bytes of weights and tables in flash; of the whole model file for the interpreter."""
        return self.plan.weights_bytes if engine.is_native else len(self.source.data)


def choose_target(
    board_name: str, clock_mhz: int | None, engine: Engine = "native", tflm_dir: Path | None = None
) -> Target:
    """The board, its clock tree and the engine."""
    board = load_board(board_name)
    return Target(board, clock_tree(board, clock_mhz or board.clock_mhz), EngineChoice(engine, tflm_dir))


def plan_model(
    model: str,
    settings: Path | None,
    target: Target,
    optimize: Optimize = "balanced",
    *,
    beside: Sequence[Planned] = (),
    shared_arena: bool = False,
) -> Planned:
    """Find, read, simplify, fuse and plan. ``beside`` are networks of the same firmware, planned before."""
    source = find_model(model, settings)
    as_read = read_tflite_bytes(source.data, source.name, str(source.path))
    simplified = simplify(as_read)
    graph = fuse(simplified.graph)
    application = describe_application(graph, source.info, source.settings)
    firmware, budgets = source.settings.firmware, source.settings.budgets
    reserve = application.buffer_bytes + _RUNTIME_BYTES
    copied = sum(c.size_bytes for other in beside for c in other.plan.constants if c.saved_cycles)
    arenas = () if shared_arena else beside
    plan = make_plan(
        graph,
        target.board.part,
        reserve_bytes=reserve + firmware.stack_bytes + copied + sum(o.plan.arena_bytes for o in arenas),
        costs=memory_costs(target.board.part, target.clock),
        goal=Goal(optimize, budgets.ram_bytes, budgets.flash_bytes),
    )
    interpreter = plan_interpreter(
        as_read,
        operator_names(source.data),
        target.board.part,
        reserve_bytes=reserve + firmware.tflm_stack_bytes + sum(o.interpreter.arena_bytes for o in arenas),
        arena_bytes=firmware.tflm_arena_bytes,
    )
    return Planned(source, as_read, graph, simplified.removal, plan, interpreter, application)


def require_fit(planned: Planned, engine: EngineChoice = NATIVE) -> None:
    """OverBudgetError if no memory of the part holds the arena, naming parts where it would fit.

    ModelError if the engine cannot run the model whatever the memory.
    """
    plan, interpreter = planned.plan, planned.interpreter
    if engine.is_native and not plan.arena_fits:
        fits = fitting_parts(plan)
        raise OverBudgetError(
            f"{plan.name} needs an arena of {plan.arena_bytes:,} B: {plan.arena_why}; "
            + (f"it would fit on {', '.join(fits)}" if fits else "it fits on none of the known parts")
        )
    if not engine.is_native and interpreter.missing:
        raise ModelError(
            f"{plan.name} with the engine tflm",
            [f"TensorFlow Lite for Microcontrollers has no {name}" for name in interpreter.missing],
        )
    if not engine.is_native and not interpreter.arena_fits:
        raise OverBudgetError(
            f"{plan.name} needs an arena of about {interpreter.arena_bytes:,} B under TFLM: "
            f"{interpreter.arena_why}; the native engine takes {plan.arena_bytes:,} B"
        )


def render_to(
    planned: Planned,
    target: Target,
    folder: Path,
    platform: Platform = "stm32h7",
    *,
    beside: Sequence[Planned] = (),
    shared_arena: bool = False,
) -> None:
    """Render the project into ``folder``, with the networks ``beside`` the application's own."""
    networks = (planned, *beside)
    for network in networks:
        require_fit(network, target.engine)
    firmware = planned.source.settings.firmware
    project = render_project(
        [Network(network.plan, network.interpreter, network.source.data) for network in networks],
        planned.application,
        target.board,
        target.clock,
        stack_bytes=firmware.stack_bytes,
        tflm_stack_bytes=firmware.tflm_stack_bytes,
        platform=platform,
        engine=target.engine.name,
        shared_arena=shared_arena,
    )
    write_project(project, folder)


def default_folder(planned: Planned, out: Path | None) -> Path:
    """Where the project goes."""
    return out or Path("build") / planned.source.name


def build_project(
    folder: Path, target: Target, output: Output, artifact: str = "firmware.elf"
) -> BuildResult:
    """Compile a rendered project."""
    definitions = target.engine.definitions
    output.say(f"compiling {folder}")
    result = cmake_build(folder, folder / "cmake-build", artifact=artifact, definitions=definitions)
    output.detail(result.output)
    return result


def step_symbols(plan: Plan) -> tuple[str, ...]:
    """Functions of the generated network, in step order."""
    return tuple(f"{plan.identifier}_{step.name}" for step in plan.steps)


def run_symbol() -> str:
    """The application's function that runs all steps; what it spends itself is part of an inference."""
    return "run_network"


def board_of_elf(elf: Path, board_name: str | None) -> Board:
    """The board named, else the one that the project around ``elf`` was rendered for."""
    if board_name is None:
        try:
            board_name = json.loads((elf.parent.parent / "MANIFEST.json").read_text())["board"]
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(
                f"{elf} lies in no rendered project that tells its board: name it with --board"
            ) from None
    return load_board(str(board_name))
