"""The emulated board's serial port: as an object, and as a pseudo-terminal for any serial program."""

from __future__ import annotations

import os
import select
import time
import tty
from collections.abc import Callable

from generator.emulator.machine import Machine, StopReason

_STEP = 2_000_000


class EmulatedSerial:
    """A serial line to ``machine``; time passes for the firmware only while :meth:`read` waits."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def write(self, data: bytes) -> None:
        """Send ``data``; the firmware sees it when it runs next."""
        self._machine.feed(data)

    def read(self, timeout_s: float) -> bytes:
        """Run until the firmware has sent something, waits for input, or ``timeout_s`` have passed here.

        Nothing (``b""``) in the last two cases. TargetFault if the firmware faults.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            data = self._machine.drain()
            if data:
                return data
            stopped = self._machine.run(_STEP)
            data = self._machine.drain()
            if data or stopped is not StopReason.LIMIT or time.monotonic() >= deadline:
                return data

    def close(self) -> None:
        """Nothing is held open."""


def serve_pty(
    machine: Machine,
    announce: Callable[[str], None],
    *,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Bridge the console of ``machine`` to a new pseudo-terminal until ``until()`` or an interrupt (Ctrl-C).

    ``announce`` is called once with its path, for example ``/dev/pts/3``. TargetFault if the firmware
    faults; what it printed has been passed on by then.
    """
    master, slave = os.openpty()
    try:
        tty.setraw(slave)  # bytes as they are: no echo, no line editing
        os.set_blocking(master, False)
        announce(os.ttyname(slave))
        pending = b""
        idle = False
        while not until():
            readable, writable, _ = select.select(
                [master], [master] if pending else [], [], 0.1 if idle else 0
            )
            if readable:
                machine.feed(_read(master))
                idle = False
            if writable:
                pending = pending[_write(master, pending) :]
            if not idle:
                try:
                    idle = machine.run(_STEP) is not StopReason.LIMIT
                finally:
                    pending += machine.drain()
                    pending = pending[_write(master, pending) :]
    except KeyboardInterrupt:
        pass
    finally:
        os.close(slave)
        os.close(master)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def _write(descriptor: int, data: bytes) -> int:
    """Bytes written; 0 while the terminal's buffer is full."""
    try:
        return os.write(descriptor, data) if data else 0
    except BlockingIOError:
        return 0
