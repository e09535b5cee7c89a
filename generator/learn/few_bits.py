"""From a trained Keras file to a ``.tflite`` with weights of few bits, fine-tuned on pictures or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from generator.errors import ModelError, UsageError
from generator.learn.fake_quant import Bits
from generator.learn.fitting import Batches, Fit, held_out, learned_from, stream_of
from generator.learn.qat import Twin, fine_tune, to_tflite, training_twin
from generator.learn.recipes import PAPER, Recipe
from generator.pictures import ImageSet
from generator.quantize.calibration import Samples
from generator.quantize.full_integer import Quantization, write_quantized
from generator.quantize.keras import seed_everything, tensorflow
from generator.quantize.keras_network import TensorIo, load_keras
from generator.workers import worker_count

DEFAULT_EPOCHS = 5
NO_TUNING = replace(PAPER, epochs=0)


@dataclass(frozen=True)
class LayerBits:
    """A layer's weights: how many, bits of each, and bits that the file spends on each."""

    name: str
    weights: int
    bits: Bits
    stored_bits: int


@dataclass(frozen=True)
class FewBits:
    """A written file and how it came about.

    Attributes:
        quantization: the file.
        layers: with weights, in network order.
        packed_weight_bytes: all weights at their own width: an estimate where TFLite has no such type,
            as of 6 bits and 1 bit.
        fit: the fine-tuning; None if there were no pictures to measure on.
        unpacked: the file with the same weights as int8; LiteRT has no depthwise convolution by int4.
    """

    quantization: Quantization
    layers: tuple[LayerBits, ...]
    packed_weight_bytes: int
    fit: Fit | None
    unpacked: bytes


def quantize_to_few_bits(
    model_path: Path,
    samples: Samples,
    out_path: Path,
    *,
    bits: Bits,
    data: ImageSet | None = None,
    recipe: Recipe = NO_TUNING,
    workers: int | None = None,
    io: TensorIo = "int8",
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> FewBits:
    """Quantize a trained Keras file to int8 activations and weights of ``bits``; write it.

    The first and the last layer keep 8 bits. ``samples`` set the ranges; the epochs of ``recipe`` learn from
    Train of ``data``, Validation chooses the best.

    Raises:
        UsageError: the file is no Keras model, pictures cannot be read, epochs without ``data``.
        ModelError: a layer cannot be trained so, or the model takes no pictures; all problems are named.
    """
    if recipe.epochs and data is None:
        raise UsageError("fine-tuning learns from labelled pictures: name a folder of them")
    model = load_keras(model_path)
    seed_everything(tensorflow(), seed)
    calibration = np.concatenate([sample[0] for sample in samples.calibration]).astype(np.float32)
    twin = training_twin(model, bits, calibration, subject=str(model_path))
    fit = None
    if data is not None:
        shape, classes = picture_shape(model, str(model_path)), len(data.labels)
        processes = worker_count(workers)
        validation = held_out(data.splits["Validation"], classes, recipe, shape, seed=seed, workers=processes)
        pictures = learned_from(data, recipe, seed)
        processes = processes if recipe.epochs else 0
        with stream_of(pictures, recipe.epoch, shape, seed=seed, workers=processes) as stream:
            batches = Batches(stream, recipe.batch_size, classes) if recipe.epochs else None
            fit = fine_tune(twin, batches, validation, recipe, seed=seed, progress=progress)
    return write_few_bits(twin, samples, out_path, io=io, fit=fit)


def write_few_bits(
    twin: Twin, samples: Samples, out_path: Path, *, io: TensorIo = "int8", fit: Fit | None = None
) -> FewBits:
    """Write a twin as it stands. Raises ModelError if TensorFlow cannot convert it."""
    return FewBits(
        write_quantized(to_tflite(twin, io), samples, out_path, io=io),
        tuple(LayerBits(grid.name, grid.integers.size, grid.bits, grid.stored_bits) for grid in twin.grids),
        twin.packed_weight_bytes,
        fit,
        to_tflite(twin, io, packed=False),
    )


def picture_shape(model: Any, subject: str) -> tuple[int, int, int]:
    """Height, width and channels of a model's input. Raises ModelError if it does not take pictures."""
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or None in shape[1:] or shape[3] not in (1, 3):
        raise ModelError(
            subject, [f"its input has shape {shape}; fine-tuning takes pictures: N x H x W x 1 or 3"]
        )
    return shape[1:]
