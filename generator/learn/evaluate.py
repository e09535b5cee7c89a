"""How often a model is right, on pictures prepared as the firmware prepares them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.application import pixel_values
from generator.catalog import Normalization
from generator.errors import ModelError, UsageError
from generator.graph import DType
from generator.learn.calibration import PIXELS
from generator.learn.keras_network import KERAS_SUFFIXES, load_keras
from generator.pictures import ImageSet, SplitName, network_inputs
from generator.reference import Oracle

Engine: TypeAlias = Literal["keras-float32", "tflm-int8"]
Scores: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassFigures:
    """Precision, recall and F1 of one class, 0..1 (0 where nothing was counted), and its pictures."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """A model's figures on one split.

    Attributes:
        engine: what computed: Keras in float32, or TFLM in int8.
        split: Train, Validation or Test.
        count: pictures.
        threshold: a score at or above it means class 1.
        accuracy: part of the pictures that is right, 0..1.
        confusion: ``confusion[truth][answer]``, pictures.
        classes: figures of class 0 and class 1.
    """

    engine: Engine
    split: SplitName
    count: int
    threshold: float
    accuracy: float
    confusion: tuple[tuple[int, int], tuple[int, int]]
    classes: tuple[ClassFigures, ClassFigures]


def evaluate(
    model_path: Path,
    data: ImageSet,
    *,
    split: SplitName = "Test",
    threshold: float = 0.5,
    normalization: Normalization = PIXELS,
) -> Evaluation:
    """Run a model over a split and count.

    A Keras file runs in Keras, a ``.tflite`` file in TensorFlow Lite for Microcontrollers, whose arithmetic
    is that of the device.

    Raises:
        UsageError: the file is missing or of another kind, or pictures cannot be read.
        ModelError: the model has no single image input and single score.
        MissingToolError: the runtime is not installed.
    """
    if len(data.labels) != 2:
        raise UsageError(f"{data.name}: has {len(data.labels)} classes; evaluated are models of two")
    if not model_path.is_file():
        raise UsageError(f"{model_path}: no such file")
    engine: Engine
    match model_path.suffix:
        case ".tflite":
            engine, (shape, score) = "tflm-int8", tflm_scorer(model_path, normalization)
        case suffix if suffix in KERAS_SUFFIXES:
            engine, (shape, score) = "keras-float32", keras_scorer(model_path, normalization)
        case _:
            raise UsageError(f"{model_path}: is neither a .tflite nor a .keras file")
    part = data.splits[split]
    scores = score(network_inputs(part, *shape))
    return count_answers(
        scores,
        np.array(part.labels),
        (data.labels[0], data.labels[1]),
        engine=engine,
        split=split,
        threshold=threshold,
    )


def count_answers(
    scores: Scores,
    labels: npt.NDArray[Any],
    names: tuple[str, str],
    *,
    engine: Engine,
    split: SplitName,
    threshold: float,
) -> Evaluation:
    """Turn the scores of class 1 into an :class:`Evaluation`."""
    answers = (scores >= threshold).astype(int)
    table = [[int(np.sum((labels == truth) & (answers == answer))) for answer in (0, 1)] for truth in (0, 1)]
    figures = []
    for index, name in enumerate(names):
        right, support = table[index][index], sum(table[index])
        answered = table[0][index] + table[1][index]
        precision, recall = right / answered if answered else 0.0, right / support if support else 0.0
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0
        figures.append(ClassFigures(name, precision, recall, f1, support))
    return Evaluation(
        engine=engine,
        split=split,
        count=len(labels),
        threshold=threshold,
        accuracy=(table[0][0] + table[1][1]) / len(labels),
        confusion=((table[0][0], table[0][1]), (table[1][0], table[1][1])),
        classes=(figures[0], figures[1]),
    )


Scorer: TypeAlias = Callable[[npt.NDArray[np.uint8]], Scores]


def keras_scorer(path: Path, how: Normalization) -> tuple[tuple[int, int, int], Scorer]:
    """Input shape and scoring function of a Keras model."""
    model = load_keras(path)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            str(path),
            [f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs; needed is one of each"],
        )
    shape = model.inputs[0].shape
    if len(shape) != 4 or None in shape[1:] or shape[3] not in (1, 3):
        raise ModelError(str(path), [f"its input has shape {tuple(shape)}; needed is N x H x W x 1 or 3"])
    height, width, channels = (int(size) for size in shape[1:])

    def score(images: npt.NDArray[np.uint8]) -> Scores:
        values = images.astype(np.float32) * np.float32(how.scale) + np.float32(how.offset)
        return np.asarray(_single(model.predict(values, batch_size=64, verbose=0), path), np.float64)

    return (height, width, channels), score


def tflm_scorer(path: Path, how: Normalization) -> tuple[tuple[int, int, int], Scorer]:
    """Input shape and scoring function of a ``.tflite`` model, in TFLM.

    Pixels become inputs as in the firmware (:func:`~generator.application.pixel_values`).
    """
    try:
        oracle = Oracle(path.read_bytes())
        given, taken = oracle.input_tensor(), oracle.output_tensor()
    except (RuntimeError, ValueError, struct.error, IndexError, TypeError, AttributeError) as error:
        # A file that is no FlatBuffer fails anywhere in the schema's readers.
        raise ModelError(str(path), [f"TFLM does not take it: {error}"]) from error
    shape = given.shape
    if len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
        raise ModelError(str(path), [f"its input has shape {shape}; needed is 1 x H x W x 1 or 3"])
    table = pixel_values(given, how)

    def score(images: npt.NDArray[np.uint8]) -> Scores:
        raw = [oracle.run([table[image][np.newaxis]])[0].reshape(-1) for image in images]
        values = _single(np.stack(raw), path).astype(np.float64)
        if taken.dtype is DType.FLOAT32:
            return values
        return (values - taken.quant.zero_point) * taken.quant.scale

    return (shape[1], shape[2], shape[3]), score


def _single(outputs: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Column of scores: the only output, or the second of two (a softmax over both classes)."""
    columns = outputs.reshape(len(outputs), -1)
    if columns.shape[1] > 2:
        raise ModelError(str(path), [f"it has {columns.shape[1]} outputs; a two-class model has one or two"])
    return columns[:, -1]
