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


def _with_biases(model: bytes) -> bytes:
    """``model`` with a bias of zeros where a DEPTHWISE_CONV_2D has none.

    TFLM's reference kernel reads the absent tensor and crashes; zeros are what an absent bias means.
    """
    from flatbuffers import Builder
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    graph = tree.subgraphs[0]
    lacking = [
        operator
        for operator in graph.operators
        if tree.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.DEPTHWISE_CONV_2D
        and (len(operator.inputs) < 3 or operator.inputs[2] == -1)
    ]
    if not lacking:
        return model
    for operator in lacking:
        source, weights = (graph.tensors[i] for i in operator.inputs[:2])
        channels = weights.shape[3]
        bias = schema.TensorT()
        bias.name, bias.shape, bias.type = "absent bias", [channels], schema.TensorType.INT32
        bias.quantization = schema.QuantizationParametersT()
        scales = weights.quantization.scale
        bias.quantization.scale = [float(source.quantization.scale[0] * s) for s in scales]
        bias.quantization.zeroPoint = [0] * len(scales)
        zeros = schema.BufferT()
        zeros.data = np.zeros(4 * channels, np.uint8)
        tree.buffers.append(zeros)
        bias.buffer = len(tree.buffers) - 1
        graph.tensors.append(bias)
        operator.inputs = [int(i) for i in operator.inputs[:2]] + [len(graph.tensors) - 1]
    builder = Builder(len(model) + 4096)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class Oracle:
    """A TFLM interpreter. ``name`` tells package and version."""

    def __init__(self, model: bytes, *, keep_all: bool = False) -> None:
        """``keep_all`` keeps every intermediate tensor readable, at the price of a larger arena.

        Raises MissingToolError without the package, ModelError if TFLM refuses the model.
        """
        runtime = _runtime()
        model = _with_biases(model)
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
        """Outputs for one set of inputs, in the model's order and shapes."""
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
