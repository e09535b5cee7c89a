"""The steps of the road that several commands walk, from MODEL to an open link to a target."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from generator.application import Application, describe_application
from generator.catalog import ModelSource, find_model
from generator.commands.output import Output
from generator.errors import OverBudgetError, UsageError
from generator.fuse import fuse
from generator.graph import Graph
from generator.plan import Goal, Optimize, Plan, make_plan
from generator.read import read_tflite_bytes
from generator.render import Platform, render_project, write_project
from generator.report.plan_tables import fitting_parts
from generator.simplify import Removal, simplify
from generator.targets import Board, ClockTree, clock_tree, load_board, memory_costs
from generator.toolchain.build import BuildResult, cmake_build

# Data of platform, link and application beside stack, arena and image buffers: 2.3 KiB as shipped.
_RUNTIME_BYTES = 6 << 10


@dataclass(frozen=True)
class Target:
    """A board at a clock."""

    board: Board
    clock: ClockTree


@dataclass(frozen=True)
class Planned:
    """A model up to its plan."""

    source: ModelSource
    graph: Graph
    removal: Removal
    """What simplifying took away, and the network's size as read."""
    plan: Plan
    application: Application


def choose_target(board_name: str, clock_mhz: int | None) -> Target:
    """The board and its clock tree."""
    board = load_board(board_name)
    return Target(board, clock_tree(board, clock_mhz or board.clock_mhz))


def plan_model(model: str, settings: Path | None, target: Target, optimize: Optimize = "balanced") -> Planned:
    """Find, read, simplify, fuse and plan."""
    source = find_model(model, settings)
    simplified = simplify(read_tflite_bytes(source.data, source.name, str(source.path)))
    graph = fuse(simplified.graph)
    application = describe_application(graph, source.info, source.settings)
    reserve = source.settings.firmware.stack_bytes + application.buffer_bytes + _RUNTIME_BYTES
    budgets = source.settings.budgets
    plan = make_plan(
        graph,
        target.board.part,
        reserve_bytes=reserve,
        costs=memory_costs(target.board.part, target.clock),
        goal=Goal(optimize, budgets.ram_bytes, budgets.flash_bytes),
    )
    return Planned(source, graph, simplified.removal, plan, application)


def require_fit(plan: Plan) -> None:
    """OverBudgetError if no memory of the part holds the arena, naming parts where it would fit."""
    if not plan.arena_fits:
        fits = fitting_parts(plan)
        raise OverBudgetError(
            f"{plan.name} needs an arena of {plan.arena_bytes:,} B: {plan.arena_why}; "
            + (f"it would fit on {', '.join(fits)}" if fits else "it fits on none of the known parts")
        )


def render_to(planned: Planned, target: Target, folder: Path, platform: Platform = "stm32h7") -> None:
    """Render the project into ``folder``."""
    require_fit(planned.plan)
    project = render_project(
        planned.plan,
        planned.source.data,
        planned.application,
        target.board,
        target.clock,
        stack_bytes=planned.source.settings.firmware.stack_bytes,
        platform=platform,
    )
    write_project(project, folder)


def default_folder(planned: Planned, out: Path | None) -> Path:
    """Where the project goes."""
    return out or Path("build") / planned.source.name


def build_project(folder: Path, output: Output, artifact: str = "firmware.elf") -> BuildResult:
    """Compile a rendered project."""
    output.say(f"compiling {folder}")
    result = cmake_build(folder, folder / "cmake-build", artifact=artifact)
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
