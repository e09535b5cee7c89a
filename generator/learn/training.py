"""Training with the paper's settings (arXiv 2011.14858): Adam, falling rate, the best epoch kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from generator.errors import UsageError
from generator.imaging import Image
from generator.learn.architectures import architecture
from generator.learn.augment import INTERPOLATIONS, Augmentation, epoch_images
from generator.learn.keras import seed_everything, tensorflow
from generator.pictures import ImageSet, network_inputs, squares

Progress: TypeAlias = Callable[[str], None]
"""Is told, in a sentence, what begins or was reached."""

DEFAULT_EPOCHS = 40
DEFAULT_SEED = 0
DEFAULT_BATCH = 64
STANDARD_AUGMENTATION = Augmentation()


@dataclass(frozen=True)
class Epoch:
    """Figures of one epoch; losses are binary cross-entropies, accuracies 0..1."""

    number: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float


@dataclass(frozen=True)
class TrainingResult:
    """What training left behind.

    Attributes:
        model_path: the ``.keras`` file with the best epoch's weights, without optimizer state.
        architecture: its name.
        epochs: figures of every epoch that ran.
        best: the epoch whose weights were kept: highest Validation accuracy, then lowest Validation loss.
        seed: of everything drawn by lot.
        batch_size: pictures per step.
        dropout: rates front to back.
        augmentation: standard augmentation, None if off.
    """

    model_path: Path
    architecture: str
    epochs: tuple[Epoch, ...]
    best: Epoch
    seed: int
    batch_size: int
    dropout: tuple[float, ...]
    augmentation: Augmentation | None


def train(
    arch: str,
    data: ImageSet,
    out_dir: Path,
    *,
    seed: int = DEFAULT_SEED,
    epochs: int = DEFAULT_EPOCHS,
    batch_size: int = DEFAULT_BATCH,
    dropout: tuple[float, ...] | None = None,
    augmentation: Augmentation | None = STANDARD_AUGMENTATION,
    progress: Progress = lambda _: None,
) -> TrainingResult:
    """Train a network from scratch and write ``out_dir/ARCH.keras``.

    Every epoch sees each Train picture five times, scaled in five ways, standard augmentation drawn anew;
    Validation pictures are scaled as the firmware does. Test is not touched. Repeatable with equal arguments,
    versions and machine.

    Raises:
        UsageError: unknown architecture, unfit dropout rates, unreadable pictures, no epoch.
        MissingToolError: TensorFlow or OpenCV is not installed.
    """
    if epochs < 1 or batch_size < 1:
        raise UsageError(
            f"training needs at least one epoch and one picture a step, not {epochs}, {batch_size}"
        )
    network = architecture(arch)
    if len(data.labels) != 2:
        raise UsageError(f"{data.name}: has {len(data.labels)} classes; {arch} tells two apart")
    tf = tensorflow()
    seed_everything(tf, seed)
    shape = network.input_shape
    if data.is_synthetic:
        progress("the pictures are drawings: this run is a smoke test and says nothing about accuracy")
    progress(
        f"reading {len(data.splits['Train'])} Train and {len(data.splits['Validation'])} Validation images"
    )
    sources = squares(data.splits["Train"])
    held_out = network_inputs(data.splits["Validation"], *shape).astype(np.float32) / 255
    held_out_labels = np.array(data.splits["Validation"].labels, np.float32)

    model = network.build(dropout)
    model.compile(
        optimizer=tf.keras.optimizers.Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    progress(f"training {arch} for {epochs} epochs of {len(sources) * len(INTERPOLATIONS)} images")
    batches = _batches(
        tf,
        sources,
        data.splits["Train"].labels,
        shape=shape,
        augmentation=augmentation,
        seed=seed,
        batch_size=batch_size,
    )
    record = _record(tf, model, epochs, progress)
    model.fit(
        batches,
        epochs=epochs,
        validation_data=(held_out, held_out_labels),
        callbacks=[
            record,
            tf.keras.callbacks.ReduceLROnPlateau("val_accuracy", factor=0.2, patience=5, mode="max"),
        ],
        verbose=0,
        shuffle=False,
    )

    # A fresh model has no optimizer, whose state would triple the file.
    final = network.build(dropout)
    final.set_weights(record.best_weights)
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f"{arch}.keras"
    unfinished = out_dir / f".{arch}.unfinished.keras"
    final.save(unfinished)
    unfinished.replace(path)
    return TrainingResult(
        model_path=path,
        architecture=arch,
        epochs=tuple(record.epochs),
        best=record.best,
        seed=seed,
        batch_size=batch_size,
        dropout=network.dropout if dropout is None else dropout,
        augmentation=augmentation,
    )


def _batches(
    tf: Any,
    sources: list[Image],
    labels: tuple[int, ...],
    *,
    shape: tuple[int, int, int],
    augmentation: Augmentation | None,
    seed: int,
    batch_size: int,
) -> Any:
    """A Keras data set that augments and shuffles anew for every epoch."""
    all_labels = np.repeat(np.array(labels, np.float32), len(INTERPOLATIONS))

    class Batches(tf.keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.rng = np.random.default_rng(seed)
            self.on_epoch_end()

        def on_epoch_end(self) -> None:
            self.images = epoch_images(sources, self.rng, augmentation, shape)
            self.order = self.rng.permutation(len(self.images))

        def __len__(self) -> int:
            return ceil(len(all_labels) / batch_size)

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            chosen = self.order[index * batch_size : (index + 1) * batch_size]
            return self.images[chosen].astype(np.float32) / 255, all_labels[chosen]

    return Batches()


def _record(tf: Any, model: Any, total: int, progress: Progress) -> Any:
    """A Keras callback that keeps every epoch's figures and the best epoch's weights."""

    class Record(tf.keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.epochs: list[Epoch] = []
            self.best: Epoch | None = None
            self.best_weights: list[Any] = []

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            assert logs is not None
            figures = Epoch(
                number=epoch + 1,
                loss=float(logs["loss"]),
                accuracy=float(logs["accuracy"]),
                validation_loss=float(logs["val_loss"]),
                validation_accuracy=float(logs["val_accuracy"]),
                learning_rate=float(model.optimizer.learning_rate),
            )
            self.epochs.append(figures)
            better = self.best is None or _merit(figures) > _merit(self.best)
            if better:
                self.best, self.best_weights = figures, model.get_weights()
            progress(
                f"epoch {figures.number}/{total}: loss {figures.loss:.4f}, accuracy {figures.accuracy:.2%}, "
                f"Validation {figures.validation_accuracy:.2%}{' (best so far)' if better else ''}"
            )

    return Record()


def _merit(epoch: Epoch) -> tuple[float, float]:
    return round(epoch.validation_accuracy, 6), -epoch.validation_loss
