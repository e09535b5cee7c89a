"""What all operators' attributes have in common."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Activation(Enum):
    """Activation fused into an operator: a clamp of its output."""

    NONE = "NONE"
    RELU = "RELU"
    RELU6 = "RELU6"
    RELU_N1_TO_1 = "RELU_N1_TO_1"


@dataclass(frozen=True)
class Padding:
    """Explicit zero padding in pixels; SAME and VALID are resolved when a model is read."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    @property
    def is_none(self) -> bool:
        """True if nothing is padded."""
        return not (self.top or self.bottom or self.left or self.right)


@dataclass(frozen=True)
class Attributes:
    """Base of all attributes; ``name`` is the operator's TFLite name."""

    name: ClassVar[str]
    parameters_from: ClassVar[int | None] = None
    """First input that is a parameter (weights, bias) and no activation; None if there are none."""

    @property
    def op_name(self) -> str:
        """TFLite name of the operator."""
        return self.name
