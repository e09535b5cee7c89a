"""The C dispatcher, as a sanitized program behind pipes, and the client that talks to it."""

from __future__ import annotations

import random
import struct
import time
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from generator.errors import TargetError, UsageError
from generator.link import (
    Client,
    Command,
    LinkStatus,
    ProcessTransport,
    RequestRefusedError,
    decode_segment,
    encode_frame,
)

from .link_tools import INPUT_SIZES, STEPS, NoisyTransport, ask, collect, network

Start = Callable[..., ProcessTransport]
Answer = Callable[[bytes], bytes]
BODIES = {"default": 1024, "small": 128, "odd": 251}


def pattern(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, INPUT_SIZES[0], dtype=np.uint8)


def write_and_run(client: Client, data: NDArray[np.uint8], factors: bytes, stop: int | None = None) -> None:
    client.write_input(data)
    client.write_input(factors, index=1)
    client.run(stop_after=stop)


def test_a_session_begins_with_the_state_of_a_network_that_never_ran(start_device: Start) -> None:
    client = Client(start_device("default"))
    write_and_run(client, pattern(2), bytes(5))
    assert client.timing().total_cycles > 0
    client.identify()
    assert client.timing().total_cycles == 0


@pytest.mark.parametrize("variant", BODIES)
def test_every_command(start_device: Start, variant: str) -> None:
    text: list[str] = []
    client = Client(start_device(variant), text.append)
    identity = client.identify()
    assert identity.max_body_bytes == BODIES[variant]
    assert (identity.protocol, identity.engine, identity.step_count) == (1, "tflm", STEPS)
    assert (identity.model, identity.board, identity.firmware_version) == ("tést", "host", "1.2.3")
    assert identity.model_sha256 == "ab00cd" + 28 * "00" + "ef"
    assert (identity.input_sizes_bytes, identity.output_sizes_bytes) == (INPUT_SIZES, (INPUT_SIZES[0], 4))
    assert (identity.image_width, identity.image_height, identity.image_channels) == (96, 64, 3)
    assert identity.takes_images
    assert identity.clock_hz == 100_000_000

    data, factors = pattern(1), b"\x03\x00\xff\x01\x02"
    write_and_run(client, data, factors)
    expected = network(data, factors)
    assert client.read_output(0) == expected.tobytes()
    assert client.read_output(1) == struct.pack("<I", int(expected.sum()))

    for step, size in ((0, INPUT_SIZES[0]), (1, 10), (2, 0)):
        write_and_run(client, data, factors, stop=step)
        assert client.read_step(step) == network(data, factors, step).tobytes()[:size]
        timing = client.timing()
        assert timing.step_cycles == tuple(1000 + i if i <= step else 0 for i in range(STEPS))
        assert timing.total_cycles == 70000 * (step + 1)
        assert timing.total_ms == pytest.approx(0.7 * (step + 1))

    image = np.random.default_rng(2).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    image[0, 0, 0] = 200
    shown: list[tuple[int, int]] = []
    client.send_image(image, lambda done, total: shown.append((done, total)))
    assert shown[-1] == (image.size, image.size)
    assert shown == sorted(set(shown))
    decision = client.classify()
    assert decision.label == f"{zlib.crc32(image.tobytes()):08x}"
    assert (decision.door_open, decision.class_index, decision.cycles) == (True, 200, image.size)
    assert decision.score == pytest.approx(200 / 255)
    client.set_threshold(0.9)
    client.send_image(image[::2, ::-1])  # not contiguous
    assert not client.classify().door_open

    status = client.status()
    assert (status.stack_used_bytes, status.stack_size_bytes, status.bad_frames) == (1234, 8192, 0)
    assert status.frames > 10
    assert text == ["ready", "run 65535", "run 0", "run 1", "run 2", "door open", "door closed"]


def test_an_identity_that_does_not_fit_is_refused_instead_of_cut(start_device: Start) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        Client(start_device("wordy")).identify()
    assert caught.value.status == LinkStatus.TOO_LONG


def test_a_failed_inference_is_told(start_device: Start) -> None:
    client = Client(start_device())
    with pytest.raises(RequestRefusedError, match="inference failed"):
        write_and_run(client, pattern(1), b"\xee\0\0\0\0")
    write_and_run(client, pattern(1), bytes(5))
    assert client.read_output() == network(pattern(1), bytes(5)).tobytes()


