"""The programs that drive an ST-Link: their command lines, and what their failures mean.

They are tried in the order of :data:`TOOLS`: the small one that Debian packages first, then OpenOCD, then
those that are installed from elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from generator.errors import FirmcastError, MissingToolError, TargetError, UsageError
from generator.toolchain.elf import ElfImage

FLASH_ORIGIN = 0x08000000

_CONNECT = (
    "{tool} found no ST-Link. Plug the board's ST-Link USB connector in (on a Nucleo the one marked USB PWR) "
    "and look for it with lsusb (ID 0483:...). If it is there, its udev rules may be missing: "
    "apt-get install stlink-tools brings them."
)
_PERMIT = (
    "{tool} may not open the ST-Link. Install its udev rules (apt-get install stlink-tools, or the "
    "60-openocd.rules of OpenOCD) and plug the board in again."
)
_TARGET = (
    "{tool} reaches the ST-Link, but no microcontroller behind it. Check that the board is powered and its "
    "ST-Link jumpers are set, hold the reset button while it connects, and end other debuggers."
)


@dataclass(frozen=True)
class Tool:
    """One program that can write flash."""

    program: str
    """Executable on PATH."""
    install: str
    """How to get it."""
    command: Callable[[Path], list[str]]
    """Command line for an image."""
    needs_binary: bool
    no_probe: tuple[str, ...]
    """What it prints when there is no ST-Link."""
    no_target: tuple[str, ...]
    """What it prints when there is one, but no microcontroller answers."""


@dataclass(frozen=True)
class FlashResult:
    """A command line, and whether it was run."""

    tool: str
    command: tuple[str, ...]
    ran: bool
    output: str


def _st_flash(image: Path) -> list[str]:
    return ["st-flash", "--reset", "write", str(image), f"{FLASH_ORIGIN:#010x}"]


def _openocd(image: Path) -> list[str]:
    # Braces keep a path with spaces one word in Tcl.
    program = f"program {{{image.as_posix()}}} verify reset exit"
    return ["openocd", "-f", "interface/stlink.cfg", "-f", "target/stm32h7x.cfg", "-c", program]


def _pyocd(image: Path) -> list[str]:
    return ["pyocd", "flash", "--no-wait", "-t", "stm32h743xx", str(image)]


def _cube_programmer(image: Path) -> list[str]:
    return ["STM32_Programmer_CLI", "-c", "port=SWD", "-w", str(image), "-v", "-rst"]


TOOLS = MappingProxyType(
    {
        "st-flash": Tool(
            "st-flash",
            "apt-get install stlink-tools",
            _st_flash,
            True,
            ("Couldn't find any ST-Link", "Couldn't locate USB device", "Couldn't find ST-Link"),
            (
                "Failed to enter SWD mode",
                "Failed to connect to target",
                "unknown chip id",
                "Can not connect to target",
            ),
        ),
        "openocd": Tool(
            "openocd",
            "apt-get install openocd",
            _openocd,
            False,
            ("Error: open failed",),
            ("init mode failed", "unable to connect to the target", "target voltage may be too low"),
        ),
        "pyocd": Tool(
            "pyocd",
            "pip install pyocd && pyocd pack install stm32h743",
            _pyocd,
            False,
            ("No available debug probes", "No connected debug probes"),
            ("Get IDCODE error", "No ACK received", "STLink error (9)", "No cores were discovered"),
        ),
        "STM32_Programmer_CLI": Tool(
            "STM32_Programmer_CLI",
            "STM32CubeProgrammer from st.com",
            _cube_programmer,
            False,
            ("No debug probe detected", "No ST-LINK detected", "ST-LINK error (DEV_USB_COMM_ERR)"),
            ("No STM32 target found", "Unable to get core ID"),
        ),
    }
)
"""Name -> tool, in the order of preference."""

_NO_PERMISSION = ("LIBUSB_ERROR_ACCESS", "Access denied", "insufficient permissions", "Permission denied")


def flash(elf: Path, *, tool: str | None = None, dry_run: bool = False) -> FlashResult:
    """Write ``elf`` into the flash of the connected board, verify it and reset.

    ``tool`` is one of :data:`TOOLS`, by default the first that is installed. ``dry_run`` only returns the
    command, that of the first of them where none is installed.

    Raises UsageError (unknown tool, no firmware), MissingToolError, and TargetError when there is no ST-Link,
    no access to it, or no microcontroller behind it.
    """
    image = ElfImage.load(elf)
    chosen = _choose(tool, must_exist=not dry_run)
    if not chosen.needs_binary:
        return _finish(chosen, chosen.command(elf), dry_run)
    beside = elf.with_suffix(".bin")
    if dry_run:
        return _finish(chosen, chosen.command(beside), dry_run)
    with tempfile.TemporaryDirectory(prefix="firmcast-") as folder:
        binary = Path(folder) / beside.name
        binary.write_bytes(flash_contents(image))
        return _finish(chosen, chosen.command(binary), dry_run)


def flash_contents(image: ElfImage) -> bytes:
    """What ``image`` stores from the start of flash on; gaps are erased flash (0xFF).

    UsageError when it stores nothing there, or something elsewhere.
    """
    segments = [s for s in image.segments if s.data]
    if not segments:
        raise UsageError(f"{image.path}: holds nothing to store in flash")
    size_bytes = 0
    for segment in segments:
        offset = segment.lma - FLASH_ORIGIN
        if not 0 <= offset < 0x0800_0000:
            raise UsageError(f"{image.path}: stores data at {segment.lma:#010x}, which is not flash")
        size_bytes = max(size_bytes, offset + len(segment.data))
    contents = bytearray(b"\xff" * size_bytes)
    for segment in segments:
        offset = segment.lma - FLASH_ORIGIN
        contents[offset : offset + len(segment.data)] = segment.data
    return bytes(contents)


def _choose(name: str | None, *, must_exist: bool) -> Tool:
    if name is not None and name not in TOOLS:
        raise UsageError(f"unknown flash tool {name!r}; known are {', '.join(TOOLS)}")
    candidates = list(TOOLS.values()) if name is None else [TOOLS[name]]
    for candidate in candidates:
        if shutil.which(candidate.program):
            return candidate
    if not must_exist:
        return candidates[0]
    ways = "\n".join(f"  - {candidate.program}: {candidate.install}" for candidate in candidates)
    wanted = "no program for an ST-Link is installed" if name is None else f"{name} is not installed"
    raise MissingToolError(f"{wanted}; install{' one of' if name is None else ''}:\n{ways}")


def _finish(tool: Tool, command: list[str], dry_run: bool) -> FlashResult:
    if dry_run:
        return FlashResult(tool.program, tuple(command), False, "")
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    reason = _reason(tool, done.stdout)
    # A missing ST-Link is believed even where the exit code denies it.
    if done.returncode == 0 and reason is not _CONNECT:
        return FlashResult(tool.program, tuple(command), True, done.stdout)
    if reason is not None:
        raise TargetError(reason.format(tool=tool.program))
    last = "\n".join(done.stdout.strip().splitlines()[-8:])
    raise FirmcastError(f"{tool.program} failed (exit code {done.returncode}):\n{last}")


def _reason(tool: Tool, output: str) -> str | None:
    """The message for a failure that is known by its words."""
    text = output.lower()
    for words, message in ((_NO_PERMISSION, _PERMIT), (tool.no_probe, _CONNECT), (tool.no_target, _TARGET)):
        if any(word.lower() in text for word in words):
            return message
    return None
