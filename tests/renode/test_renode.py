"""The Renode files: what can be checked without Renode, and the Robot suite where it is installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from generator.errors import TargetError
from generator.link import LinkClosedError
from generator.targets import load_part

ROOT = Path(__file__).resolve().parents[2]
RENODE = ROOT / "renode"
ELF = Path(
    os.environ.get("FIRMCAST_RENODE_ELF", ROOT / "build" / "mask_cnn" / "cmake-build" / "firmware.elf")
)


@pytest.fixture(scope="module")
def host() -> ModuleType:
    spec = importlib.util.spec_from_file_location("renode_host", RENODE / "host.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_robot_suite_passes() -> None:
    program = shutil.which("renode-test")
    if program is None:
        pytest.skip("Renode is not installed: there is no renode-test in PATH")
    if not ELF.is_file():
        pytest.skip(f"{ELF} is not built: run ./run.sh build, or name a firmware in FIRMCAST_RENODE_ELF")
    result = subprocess.run(
        [
            program,
            *("--variable", f"ELF:{ELF}"),
            *("--variable", f"PYTHON:{sys.executable}"),
            str(RENODE / "h743.robot"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_file_that_is_included_exists() -> None:
    for path in RENODE.glob("*.resc"):
        for name in re.findall(r"(?:include|LoadPlatformDescription) \$ORIGIN/(\S+)", path.read_text()):
            assert (RENODE / name).is_file(), f"{path.name} includes {name}"
    robot = (RENODE / "h743.robot").read_text()
    for name in re.findall(r"\$\{CURDIR\}/([a-z0-9_]+\.\w+)", robot):
        assert (RENODE / name).is_file(), f"h743.robot uses {name}"


def test_scripts_hold_no_tabs_and_set_what_they_use() -> None:
    machine = (RENODE / "machine.resc").read_text()
    for path in RENODE.glob("h743.*"):
        assert "\t" not in path.read_text(), path.name
    for variable in set(
        re.findall(r"\$([a-z]+)", "\n".join(line for line in machine.splitlines() if line[:1] != "#"))
    ):
        assert f"${variable}?=" in machine or f"macro {variable}" in machine, variable


def test_the_clock_of_the_cycle_counter_is_the_parts() -> None:
    assert f"frequency: {load_part('stm32h743').max_clock_hz}" in (RENODE / "h743.repl").read_text()


def serve(answer: bytes) -> tuple[int, threading.Thread, list[bytes]]:
    """A line that takes four bytes, says ``answer`` and hangs up."""
    server = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def talk() -> None:
        connection, _ = server.accept()
        with server, connection:
            received.append(connection.recv(4, socket.MSG_WAITALL))
            connection.sendall(answer)

    thread = threading.Thread(target=talk)
    thread.start()
    return server.getsockname()[1], thread, received


def test_the_socket_is_a_byte_line(host: ModuleType) -> None:
    port, thread, received = serve(b"\x00\xff\x00")
    line = host.SocketTransport("127.0.0.1", port)
    assert line.read(0.0) == b""
    line.write(b"\x00\x01\xff\r")
    data = b""
    while len(data) < 3:
        data += line.read(5.0)
    thread.join(5)
    assert received == [b"\x00\x01\xff\r"]
    assert data == b"\x00\xff\x00"
    with pytest.raises(LinkClosedError, match="closed by the emulator"):
        line.read(5.0)
    line.close()
    line.close()
    with pytest.raises(LinkClosedError):
        line.write(b"x")


def test_a_missing_emulator_is_said_so(host: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(TargetError, match="start the emulation first"):
        host.SocketTransport("127.0.0.1", port)
    assert host.main(["--port", str(port)]) == TargetError.exit_code
    assert "start the emulation first" in capsys.readouterr().err


def test_the_pattern_is_a_picture(host: ModuleType) -> None:
    picture = host.pattern(5, 3)
    assert picture.shape == (3, 5, 3)
    assert picture.dtype == "uint8"
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[2, 4].tolist() == [255, 255, 6]