def test_images_that_the_device_refuses(start_device: Start) -> None:
    client = Client(start_device())
    with pytest.raises(RequestRefusedError) as caught:
        client.send_image(np.zeros((641, 2, 3), np.uint8))
    assert (caught.value.command, caught.value.status) == (Command.IMAGE_BEGIN, LinkStatus.BAD_ARGUMENT)
    with pytest.raises(RequestRefusedError) as caught:
        client.send_image(np.zeros((2, 13, 3), np.uint8))
    assert (caught.value.command, caught.value.status) == (Command.IMAGE_DATA, LinkStatus.FAILED)
    client.send_image(np.zeros((2, 14, 3), np.uint8))
    with pytest.raises(RequestRefusedError, match="CLASSIFY: the inference failed"):
        client.classify()
    with pytest.raises(RequestRefusedError) as caught:  # used up
        client.classify()
    assert caught.value.status == LinkStatus.BAD_ARGUMENT


def test_a_label_is_cut_or_absent(start_device: Start) -> None:
    client = Client(start_device())
    client.send_image(np.zeros((1, 11, 3), np.uint8))
    assert client.classify().label == "a label far longer than the forty bytes "
    client.send_image(np.zeros((1, 12, 3), np.uint8))
    assert client.classify().label == ""


def test_what_does_not_fit_the_device_is_not_sent(start_device: Start) -> None:
    client = Client(start_device())
    for call, message in (
        (lambda: client.write_input(b"1234", index=1), "takes 5 bytes, 4 were given"),
        (lambda: client.write_input(b"1234", index=2), "no input 2"),
        (lambda: client.run(stop_after=STEPS), "steps 0..299"),
        (lambda: client.read_step(-1), "steps 0..299"),
        (lambda: client.read_output(2), "no output 2"),
        (lambda: client.set_threshold(float("nan")), "0..1"),
        (lambda: client.send_image(np.zeros((4, 4), np.uint8)), "height, width, 3"),
        (lambda: client.send_image(np.zeros((4, 4, 3), np.float32)), "float32"),
        (lambda: client.send_image(np.zeros((0, 4, 3), np.uint8)), "4 x 0"),
    ):
        with pytest.raises(UsageError, match=message):
            call()
    assert client.status().frames == 2  # IDENTIFY and this one


def test_a_device_without_images_and_steps(start_device: Start) -> None:
    client = Client(start_device("plain"))
    assert not client.identify().takes_images
    for call in (
        lambda: client.send_image(np.zeros((1, 1, 3), np.uint8)),
        client.classify,
        lambda: client.set_threshold(0.5),
        lambda: client.read_step(0),
    ):
        with pytest.raises(RequestRefusedError) as caught:
            call()
        assert caught.value.status == LinkStatus.NOT_SUPPORTED
    timing = client.timing()
    assert (timing.total_cycles, set(timing.step_cycles)) == (0, {0})


OK, UNKNOWN, BAD, UNSUPPORTED, TOO_LONG = 0, 1, 2, 3, 5
WRITE, READ, STEP = "<BBBxxxI", "<BBBxxxIH", "<BBHxxIH"
ALL_INPUTS = [struct.pack(WRITE, 0x82, 1, i, 0) + b"\1" for i in (0, 1)]
RUN_ALL = [*ALL_INPUTS, b"\x83\x01\xff\xff"]
RUN_0 = [*ALL_INPUTS, b"\x83\x01\0\0"]
IMAGE_2X1 = [struct.pack("<BBHH", 0x87, 1, 2, 1)]
THRESHOLD = "<BBf"
CAMERA = [struct.pack(THRESHOLD, 0x8A, 1, 0.125)]

