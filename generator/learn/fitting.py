"""Epochs of a training, wherever its pictures come from, with the best one kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.augment import Epoch as EpochPlan
from generator.augment import Pictures, Stream
from generator.learn.recipes import Recipe
from generator.pictures import ImageSet, Split, network_inputs, with_drawings
from generator.quantize.keras import tensorflow

Floats: TypeAlias = npt.NDArray[np.float32]
Labelled: TypeAlias = tuple[Floats, Floats]
"""Inputs (N x H x W x C, 0..1) and what the network should say of them: N x 1 for two classes, else N x C."""

Answers: TypeAlias = Callable[[Floats], Floats]
"""What a network says of inputs."""

_TEACHERS_SHARE = 0.5


@dataclass(frozen=True)
class Epoch:
    """Figures of one epoch; losses are cross-entropies, accuracies 0..1.

    ``seconds`` that it took are no result: epochs that differ in them alone are equal.
    """

    number: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Fit:
    """What training reached: Validation accuracy (0..1) before it, and after every epoch; the epoch whose
    weights were kept, 0 for those before it; the seconds that all epochs took."""

    accuracy_before: float
    accuracies: tuple[float, ...]
    best_epoch: int
    seconds: float = field(default=0.0, compare=False)

    @property
    def accuracy(self) -> float:
        """Validation accuracy of the weights that were kept."""
        return (self.accuracy_before, *self.accuracies)[self.best_epoch]


class EpochBatches(Protocol):
    """What a network learns from."""

    @property
    def steps(self) -> int:
        """Batches of an epoch."""

    def epoch(self, number: int) -> Iterator[Labelled]:
        """Yield the batches of epoch ``number``, from 0."""


class Batches:
    """A stream as :class:`EpochBatches`: the batches of every epoch of a training.

    Args:
        stream: makes the pictures.
        batch_size: pictures per step.
        classes: that they have.
        answers: of a teacher, which are half of the truth; None: the labels are all of it.
    """

    def __init__(self, stream: Stream, batch_size: int, classes: int, answers: Answers | None = None) -> None:
        self._stream, self._size, self._classes, self._answers = stream, batch_size, classes, answers

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return ceil(len(self._stream) / self._size)

    def epoch(self, number: int) -> Iterator[Labelled]:
        """Yield the batches of epoch ``number``, from 0."""
        for images, labels in self._stream.epoch(number, self._size):
            inputs, truth = images.astype(np.float32) / np.float32(255), targets(labels, self._classes)
            if self._answers is not None:
                truth += np.float32(_TEACHERS_SHARE) * (self._answers(inputs) - truth)
            yield inputs, truth


def stream_of(
    split: Split, plan: EpochPlan, shape: tuple[int, int, int], *, seed: int, workers: int
) -> Stream:
    """A split's pictures as epochs of ``plan``."""
    pictures = Pictures(split.load, split.labels, tuple(picture.source for picture in split.pictures))
    return Stream(pictures, plan, shape, seed=seed, workers=workers)


def learned_from(data: ImageSet, recipe: Recipe, seed: int) -> Split:
    """The pictures of Train, and the drawings that the recipe wants beside them."""
    return with_drawings(data.splits["Train"], recipe.drawings, seed=seed)


def targets(labels: npt.NDArray[np.int64], classes: int) -> Floats:
    """N x 1 for two classes, N x classes for more."""
    one_hot: Floats = np.eye(classes, dtype=np.float32)[labels]
    return one_hot[:, 1:] if classes == 2 else one_hot


def held_out(
    split: Split, classes: int, recipe: Recipe, shape: tuple[int, int, int], *, seed: int, workers: int
) -> Labelled:
    """What chooses the epoch: all pictures as they are, and augmented ones if the recipe wants some."""
    images, labels = [network_inputs(split, *shape)], [np.array(split.labels, np.int64)]
    if recipe.validation_copies:
        copies = EpochPlan(
            originals=False,
            copies=recipe.validation_copies,
            augmentation=recipe.epoch.augmentation,
            each_interpolation=False,
            balanced=recipe.epoch.balanced,
        )
        with stream_of(split, copies, shape, seed=seed, workers=workers) as stream:
            for made, kinds in stream.epoch(0, len(stream)):
                images.append(made)
                labels.append(kinds)
    inputs = np.concatenate(images).astype(np.float32) / np.float32(255)
    return inputs, targets(np.concatenate(labels), classes)


