"""The C framing against the cobs and zlib libraries, and against vectors written down elsewhere."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from generator.assets import firmware_dir
from generator.link import decode_segment, encode_frame

from .link_tools import HERE, LINK_SOURCES, STRICT_FLAGS, build_host_program

MAX_PAYLOAD = 1027
EDGES = sorted({1, 2, 3, 4, 5, *range(247, 259), *range(500, 512), *range(1012, MAX_PAYLOAD + 1)})


@pytest.fixture(scope="module")
def frame_tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("frame") / "frame_tool"
    return build_host_program(out, HERE / "frame_tool.c", LINK_SOURCES[0])


def call(tool: Path, mode: str, data: bytes) -> bytes:
    result = subprocess.run([tool, mode], input=data, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout


def payloads() -> list[bytes]:
    source = random.Random(1)
    out = []
    for size in [*EDGES, *(source.randrange(1, MAX_PAYLOAD) for _ in range(100))]:
        out += [bytes(size), b"\xff" * size, source.randbytes(size), bytes(1) + b"\x01" * (size - 1)]
        out.append(bytes(source.choice((0, 0, 1, 200)) for _ in range(size)))
        out.append(b"\x07" * (size - 1) + bytes(1))
    return out


@pytest.mark.parametrize(
    ("data", "crc"),
    [  # well-known values of CRC-32/ISO-HDLC; that of the digits is its catalogued check value
        (b"", 0x00000000),
        (b"123456789", 0xCBF43926),
        (b"The quick brown fox jumps over the lazy dog", 0x414FA339),
        (bytes(32), 0x190A55AD),
    ],
)
def test_crc_of_known_data(frame_tool: Path, data: bytes, crc: int) -> None:
    assert int.from_bytes(call(frame_tool, "crc", data), "little") == crc
    assert zlib.crc32(data) == crc


def test_crc_of_every_byte_value(frame_tool: Path) -> None:
    data = random.Random(2).randbytes(5000) + bytes(range(256))
    assert int.from_bytes(call(frame_tool, "crc", data), "little") == zlib.crc32(data)


def test_encoder_equals_python(frame_tool: Path) -> None:
    plain = payloads()
    encoded = call(frame_tool, "encode", b"".join(struct.pack("<H", len(p)) + p for p in plain))
    assert encoded == b"".join(map(encode_frame, plain))


def test_encoder_on_blocks_written_by_hand(frame_tool: Path) -> None:
    """254 bytes fill a block, behind which no zero is implied."""
    run = bytes(range(254, 0, -1))
    encoded = call(frame_tool, "encode", struct.pack("<H", len(run)) + run)
    crc = struct.pack("<I", zlib.crc32(run))
    assert 0 not in crc
    assert encoded == b"\x00\xff" + run + b"\x05" + crc + b"\x00"
    encoded = call(frame_tool, "encode", b"\x04\x00" + b"\x11\x00\x00\x22")
    assert encoded == b"\x00\x02\x11\x01\x06\x22" + struct.pack("<I", zlib.crc32(b"\x11\0\0\x22")) + b"\x00"


def expected_events(stream: bytes) -> bytes:
    """The decoder's contract in terms of segments between zeros."""
    out, frames, bad = bytearray(), 0, 0
    for segment in stream.split(b"\0")[:-1]:
        payload = decode_segment(segment)
        if payload is not None and len(payload) <= MAX_PAYLOAD:
            out += struct.pack("<BH", 1, len(payload)) + payload
            frames += 1
        elif segment:
            bad += 1
            out += struct.pack("<BH", 2, 0) if payload is not None else b""
    return bytes(out) + struct.pack("<II", frames, bad)


def test_decoder_equals_python_on_intact_frames(frame_tool: Path) -> None:
    stream = b"".join(map(encode_frame, payloads()))
    events = call(frame_tool, "decode", stream)
    assert events == expected_events(stream)
    assert struct.unpack("<II", events[-8:]) == (len(payloads()), 0)


