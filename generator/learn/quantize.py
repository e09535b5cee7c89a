"""From a Keras model to a full-int8 ``.tflite`` with a fixed batch of one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from generator.errors import ModelError, UsageError
from generator.imaging import prepare_image
from generator.learn.data import ImageSet
from generator.learn.keras import quiet, tensorflow

TensorIo: TypeAlias = Literal["int8", "uint8", "float32"]
IO_TYPES: tuple[TensorIo, ...] = get_args(TensorIo)
DEFAULT_CALIBRATION_IMAGES = 256

# What a batch of unknown size leaves behind, where a plain RESHAPE should be.
_DYNAMIC_SHAPE = ("SHAPE", "STRIDED_SLICE", "PACK")


@dataclass(frozen=True)
class Quantization:
    """A quantized model and what it was calibrated with.

    Attributes:
        model_path: the ``.tflite`` file.
        io: type of its input and output tensors.
        size_bytes: of the file.
        sha256: of the file.
        operators: names of the operators, in order.
        calibration_images: how many pictures set the ranges, all of them from Train.
        seed: that chose them.
    """

    model_path: Path
    io: TensorIo
    size_bytes: int
    sha256: str
    operators: tuple[str, ...]
    calibration_images: int
    seed: int


def load_keras(path: Path) -> Any:
    """Return a Keras model with one image input and one output.

    Raises:
        UsageError: the file is missing or no Keras model.
        ModelError: another number of inputs or outputs, or an unknown input size.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    tf = tensorflow()
    try:
        model = tf.keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(f"{path}: is not a Keras model that can be read: {reason}") from error
    problems = []
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        problems.append(
            f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is supported"
        )
    else:
        shape = model.inputs[0].shape
        if len(shape) != 4 or None in shape[1:] or shape[3] not in (1, 3):
            problems.append(
                f"input {model.inputs[0].name} has shape {tuple(shape)}; needed is N x H x W x 1 or 3"
            )
    if problems:
        raise ModelError(str(path), problems)
    return model


def _converter(tf: Any, model: Any) -> Any:
    # A batch of unknown size would become SHAPE, STRIDED_SLICE and PACK before the flattening RESHAPE.
    image_of_one = tf.keras.Input(batch_shape=(1, *model.inputs[0].shape[1:]), name="image")
    return tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(image_of_one, model(image_of_one)))


def float_tflite(model_path: Path) -> bytes:
    """Convert a Keras model as it is, in float32; raises what :func:`load_keras` raises."""
    model = load_keras(model_path)
    with quiet():
        return bytes(_converter(tensorflow(), model).convert())


def quantize(
    model_path: Path,
    data: ImageSet,
    out_path: Path,
    *,
    io: TensorIo = "int8",
    calibration_images: int = DEFAULT_CALIBRATION_IMAGES,
    seed: int = 0,
) -> Quantization:
    """Quantize a Keras model after training, all weights and activations to int8, and write ``out_path``.

    Ranges come from pictures of Train alone, scaled as the firmware does and divided by 255.

    Raises:
        UsageError: the model file is missing or unreadable, or ``io`` is unknown.
        ModelError: the model cannot be a static int8 graph; the operators in the way are named.
    """
    if io not in IO_TYPES:
        raise UsageError(f"tensor type {io!r} is unknown; there are {', '.join(IO_TYPES)}")
    if calibration_images < 1:
        raise UsageError("calibration needs at least one image")
    tf = tensorflow()
    model = load_keras(model_path)
    height, width, channels = (int(size) for size in model.inputs[0].shape[1:])
    train = data.splits["Train"]
    count = min(calibration_images, len(train))
    chosen = sorted(np.random.default_rng(seed).choice(len(train), count, replace=False).tolist())

    def representative() -> Iterator[list[Any]]:
        for index in chosen:
            image = prepare_image(train.load(index), height, width, channels)
            yield [image[np.newaxis].astype(np.float32) / 255]

    converter = _converter(tf, model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.as_dtype(io)
    # One scale per tensor in dense layers, as every int8 runtime has it; convolutions have one per channel.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    with quiet():
        content = bytes(converter.convert())

    names = operators(content)
    in_the_way = sorted(set(names).intersection(_DYNAMIC_SHAPE))
    if in_the_way:
        raise ModelError(
            str(model_path), [f"converts to {name}: a shape is not fixed" for name in in_the_way]
        )
    out_path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out_path.with_name(f".{out_path.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(out_path)
    digest = hashlib.sha256(content).hexdigest()
    return Quantization(out_path, io, len(content), digest, names, count, seed)


def operators(content: bytes) -> tuple[str, ...]:
    """Names of a ``.tflite`` file's operators, in order of execution."""
    import tflite

    model = tflite.Model.GetRootAs(content)
    names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
    graph = model.Subgraphs(0)
    result = []
    for index in range(graph.OperatorsLength()):
        code = model.OperatorCodes(graph.Operators(index).OpcodeIndex())
        result.append(names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())])
    return tuple(result)