def compile_for(model: Any, recipe: Recipe) -> None:
    """Give a model its optimizer and loss."""
    keras = tensorflow().keras
    is_binary = model.output_shape[-1] == 1
    loss = keras.losses.BinaryCrossentropy if is_binary else keras.losses.CategoricalCrossentropy
    # XLA takes longer to compile than it saves, and does not take every pooling.
    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7),
        loss=loss(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,
    )


def run_epoch(
    model: Any,
    batches: EpochBatches,
    recipe: Recipe,
    before: Sequence[Epoch],
    validation: Labelled,
    seed: int,
) -> Epoch:
    """Train for the epoch that follows those ``before``, and measure."""
    number, started = len(before), time.monotonic()
    model.optimizer.learning_rate = recipe.rate(number, [epoch.validation_accuracy for epoch in before])
    _reseed_dropout(model, seed, number)
    history = model.fit(
        batches.epoch(number), steps_per_epoch=batches.steps, epochs=1, verbose=0, shuffle=False
    ).history
    measured = model.evaluate(*validation, verbose=0, return_dict=True)
    return Epoch(
        number=number + 1,
        loss=float(history["loss"][0]),
        accuracy=float(history["accuracy"][0]),
        validation_loss=float(measured["loss"]),
        validation_accuracy=float(measured["accuracy"]),
        learning_rate=float(model.optimizer.learning_rate),
        seconds=round(time.monotonic() - started, 3),
    )


def best_of(epochs: Sequence[Epoch]) -> Epoch:
    """The first epoch with the highest Validation accuracy, and of several the lowest Validation loss."""
    return max(epochs, key=lambda e: (round(e.validation_accuracy, 6), -e.validation_loss, -e.number))


def in_words(epoch: Epoch, recipe: Recipe, *, is_best: bool) -> str:
    """A line of progress."""
    return (
        f"epoch {epoch.number}/{recipe.epochs}: loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.2%}, "
        f"Validation {epoch.validation_accuracy:.2%}{' (best so far)' if is_best else ''}"
    )


def fit_best(
    model: Any,
    batches: EpochBatches | None,
    validation: Labelled,
    recipe: Recipe,
    *,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Train a Keras model and leave it with its best weights, which may be those that it came with.

    Args:
        model: a ``keras.Model`` of probabilities.
        batches: None only measures.
        validation: chooses the epoch: highest accuracy, then lowest loss.
        recipe: how.
        seed: of dropout.
        progress: is told every epoch's figures.
    """
    compile_for(model, recipe)
    before = model.evaluate(*validation, verbose=0, return_dict=True)
    start = Epoch(0, 0.0, 0.0, float(before["loss"]), float(before["accuracy"]), 0.0)
    epochs: tuple[Epoch, ...] = ()
    best_weights = model.get_weights()
    while batches is not None and len(epochs) < recipe.epochs:
        epochs = (*epochs, run_epoch(model, batches, recipe, epochs, validation, seed))
        is_best = best_of((start, *epochs)) == epochs[-1]
        if is_best:
            best_weights = model.get_weights()
        progress(in_words(epochs[-1], recipe, is_best=is_best))
    model.set_weights(best_weights)
    return Fit(
        start.validation_accuracy,
        tuple(epoch.validation_accuracy for epoch in epochs),
        best_of((start, *epochs)).number,
        sum(epoch.seconds for epoch in epochs),
    )


def _reseed_dropout(model: Any, seed: int, number: int) -> None:
    """Let what dropout drops follow from the epoch: a saved model has forgotten how often it was asked."""
    for index, layer in enumerate(model.layers):
        if hasattr(layer, "seed_generator"):
            state = np.random.default_rng((seed, number, index)).integers(2**31, size=2)
            layer.seed_generator.state.assign(state)
