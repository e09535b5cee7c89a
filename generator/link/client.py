"""The host's side of the link (docs/architecture.md, "Host link")."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

from generator.errors import TargetError, UsageError
from generator.link.framing import FrameReader, encode_frame
from generator.link.transport import LinkClosedError, Transport

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    ByteSource = bytes | bytearray | memoryview | NDArray[Any]

PROTOCOL = 1
"""Version of the protocol that this client speaks."""

_ALL_STEPS = 0xFFFF
_RESPONSE_BIT = 0x40
_MIN_BODY_BYTES = 128
_BYTES_PER_PIXEL = 3
_IDENTITY = struct.Struct("<HHIHBBBBHHBx")
_SHA256_BYTES = 32


class Command(IntEnum):
    """First byte of a request."""

    IDENTIFY = 0x81
    WRITE_INPUT = 0x82
    RUN = 0x83
    READ_OUTPUT = 0x84
    READ_STEP = 0x85
    TIMING = 0x86
    IMAGE_BEGIN = 0x87
    IMAGE_DATA = 0x88
    CLASSIFY = 0x89
    SET_THRESHOLD = 0x8A
    STATUS = 0x8B


class LinkStatus(IntEnum):
    """Status byte of a response."""

    OK = 0
    UNKNOWN_COMMAND = 1
    BAD_ARGUMENT = 2
    NOT_SUPPORTED = 3
    FAILED = 4
    TOO_LONG = 5


_STATUS_TEXT = {
    LinkStatus.UNKNOWN_COMMAND: "it does not know this command: its firmware is older than this firmcast; "
    "build and flash it again",
    LinkStatus.BAD_ARGUMENT: "an argument is out of range, or a request is missing before it (an input is "
    "used up by a run, an output by the next write, an image by its classification)",
    LinkStatus.NOT_SUPPORTED: "its model or engine does not offer this",
    LinkStatus.FAILED: "the inference failed",
    LinkStatus.TOO_LONG: "the data are longer than its buffer",
}


class RequestRefusedError(TargetError):
    """The device answered with an error; ``command`` and ``status`` (a byte) say which."""

    def __init__(self, command: Command, status: int) -> None:
        self.command = command
        self.status = status
        try:
            reason = _STATUS_TEXT[LinkStatus(status)]
        except (ValueError, KeyError):
            reason = f"unknown status {status}"
        super().__init__(f"the device refused {command.name}: {reason}")


@dataclass(frozen=True)
class Identity:
    """Who answers: the facts of IDENTIFY."""

    protocol: int
    max_body_bytes: int
    clock_hz: int
    step_count: int
    engine: Literal["native", "tflm"]
    takes_images: bool
    image_width: int
    image_height: int
    image_channels: int
    input_sizes_bytes: tuple[int, ...]
    output_sizes_bytes: tuple[int, ...]
    model_sha256: str
    model: str
    board: str
    firmware_version: str


@dataclass(frozen=True)
class Timing:
    """Cycles of the last run as the device counted them; 0 for a step that did not run."""

    clock_hz: int
    total_cycles: int
    step_cycles: tuple[int, ...]

    @property
    def total_ms(self) -> float:
        """Milliseconds at the device's own clock."""
        return 1000.0 * self.total_cycles / self.clock_hz


@dataclass(frozen=True)
class Decision:
    """What the device made of an image; ``score`` is 0..1."""

    door_open: bool
    class_index: int
    label: str
    score: float
    cycles: int


@dataclass(frozen=True)
class DeviceStatus:
    """Stack use (None where the device cannot tell) and what came over the line since its start."""

    stack_used_bytes: int | None
    stack_size_bytes: int | None
    frames: int
    bad_frames: int


