"""Models as programs of this computer, sanitizers on, spoken to over the host link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.application import Application, describe_application
from generator.catalog import ModelInfo, Settings
from generator.fuse import fuse
from generator.graph import Graph
from generator.link import Client
from generator.link.transport import ProcessTransport
from generator.plan import Plan, make_plan, plan_interpreter
from generator.read import operator_names, read_tflite_bytes
from generator.render import Network, render_project, write_project
from generator.simplify import simplify
from generator.targets import clock_tree, load_board
from generator.toolchain.build import cmake_build


@dataclass(frozen=True)
class Host:
    """A running program and all that it was made from."""

    model: bytes
    graph: Graph
    plan: Plan
    application: Application
    folder: Path
    client: Client
    lines: list[str]
    """What it has printed."""


@contextmanager
def host_program(
    model: bytes, folder: Path, *, name: str = "net", info: ModelInfo | None = None
) -> Iterator[Host]:
    board = load_board("nucleo_h743zi2")
    as_read = read_tflite_bytes(model, name, name)
    graph = fuse(simplify(as_read).graph)
    plan = make_plan(graph, board.part)
    network = Network(
        plan, plan_interpreter(as_read, operator_names(model), board.part, reserve_bytes=0), model
    )
    application = describe_application(graph, info or ModelInfo(), Settings())
    clock = clock_tree(board, board.clock_mhz)
    project = render_project(
        [network], application, board, clock, stack_bytes=2048, tflm_stack_bytes=8192, platform="host"
    )
    write_project(project, folder)
    program = cmake_build(folder, folder / "cmake-build", artifact="firmware").elf
    lines: list[str] = []
    with Client(ProcessTransport([program]), on_text=lines.append) as client:
        client.identify()
        yield Host(model, graph, plan, application, folder, client, lines)
