"""Byte lines to a target: a program's standard streams, or a serial port."""

from __future__ import annotations

import errno
import os
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from generator.errors import MissingToolError, TargetError

_READ_BYTES = 65536
_WRITE_TIMEOUT_S = 10.0
_EXIT_TIMEOUT_S = 5.0
_CONNECT_TIMEOUT_S = 10.0
_GET_PYSERIAL = "serial ports need pyserial: install it with: pip install 'firmcast[serial]'"
_STDERR_TAIL_BYTES = 4000


class LinkClosedError(TargetError):
    """The other end is gone: the program ended, the port was unplugged, or the line was closed here."""


class Transport(Protocol):
    """A line that carries bytes both ways."""

    def write(self, data: bytes, /) -> object:
        """Sends all of ``data``; raises :class:`TargetError` when that is not possible."""

    def read(self, timeout_s: float, /) -> bytes:
        """What has come, as soon as anything has; at most ``timeout_s`` seconds (0: what is there already).

        ``b""`` says that nothing came, and may be returned early by a target that is known to be waiting
        for the host. Raises :class:`TargetError` when nothing can come any more.
        """

    def close(self) -> None:
        """Releases the line; a second call does nothing."""


class ProcessTransport:
    """A program that speaks the link on its standard input and output. POSIX only.

    Args:
        command: the program and its arguments.

    Raises:
        TargetError: the program cannot be started.
    """

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._name = Path(command[0]).name
        # A file, because nobody reads a pipe while the program fills it with a sanitizer's report.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        try:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
            )
        except OSError as error:
            self._stderr.close()
            raise TargetError(f"cannot start {command[0]}: {error.strerror}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._received = bytearray()
        self._closed = False
        os.set_blocking(self._stdin.fileno(), False)

    def write(self, data: bytes) -> None:
        """Sends all of ``data``, and keeps what comes meanwhile so that neither side waits for the other."""
        self._require_open()
        rest = memoryview(data)
        deadline = time.monotonic() + _WRITE_TIMEOUT_S
        while rest:
            wait_s = max(0.0, deadline - time.monotonic())
            readable, writable, _ = select.select([self._stdout], [self._stdin], [], wait_s)
            if not readable and not writable:
                raise TargetError(f"{self._name} has taken no input for {_WRITE_TIMEOUT_S:.0f} s: it hangs")
            if readable:
                self._receive()
            if writable:
                try:
                    rest = rest[os.write(self._stdin.fileno(), rest) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    raise self._ended() from None

    def read(self, timeout_s: float) -> bytes:
        """See :meth:`Transport.read`; the end of the program is a :class:`LinkClosedError` that says why."""
        self._require_open()
        if not self._received and select.select([self._stdout], [], [], max(0.0, timeout_s))[0]:
            self._receive()
        data = bytes(self._received)
        self._received.clear()
        return data

    def close(self) -> None:
        """Ends the program: its input ends, and it is killed if that does not stop it within 5 s."""
        if self._closed:
            return
        self._closed = True
        self._stdin.close()
        self._stdout.close()
        try:
            self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def finish(self) -> int:
        """Ends the input, waits for the program to end by itself, and returns its exit code.

        Raises:
            TargetError: it goes on for more than 5 s.
        """
        self._require_open()
        self._stdin.close()
        deadline = time.monotonic() + _EXIT_TIMEOUT_S
        try:
            while select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                if not os.read(self._stdout.fileno(), _READ_BYTES):
                    break
            return self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TargetError(f"{self._name} runs on {_EXIT_TIMEOUT_S:.0f} s after its input ended") from None

    def stderr(self) -> str:
        """The end of what the program wrote to its standard error."""
        self._require_open()
        size = os.fstat(self._stderr.fileno()).st_size
        start = max(0, size - _STDERR_TAIL_BYTES)
        return os.pread(self._stderr.fileno(), _STDERR_TAIL_BYTES, start).decode("utf-8", "replace")

    def _receive(self) -> None:
        data = os.read(self._stdout.fileno(), _READ_BYTES)
        if not data and not self._received:
            raise self._ended()
        self._received += data

    def _ended(self) -> LinkClosedError:
        try:
            code: int | None = self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = None
        how = "closed its output" if code is None else f"ended with code {code}"
        message = self.stderr().strip()
        return LinkClosedError(f"{self._name} {how}" + (f":\n{message}" if message else ""))

    def _require_open(self) -> None:
        if self._closed:
            raise LinkClosedError(f"the line to {self._name} is closed")


class SerialTransport:
    """A serial port, or any URL that pyserial opens (``socket://host:port`` for Renode's terminal).

    Args:
        port: device (``/dev/ttyACM0``, ``COM3``) or URL.
        baud: bits per second; 8 data bits, no parity, 1 stop bit.

    Raises:
        MissingToolError: pyserial is not installed.
        TargetError: the port cannot be opened; the message lists those there are.
    """

    def __init__(self, port: str, baud: int = 115200) -> None:
        try:
            import serial
        except ImportError as error:
            raise MissingToolError(_GET_PYSERIAL) from error
        self._port = port
        self._errors: tuple[type[Exception], ...] = (serial.SerialException, OSError)
        try:
            self._serial: Any = serial.serial_for_url(
                port, baudrate=baud, timeout=0, write_timeout=_WRITE_TIMEOUT_S, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise TargetError(_cannot_open(port, error)) from error

    def write(self, data: bytes) -> None:
        """Sends all of ``data``."""
        self._require_open()
        try:
            self._serial.write(data)
            self._serial.flush()
        except self._errors as error:
            raise LinkClosedError(f"cannot write to {self._port}: {error}") from error

    def read(self, timeout_s: float) -> bytes:
        """See :meth:`Transport.read`."""
        self._require_open()
        try:
            self._serial.timeout = max(0.0, timeout_s)
            data = bytes(self._serial.read(1))
            waiting = self._serial.in_waiting if data else 0
            return data + bytes(self._serial.read(waiting)) if waiting else data
        except self._errors as error:
            raise LinkClosedError(f"{self._port} is gone ({error}): was the board unplugged?") from error

    def close(self) -> None:
        """Closes the port."""
        self._serial.close()

    def _require_open(self) -> None:
        if not self._serial.is_open:
            raise LinkClosedError(f"the line to {self._port} is closed")


class SocketTransport:
    """A serial line behind a TCP socket, as emulators offer it.

    Args:
        host: name or address.
        port: TCP port.

    Raises:
        TargetError: nothing listens there.
    """

    def __init__(self, host: str, port: int) -> None:
        self._name = f"{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), _CONNECT_TIMEOUT_S)
        except OSError as error:
            raise TargetError(
                f"nothing answers at {self._name}: start the emulation first ({error})"
            ) from error

    def write(self, data: bytes, /) -> None:
        """See :meth:`Transport.write`."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LinkClosedError(f"{self._name} was closed: {error}") from error

    def read(self, timeout_s: float, /) -> bytes:
        """See :meth:`Transport.read`."""
        try:
            if not select.select([self._socket], [], [], max(0.0, timeout_s))[0]:
                return b""
            data = self._socket.recv(_READ_BYTES)
        except (OSError, ValueError) as error:
            raise LinkClosedError(f"{self._name} was closed: {error}") from error
        if not data:
            raise LinkClosedError(f"{self._name} was closed by the emulator")
        return data

    def close(self) -> None:
        """Closes the socket; a second call does nothing."""
        self._socket.close()


def serial_ports() -> tuple[tuple[str, str], ...]:
    """Serial ports of this computer: device and description. Needs pyserial."""
    try:
        from serial.tools import list_ports
    except ImportError as error:
        raise MissingToolError(_GET_PYSERIAL) from error
    return tuple((port.device, port.description) for port in sorted(list_ports.comports()))


def _cannot_open(port: str, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return (
            f"no permission to open {port}: add yourself to the group that owns it "
            "(sudo usermod -aG dialout $USER), then log in again"
        )
    if code in (errno.EBUSY, errno.EAGAIN):
        return f"{port} is in use by another program: close that first"
    reason = f"there is no serial port {port}" if code == errno.ENOENT else f"cannot open {port}: {error}"
    ports = serial_ports()
    if not ports:
        return f"{reason}; this computer shows no serial port: is the board plugged in?"
    return "\n".join([f"{reason}; there are:", *(f"  {device}  {what}" for device, what in ports)])
