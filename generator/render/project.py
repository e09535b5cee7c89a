"""The rendered project in memory: every file, nothing written yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from generator import __version__
from generator.application import Application
from generator.assets import firmware_dir
from generator.plan import Plan
from generator.render.environment import make_environment, one_line
from generator.targets import Board, ClockTree

Platform = Literal["stm32h7", "host"]

# Raised in firmware/nn/fc_nn.h whenever packing, tables or calls change.
NN_VERSION = 5

_COPIED_FOLDERS = ("nn", "link", "app")
_COPIED_FILES = ("platform/platform.h", "platform/sections.h")
_SOURCE_SUFFIXES = (".c", ".h")


@dataclass(frozen=True)
class Project:
    """Files by path relative to the project's folder, and the template or source each comes from."""

    files: Mapping[str, bytes]
    origins: Mapping[str, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        object.__setattr__(self, "origins", MappingProxyType(dict(self.origins)))


def render_project(
    plan: Plan,
    flatbuffer: bytes,
    application: Application,
    board: Board,
    clock: ClockTree,
    *,
    stack_bytes: int,
    platform: Platform = "stm32h7",
    engine: Literal["native"] = "native",
) -> Project:
    """Render everything; the same arguments give the same bytes."""
    plan = replace(plan, name=one_line(plan.name))
    copied = _runtime_sources(platform)
    generated = {
        f"{plan.identifier}.h": "network.h.j2",
        f"{plan.identifier}.c": "network.c.j2",
        "model_data.h": "model_data.h.j2",
        "model_data.c": "model_data.c.j2",
        "model_binding.c": "model_binding.c.j2",
        "firmcast_config.h": "firmcast_config.h.j2",
        "CMakeLists.txt": "CMakeLists.txt.j2",
    }
    if platform == "stm32h7":
        generated |= {"board.h": "board.h.j2", "linker.ld": "linker.ld.j2"}
    # The FlatBuffer is for the other engine: present, compiled only there.
    compiled = [f"{plan.identifier}.c", "model_binding.c"]
    sources = sorted([*compiled, *(name for name in copied if name.endswith(".c"))])
    region = board.part.memory(plan.arena_region)
    context = {
        "plan": plan,
        "id": plan.identifier,
        "prefix": plan.identifier.upper(),
        "flatbuffer": flatbuffer,
        "sha256_bytes": bytes.fromhex(plan.model_sha256),
        "application": application,
        "board": board,
        "part": board.part,
        "clock": clock,
        "stack_bytes": stack_bytes,
        "platform": platform,
        "engine": engine,
        "sources": sources,
        "small_sources": [s for s in sources if s != f"{plan.identifier}.c"],
        "sections": _sections(plan, board, platform),
        "context_section": f"FC_{region.section.upper()}_BSS",
        "version": __version__,
        "nn_version": NN_VERSION,
        "banner": _banner(plan, board, clock),
    }
    environment = make_environment()
    files = dict(copied)
    origins = {name: f"firmware/{name.removeprefix('firmware/')}" for name in copied}
    for name, template in generated.items():
        files[name] = environment.get_template(template).render(context).encode()
        origins[name] = f"templates/{template}"
    files["MANIFEST.json"] = _manifest(plan, board, clock, files, origins)
    return Project(files, origins)


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
    if platform == "stm32h7":
        paths += (root / "cmake").glob("*.cmake")
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
