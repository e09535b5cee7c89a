"""Reading a picture that a user names, with every way it can be bad told apart."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from generator.errors import UsageError
from generator.imaging.opencv import opencv
from generator.imaging.resample import Image

MAX_PIXELS = 50_000_000
"""Largest picture that is decoded, in pixels (150 MB as RGB): a file's few bytes may claim far more."""

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"


def read_image(path: str | PathLike[str]) -> Image:
    """Return a JPEG or PNG file as an H x W x 3 RGB array.

    Grey becomes RGB, 16 bits become 8 (rounded), transparent parts are laid on white, a JPEG's Exif
    orientation is applied.

    Raises:
        UsageError: the file is missing, unreadable, no JPEG or PNG, cut off, damaged, or above
            :data:`MAX_PIXELS`; the message names it.
        MissingToolError: OpenCV is not installed.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    is_png = data.startswith(_PNG_START)
    if not is_png and not data.startswith(_JPEG_START):
        raise UsageError(f"{file}: is neither a JPEG nor a PNG image; convert it first")
    height, width, complete = _scan_png(data) if is_png else _scan_jpeg(data)
    if height * width > MAX_PIXELS:
        raise UsageError(
            f"{file}: {width} x {height} pixels is too large; at most {MAX_PIXELS:,} pixels are read"
        )
    image = _decode(data, is_png) if complete and height and width else None
    if image is None:
        raise UsageError(f"{file}: the image is damaged or cut off")
    return image


def _decode(data: bytes, is_png: bool) -> Image | None:
    cv2 = opencv("reading images")
    try:
        # "Unchanged" keeps alpha and 16 bits for the conversion below, but leaves a JPEG's orientation alone.
        decoded = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if is_png else cv2.IMREAD_COLOR
        )
    except cv2.error:
        return None
    if decoded is None:
        return None
    pixels = np.asarray(decoded)
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
