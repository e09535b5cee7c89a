"""What reading one file may cost. A few bytes can refer to the same list or constant over and over, so
the length of a file bounds neither the memory nor the time that it asks for.
"""

from __future__ import annotations

MAX_FILE_BYTES = 16 << 20
MAX_TENSORS = 1 << 14
MAX_OPERATORS = 1 << 11
MAX_PROBLEMS = 500
_MAX_REPETITION = 16  # all lists that are read, in lengths of the file
_MAX_ENTRIES = 1 << 22
_MADE_BYTES = 1 << 20  # of constants, beside twice the file
_MAX_PARAMETERS = 1 << 23
_MAX_CHANNELS = 1 << 22


class MalformedError(ValueError):
    """A file that contradicts itself; reading it further makes no sense."""


class TooLargeError(MalformedError):
    """A file that asks for more than reading and planning any network for a microcontroller takes."""


class Budget:
    """Counts down; raises TooLargeError where nothing is left."""

    def __init__(self, file_bytes: int) -> None:
        self._entries = min(_MAX_REPETITION * file_bytes, _MAX_ENTRIES)
        self._made_bytes = _MADE_BYTES + 2 * file_bytes
        self._parameters = _MAX_PARAMETERS
        self._channels = _MAX_CHANNELS

    def entries(self, count: int) -> None:
        """Of lists in the file: shapes, scales, indices, characters of names."""
        self._entries -= count
        if self._entries < 0:
            raise TooLargeError("its lists add up to many times the file")

    def made(self, count: int) -> None:
        """Bytes of constants that operators make of constants."""
        self._made_bytes -= count
        if self._made_bytes < 0:
            raise TooLargeError("its operators make constants of many times the file")

    def parameters(self, count: int) -> None:
        """Weights and other constants that operators read; shared ones once for each."""
        self._parameters -= count
        if self._parameters < 0:
            raise TooLargeError(f"its operators read more than {_MAX_PARAMETERS:,} weights")

    def channels(self, count: int) -> None:
        """Last axes of all tensors."""
        self._channels -= count
        if self._channels < 0:
            raise TooLargeError(f"the last axes of its tensors add up to more than {_MAX_CHANNELS:,}")
