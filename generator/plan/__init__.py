"""Graph into Plan: which kernel runs each step and why, where every byte lies, what it should cost."""

from generator.plan.goal import OPTIMIZE, Goal, Optimize
from generator.plan.interpreter import Interpreter, plan_interpreter
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
    ListArgument,
    Plan,
    Step,
)

__all__ = [
    "OPTIMIZE",
    "Alternative",
    "Argument",
    "Buffer",
    "BufferArgument",
    "Constant",
    "ConstantArgument",
    "Endpoint",
    "Goal",
    "Interpreter",
    "KernelChoice",
    "ListArgument",
    "Optimize",
    "Plan",
    "Step",
    "make_plan",
    "plan_interpreter",
]
