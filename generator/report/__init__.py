"""The report: its schema, its file, and its tables for people."""

from generator.report.schema import (
    BudgetVerdict,
    Decision,
    FunctionLatency,
    Latency,
    LayerLatency,
    Memory,
    MemoryTotal,
    ModelFacts,
    Region,
    Report,
    Simplification,
    SimplifiedLayer,
    Stack,
    Toolchain,
    Validation,
)

__all__ = [
    "BudgetVerdict",
    "Decision",
    "FunctionLatency",
    "Latency",
    "LayerLatency",
    "Memory",
    "MemoryTotal",
    "ModelFacts",
    "Region",
    "Report",
    "Simplification",
    "SimplifiedLayer",
    "Stack",
    "Toolchain",
    "Validation",
]