class Client:
    """Asks a device, one request at a time.

    A request is sent again, with the same sequence number, when no response comes in time or when a corrupt
    frame comes instead; the protocol makes that safe for every command. Before its first request the client
    identifies the device.

    Args:
        transport: the line; closed by :meth:`close`.
        on_text: gets each line that the device prints, while a method waits for a response.
        timeout_s: time for a response to come, for one attempt.
        run_timeout_s: the same for RUN and CLASSIFY, which take as long as the network.
        attempts: how often a request is sent before the device counts as silent.

    Raises:
        TargetError: from every method, when the device does not answer, answers nonsense or refuses (then a
            :class:`RequestRefusedError`), speaks another protocol version, or the line is gone.
        UsageError: from methods that take data, when it does not fit the device.
    """

    def __init__(
        self,
        transport: Transport,
        on_text: Callable[[str], None] | None = None,
        *,
        timeout_s: float = 2.0,
        run_timeout_s: float = 60.0,
        attempts: int = 5,
    ) -> None:
        self._transport = transport
        self._on_text = on_text
        self._timeout_s = timeout_s
        self._run_timeout_s = run_timeout_s
        self._attempts = attempts
        self._reader = FrameReader()
        self._sequence = 0
        self._identity: Identity | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the transport."""
        self._transport.close()

    @property
    def identity(self) -> Identity:
        """The device's identity, asked for once."""
        return self._identity or self.identify()

    def identify(self) -> Identity:
        """Asks the device who it is, and begins a session: the state that its network keeps from one run to
        the next is that before the first run again.
        """
        body = self._request(Command.IDENTIFY)
        self._identity = _parse_identity(body)
        return self._identity

    def write_input(self, data: ByteSource, index: int = 0) -> None:
        """Sets one input of the network. A run uses it up: write every input again before the next."""
        raw = _raw(data)
        sizes = self.identity.input_sizes_bytes
        if not 0 <= index < len(sizes):
            raise UsageError(f"the model on the device has {len(sizes)} inputs, there is no input {index}")
        if len(raw) != sizes[index]:
            raise UsageError(f"input {index} of the device takes {sizes[index]} bytes, {len(raw)} were given")
        chunk = self.identity.max_body_bytes - 8
        for offset in range(0, len(raw), chunk):
            part = raw[offset : offset + chunk]
            self._request(Command.WRITE_INPUT, struct.pack("<BxxxI", index, offset) + part)

    def run(self, stop_after: int | None = None) -> None:
        """Runs the network, or its steps up to and with ``stop_after``."""
        if stop_after is not None:
            self._check_step(stop_after)
        step = _ALL_STEPS if stop_after is None else stop_after
        self._request(Command.RUN, struct.pack("<H", step))

    def read_output(self, index: int = 0) -> bytes:
        """One output, after a complete run or a classification and before anything is written."""
        sizes = self.identity.output_sizes_bytes
        if not 0 <= index < len(sizes):
            raise UsageError(f"the model on the device has {len(sizes)} outputs, there is no output {index}")
        chunk = self.identity.max_body_bytes
        output = bytearray()
        while len(output) < sizes[index]:
            count = min(chunk, sizes[index] - len(output))
            request = struct.pack("<BxxxIH", index, len(output), count)
            part = self._request(Command.READ_OUTPUT, request)
            if len(part) != count:
                raise _nonsense(Command.READ_OUTPUT, part)
            output += part
        return bytes(output)

    def read_step(self, step: int) -> bytes:
        """The output of ``step``, directly after a run with ``stop_after=step``."""
        self._check_step(step)
        chunk = self.identity.max_body_bytes - 4
        output = bytearray()
        while True:
            request = struct.pack("<HxxIH", step, len(output), chunk)
            body = self._request(Command.READ_STEP, request)
            size = int.from_bytes(body[:4], "little")
            if len(body) - 4 != min(chunk, size - len(output)):
                raise _nonsense(Command.READ_STEP, body)
            output += body[4:]
            if len(output) == size:
                return bytes(output)

    def timing(self) -> Timing:
        """Cycles of the last run, in total and for each step."""
        cycles: list[int] = []
        while True:
            body = self._request(Command.TIMING, struct.pack("<H", len(cycles)))
            if len(body) < 8:
                raise _nonsense(Command.TIMING, body)
            total, first, count = struct.unpack_from("<IHH", body)
            more = len(cycles) + count < self.identity.step_count
            if first != len(cycles) or len(body) != 8 + 4 * count or (more and count == 0):
                raise _nonsense(Command.TIMING, body)
            cycles += struct.unpack_from(f"<{count}I", body, 8)
            if not more:
                return Timing(self.identity.clock_hz, total, tuple(cycles))

    def send_image(self, image: NDArray[Any], progress: Callable[[int, int], None] | None = None) -> None:
        """Sends an RGB image, uint8 of shape (height, width, 3), of any size that the device accepts.

        Args:
            image: the pixels.
            progress: called with the bytes sent so far and their total after each piece.
        """
        if image.dtype != "uint8" or image.ndim != 3 or image.shape[2] != _BYTES_PER_PIXEL:
            raise UsageError(
                f"an image must be uint8 of shape (height, width, 3), not {image.dtype} of {image.shape}"
            )
        height, width = image.shape[:2]
        if not (0 < width <= 0xFFFF and 0 < height <= 0xFFFF):
            raise UsageError(f"an image of {width} x {height} pixels cannot be sent: each side is 1..65535")
        pixels = image.tobytes()
        # Whole pixels, as the protocol wants them.
        chunk = (self.identity.max_body_bytes - 4) // _BYTES_PER_PIXEL * _BYTES_PER_PIXEL
        self._request(Command.IMAGE_BEGIN, struct.pack("<HH", width, height))
        for offset in range(0, len(pixels), chunk):
            part = pixels[offset : offset + chunk]
            self._request(Command.IMAGE_DATA, struct.pack("<I", offset) + part)
            if progress is not None:
                progress(offset + len(part), len(pixels))

    def classify(self) -> Decision:
        """Decides on the image sent; uses it up."""
        body = self._request(Command.CLASSIFY)
        try:
            door, class_index, score, cycles, count = struct.unpack_from("<BxHfIB", body)
            label = body[13 : 13 + count].decode()
        except (struct.error, UnicodeDecodeError):
            raise _nonsense(Command.CLASSIFY, body) from None
        if len(body) != 13 + count:
            raise _nonsense(Command.CLASSIFY, body)
        return Decision(bool(door), class_index, label, score, cycles)

    def set_threshold(self, threshold: float) -> None:
        """Sets the score from which the device opens the door, 0..1; kept until its reset."""
        if not 0.0 <= threshold <= 1.0:
            raise UsageError(f"the threshold must be within 0..1, not {threshold}")
        self._request(Command.SET_THRESHOLD, struct.pack("<f", threshold))

    def status(self) -> DeviceStatus:
        """Stack use and counts of frames of the device."""
        body = self._request(Command.STATUS)
        try:
            used, size, frames, bad = struct.unpack("<IIII", body)
        except struct.error:
            raise _nonsense(Command.STATUS, body) from None
        return DeviceStatus(used if size else None, size or None, frames, bad)

    def _check_step(self, step: int) -> None:
        count = self.identity.step_count
        if not 0 <= step < count:
            raise UsageError(f"the model on the device has steps 0..{count - 1}, there is no step {step}")

    def _request(self, command: Command, body: bytes = b"") -> bytes:
        if command is not Command.IDENTIFY and self._identity is None:
            self.identify()
        self._sequence = (self._sequence + 1) & 0xFF
        frame = encode_frame(bytes([command, self._sequence]) + body)
        timeout_s = self._run_timeout_s if command in (Command.RUN, Command.CLASSIFY) else self._timeout_s
        bad_before = self._reader.bad_frames
        for _ in range(self._attempts):
            self._transport.write(frame)
            response = self._await_response(command, timeout_s)
            if response is not None:
                status, body = response[2], response[3:]
                if status != LinkStatus.OK:
                    raise RequestRefusedError(command, status)
                return body
        bad = self._reader.bad_frames - bad_before
        raise TargetError(
            f"the device did not answer {command.name} ({self._attempts} attempts of {timeout_s:g} s"
            + (f", {bad} corrupt frames came" if bad else "")
            + "): is it a Firmcast firmware, running, at this port and baud rate?"
        )

    def _await_response(self, command: Command, timeout_s: float) -> bytes | None:
        """The response to the current request; None after a timeout, or when a corrupt frame came."""
        bad_before = self._reader.bad_frames
        deadline = time.monotonic() + timeout_s
        while self._reader.bad_frames == bad_before:
            remaining_s = deadline - time.monotonic()
            data = self._transport.read(remaining_s) if remaining_s > 0 else b""
            events = self._reader.feed(data) if data else self._reader.quiet()
            response = None
            for event in events:
                if isinstance(event, str):
                    if self._on_text is not None:
                        self._on_text(event)
                elif event[:2] == bytes([command + _RESPONSE_BIT, self._sequence]) and len(event) >= 3:
                    response = event  # others answer a repetition of an earlier request
            if response is not None or not data:
                return response
        return None


