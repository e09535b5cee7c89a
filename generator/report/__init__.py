"""The report: its schema, its file, and its tables for people."""

from generator.report.schema import (
    BudgetVerdict,
    CacheUse,
    CycleCauses,
    Decision,
    FunctionLatency,
    Latency,
    LayerLatency,
    Memory,
    MemoryTotal,
    ModelFacts,
    Region,
    Report,
    Stack,
    Toolchain,
    Validation,
)

__all__ = [
    "BudgetVerdict",
    "CacheUse",
    "CycleCauses",
    "Decision",
    "FunctionLatency",
    "Latency",
    "LayerLatency",
    "Memory",
    "MemoryTotal",
    "ModelFacts",
    "Region",
    "Report",
    "Stack",
    "Toolchain",
    "Validation",
]
