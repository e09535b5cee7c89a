"""The results of a model file's operators, and a copy of the file that gives all of them as outputs.

So any interpreter, with any delegate, must compute and keep every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from generator.reference.mending import builtin_code


@dataclass(frozen=True)
class Result:
    """A tensor that an operator of the file computes; ``op`` is its TFLite name."""

    op: str
    index: int
    name: str


def _schema() -> Any:
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated

    return schema_py_generated


def results(model: bytes) -> tuple[Result, ...]:
    """In order of execution."""
    schema = _schema()
    names = {number: name for name, number in vars(schema.BuiltinOperator).items()}
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    graph = tree.subgraphs[0]
    found = []
    for operator in graph.operators:
        builtin = builtin_code(tree, operator)
        for index in operator.outputs:
            name = graph.tensors[index].name or b""
            found.append(
                Result(names.get(builtin, str(builtin)), int(index), name.decode("utf-8", "replace"))
            )
    return tuple(found)


def with_all_results(model: bytes) -> bytes:
    """``model`` with every result among its outputs; indices of tensors stay."""
    from flatbuffers import Builder

    schema = _schema()
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    tree.subgraphs[0].outputs = np.array([result.index for result in results(model)], np.int32)
    tree.signatureDefs = None
    builder = Builder(len(model) + 4096)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())
