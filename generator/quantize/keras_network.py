"""A user's Keras model as TensorFlow's converter takes it: a batch of one, no loops, names that stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from generator.errors import ModelError, UsageError
from generator.quantize.keras import quiet, tensorflow
from generator.quantize.pool import NetworkInput, Sample
from generator.quantize.tflite_file import parse, tidied

Activations: TypeAlias = Literal["int8", "int16"]
TensorIo: TypeAlias = Literal["int8", "uint8", "int16", "float32"]
ACTIVATIONS: tuple[Activations, ...] = get_args(Activations)
IO_TYPES: dict[Activations, tuple[TensorIo, ...]] = {
    "int8": ("int8", "uint8", "float32"),
    "int16": ("int16", "float32"),
}
"""Types that inputs and outputs may have for each type of activations; the first is the default."""

KERAS_SUFFIXES = (".keras", ".h5")

_LOOPS = ("WHILE", "IF", "CALL", "CALL_ONCE", "STABLEHLO_WHILE")
_SHOWN_LINES = 3


@dataclass(frozen=True)
class KerasNetwork:
    """A model ready to be converted.

    Attributes:
        subject: what messages call it.
        model: the ``keras.Model`` with a batch of one; its outputs are named in their order.
        inputs: in the model's order.
        outputs: names in the model's order, as in the file's signature.
    """

    subject: str
    model: Any
    inputs: tuple[NetworkInput, ...]
    outputs: tuple[str, ...]

    @cached_property
    def float_tflite(self) -> bytes:
        """The network unquantized: what errors are measured against.

        Raises:
            ModelError: TensorFlow cannot convert it, or loops are left in it.
        """
        content = self._convert(self._converter())
        loops = sorted(set(parse(content).kinds).intersection(_LOOPS))
        if loops:
            raise ModelError(
                self.subject,
                [f"converts to {kind}: write the loop out, with a fixed number of steps" for kind in loops],
            )
        return content

    def quantized_tflite(
        self, samples: tuple[Sample, ...], *, activations: Activations = "int8", io: TensorIo | None = None
    ) -> bytes:
        """The network with int8 weights and integer activations, ranges set by ``samples``.

        Raises:
            UsageError: as :func:`edge_type`.
            ModelError: TensorFlow cannot convert it.
        """
        io = edge_type(activations, io)
        # Refuses loops; TensorFlow's calibration would end the process on one.
        splits = any(len(operator.outputs) > 1 for operator in parse(self.float_tflite).operators)
        tf = tensorflow()
        operators = tf.lite.OpsSet
        names = [given.name for given in self.inputs]

        def representative() -> Iterator[dict[str, Any]]:
            for sample in samples:
                yield dict(zip(names, sample, strict=True))

        converter = self._converter()
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [
            operators.TFLITE_BUILTINS_INT8
            if activations == "int8"
            else operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(io)
        # Dense layers get one scale per tensor, as every int8 runtime has it; convolutions one per channel.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        # The newer of TensorFlow's quantizers leaves what splits into several tensors in floating point, at
        # random; the older one does not, but rescales more often.
        converter.experimental_new_quantizer = not splits
        return self._convert(converter)

    def fake_quantized_tflite(self, io: TensorIo = "int8") -> bytes:
        """The network in int8, or with weights of fewer bits, by the ranges of its own FakeQuant operators.

        Raises:
            UsageError: as :func:`edge_type`.
            ModelError: TensorFlow cannot convert it.
        """
        tf = tensorflow()
        converter = self._converter()
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(edge_type("int8", io))
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        return self._convert(converter)

    def _converter(self) -> Any:
        return tensorflow().lite.TFLiteConverter.from_keras_model(self.model)

    def _convert(self, converter: Any) -> bytes:
        try:
            with quiet():
                content = bytes(converter.convert())
        except Exception as error:  # the converter raises anything, some of it its own
            raise ModelError(
                self.subject, [f"TensorFlow cannot convert it: {_first_lines(error)}"]
            ) from error
        return tidied(content, [given.name for given in self.inputs], self.outputs)


def edge_type(activations: Activations, io: TensorIo | None) -> TensorIo:
    """The type of inputs and outputs: ``io``, or that of the activations.

    Raises:
        UsageError: the two do not go together.
    """
    if activations not in IO_TYPES:
        raise UsageError(f"activations {activations!r} are unknown; there are {', '.join(ACTIVATIONS)}")
    allowed = IO_TYPES[activations]
    if io is not None and io not in allowed:
        raise UsageError(
            f"{activations} activations go with inputs and outputs of {' or '.join(allowed)}, not {io}"
        )
    return io or allowed[0]


def load_network(path: Path) -> KerasNetwork:
    """Read a Keras file and fix its batch to one.

    Raises:
        UsageError: as :func:`load_keras`.
        ModelError: a shape is not fixed, or the model does not take a batch of one.
    """
    return keras_network(load_keras(path), str(path))


def load_keras(path: Path) -> Any:
    """Read a Keras model.

    Raises:
        UsageError: the file is missing or no Keras model.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if path.suffix not in KERAS_SUFFIXES:
        again = (
            "a .tflite file cannot be quantized afterwards: give the Keras model that it was converted from"
            if path.suffix == ".tflite"
            else "save the model from Keras with model.save('NAME.keras')"
        )
        raise UsageError(f"{path}: is not a Keras file ({' or '.join(KERAS_SUFFIXES)}); {again}")
    tf = tensorflow()
    try:
        with quiet():
            model = tf.keras.models.load_model(path, compile=False)
    except Exception as error:  # a file from anywhere fails anywhere in Keras
        raise UsageError(f"{path}: is not a Keras model that can be read: {_first_lines(error)}") from error
    if not getattr(model, "inputs", None):
        raise UsageError(f"{path}: the model has no defined inputs; call it once before saving it")
    return model


