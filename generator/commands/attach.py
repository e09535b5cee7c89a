"""Opening a host link to a target: a program of this computer, the emulated part, Renode, or a board."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.assets import renode_dir
from generator.commands import road
from generator.commands.output import Output
from generator.emulator import EmulatedSerial, Machine
from generator.errors import MissingToolError, TargetError, UsageError
from generator.link import Client
from generator.link.transport import (
    LinkClosedError,
    ProcessTransport,
    SerialTransport,
    SocketTransport,
    Transport,
    serial_ports,
)
from generator.targets import Board
from generator.toolchain.elf import ElfImage

_RENODE_START_S = 60.0
# Seconds of this computer, in which Renode may get far less of the target's time done.
_RENODE_REQUEST_S = 20.0
_RENODE_RUN_S = 600.0


def target_text(output: Output) -> Callable[[str], None]:
    """What to do with lines that a target prints."""
    return lambda line: output.detail(f"  target: {line}")


@contextmanager
def on_emulator(
    elf: Path, board: Board, phases: tuple[str, ...], output: Output
) -> Iterator[tuple[Machine, Client]]:
    """The firmware on the emulated part, from reset."""
    machine = Machine(ElfImage.load(elf), board, phases=phases)
    machine.reset()
    with Client(EmulatedSerial(machine), on_text=target_text(output)) as client:
        yield machine, client


@contextmanager
def on_host(planned: road.Planned, target: road.Target, folder: Path, output: Output) -> Iterator[Client]:
    """The same network and application as a program of this computer, sanitizers on."""
    road.render_to(planned, target, folder, "host")
    result = road.build_project(folder, target, output, "firmware")
    with Client(ProcessTransport([result.elf]), on_text=target_text(output)) as client:
        yield client


@contextmanager
def on_board(planned: road.Planned, board: Board, port: str | None, output: Output) -> Iterator[Client]:
    """A real board that runs this very model. UsageError if it runs another."""
    with Client(open_port(port, board), on_text=target_text(output)) as client:
        identity = client.identify()
        if identity.model_sha256 != planned.source.sha256:
            raise UsageError(
                f"the board runs {identity.model} (SHA-256 {identity.model_sha256[:12]}), not "
                f"{planned.source.name} ({planned.source.sha256[:12]}): build and flash it first"
            )
        yield client


def open_port(port: str | None, board: Board) -> Transport:
    """The serial port named, or the only one there is."""
    if port is None:
        ports = [device for device, _ in serial_ports()]
        if len(ports) != 1:
            found = f"there are {', '.join(ports)}" if ports else "there is none: is the board plugged in?"
            raise UsageError(f"name the board's serial port with --port; {found}")
        port = ports[0]
    return SerialTransport(port, board.console.baud)


@contextmanager
def on_renode(elf: Path, output: Output) -> Iterator[Client]:
    """The firmware on Renode, from reset; its console is a TCP socket."""
    program = shutil.which("renode")
    if program is None:
        raise MissingToolError(
            "renode is not installed: get a package from https://renode.io, or use --on emulator"
        )
    port = _free_port()
    script = f"$elf=@{elf.resolve()}; $port={port}; include @{renode_dir() / 'machine.resc'}; start"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [program, "--console", "--disable-xwt", "--plain", "-e", script],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            output.say("starting Renode")
            transport = _connect(port, process)
            with Client(
                transport,
                on_text=target_text(output),
                timeout_s=_RENODE_REQUEST_S,
                run_timeout_s=_RENODE_RUN_S,
            ) as client:
                yield client
        except LinkClosedError as error:
            log.seek(0)
            tail = log.read()[-2000:].decode("utf-8", "replace")
            raise TargetError(f"Renode ended: {error}\n{tail}") from error
        finally:
            process.kill()
            process.wait()


def _connect(port: int, process: subprocess.Popen[bytes]) -> SocketTransport:
    deadline = time.monotonic() + _RENODE_START_S
    while True:
        try:
            return SocketTransport("127.0.0.1", port)
        except TargetError as error:
            if process.poll() is not None:
                raise LinkClosedError(f"it stopped with exit code {process.returncode}") from error
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
