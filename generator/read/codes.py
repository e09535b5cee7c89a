"""Which operators of the schema a model file uses, whatever the graph makes of them."""

from __future__ import annotations

import tflite

from generator.read.operators import OPERATOR_NAMES


def operator_names(data: bytes) -> tuple[str, ...]:
    """Schema names of the operators of a file that was read without a problem, each once, in order of use."""
    model = tflite.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    names = []
    for index in range(graph.OperatorsLength()):
        code = model.OperatorCodes(graph.Operators(index).OpcodeIndex())
        names.append(OPERATOR_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())])
    return tuple(dict.fromkeys(names))
