"""Reading a picture that a user names, with every way it can be bad told apart."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np

from generator.errors import UsageError
from generator.imaging.opencv import opencv
from generator.imaging.resample import Image

MAX_PIXELS = 50_000_000
"""Largest picture that is decoded, in pixels (150 MB as RGB): a file's few bytes may claim far more."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp")
"""How the names of readable files end, in small letters; what a file is, its first bytes decide."""


def read_image(path: str | PathLike[str]) -> Image:
    """Return a JPEG, PNG, BMP or WebP file as an H x W x 3 RGB array.

    Grey becomes RGB, 16 bits become 8 (rounded), transparent parts are laid on white, a JPEG's Exif
    orientation is applied.

    Raises:
        UsageError: the file is missing, unreadable, of another kind, cut off, damaged, or above
            :data:`MAX_PIXELS`; the message names it.
        MissingToolError: OpenCV is not installed.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    return decode_image(data, file)


def decode_image(data: bytes, file: str | PathLike[str]) -> Image:
    """Return the picture in a file's bytes as :func:`read_image` does; ``file`` is named in errors."""
    scan = next((scan for start, scan in _SCANS.items() if data.startswith(start)), None)
    if scan is None or (scan is _scan_webp and data[8:12] != b"WEBP"):
        raise UsageError(f"{file}: is neither a JPEG, PNG, BMP nor WebP image; convert it first")
    height, width, complete = scan(data)
    if height * width > MAX_PIXELS:
        raise UsageError(
            f"{file}: {width} x {height} pixels is too large; at most {MAX_PIXELS:,} pixels are read"
        )
    image = _decode(data, upright=scan is not _scan_jpeg) if complete and height and width else None
    if image is None:
        raise UsageError(f"{file}: the image is damaged or cut off")
    return image


def _decode(data: bytes, *, upright: bool) -> Image | None:
    cv2 = opencv("reading images")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what is wrong is in our messages
    try:
        # "Unchanged" keeps alpha and 16 bits for the conversion below, but leaves a JPEG's orientation alone.
        decoded = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if upright else cv2.IMREAD_COLOR
        )
    except cv2.error:
        return None
    if decoded is None:
        return None
    pixels = np.asarray(decoded)
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3:
        rgb: Image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        return rgb
    if pixels.dtype == np.uint16:
        pixels = (pixels.astype(np.uint32) + 128) // 257
    pixels = pixels.astype(np.uint32)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:]
        pixels = (pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return np.ascontiguousarray(pixels[..., ::-1].astype(np.uint8))


def _scan_png(data: bytes) -> tuple[int, int, bool]:
    """Height, width and whether the closing chunk is there (PNG specification, 5.3 and 11.2.1)."""
    if data[12:16] != b"IHDR" or len(data) < 24:
        return 0, 0, False
    return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"), b"IEND" in data[24:]


def _scan_jpeg(data: bytes) -> tuple[int, int, bool]:
    """Height, width and whether the end marker is there (ITU-T T.81, B.1.1 and B.2.2)."""
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = (
                int.from_bytes(data[at + 5 : at + 7], "big"),
                int.from_bytes(data[at + 7 : at + 9], "big"),
            )
            return height, width, data.find(b"\xff\xd9", at) >= 0
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0, False


def _scan_bmp(data: bytes) -> tuple[int, int, bool]:
    """Height, width and whether all rows are there (BITMAPFILEHEADER with BITMAPCOREHEADER or later ones)."""
    if len(data) < 34:
        return 0, 0, False

    def number(at: int, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(data[at : at + size], "little", signed=signed)

    if number(14, 4) == 12:
        width, height, bits, packed = number(18, 2), number(20, 2), number(24, 2), False
    else:
        width, height = number(18, 4, signed=True), abs(number(22, 4, signed=True))
        bits, packed = number(28, 2), number(30, 4) not in (0, 3)
    end = number(2, 4) if packed else number(10, 4) + (width * bits + 31) // 32 * 4 * height
    return height, max(0, width), len(data) >= end


def _scan_webp(data: bytes) -> tuple[int, int, bool]:
    """Height, width and whether the container is whole (RFC 9649, 2.4 to 2.7)."""
    if len(data) < 30:
        return 0, 0, False
    complete = len(data) >= 8 + int.from_bytes(data[4:8], "little")
    match data[12:16]:
        case b"VP8X":
            sizes = data[24:27], data[27:30]
            width, height = (int.from_bytes(size, "little") + 1 for size in sizes)
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return height, width, complete


_SCANS: dict[bytes, Callable[[bytes], tuple[int, int, bool]]] = {
    b"\x89PNG\r\n\x1a\n": _scan_png,
    b"\xff\xd8\xff": _scan_jpeg,
    b"BM": _scan_bmp,
    b"RIFF": _scan_webp,
}