def monitor(
    transport: Transport,
    on_text: Callable[[str], None],
    *,
    until: Callable[[], bool] = lambda: False,
    poll_s: float = 0.25,
) -> None:
    """Hands over each line that the device prints; sends nothing.

    Returns when ``until()`` holds, which is asked at least every ``poll_s`` seconds.

    Raises:
        LinkClosedError: the line is gone; what had come before was handed over.
    """
    reader = FrameReader()
    try:
        while not until():
            started = time.monotonic()
            data = transport.read(poll_s)
            _deliver(reader.feed(data) if data else reader.quiet(), on_text)
            if not data:  # a transport may say at once that nothing will come
                time.sleep(max(0.0, poll_s - (time.monotonic() - started)))
    except LinkClosedError:
        _deliver(reader.end(), on_text)
        raise


def _deliver(events: list[str | bytes], on_text: Callable[[str], None]) -> None:
    for event in events:
        if isinstance(event, str):
            on_text(event)


def _raw(data: ByteSource) -> bytes:
    return data.tobytes() if hasattr(data, "tobytes") else bytes(data)


def _nonsense(command: Command, body: bytes) -> TargetError:
    return TargetError(
        f"the device's response to {command.name} makes no sense ({len(body)} bytes: {body[:16].hex(' ')}): "
        "its firmware does not match this firmcast; build and flash it again"
    )


