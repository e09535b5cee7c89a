"""TensorFlow Lite for Microcontrollers as the oracle (PyPI ``tflite-micro``, reference kernels)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generator.errors import MissingToolError, ModelError
from generator.graph import DType, Quantization, Tensor
from generator.reference.mending import mended

Array = NDArray[np.generic]

_ARENA_MIN_BYTES = 1 << 20


def _runtime() -> Any:
    try:
        from tflite_micro import runtime
    except ImportError as error:
        raise MissingToolError(
            "the reference, package tflite-micro, is not installed: pip install --pre tflite-micro "
            "(Linux x86-64, CPython 3.10 to 3.14), or skip the comparison with --no-validate"
        ) from error
    return runtime


@contextlib.contextmanager
def _native_stderr_silenced() -> Iterator[None]:
    """TFLM's C++ side prints to descriptor 2; its messages mean nothing to our users."""
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


class Oracle:
    """A TFLM interpreter. ``name`` tells package and version."""

    def __init__(self, model: bytes, *, keep_all: bool = False) -> None:
        """``keep_all`` keeps every intermediate tensor readable, at the price of a larger arena.

        Raises MissingToolError without the package, ModelError if TFLM refuses the model.
        """
        runtime = _runtime()
        model = mended(model)
        config = runtime.InterpreterConfig
        kind = config.kPreserveAllTensors if keep_all else config.kAllocationRecording
        try:
            with _native_stderr_silenced():
                self._interpreter = runtime.Interpreter.from_bytes(
                    model, arena_size=max(16 * len(model), 64 * _ARENA_MIN_BYTES), intrepreter_config=kind
                )
        except RuntimeError as error:
            raise ModelError("the model", [f"TFLM refuses it: {error}"]) from error
        self.name = f"tflite-micro {metadata.version('tflite-micro')}"

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """Outputs for one set of inputs, in the model's order and shapes. Variables keep their values from
        run to run.
        """
        for index, values in enumerate(inputs):
            self._interpreter.set_input(values, index)
        self._interpreter.invoke()
        outputs: list[Array] = []
        while True:
            try:
                with _native_stderr_silenced():
                    outputs.append(np.array(self._interpreter.get_output(len(outputs))))
            except (IndexError, ValueError, RuntimeError):
                return tuple(outputs)

    def input_tensor(self, index: int = 0) -> Tensor:
        """Shape, type and quantization of an input; as TFLM sees it, so of any model that it takes."""
        return _described(self._interpreter.get_input_details(index))

    def output_tensor(self, index: int = 0) -> Tensor:
        """Likewise of an output."""
        return _described(self._interpreter.get_output_details(index))

    def tensor(self, index: int) -> Array:
        """An intermediate tensor after :meth:`run`; needs ``keep_all``."""
        return np.array(self._interpreter.GetTensor(index, 0)["tensor_data"])


def _described(details: dict[str, Any]) -> Tensor:
    quantization = details["quantization_parameters"]
    scales = tuple(float(s) for s in quantization["scales"])
    return Tensor(
        index=-1,
        name="",
        shape=tuple(int(size) for size in details["shape"]),
        dtype=DType(np.dtype(details["dtype"]).name),
        quantization=Quantization(scales, tuple(int(z) for z in quantization["zero_points"]))
        if scales
        else None,
    )
