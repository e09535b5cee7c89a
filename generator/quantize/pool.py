"""What calibration is about: inputs of a network, and samples for them that are read when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Sample: TypeAlias = tuple[npt.NDArray[Any], ...]
"""One array per input of the network, in its order, each of the input's shape and type."""

_IMAGE_CHANNELS = (1, 3)


@dataclass(frozen=True)
class NetworkInput:
    """An input: its name, its shape with the batch of one in front, and the type of its values in float."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))

    @property
    def takes_images(self) -> bool:
        """Whether it is 1 x height x width x 1 or 3, in float."""
        return len(self.shape) == 4 and self.shape[3] in _IMAGE_CHANNELS and self.dtype.kind == "f"


@dataclass(frozen=True)
class Pool:
    """Samples by position. ``load`` raises UsageError, naming the file, where one cannot be used."""

    names: tuple[str, ...]
    load: Callable[[int], Sample]


def expected(inputs: Sequence[NetworkInput]) -> str:
    """The arrays that samples consist of, for a message."""
    arrays = ", ".join(
        f"{given.name} ({' x '.join(map(str, ('samples', *given.shape[1:])))})" for given in inputs
    )
    return f"arrays of numbers in .npy or .npz files: {arrays}"
