"""Bytes of a serial line, both ways: frames, transports, and the client of the host link."""

from generator.link.client import (
    PROTOCOL,
    Client,
    Command,
    Decision,
    DeviceStatus,
    Identity,
    LinkStatus,
    RequestRefusedError,
    Timing,
    monitor,
)
from generator.link.framing import FrameReader, decode_segment, encode_frame
from generator.link.transport import (
    LinkClosedError,
    ProcessTransport,
    SerialTransport,
    SocketTransport,
    Transport,
    serial_ports,
)

__all__ = [
    "PROTOCOL",
    "Client",
    "Command",
    "Decision",
    "DeviceStatus",
    "FrameReader",
    "Identity",
    "LinkClosedError",
    "LinkStatus",
    "ProcessTransport",
    "RequestRefusedError",
    "SerialTransport",
    "SocketTransport",
    "Timing",
    "Transport",
    "decode_segment",
    "encode_frame",
    "monitor",
    "serial_ports",
]