def keras_network(model: Any, subject: str) -> KerasNetwork:
    """Fix the batch of a Keras model to one. Raises ModelError as :func:`load_network`."""
    problems = [
        problem for tensor in model.inputs for problem in _shape_problems(_name(tensor), tuple(tensor.shape))
    ]
    if problems:
        raise ModelError(subject, problems)
    for layer in model._flatten_layers():
        # A recurrent layer is a loop otherwise, which no int8 runtime here takes.
        if getattr(layer, "unroll", None) is False:
            layer.unroll = True
    keras = tensorflow().keras
    names = _plain_names([_name(tensor) for tensor in model.inputs])
    given = [
        keras.Input(batch_shape=(1, *tensor.shape[1:]), name=name, dtype=tensor.dtype)
        for tensor, name in zip(model.inputs, names, strict=True)
    ]
    structure = getattr(model, "_inputs_struct", None)
    try:
        results = keras.tree.flatten(
            model(given[0] if len(given) == 1 else given)
            if structure is None
            else model(keras.tree.pack_sequence_as(structure, given))
        )
    except Exception as error:  # layers of any kind, with checks of their own
        raise ModelError(subject, [f"does not take a batch of one: {_first_lines(error)}"]) from error
    outputs = tuple(f"output_{index:04}" for index in range(len(results)))
    wrapped = keras.Model(given, dict(zip(outputs, results, strict=True)), name="network")
    inputs = tuple(
        NetworkInput(name, tuple(map(int, tensor.shape)), np.dtype(str(tensor.dtype)))
        for name, tensor in zip(names, given, strict=True)
    )
    return KerasNetwork(subject, wrapped, inputs, outputs)


def _shape_problems(name: str, shape: tuple[int | None, ...]) -> list[str]:
    shown = " x ".join("?" if size is None else str(size) for size in shape)
    problems = []
    if None in shape[1:]:
        problems.append(
            f"input {name} has shape {shown}: every size but the batch must be fixed; build the model with"
            f" keras.Input of the firmware's sizes and give it the weights of this one"
        )
    if shape and shape[0] not in (None, 1):
        problems.append(f"input {name} has shape {shown}: the batch must be 1 or open, not {shape[0]}")
    return problems


def _name(tensor: Any) -> str:
    """The name of the input's layer: that of the tensor is a counter where the user chose none."""
    return str(tensor._keras_history.operation.name)


def _plain_names(names: list[str]) -> list[str]:
    """Names that the converter takes."""
    plain = [re.sub(r"[^A-Za-z0-9_]", "_", name) for name in names]
    return plain if len(set(plain)) == len(plain) else [f"input_{i}_{n}" for i, n in enumerate(plain)]


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:_SHOWN_LINES])[:600] or type(error).__name__
