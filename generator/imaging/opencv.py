"""The one door to OpenCV: imported late, and missed politely."""

from __future__ import annotations

from typing import Any

from generator.errors import MissingToolError


def opencv(purpose: str) -> Any:
    """Return the ``cv2`` module.

    Raises:
        MissingToolError: it is not installed; the message says that ``purpose`` needs it.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingToolError(f"{purpose} needs OpenCV: pip install 'firmcast[image]'") from error
    return cv2