def _parse_identity(body: bytes) -> Identity:
    if len(body) < 2:
        raise _nonsense(Command.IDENTIFY, body)
    # Before anything else: the rest is laid out as its version says.
    protocol = int.from_bytes(body[:2], "little")
    if protocol != PROTOCOL:
        raise TargetError(
            f"the device speaks version {protocol} of the host link, this firmcast version {PROTOCOL}: "
            "build and flash the firmware again with this firmcast"
        )
    try:
        _, max_body, clock_hz, steps, inputs, outputs, engine, flags, width, height, channels = (
            _IDENTITY.unpack_from(body)
        )
        sizes = struct.unpack_from(f"<{inputs + outputs}I", body, _IDENTITY.size)
        position = _IDENTITY.size + 4 * len(sizes)
        sha256 = body[position : position + _SHA256_BYTES]
        position += _SHA256_BYTES
        strings = []
        for _ in range(3):
            end = position + 1 + body[position]
            strings.append(body[position + 1 : end].decode())
            position = end
        engine_name: Literal["native", "tflm"] = ("native", "tflm")[engine]
    except (struct.error, IndexError, UnicodeDecodeError):
        raise _nonsense(Command.IDENTIFY, body) from None
    if position != len(body) or max_body < _MIN_BODY_BYTES or clock_hz == 0:
        raise _nonsense(Command.IDENTIFY, body)
    model, board, version = strings
    return Identity(
        protocol=protocol,
        max_body_bytes=max_body,
        clock_hz=clock_hz,
        step_count=steps,
        engine=engine_name,
        takes_images=bool(flags & 1),
        image_width=width,
        image_height=height,
        image_channels=channels,
        input_sizes_bytes=sizes[:inputs],
        output_sizes_bytes=sizes[inputs:],
        model_sha256=sha256.hex(),
        model=model,
        board=board,
        firmware_version=version,
    )