def test_decoder_takes_an_empty_block_behind_a_full_one(frame_tool: Path) -> None:
    """Some encoders end 254 bytes with an empty block; both forms are the same data."""
    body = bytes(random.Random(3).randrange(1, 256) for _ in range(250))
    while 0 in (crc := struct.pack("<I", zlib.crc32(body))):
        body = body[1:] + b"\x01"
    stream = b"\0\xff" + body + crc + b"\x01\0"
    assert call(frame_tool, "decode", stream) == struct.pack("<BH", 1, 250) + body + struct.pack("<II", 1, 0)


def test_decoder_drops_what_is_spoilt_and_goes_on(frame_tool: Path) -> None:
    source = random.Random(4)
    stream = bytearray()
    for _ in range(1500):
        payload = source.randbytes(source.choice((1, 3, 20, 300, MAX_PAYLOAD, MAX_PAYLOAD + 1, 3000)))
        frame = bytearray(encode_frame(payload))
        for _ in range(source.choice((0, 0, 1, 2))):
            where = source.randrange(len(frame))
            source.choice(
                (
                    lambda f=frame, w=where: f.pop(w),
                    lambda f=frame, w=where: f.insert(w, source.randrange(256)),
                    lambda f=frame, w=where: f.__setitem__(w, f[w] ^ 1 << source.randrange(8)),
                    lambda f=frame, w=where: f.__delitem__(slice(w, None)),
                )
            )()
            if not frame:
                break
        stream += frame + source.randbytes(source.choice((0, 0, 5)))
    stream += encode_frame(b"last")
    events = call(frame_tool, "decode", bytes(stream))
    assert events == expected_events(bytes(stream))
    frames, bad = struct.unpack("<II", events[-8:])
    assert frames > 300
    assert bad > 300


def test_an_empty_payload_is_no_frame(frame_tool: Path) -> None:
    assert call(frame_tool, "decode", encode_frame(b"")) == struct.pack("<II", 0, 1)


def test_a_stream_without_end_fills_nothing(frame_tool: Path) -> None:
    """More bytes than any counter of the decoder holds, then a frame."""
    stream = b"\x00" + b"\x02\x55" * 100_000 + encode_frame(b"next")
    assert call(frame_tool, "decode", stream) == b"\x01\x04\x00next" + struct.pack("<II", 1, 1)


@pytest.mark.parametrize("optimization", ["-Os", "-O2", "-O3"])
def test_compiles_for_the_target(tmp_path: Path, optimization: str) -> None:
    """Without a warning, without static RAM, with a bounded stack, and with nothing needed but memcpy."""
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    for source in LINK_SOURCES:
        out = tmp_path / source.with_suffix(".o").name
        target = ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard", "-ffreestanding")
        command: list[str | Path] = [
            compiler,
            *STRICT_FLAGS,
            *target,
            optimization,
            "-fstack-usage",
            "-c",
            source,
            "-o",
            out,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        symbols = subprocess.run(
            ["arm-none-eabi-nm", out], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        undefined = {line.split()[-1] for line in symbols if " U " in line}
        assert undefined <= {"memcpy", "memset", "fc_crc32", "fc_frame_receive", "fc_frame_write"}
        assert not [line for line in symbols if line.split()[-2] in "dDbBC"]
        frames = [line.split("\t") for line in out.with_suffix(".su").read_text().splitlines()]
        assert {kind for _, _, kind in frames} == {"static"}
        assert max(int(size) for _, size, _ in frames) <= 128


def test_link_knows_no_platform() -> None:
    for path in (firmware_dir() / "link").iterdir():
        includes = {line.split()[1] for line in path.read_text().splitlines() if line.startswith("#include")}
        assert includes <= {
            '"fc_frame.h"',
            '"fc_link.h"',
            "<stdbool.h>",
            "<stddef.h>",
            "<stdint.h>",
            "<string.h>",
        }
