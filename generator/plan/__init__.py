"""Graph into Plan: which kernel runs each step and why, where every byte lies, what it should cost."""

from generator.plan.planner import make_plan
from generator.plan.types import (
    Alternative,
    Argument,
    Buffer,
    BufferArgument,
    Constant,
    ConstantArgument,
    Endpoint,
    KernelChoice,
    Plan,
    Step,
)

__all__ = [
    "Alternative",
    "Argument",
    "Buffer",
    "BufferArgument",
    "Constant",
    "ConstantArgument",
    "Endpoint",
    "KernelChoice",
    "Plan",
    "Step",
    "make_plan",
]