BOUNDS: list[tuple[str, list[bytes], bytes, int]] = [
    ("identify with a body", [], b"\x81\x09x", BAD),
    ("first command number unused", [], b"\x8c\x09", UNKNOWN),
    ("last command number", [], b"\xbf\x09", UNKNOWN),
    ("write: no index", [], b"\x82\x09", BAD),
    ("write: offset cut", [], b"\x82\x09\0\0\0\0\0\0\0", BAD),
    ("write: nothing", [], struct.pack(WRITE, 0x82, 9, 0, 0), OK),
    ("write: last byte", [], struct.pack(WRITE, 0x82, 9, 0, 2999) + b"x", OK),
    ("write: nothing at the end", [], struct.pack(WRITE, 0x82, 9, 0, 3000), OK),
    ("write: one beyond", [], struct.pack(WRITE, 0x82, 9, 0, 2999) + b"xy", BAD),
    ("write: offset beyond", [], struct.pack(WRITE, 0x82, 9, 0, 3001), BAD),
    ("write: sum overflows", [], struct.pack(WRITE, 0x82, 9, 0, 0xFFFFFFFF) + b"xy", BAD),
    ("write: index", [], struct.pack(WRITE, 0x82, 9, 2, 0) + b"x", BAD),
    ("write: index 255", [], struct.pack(WRITE, 0x82, 9, 255, 0) + b"x", BAD),
    ("write: whole body", [], struct.pack(WRITE, 0x82, 9, 0, 0) + bytes(1016), OK),
    ("write: body one too long", [], struct.pack(WRITE, 0x82, 9, 0, 0) + bytes(1017), TOO_LONG),
    ("write: body two too long", [], struct.pack(WRITE, 0x82, 9, 0, 0) + bytes(1018), TOO_LONG),
    ("write: body far too long", [], struct.pack(WRITE, 0x82, 9, 0, 0) + bytes(70_000), TOO_LONG),
    ("run: nothing written", [], b"\x83\x09\xff\xff", BAD),
    ("run: one input of two", ALL_INPUTS[:1], b"\x83\x09\xff\xff", BAD),
    ("run: inputs used up", RUN_ALL, b"\x83\x09\xff\xff", BAD),
    ("run: short body", ALL_INPUTS, b"\x83\x09\xff", BAD),
    ("run: long body", ALL_INPUTS, b"\x83\x09\xff\xff\xff", BAD),
    ("run: last step", ALL_INPUTS, struct.pack("<BBH", 0x83, 9, 299), OK),
    ("run: the device ran by itself", ALL_INPUTS + CAMERA, b"\x83\x09\xff\xff", BAD),
    ("run: step beyond", ALL_INPUTS, struct.pack("<BBH", 0x83, 9, 300), BAD),
    ("run: step 0xFFFE", ALL_INPUTS, struct.pack("<BBH", 0x83, 9, 0xFFFE), BAD),
    ("output: before a run", [], struct.pack(READ, 0x84, 9, 0, 0, 1), BAD),
    ("output: after a partial run", RUN_0, struct.pack(READ, 0x84, 9, 0, 0, 1), BAD),
    ("output: after a write", RUN_ALL + ALL_INPUTS, struct.pack(READ, 0x84, 9, 0, 0, 1), BAD),
    ("output: after an image began", RUN_ALL + IMAGE_2X1, struct.pack(READ, 0x84, 9, 0, 0, 1), BAD),
    ("output: the device ran by itself", RUN_ALL + CAMERA, struct.pack(READ, 0x84, 9, 0, 0, 1), BAD),
    ("output: last byte", RUN_ALL, struct.pack(READ, 0x84, 9, 0, 2999, 1), OK),
    ("output: nothing at the end", RUN_ALL, struct.pack(READ, 0x84, 9, 1, 4, 0), OK),
    ("output: one beyond", RUN_ALL, struct.pack(READ, 0x84, 9, 1, 3, 2), BAD),
    ("output: sum overflows", RUN_ALL, struct.pack(READ, 0x84, 9, 1, 0xFFFFFFFE, 4), BAD),
    ("output: index", RUN_ALL, struct.pack(READ, 0x84, 9, 2, 0, 1), BAD),
    ("output: whole body", RUN_ALL, struct.pack(READ, 0x84, 9, 0, 0, 1024), OK),
    ("output: more than a body", RUN_ALL, struct.pack(READ, 0x84, 9, 0, 0, 1025), BAD),
    ("output: count cut", RUN_ALL, struct.pack(READ, 0x84, 9, 0, 0, 1)[:-1], BAD),
    ("step: not run", [], struct.pack(STEP, 0x85, 9, 0, 0, 1), BAD),
    ("step: another was last", RUN_0, struct.pack(STEP, 0x85, 9, 1, 0, 1), BAD),
    ("step: overwritten since", RUN_0 + ALL_INPUTS[:1], struct.pack(STEP, 0x85, 9, 0, 0, 1), BAD),
    ("step: the device ran by itself", RUN_0 + CAMERA, struct.pack(STEP, 0x85, 9, 0, 0, 1), BAD),
    ("step: none, marked as such", [], struct.pack(STEP, 0x85, 9, 0xFFFF, 0, 1), BAD),
    ("step: the end", RUN_0, struct.pack(STEP, 0x85, 9, 0, 3000, 1), OK),
    ("step: beyond", RUN_0, struct.pack(STEP, 0x85, 9, 0, 3001, 1), BAD),
    ("step: as much as there is", RUN_0, struct.pack(STEP, 0x85, 9, 0, 2990, 0xFFFF), OK),
    ("step: as much as fits", RUN_0, struct.pack(STEP, 0x85, 9, 0, 0, 0xFFFF), OK),
    ("step: body", RUN_0, struct.pack(STEP, 0x85, 9, 0, 0, 1)[:-1], BAD),
    ("step: the last after all ran", RUN_ALL, struct.pack(STEP, 0x85, 9, 299, 0, 1), OK),
    ("step: has no output", [*ALL_INPUTS, b"\x83\1\7\0"], struct.pack(STEP, 0x85, 9, 7, 0, 1), UNSUPPORTED),
    ("timing: the end", [], struct.pack("<BBH", 0x86, 9, 300), OK),
    ("timing: beyond", [], struct.pack("<BBH", 0x86, 9, 301), BAD),
    ("timing: body", [], b"\x86\x09\0", BAD),
    ("image: no width", [], struct.pack("<BBHH", 0x87, 9, 0, 5), BAD),
    ("image: no height", [], struct.pack("<BBHH", 0x87, 9, 5, 0), BAD),
    ("image: more than 2^32 bytes", [], struct.pack("<BBHH", 0x87, 9, 0xFFFF, 0xFFFF), BAD),
    ("image: body", [], struct.pack("<BBHH", 0x87, 9, 5, 5) + b"x", BAD),
    ("pixels: no image", [], b"\x88\x09\0\0\0\0abc", BAD),
    ("pixels: all", IMAGE_2X1, b"\x88\x09\0\0\0\0abcdef", OK),
    ("pixels: one pixel too many", IMAGE_2X1, b"\x88\x09\0\0\0\0abcdefghi", BAD),
    ("pixels: a gap", IMAGE_2X1, b"\x88\x09\3\0\0\0def", BAD),
    ("pixels: torn", IMAGE_2X1, b"\x88\x09\0\0\0\0ab", BAD),
    ("pixels: torn offset", IMAGE_2X1, b"\x88\x09\1\0\0\0abc", BAD),
    ("pixels: sum overflows", IMAGE_2X1, b"\x88\x09\xff\xff\xff\xff" + b"abc" * 2, BAD),
    ("pixels: repeated", [*IMAGE_2X1, b"\x88\1\0\0\0\0abc"], b"\x88\x09\0\0\0\0abc", OK),
    ("pixels: overlapping", [*IMAGE_2X1, b"\x88\1\0\0\0\0abc"], b"\x88\x09\0\0\0\0abcdef", BAD),
    ("pixels: offset cut", IMAGE_2X1, b"\x88\x09\0\0\0", BAD),
    ("pixels: after a write", IMAGE_2X1 + ALL_INPUTS[:1], b"\x88\x09\0\0\0\0abc", BAD),
    ("classify: no image", [], b"\x89\x09", BAD),
    ("classify: half an image", [*IMAGE_2X1, b"\x88\1\0\0\0\0abc"], b"\x89\x09", BAD),
    ("classify: image", [*IMAGE_2X1, b"\x88\1\0\0\0\0abcdef"], b"\x89\x09", OK),
    ("classify: the device ran by itself", [*IMAGE_2X1, b"\x88\1\0\0\0\0abcdef", *CAMERA], b"\x89\x09", BAD),
    ("classify: body", [*IMAGE_2X1, b"\x88\1\0\0\0\0abcdef"], b"\x89\x09x", BAD),
    ("classify: after a write", [*IMAGE_2X1, b"\x88\1\0\0\0\0abcdef", ALL_INPUTS[0]], b"\x89\x09", BAD),
    ("threshold: 0", [], struct.pack(THRESHOLD, 0x8A, 9, 0.0), OK),
    ("threshold: 1", [], struct.pack(THRESHOLD, 0x8A, 9, 1.0), OK),
    ("threshold: above", [], struct.pack(THRESHOLD, 0x8A, 9, 1.0001), BAD),
    ("threshold: below", [], struct.pack(THRESHOLD, 0x8A, 9, -1e-30), BAD),
    ("threshold: not a number", [], struct.pack(THRESHOLD, 0x8A, 9, float("nan")), BAD),
    ("threshold: infinite", [], struct.pack(THRESHOLD, 0x8A, 9, float("inf")), BAD),
    ("threshold: body", [], b"\x8a\x09\0\0\0", BAD),
    ("status: body", [], b"\x8b\x09x", BAD),
]


