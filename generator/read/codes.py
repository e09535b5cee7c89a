"""Which operators of the schema a model file uses, whatever the graph makes of them."""

from __future__ import annotations

from typing import Any

import tflite
from flatbuffers.number_types import Int32Flags

from generator.read.operators import OPERATOR_NAMES

_BUILTIN_CODE = 10  # its place in the table of an operator code


def builtin_code(code: Any) -> int:
    """Of an operator code, the larger of its two fields, as TFLM has it; the schema's own accessor leaves the
    newer one aside below 127.
    """
    table = code._tab
    place = table.Offset(_BUILTIN_CODE)
    newer = table.Get(Int32Flags, place + table.Pos) if place else 0
    return max(int(newer), int(code.DeprecatedBuiltinCode()))


def operator_names(data: bytes) -> tuple[str, ...]:
    """Schema names of the operators of a file that was read without a problem, each once, in order of use."""
    model = tflite.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    names = []
    for index in range(graph.OperatorsLength()):
        code = model.OperatorCodes(graph.Operators(index).OpcodeIndex())
        names.append(OPERATOR_NAMES[builtin_code(code)])
    return tuple(dict.fromkeys(names))
