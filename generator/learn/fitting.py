"""Training a model with the best epoch kept, wherever its batches come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from generator.errors import UsageError
from generator.learn.keras import tensorflow

LabelledArrays: TypeAlias = tuple[NDArray[np.float32], NDArray[Any]]
"""Inputs and the class of each."""

_BATCH = 64


@dataclass(frozen=True)
class Fit:
    """What training reached: Validation accuracy (0..1) before it, and after every epoch; the epoch whose
    weights were kept, 0 for those before it."""

    accuracy_before: float
    accuracies: tuple[float, ...]
    best_epoch: int

    @property
    def accuracy(self) -> float:
        """Validation accuracy of the weights that were kept."""
        return (self.accuracy_before, *self.accuracies)[self.best_epoch]


def fit_best(
    model: Any,
    batches: Any,
    validation: LabelledArrays,
    *,
    epochs: int,
    learning_rate: float,
    progress: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Train a Keras model by Adam and cross-entropy (binary for a single output); keep the best weights.

    Args:
        model: a ``keras.Model`` of probabilities.
        batches: whatever ``keras.Model.fit`` takes that has a length: (inputs, labels) of one epoch.
        validation: chooses the epoch: highest accuracy, then lowest loss.
        epochs: 0 only measures.
        learning_rate: in the first step; falls to 0 as a cosine.
        progress: is told every epoch's figures.

    Repeatable after :func:`~generator.learn.keras.seed_everything`.

    Raises:
        UsageError: a negative number of epochs.
    """
    if epochs < 0:
        raise UsageError(f"training takes 0 epochs or more, not {epochs}")
    keras = tensorflow().keras
    falling = keras.optimizers.schedules.CosineDecay(learning_rate, max(epochs * len(batches), 1))
    loss = "binary_crossentropy" if model.output_shape[-1] == 1 else "sparse_categorical_crossentropy"
    # XLA takes longer to compile than it saves, and does not take every pooling.
    model.compile(keras.optimizers.Adam(falling), loss, metrics=["accuracy"], jit_compile=False)
    before = model.evaluate(*validation, batch_size=_BATCH, verbose=0, return_dict=True)
    best, best_epoch, best_weights = (before["accuracy"], -before["loss"]), 0, model.get_weights()
    accuracies: list[float] = []

    def record(epoch: int, logs: Mapping[str, float]) -> None:
        nonlocal best, best_epoch, best_weights
        accuracies.append(float(logs["val_accuracy"]))
        progress(
            f"epoch {epoch + 1}/{epochs}: loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.2%}, "
            f"Validation {logs['val_accuracy']:.2%}"
        )
        merit = (logs["val_accuracy"], -logs["val_loss"])
        if merit > best:
            best, best_epoch, best_weights = merit, epoch + 1, model.get_weights()

    if epochs:
        model.fit(
            batches,
            epochs=epochs,
            validation_data=validation,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=record)],
            verbose=0,
            shuffle=False,
        )
        model.set_weights(best_weights)
    return Fit(float(before["accuracy"]), tuple(accuracies), best_epoch)