@pytest.mark.parametrize(
    ("before", "request_", "status"), [b[1:] for b in BOUNDS], ids=[b[0] for b in BOUNDS]
)
def test_bounds(start_device: Start, before: list[bytes], request_: bytes, status: int) -> None:
    device = start_device()
    for payload in before:
        assert ask(device, payload)[2] == OK
    response = ask(device, request_)
    assert response[:3] == bytes([request_[0] + 0x40, 9, status])
    assert status == OK or len(response) == 3
    assert ask(device, b"\x8b\x0a")[:3] == b"\xcb\x0a\0"


def test_the_sequence_is_echoed(start_device: Start) -> None:
    device = start_device()
    for sequence in range(256):
        assert ask(device, bytes([0x8B, sequence]))[:3] == bytes([0xCB, sequence, 0])


def test_only_requests_are_answered(start_device: Start) -> None:
    """Not a response that a terminal echoes, not a lone byte, not text."""
    device = start_device()
    for payload in (b"\xc1\x01\0", b"\x80\x01", b"A\x01", b"\x81", b"\0\0", b"\xff" * 20):
        device.write(encode_frame(payload))
    device.write(b"reset\r\n")
    assert ask(device, b"\x8b\x77")[:3] == b"\xcb\x77\0"


def test_a_repeated_run_answers_without_running_again(start_device: Start) -> None:
    device = start_device()
    for payload in ALL_INPUTS:
        ask(device, payload)
    run, read = b"\x83\x05\xff\xff", struct.pack(READ, 0x84, 6, 1, 0, 4)
    assert ask(device, run) == b"\xc3\x05\0"
    total = ask(device, read)
    assert ask(device, b"\x83\x06\xff\xff")[2] == BAD  # a new request, not a repetition: inputs are used up

    other = start_device()
    for payload in ALL_INPUTS:
        ask(other, payload)
    other.write(encode_frame(run) * 3)
    assert collect(other, 3) == [b"\xc3\x05\0"] * 3
    assert ask(other, read) == total


