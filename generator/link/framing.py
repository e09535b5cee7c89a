"""Frames of the host link, and their separation from console text on the same line.

A frame is ``0x00, COBS(payload, CRC-32 of the payload little-endian), 0x00``. COBS is Cheshire and Baker,
"Consistent Overhead Byte Stuffing", IEEE/ACM Trans. Networking 7(2), 1999; CRC-32 is that of IEEE 802.3.
"""

from __future__ import annotations

import zlib
from enum import Enum, auto

from cobs import cobs

MAX_PAYLOAD_BYTES = 3 + 0xFFFF
"""Longest payload that the protocol's 16-bit ``max_body`` allows."""

_CRC_BYTES = 4
_MAX_LINE_BYTES = 4096


def encode_frame(payload: bytes) -> bytes:
    """Frame of one payload, with both delimiters."""
    crc = zlib.crc32(payload).to_bytes(_CRC_BYTES, "little")
    return b"\0" + bytes(cobs.encode(payload + crc)) + b"\0"


def decode_segment(segment: bytes) -> bytes | None:
    """Payload of what stood between two delimiters, or None when it is empty, cut or corrupt."""
    try:
        body = bytes(cobs.decode(segment))
    except cobs.DecodeError:
        return None
    payload, crc = body[:-_CRC_BYTES], body[-_CRC_BYTES:]
    if not payload or zlib.crc32(payload).to_bytes(_CRC_BYTES, "little") != crc:
        return None
    return payload


class _Kind(Enum):
    """What the bytes since the last delimiter are."""

    UNDECIDED = auto()
    FRAME = auto()
    TEXT = auto()
    SKIPPED = auto()


class FrameReader:
    """Separates frames from lines of text in a byte stream that is cut anywhere.

    Every ``0x00`` both ends a frame and may begin the next, so that whatever happens to a byte costs at most
    the frames beside it. What follows a delimiter is told apart by its second byte: in a frame that is the
    command of the payload, 0x80 or above; text is ASCII there. Hence the one delay: a first byte of text
    directly behind a frame waits for the second.

    Args:
        max_payload_bytes: a longer segment is no frame; what follows its first line end is text again.
    """

    def __init__(self, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        body = max_payload_bytes + _CRC_BYTES
        self._max_segment = body + body // 254 + 1
        self._segment = bytearray()
        self._line = bytearray()
        self._kind = _Kind.TEXT
        self._bad_frames = 0

    @property
    def bad_frames(self) -> int:
        """Cut, corrupt and oversized frames dropped so far."""
        return self._bad_frames

    def feed(self, data: bytes) -> list[str | bytes]:
        """What ``data`` completes, in order: payloads as ``bytes``, lines of text, without end, as ``str``.

        Never raises on any data. In text, control characters are replaced by U+FFFD, so that it may be
        printed to a terminal.
        """
        events: list[str | bytes] = []
        for index, part in enumerate(bytes(data).split(b"\0")):
            if index:
                self._delimiter(events)
            if part:
                self._bytes(part, events)
        return events

    def quiet(self) -> list[str | bytes]:
        """To be called when nothing came for a while: a frame that has begun will not be completed.

        What comes next is text until the next delimiter. Returns what that completes.
        """
        events: list[str | bytes] = []
        if self._kind is _Kind.UNDECIDED:
            self._text(bytes(self._segment), events)
        elif self._kind is _Kind.FRAME:
            self._bad_frames += 1
        self._segment.clear()
        self._kind = _Kind.TEXT
        return events

    def end(self) -> list[str | bytes]:
        """To be called when nothing can come any more: also completes a line that has no end."""
        events = self.quiet()
        if self._line:
            self._text(b"\n", events)
        return events

    def _delimiter(self, events: list[str | bytes]) -> None:
        if self._kind is _Kind.FRAME:
            payload = decode_segment(bytes(self._segment))
            if payload is None:
                self._bad_frames += 1
            else:
                events.append(payload)
        elif self._kind is _Kind.UNDECIDED:
            self._text(bytes(self._segment), events)
        self._segment.clear()
        self._kind = _Kind.UNDECIDED

    def _bytes(self, part: bytes, events: list[str | bytes]) -> None:
        if self._kind is _Kind.SKIPPED:
            _, end, part = part.partition(b"\n")
            if end:
                self._kind = _Kind.TEXT
        if self._kind is _Kind.TEXT:
            self._text(part, events)
        elif self._kind is not _Kind.SKIPPED:
            self._segment += part
            self._classify(events)

    def _classify(self, events: list[str | bytes]) -> None:
        if self._kind is _Kind.UNDECIDED and len(self._segment) >= 2:
            self._kind = _Kind.FRAME if self._segment[1] >= 0x80 else _Kind.TEXT
        if self._kind is _Kind.TEXT:
            self._text(bytes(self._segment), events)
            self._segment.clear()
        elif len(self._segment) > self._max_segment:
            self._bad_frames += 1
            rest = bytes(self._segment[self._max_segment :])
            self._segment.clear()
            self._kind = _Kind.SKIPPED
            self._bytes(rest, events)

    def _text(self, part: bytes, events: list[str | bytes]) -> None:
        self._line += part
        *lines, rest = self._line.split(b"\n")
        self._line = bytearray(rest)
        events.extend(_printable(bytes(line)) for line in lines)
        while len(self._line) >= _MAX_LINE_BYTES:
            events.append(_printable(bytes(self._line[:_MAX_LINE_BYTES])))
            del self._line[:_MAX_LINE_BYTES]


def _printable(line: bytes) -> str:
    text = line.removesuffix(b"\r").decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
