from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from generator.errors import MissingToolError, TargetError
from generator.link import (
    Client,
    Command,
    LinkClosedError,
    ProcessTransport,
    SerialTransport,
    encode_frame,
    monitor,
)

from .link_tools import network


def script(code: str) -> ProcessTransport:
    return ProcessTransport([sys.executable, "-c", code])


def test_a_program_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"cannot start .*absent: No such file"):
        ProcessTransport([tmp_path / "absent"])


def test_a_program_that_ends_says_how() -> None:
    line = script("import os, sys; os.write(1, b'bye\\n'); sys.exit('overflow of a buffer')")
    assert line.read(5) == b"bye\n"
    with pytest.raises(LinkClosedError, match=r"ended with code 1:\noverflow of a buffer"):
        line.read(5)
    line.close()
    line.close()
    with pytest.raises(LinkClosedError, match="is closed"):
        line.read(0)


def test_writing_to_a_program_that_has_ended() -> None:
    line = script("")
    time.sleep(0.5)
    with pytest.raises(LinkClosedError, match="ended with code 0"):
        line.write(b"x")
    line.close()


def test_neither_side_waits_for_the_other() -> None:
    """More than two pipes hold, both ways, to a program that reads only what it can answer."""
    line = script(
        "import os\nwhile data := os.read(0, 4096):\n    while data: data = data[os.write(1, data) :]"
    )
    data = bytes(range(256)) * 4000
    line.write(data)
    received = b""
    while len(received) < len(data):
        received += line.read(5)
    assert received == data
    assert line.finish() == 0
    line.close()


def test_read_waits_as_long_as_told() -> None:
    line = script("import sys; sys.stdin.read()")
    started = time.monotonic()
    assert line.read(0.2) == b""
    assert 0.15 < time.monotonic() - started < 1
    line.close()


def test_a_program_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.link.transport._EXIT_TIMEOUT_S", 0.2)
    monkeypatch.setattr("generator.link.transport._WRITE_TIMEOUT_S", 0.2)
    line = script("import time; time.sleep(100)")
    with pytest.raises(TargetError, match="has taken no input"):
        line.write(bytes(10_000_000))
    with pytest.raises(TargetError, match="runs on"):
        line.finish()
    line.close()


def test_the_host_program_shows_text_that_has_no_line_end_yet(device_program: Callable[[str], Path]) -> None:
    line = ProcessTransport([device_program("default")])
    line.write(encode_frame(struct.pack("<BBf", Command.SET_THRESHOLD, 1, 0.125)))
    received, deadline = b"", time.monotonic() + 5
    while not received.endswith(b"a frame came ") and time.monotonic() < deadline:
        received += line.read(0.2)
    assert received == b"ready\n" + encode_frame(b"\xca\x01\0") + b"a frame came "
    line.close()


def test_monitor_hands_lines_over_as_they_come() -> None:
    line = script(
        "import sys, time\n"
        "print('one', flush=True); sys.stdin.buffer.read(1)\n"
        f"sys.stdout.buffer.write({encode_frame(bytes([0xC1, 1, 0]))!r})\n"
        "print('two\\nthree', end='', flush=True)"
    )
    lines: list[str] = []

    def until() -> bool:
        if lines == ["one"]:  # seen while the program waits
            line.write(b"x")
        return False

    with pytest.raises(LinkClosedError, match="code 0"):
        monitor(line, lines.append, until=until, poll_s=0.05)
    assert lines == ["one", "two", "three"]
    line.close()


def test_monitor_ends_when_told_and_does_not_spin() -> None:
    class Idle:
        reads = 0

        def write(self, data: bytes) -> None:
            raise AssertionError("a monitor sends nothing")

        def read(self, timeout_s: float) -> bytes:
            self.reads += 1
            return b""

        def close(self) -> None:
            pass

    line, end = Idle(), time.monotonic() + 0.3
    monitor(line, print, until=lambda: time.monotonic() > end, poll_s=0.05)
    assert 3 <= line.reads <= 8


class PtyDevice(NamedTuple):
    line: SerialTransport
    port: str
    process: subprocess.Popen[bytes]


@pytest.fixture
def pty_device(device_program: Callable[[str], Path]) -> Iterator[PtyDevice]:
    """The test device behind a pseudo-terminal, as behind a USB serial adapter.

    It starts when the port is open: opening drops what has come before, and a fast start is lost.
    """
    pytest.importorskip("serial", reason="pyserial is not installed")
    program = device_program("default")
    if not hasattr(os, "openpty"):
        pytest.skip("no pseudo-terminals on this system")
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    port = os.ttyname(slave)
    line = SerialTransport(port)
    process = subprocess.Popen([program], stdin=master, stdout=master, stderr=subprocess.PIPE)
    os.close(master)
    yield PtyDevice(line, port, process)
    line.close()
    os.close(slave)  # the last one: the device's input ends
    _, report = process.communicate(timeout=10)
    assert report == b""


def test_client_over_a_serial_port(pty_device: PtyDevice) -> None:
    text: list[str] = []
    with Client(pty_device.line, text.append) as client:
        assert client.identify().board == "host"
        data = np.arange(3000).astype(np.uint8)
        client.write_input(data)
        client.write_input(b"\1\2\3\4\5", index=1)
        client.run()
        assert client.read_output() == network(data, b"\1\2\3\4\5").tobytes()
        image = np.full((8, 8, 3), 255, np.uint8)
        client.send_image(image)
        assert client.classify().door_open
    assert text == ["ready", "run 65535", "door open"]


def test_a_serial_port_waits_is_exclusive_and_closes(pty_device: PtyDevice) -> None:
    line = pty_device.line
    assert line.read(5) == b"ready\n"
    started = time.monotonic()
    assert line.read(0.2) == b""
    assert 0.15 < time.monotonic() - started < 1
    with pytest.raises(TargetError, match="in use by another program"):
        SerialTransport(pty_device.port)
    line.close()
    line.close()
    with pytest.raises(LinkClosedError, match="is closed"):
        line.read(0)


def test_an_unplugged_board(pty_device: PtyDevice) -> None:
    assert pty_device.line.read(5) == b"ready\n"
    pty_device.process.kill()
    pty_device.process.wait()
    with pytest.raises(LinkClosedError, match=r"is gone .*unplugged"):
        pty_device.line.read(0.2)


def test_a_port_that_is_absent_lists_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("serial", reason="pyserial is not installed")
    monkeypatch.setattr("generator.link.transport.serial_ports", lambda: (("/dev/ttyACM7", "STLink"),))
    with pytest.raises(TargetError, match=r"no serial port /dev/absent; there are:\n  /dev/ttyACM7  STLink"):
        SerialTransport("/dev/absent")
    monkeypatch.setattr("generator.link.transport.serial_ports", lambda: ())
    with pytest.raises(TargetError, match="is the board plugged in"):
        SerialTransport("/dev/absent")
    with pytest.raises(TargetError, match="cannot open nonsense://x"):
        SerialTransport("nonsense://x")


def test_a_port_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    serial = pytest.importorskip("serial", reason="pyserial is not installed")

    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(13, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(TargetError, match=r"no permission to open /dev/ttyACM0: .*dialout"):
        SerialTransport("/dev/ttyACM0")


def test_without_pyserial_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(MissingToolError, match=r"pip install 'firmcast\[serial\]'"):
        SerialTransport("/dev/ttyACM0")