def test_a_repeated_run_is_refused_when_the_device_ran_by_itself_since(start_device: Start) -> None:
    """A frame of the camera came between; the outputs are no longer those of the host's run."""
    device = start_device()
    for payload in (ALL_INPUTS[0], struct.pack(WRITE, 0x82, 2, 1, 4) + b"\xca"):
        ask(device, payload)
    assert ask(device, b"\x83\x05\xff\xff") == b"\xc3\x05\0"
    assert ask(device, b"\x83\x05\xff\xff") == b"\xc3\x05\2"


def test_an_image_of_which_a_piece_failed_begins_again(start_device: Start) -> None:
    device = start_device()
    assert ask(device, struct.pack("<BBHH", 0x87, 1, 13, 1))[2] == OK
    assert ask(device, b"\x88\2\0\0\0\0abc")[2] == LinkStatus.FAILED
    assert ask(device, b"\x88\3\0\0\0\0abc")[2] == BAD


def test_a_repeated_classification_answers_the_same(start_device: Start) -> None:
    device = start_device()
    ask(device, IMAGE_2X1[0])
    ask(device, b"\x88\x02\0\0\0\0abcdef")
    device.write(encode_frame(b"\x89\x03") * 3)
    first, *more = collect(device, 3)
    assert first[2] == OK
    assert len(first) == 3 + 13 + 8
    assert more == [first, first]
    assert ask(device, b"\x89\x04") == b"\xc9\x04\x02"


