"""The rendered project in memory: every file, nothing written yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from generator import __version__
from generator.application import Application
from generator.assets import firmware_dir
from generator.errors import UsageError
from generator.plan import Interpreter, Plan
from generator.render.environment import make_environment, one_line
from generator.targets import Board, ClockTree

Engine = Literal["native", "tflm"]
Platform = Literal["stm32h7", "host"]

# Raised in firmware/nn/fc_nn.h whenever packing, tables or calls change.
NN_VERSION = 5

_COPIED_FOLDERS = ("nn", "link", "app", "tflm")
_COPIED_FILES = ("platform/platform.h", "platform/sections.h")
_SOURCE_SUFFIXES = (".c", ".cc", ".h")


@dataclass(frozen=True)
class Project:
    """Files by path relative to the project's folder, and the template or source each comes from."""

    files: Mapping[str, bytes]
    origins: Mapping[str, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        object.__setattr__(self, "origins", MappingProxyType(dict(self.origins)))


@dataclass(frozen=True)
class Network:
    """A model on its way into a project: laid out for both engines, and the file itself."""

    plan: Plan
    interpreter: Interpreter
    flatbuffer: bytes


@dataclass(frozen=True)
class _View:
    """What templates see of a network."""

    plan: Plan
    interpreter: Interpreter
    flatbuffer: bytes
    id: str
    prefix: str
    data: str
    """Name of the FlatBuffer array and its files."""
    interpreter_arena: str
    """C expression of its bytes."""
    sections: Mapping[Engine, str]
    """Macros of sections.h that place the context."""

    @property
    def arena_bytes(self) -> Mapping[Engine, int]:
        return {"native": self.plan.arena_bytes, "tflm": self.interpreter.arena_bytes}


def render_project(
    networks: Sequence[Network],
    application: Application,
    board: Board,
    clock: ClockTree,
    *,
    stack_bytes: int,
    tflm_stack_bytes: int,
    platform: Platform = "stm32h7",
    engine: Engine = "native",
    shared_arena: bool = False,
) -> Project:
    """Render everything; the same arguments give the same bytes.

    The application runs the first of ``networks``; the others are for the user's own code, with contexts in
    one memory if ``shared_arena``. ``engine`` is what CMake takes unless told otherwise; both are there.

    Raises UsageError if two networks would have one name.
    """
    views = [_view(network, board, first=not i) for i, network in enumerate(networks)]
    main = views[0]
    copied = _runtime_sources(platform)
    context: dict[str, object] = {
        "networks": views,
        "application": application,
        "board": board,
        "part": board.part,
        "clock": clock,
        "stack_bytes": stack_bytes,
        "tflm_stack_bytes": tflm_stack_bytes,
        "platform": platform,
        "engine": engine,
        "shared_arena": shared_arena,
        "shared_sections": _shared_sections(views),
        "version": __version__,
        "nn_version": NN_VERSION,
    }
    sources = _Sources.of(copied, views)
    generated = {
        "model_binding.c": "model_binding.c.j2",
        "firmcast_config.h": "firmcast_config.h.j2",
        "CMakeLists.txt": "CMakeLists.txt.j2",
    }
    if len(views) > 1:
        generated |= {f"firmcast_models.{kind}": f"firmcast_models.{kind}.j2" for kind in ("h", "c")}
    if platform == "stm32h7":
        generated |= {"board.h": "board.h.j2", "linker.ld": "linker.ld.j2"}
    rendered = [(name, template, main) for name, template in generated.items()]
    rendered += [(name, template, view) for view in views for name, template in _network_files(view).items()]

    environment = make_environment()
    files = dict(copied)
    origins = {name: f"firmware/{name.removeprefix('firmware/')}" for name in copied}
    for name, template, view in rendered:
        if name in files:
            raise UsageError(f"two networks would be rendered into {name}: rename one of the model files")
        own = {
            **context,
            **{
                key: getattr(view, key)
                for key in ("plan", "interpreter", "flatbuffer", "id", "prefix", "data")
            },
            "network": view,
            "interpreter_arena": view.interpreter_arena,
            "sources": sources,
            "sha256_bytes": bytes.fromhex(view.plan.model_sha256),
            "sections": _sections(view.plan, board, platform),
            "banner": _banner(view.plan, board, clock),
        }
        files[name] = environment.get_template(template).render(own).encode()
        origins[name] = f"templates/{template}"
    files["MANIFEST.json"] = _manifest(main.plan, board, clock, files, origins)
    return Project(files, origins)


def _view(network: Network, board: Board, *, first: bool) -> _View:
    plan = replace(network.plan, name=one_line(network.plan.name))
    persistent = network.interpreter.persistent_bytes
    arena = f"{network.interpreter.arena_bytes - persistent}"
    if persistent:  # most of it are pointers
        arena = f"({arena} + {persistent} / 4 * sizeof(void *))"
    regions: dict[Engine, str] = {"native": plan.arena_region, "tflm": network.interpreter.arena_region}
    return _View(
        plan,
        network.interpreter,
        network.flatbuffer,
        id=plan.identifier,
        prefix=plan.identifier.upper(),
        data="model_data" if first else f"{plan.identifier}_data",
        interpreter_arena=arena,
        sections={
            engine: f"FC_{board.part.memory(region).section.upper()}_BSS"
            for engine, region in regions.items()
        },
    )


def _shared_sections(views: Sequence[_View]) -> dict[Engine, str]:
    """A union goes where the largest of its members was to go."""
    engines: tuple[Engine, ...] = ("native", "tflm")
    return {e: max(views, key=lambda view: view.arena_bytes[e]).sections[e] for e in engines}


def _network_files(view: _View) -> dict[str, str]:
    return {
        f"{view.id}.h": "network.h.j2",
        f"{view.id}.c": "network.c.j2",
        f"{view.id}_tflm.cc": "network_tflm.cc.j2",
        f"{view.data}.h": "model_data.h.j2",
        f"{view.data}.c": "model_data.c.j2",
    }


@dataclass(frozen=True)
class _Sources:
    """What is compiled for either engine, and for one alone."""

    common: tuple[str, ...]
    native: tuple[str, ...]
    tflm: tuple[str, ...]

    @classmethod
    def of(cls, copied: Mapping[str, bytes], views: Sequence[_View]) -> _Sources:
        tables = ["firmcast_models.c"] if len(views) > 1 else []
        return cls(
            tuple(sorted(["model_binding.c", *tables, *(name for name in copied if name.endswith(".c"))])),
            tuple(sorted(f"{view.id}.c" for view in views)),
            tuple(
                sorted(
                    [
                        *(name for name in copied if name.endswith(".cc")),
                        *(f"{view.id}_tflm.cc" for view in views),
                        *(f"{view.data}.c" for view in views),
                    ]
                )
            ),
        )


def _sections(plan: Plan, board: Board, platform: Platform) -> dict[str, str]:
    """Attribute that puts each constant into its memory, by symbol; empty where it stays in flash."""
    prefixes = {"dtcm": "dtcm_rodata", "itcm": "itcm_rodata"}
    attributes = {}
    for constant in plan.constants:
        memory = board.part.memory(constant.region)
        prefix = prefixes.get(memory.kind, f"{memory.section}_data")
        placed = platform == "stm32h7" and memory.kind != "flash"
        attributes[constant.symbol] = f', section(".{prefix}.{constant.symbol}")' if placed else ""
    return attributes


def _runtime_sources(platform: Platform) -> dict[str, bytes]:
    root = firmware_dir()
    folders = (*_COPIED_FOLDERS, f"platform/{platform}")
    paths = [p for folder in folders for p in (root / folder).iterdir() if p.suffix in _SOURCE_SUFFIXES]
    paths += [root / name for name in _COPIED_FILES]
    paths += [p for p in (root / "cmake").glob("*.cmake") if platform == "stm32h7" or p.name == "tflm.cmake"]
    return {f"firmware/{p.relative_to(root).as_posix()}": p.read_bytes() for p in sorted(paths)}


def _banner(plan: Plan, board: Board, clock: ClockTree) -> str:
    return (
        f"/* Written by firmcast {__version__}; do not edit.\n"
        f" * Model {plan.name}, SHA-256 {plan.model_sha256}.\n"
        f" * Board {board.name} at {clock.sysclk_hz // 1_000_000} MHz. */"
    )


def _manifest(
    plan: Plan, board: Board, clock: ClockTree, files: Mapping[str, bytes], origins: Mapping[str, str]
) -> bytes:
    manifest = {
        "generator": f"firmcast {__version__}",
        "model": {"name": plan.name, "sha256": plan.model_sha256},
        "board": board.name,
        "clock_mhz": clock.sysclk_hz / 1e6,
        "files": [
            {"path": name, "origin": origins[name], "sha256": hashlib.sha256(files[name]).hexdigest()}
            for name in sorted(files)
        ],
    }
    return (json.dumps(manifest, indent=2) + "\n").encode()


def manifest_paths(folder: Path) -> tuple[str, ...]:
    """Paths that the manifest in ``folder`` lists; empty without one."""
    try:
        entries = json.loads((folder / "MANIFEST.json").read_text())["files"]
        return tuple(str(entry["path"]) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError):
        return ()
