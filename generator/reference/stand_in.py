"""The NumPy reference in TFLM's place, for models that TFLM refuses."""

from __future__ import annotations

from collections.abc import Sequence

from generator.errors import ModelError
from generator.read import read_tflite_bytes
from generator.reference.integer import run_graph
from generator.reference.tflm import Array, Oracle


class StandIn:
    """Runs a model as :class:`Oracle` does, by the integer arithmetic of this package. ``name`` says why."""

    def __init__(self, model: bytes, why: str) -> None:
        self._graph = read_tflite_bytes(model, "model", "the model")
        self._values: dict[int, Array] | None = None
        self.name = f"NumPy integers, as {why}"

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """Outputs for one set of inputs, in the model's order and shapes. Variables keep their values from
        run to run.
        """
        self._values = values = run_graph(self._graph, inputs, self._values)
        return tuple(values[index] for index in self._graph.outputs)

    def tensor(self, index: int) -> Array:
        """An intermediate tensor after :meth:`run`."""
        if self._values is None:
            raise ValueError("nothing has run")
        return self._values[index]


def open_reference(model: bytes, *, keep_all: bool = False) -> Oracle | StandIn:
    """TFLM, or its stand-in where TFLM lacks an operator that the native engine has.

    Raises MissingToolError without the package of TFLM.
    """
    try:
        return Oracle(model, keep_all=keep_all)
    except ModelError as error:
        return StandIn(model, "; ".join(error.problems))