@pytest.mark.parametrize(("rate", "seed"), [(0.0005, 1), (0.002, 2), (0.002, 3)])
def test_results_are_right_over_a_noisy_line(start_device: Start, rate: float, seed: int) -> None:
    noisy = NoisyTransport(start_device("odd"), rate, seed)
    client = Client(noisy, timeout_s=0.05, run_timeout_s=0.05, attempts=60)
    data, factors = pattern(seed), b"\x05\x06\x07\x08\x09"
    write_and_run(client, data, factors)
    assert client.read_output() == network(data, factors).tobytes()
    write_and_run(client, data, factors, stop=0)
    assert client.read_step(0) == network(data, factors, 0).tobytes()
    image = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    client.send_image(image)
    decision = client.classify()
    assert decision.label == f"{zlib.crc32(image.tobytes()):08x}"
    assert decision.cycles == image.size
    assert len(client.timing().step_cycles) == STEPS
    assert noisy.faults > 3


def test_garbage_then_a_request(start_device: Start) -> None:
    device = start_device()
    source = random.Random(5)
    for _ in range(100):
        device.write(source.randbytes(1000))
    response = ask(device, b"\x8b\x42")
    assert response[:3] == b"\xcb\x42\0"
    frames, bad_frames = struct.unpack("<II", response[11:])
    assert frames == 1
    assert bad_frames > 300


def test_random_requests_in_intact_frames(start_device: Start) -> None:
    """Nothing that a host sends can make the device overstep a buffer: the sanitizers watch."""
    device = start_device("odd")
    source = random.Random(6)
    sizes = (0, 1, 2, 4, 5, 8, 10, 10, 10, 12, 100, 251, 252, 260)
    edges = (0, 1, 2, 3, 4, 7, 255, 256, 299, 300, 2999, 3000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
    statuses = set()
    for round_ in range(60):
        batch = []
        for i in range(50):
            body = b"".join(struct.pack("<I", source.choice(edges)) for _ in range(2))
            body += struct.pack("<H", source.choice(edges) & 0xFFFF) + source.randbytes(250)
            command = source.choice([*range(0x81, 0x8D), 0x82, 0x82, 0x83])
            batch.append(bytes([command, i]) + body[: source.choice(sizes)])
        device.write(b"".join(map(encode_frame, batch)))
        for request, response in zip(batch, collect(device, len(batch)), strict=True):
            assert response[:2] == bytes([request[0] + 0x40, request[1]]), round_
            assert len(response) <= 3 + 251
            statuses.add(response[2])
    assert statuses >= {OK, UNKNOWN, BAD, TOO_LONG}


def test_a_client_of_another_session_is_not_mistaken_for_a_repetition(start_device: Start) -> None:
    """Its first requests have the numbers of those of the session before."""
    device = start_device()
    data, factors = pattern(7), b"\1\2\3\4\5"
    for _ in range(2):
        client = Client(device)
        write_and_run(client, data, factors)
    assert client.read_output() == network(data, factors).tobytes()


class Scripted:
    """A line whose answers the test writes: a function of the request's payload, or a silent device."""

    def __init__(self, answer: Answer | None = None, early: bool = True) -> None:
        self._answer, self._early = answer, early
        self._waiting = b""
        self.requests: list[bytes] = []

    def write(self, data: bytes) -> None:
        payload = decode_segment(data[1:-1])
        assert payload is not None
        self.requests.append(payload)
        if self._answer is not None:
            self._waiting += self._answer(payload)

    def read(self, timeout_s: float) -> bytes:
        data, self._waiting = self._waiting, b""
        if not data and not self._early:
            time.sleep(timeout_s)
        return data

    def close(self) -> None:
        self.closed = True


IDENTITY = struct.pack("<HHIHBBBBHHBx", 1, 128, 1000, 1, 0, 0, 0, 0, 0, 0, 0) + bytes(32 + 3)


def reply(body: bytes) -> Answer:
    return lambda request: encode_frame(bytes([request[0] + 0x40, request[1], 0]) + body)


def test_a_silent_device_is_named() -> None:
    line = Scripted(early=False)
    started = time.monotonic()
    with pytest.raises(TargetError, match=r"did not answer IDENTIFY \(3 attempts of 0.05 s\)"):
        Client(line, timeout_s=0.05, attempts=3).identify()
    assert 0.14 < time.monotonic() - started < 1
    assert len(set(line.requests)) == 1
    assert len(line.requests) == 3


def test_a_device_that_is_known_to_wait_costs_no_time() -> None:
    started = time.monotonic()
    with pytest.raises(TargetError, match="did not answer"):
        Client(Scripted(), timeout_s=100).identify()
    assert time.monotonic() - started < 1


def test_corrupt_answers_are_counted() -> None:
    line = Scripted(lambda request: reply(IDENTITY)(request)[:-3] + b"\xff\0", early=False)
    started = time.monotonic()
    with pytest.raises(TargetError, match=r"5 corrupt frames came"):
        Client(line, timeout_s=1).identify()
    assert time.monotonic() - started < 0.9  # no wait for a response that has come and was spoilt


def test_a_client_identifies_the_device_first() -> None:
    line = Scripted(reply(IDENTITY))
    Client(line).run()
    assert [request[0] for request in line.requests] == [Command.IDENTIFY, Command.RUN]


def test_another_protocol_version_is_named() -> None:
    with pytest.raises(TargetError, match="version 2 of the host link, this firmcast version 1"):
        Client(Scripted(reply(b"\2\0 laid out otherwise"))).identify()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\1",
        b"\1\0",
        IDENTITY[:-1],
        IDENTITY + b"\0",
        IDENTITY[:-3] + b"\xffab",
        IDENTITY[:-3] + b"\2\xff\xff\0\0",
        IDENTITY[:10] + b"\xff" + IDENTITY[11:],
        b"\1\0\x7f\0" + IDENTITY[4:],
        IDENTITY[:12] + b"\7" + IDENTITY[13:],
    ],
)
def test_an_identity_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(TargetError, match="makes no sense"):
        Client(Scripted(reply(body))).identify()


