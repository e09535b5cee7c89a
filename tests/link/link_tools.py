"""What the link's tests share: building the C parts, the test device's twin, raw requests, a noisy line."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from generator.assets import firmware_dir
from generator.link import FrameReader, Transport, encode_frame

HERE = Path(__file__).parent
LINK_SOURCES = (firmware_dir() / "link/fc_frame.c", firmware_dir() / "link/fc_link.c")
HOST_PLATFORM = firmware_dir() / "platform/host/platform.c"
STRICT_FLAGS = (
    *("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wdouble-promotion"),
    *("-Wstrict-prototypes", "-Wmissing-prototypes", "-Wcast-qual", "-Wundef", "-Wvla", "-Werror"),
)
SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

STEPS = 300
INPUT_SIZES = (3000, 5)


def build_host_program(out: Path, *sources: Path, defines: tuple[str, ...] = ()) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for the host (gcc)")
    command: list[str | Path] = [
        compiler,
        *STRICT_FLAGS,
        *SANITIZERS,
        *(f"-D{d}" for d in defines),
        *sources,
        "-o",
        out,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return out


def network(data: NDArray[np.uint8], factors: bytes, stop_after: int = STEPS - 1) -> NDArray[np.uint8]:
    """What the test device's network makes of its two inputs."""
    values: NDArray[np.integer[Any]] = data.astype(np.uint32)
    for step in range(min(stop_after + 1, 3)):
        values = (values * 3 + factors[step] + step) & 0xFF
    return values.astype(np.uint8)


def ask(transport: Transport, payload: bytes, timeout_s: float = 5.0) -> bytes:
    """Response to one raw request, sent once."""
    transport.write(encode_frame(payload))
    return collect(transport, 1, timeout_s)[0]


def collect(transport: Transport, count: int, timeout_s: float = 5.0) -> list[bytes]:
    """The next ``count`` frames."""
    reader = FrameReader()
    frames: list[bytes] = []
    deadline = time.monotonic() + timeout_s
    while len(frames) < count and time.monotonic() < deadline:
        frames += [e for e in reader.feed(transport.read(0.5)) if isinstance(e, bytes)]
    assert len(frames) == count, f"{len(frames)} frames came instead of {count}"
    return frames


class NoisyTransport:
    """Loses, changes, doubles and invents bytes, both ways, each with probability ``rate`` per byte."""

    def __init__(self, transport: Transport, rate: float, seed: int) -> None:
        self._transport, self._rate = transport, rate
        self._random = random.Random(seed)
        self.faults = 0

    def write(self, data: bytes) -> None:
        self._transport.write(self._spoil(data))

    def read(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        while True:  # b"" would say that nothing came
            data = self._transport.read(max(0.0, deadline - time.monotonic()))
            spoilt = self._spoil(data)
            if spoilt or not data:
                return spoilt

    def close(self) -> None:
        self._transport.close()

    def _spoil(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if self._random.random() >= self._rate:
                out.append(byte)
                continue
            self.faults += 1
            change = self._random.choice(("drop", "flip", "double", "invent", "zero"))
            if change == "flip":
                out.append(byte ^ 1 << self._random.randrange(8))
            elif change == "double":
                out += bytes((byte, byte))
            elif change == "invent":
                out += bytes((self._random.randrange(256), byte))
            elif change == "zero":
                out.append(0)
        return bytes(out)
