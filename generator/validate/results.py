"""The results of a model file's operators, and a copy of the file that gives all of them as outputs.

So any interpreter, with any delegate, must compute and keep every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.reference.mending import builtin_code
from generator.reference.schema import generated, model_tree, packed


@dataclass(frozen=True)
class Result:
    """A tensor that an operator of the file computes; ``op`` is its TFLite name."""

    op: str
    index: int
    name: str


def results(model: bytes) -> tuple[Result, ...]:
    """In order of execution."""
    names = {number: name for name, number in vars(generated().BuiltinOperator).items()}
    tree = model_tree(model)
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
    tree = model_tree(model)
    tree.subgraphs[0].outputs = np.array([result.index for result in results(model)], np.int32)
    tree.signatureDefs = None
    return packed(tree)