def answer_either(identity: Answer, other: Answer, request: bytes) -> bytes:
    return identity(request) if request[0] == Command.IDENTIFY else other(request)


def test_any_response_body_is_an_answer_or_a_target_error() -> None:
    source = random.Random(8)
    answers, messages = 0, set()
    for _ in range(300):
        body = source.randbytes(source.choice((0, 1, 4, 8, 12, 13, 16, 20)))
        answer, identity = reply(body), reply(IDENTITY)
        client = Client(Scripted(partial(answer_either, identity, answer)))
        for call in (client.status, client.classify, client.timing, partial(client.read_step, 0)):
            try:
                call()
            except TargetError as error:
                messages.add(str(error).split("(")[0])
            else:
                answers += 1
    assert answers > 0
    assert all(message.endswith("makes no sense ") for message in messages)


def test_answers_to_other_requests_are_passed_over() -> None:
    def answer(request: bytes) -> bytes:
        late = encode_frame(bytes([request[0] + 0x40, (request[1] - 1) & 0xFF, 4]))
        other = encode_frame(bytes([request[0] + 0x41, request[1], 4]))
        cut = encode_frame(bytes([request[0] + 0x40, request[1]]))
        return late + other + cut + b"text\n" + reply(IDENTITY)(request) + late

    text: list[str] = []
    client = Client(Scripted(answer), text.append)
    assert client.identify().max_body_bytes == 128
    assert text == ["text"]


def test_an_unknown_status_is_shown() -> None:
    line = Scripted(lambda r: encode_frame(bytes([r[0] + 0x40, r[1], 77])))
    with pytest.raises(RequestRefusedError, match="refused IDENTIFY: unknown status 77"):
        Client(line).identify()


def test_the_transport_is_closed_with_the_client() -> None:
    line = Scripted()
    with Client(line):
        pass
    assert line.closed
