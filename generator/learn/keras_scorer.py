"""A Keras model as something that scores pictures, beside :mod:`generator.evaluate.scorers`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from generator.catalog import Normalization
from generator.errors import ModelError, UsageError
from generator.evaluate.metrics import Scores
from generator.evaluate.scorers import Progress
from generator.imaging import Image, prepare_image
from generator.quantize.calibration import PIXELS
from generator.quantize.keras_network import load_keras

KERAS = "keras-float32"
_BATCH = 64


class KerasScorer:
    """See :class:`generator.evaluate.Scorer`; float32, pictures scaled as the firmware does."""

    engine = KERAS

    def __init__(self, path: Path, normalization: Normalization | None) -> None:
        """Without ``normalization`` pixels are divided by 255.

        Raises:
            UsageError: the file is missing or no Keras model.
            ModelError: the model has no single image input and single output.
            MissingToolError: TensorFlow is not installed.
        """
        self._model = load_keras(path)
        self._how = normalization or PIXELS
        inputs, outputs = self._model.inputs, self._model.outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                str(path), [f"has {len(inputs)} inputs and {len(outputs)} outputs; needed is one of each"]
            )
        shape = inputs[0].shape
        if len(shape) != 4 or None in shape[1:] or shape[3] not in (1, 3):
            raise ModelError(str(path), [f"its input has shape {tuple(shape)}; needed is N x H x W x 1 or 3"])
        if len(outputs[0].shape) != 2:
            raise ModelError(
                str(path), [f"its output has shape {tuple(outputs[0].shape)}; needed is N x scores"]
            )
        height, width, channels = (int(size) for size in shape[1:])
        self._shape = height, width, channels

    @property
    def takes_threshold(self) -> bool:
        """Whether one score decides between two classes."""
        return int(self._model.outputs[0].shape[1]) == 1

    def __call__(self, images: Iterable[Image], progress: Progress | None = None) -> Scores:
        """Scores, N x classes, 0..1."""
        scale, offset = np.float32(self._how.scale), np.float32(self._how.offset)
        prepared = (prepare_image(image, *self._shape) for image in images)
        scored: list[Scores] = []
        done = 0
        while batch := list(islice(prepared, _BATCH)):
            values = np.stack(batch).astype(np.float32) * scale + offset
            scored.append(np.asarray(self._model.predict_on_batch(values), np.float64))
            done += len(batch)
            if progress is not None:
                progress(done)
        if not scored:
            raise UsageError("there is no image to give to the network")
        scores = np.concatenate(scored)
        return np.hstack([1 - scores, scores]) if scores.shape[1] == 1 else scores
