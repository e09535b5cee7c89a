"""``emulate``: a built firmware on the emulated part."""

from __future__ import annotations

import time
from pathlib import Path

import click

from generator.commands import options, road
from generator.commands.output import Output, output_options
from generator.emulator import EmulatedSerial, Machine, StopReason, serve_pty
from generator.errors import UsageError
from generator.imaging import read_image
from generator.link import Client
from generator.report.tables import print_profile
from generator.toolchain.elf import ElfImage

DEFAULT_ELF = Path("build") / options.DEFAULT_MODEL / "cmake-build" / "firmware.elf"
_PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


@click.command()
@click.argument("elf", type=click.Path(path_type=Path), default=DEFAULT_ELF)
@options.images_option
@click.option(
    "--frames", type=click.Path(path_type=Path), help="Folder of pictures, classified in order of name."
)
@click.option("--threshold", type=click.FloatRange(0, 1), help="Score from which the door opens.")
@click.option("--board", help="The board [default: the one that the firmware's project was rendered for].")
@click.option("--pty", is_flag=True, help="Offer the console as a serial port until interrupted.")
@click.option("--profile", "show_profile", is_flag=True, help="Show where instructions and cycles went.")
@click.option("--max-instructions", type=click.IntRange(1), help="Stop after so many instructions.")
@output_options
def emulate(
    elf: Path,
    images: tuple[Path, ...],
    frames: Path | None,
    threshold: float | None,
    board: str | None,
    pty: bool,
    show_profile: bool,
    max_instructions: int | None,
    output: Output,
) -> None:
    """Run ELF from reset; classify pictures, or show what it prints until it waits for input."""
    pictures = [*images, *_pictures_in(frames)]
    machine = Machine(ElfImage.load(require_elf(elf)), road.board_of_elf(elf, board))
    machine.reset()
    if pty:
        serve_pty(machine, lambda path: output.say(f"console at {path}, Ctrl-C ends"))
    elif pictures:
        _classify(machine, pictures, threshold, output)
    else:
        _run(machine, max_instructions, output)
    if show_profile:
        profile = machine.profile()
        causes = {name: causes.rounded() for name, causes in profile.causes_by_function.items()}
        print_profile(profile.instructions_by_function, causes, output.results)


def require_elf(elf: Path) -> Path:
    """``elf`` if it is there; else a UsageError that says how to make it."""
    if not elf.is_file():
        raise UsageError(f"there is no firmware {elf}: build it first (python -m generator build)")
    return elf


def _pictures_in(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _PICTURES)
    if not found:
        raise UsageError(f"folder {folder} holds no pictures ({', '.join(sorted(_PICTURES))})")
    return found


def _classify(machine: Machine, pictures: list[Path], threshold: float | None, output: Output) -> None:
    decisions = []
    with Client(EmulatedSerial(machine), on_text=output.detail) as client:
        if not client.identity.takes_images:
            raise UsageError(f"the model on the firmware, {client.identity.model}, takes no images")
        if threshold is not None:
            client.set_threshold(threshold)
        for path in pictures:
            client.send_image(read_image(path))
            decision = client.classify()
            label = decision.label or f"class {decision.class_index}"
            output.results.print(
                f"{path}: {label}, score {decision.score:.3f}, {decision.cycles:,} cycles, door "
                f"{'open' if decision.door_open else 'closed'}",
                soft_wrap=True,
            )
            decisions.append(
                {
                    "image": str(path),
                    "label": label,
                    "class_index": decision.class_index,
                    "score": decision.score,
                    "door_open": decision.door_open,
                    "cycles": decision.cycles,
                }
            )
    output.json({"decisions": decisions})


def _run(machine: Machine, max_instructions: int | None, output: Output) -> None:
    started = time.monotonic()
    stopped = machine.run(max_instructions)
    text = machine.drain().decode("utf-8", "replace")
    output.results.print(text, end="", soft_wrap=True)
    profile = machine.profile()
    reason = {
        StopReason.IDLE: "it waits for input",
        StopReason.HALTED: "it ended itself",
        StopReason.LIMIT: "its instructions are used up",
    }[stopped]
    output.say(
        f"{reason} after {profile.instructions:,} instructions, {profile.cycles:,.0f} modelled cycles "
        f"({time.monotonic() - started:.2f} s here)"
    )
    for note in machine.diagnostics:
        output.say(f"note: {note}")
    output.json(
        {
            "stopped": stopped.value,
            "instructions": profile.instructions,
            "cycles": round(profile.cycles),
            "causes": profile.causes.rounded(),
            "console": text,
            "diagnostics": list(machine.diagnostics),
        }
    )
