"""Training by a recipe: the best epoch kept, and a killed run resumed without a difference."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from generator.augment import Epoch as EpochPlan
from generator.augment import Pictures, Stream
from generator.errors import UsageError
from generator.learn.architectures import architecture
from generator.learn.keras import seed_everything, tensorflow
from generator.learn.keras_network import load_keras
from generator.learn.quantize import write_whole
from generator.learn.recipes import Recipe
from generator.pictures import ImageSet, Split, network_inputs

Progress: TypeAlias = Callable[[str], None]
"""Is told, in a sentence, what begins or was reached."""

DEFAULT_SEED = 0

_Floats: TypeAlias = npt.NDArray[np.float32]
_Answers: TypeAlias = Callable[[_Floats], _Floats]
_STATE = ".training"
_TEACHERS_SHARE = 0.5


@dataclass(frozen=True)
class Epoch:
    """Figures of one epoch; losses are cross-entropies, accuracies 0..1."""

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
        parameters: that were trained.
        recipe: how.
        pictures_per_epoch: that training saw.
        epochs: figures of every epoch that ran.
        best: the epoch whose weights were kept: highest Validation accuracy, then lowest Validation loss.
        seed: of everything drawn by lot.
        teachers: names of the networks whose answers it learned beside the truth.
    """

    model_path: Path
    architecture: str
    parameters: int
    recipe: Recipe
    pictures_per_epoch: int
    epochs: tuple[Epoch, ...]
    best: Epoch
    seed: int
    teachers: tuple[str, ...]


def train(
    arch: str,
    data: ImageSet,
    out_dir: Path,
    recipe: Recipe,
    *,
    seed: int = DEFAULT_SEED,
    teachers: Sequence[Path] = (),
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> TrainingResult:
    """Train a network from scratch and write ``out_dir/ARCH.keras``.

    Pictures of Train are decoded and augmented in other processes while the network learns; Validation,
    scaled as the firmware does, chooses the epoch; Test is not touched. Every finished epoch is kept in
    ``out_dir/.training``, so a run that was killed goes on where it was and ends the same; with other
    arguments it begins anew. Repeatable with equal arguments, versions and machine.

    Args:
        arch: an architecture's name.
        data: the pictures.
        out_dir: is made.
        recipe: see :func:`~generator.learn.recipes.fitted`.
        seed: of everything drawn by lot.
        teachers: Keras files of networks with the same output; their mean answer is half of the truth.
        workers: processes that prepare pictures [as many as there are processors].
        progress: is told how it goes.

    Raises:
        UsageError: unknown architecture, a recipe without an epoch, unfit teachers, unreadable pictures.
        MissingToolError: TensorFlow or OpenCV is not installed.
    """
    if recipe.epochs < 1 or recipe.batch_size < 1:
        raise UsageError(
            f"training needs at least one epoch and one picture a step, not {recipe.epochs}, "
            f"{recipe.batch_size}"
        )
    network, classes = architecture(arch), len(data.labels)
    tf = tensorflow()
    seed_everything(tf, seed)
    if data.is_synthetic:
        progress("the pictures are drawings: this run is a smoke test and says nothing about accuracy")
    answers = _mean_answer(tf, teachers, (*network.input_shape, 1 if classes == 2 else classes))
    processes = (os.cpu_count() or 1) if workers is None else workers
    pictures = _pictures(data.splits["Train"])
    held_out = _validation(data.splits["Validation"], recipe, network.input_shape, seed, processes)
    state = _State(
        out_dir / _STATE,
        {
            "architecture": arch,
            "data": data.content_sha256,
            "pictures": len(pictures.labels),
            "recipe": asdict(recipe),
            "seed": seed,
            "teachers": [sha256(path.read_bytes()).hexdigest() for path in teachers],
        },
    )
    model, epochs = state.load(tf)
    if model is None:
        model = network.build(classes, recipe.dropout)
        _compile(tf, model, recipe)
    else:
        progress(f"going on after epoch {len(epochs)}, which was finished before")
    with Stream(pictures, recipe.epoch, network.input_shape, seed=seed, workers=processes) as stream:
        progress(f"training {arch} for {recipe.epochs} epochs of {len(stream):,} pictures")
        while len(epochs) < recipe.epochs and not recipe.is_over([e.validation_accuracy for e in epochs]):
            number = len(epochs)
            model.optimizer.learning_rate = recipe.rate(number, [e.validation_accuracy for e in epochs])
            _reseed_dropout(model, seed, number)
            batches = _batches(stream, number, recipe, classes, answers)
            figures = _run(model, batches, ceil(len(stream) / recipe.batch_size), number, held_out, classes)
            epochs = (*epochs, figures)
            is_best = figures == best_of(epochs)
            state.save(model, epochs, is_best=is_best)
            progress(
                f"epoch {figures.number}/{recipe.epochs}: loss {figures.loss:.4f}, accuracy "
                f"{figures.accuracy:.2%}, Validation {figures.validation_accuracy:.2%}"
                f"{' (best so far)' if is_best else ''}"
            )
        pictures_per_epoch = len(stream)

    # A fresh model has no optimizer, whose state would triple the file, and the rates of its own.
    final = network.build(classes)
    final.set_weights(tf.keras.models.load_model(state.best_path, compile=False).get_weights())
    path = out_dir / f"{arch}.keras"
    unfinished = out_dir / f".{arch}.unfinished.keras"
    final.save(unfinished)
    unfinished.replace(path)
    state.remove()
    return TrainingResult(
        model_path=path,
        architecture=arch,
        parameters=final.count_params(),
        recipe=recipe,
        pictures_per_epoch=pictures_per_epoch,
        epochs=epochs,
        best=best_of(epochs),
        seed=seed,
        teachers=tuple(path.stem for path in teachers),
    )


def best_of(epochs: Sequence[Epoch]) -> Epoch:
    """The first epoch with the highest Validation accuracy, and of several the lowest Validation loss."""
    return max(epochs, key=lambda e: (round(e.validation_accuracy, 6), -e.validation_loss, -e.number))


def _pictures(split: Split) -> Pictures:
    return Pictures(split.load, split.labels, tuple(picture.source for picture in split.pictures))


def _validation(
    split: Split, recipe: Recipe, shape: tuple[int, int, int], seed: int, workers: int
) -> tuple[_Floats, npt.NDArray[np.int64]]:
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
        with Stream(_pictures(split), copies, shape, seed=seed, workers=workers) as stream:
            for made, classes in stream.epoch(0, len(stream)):
                images.append(made)
                labels.append(classes)
    return np.concatenate(images).astype(np.float32) / np.float32(255), np.concatenate(labels)


def _compile(tf: Any, model: Any, recipe: Recipe) -> None:
    keras = tf.keras
    is_binary = model.output_shape[-1] == 1
    loss = keras.losses.BinaryCrossentropy if is_binary else keras.losses.CategoricalCrossentropy
    # The rate is set anew for every epoch.
    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7),
        loss=loss(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        # XLA takes longer to compile than it saves.
        jit_compile=False,
    )


def _reseed_dropout(model: Any, seed: int, number: int) -> None:
    """Let what dropout drops follow from the epoch alone: a saved model has forgotten how often it was asked."""
    for index, layer in enumerate(model.layers):
        if hasattr(layer, "seed_generator"):
            state = np.random.default_rng((seed, number, index)).integers(2**31, size=2)
            layer.seed_generator.state.assign(state)


def _targets(labels: npt.NDArray[np.int64], classes: int) -> _Floats:
    """N x 1 for two classes, N x classes for more."""
    one_hot: _Floats = np.eye(classes, dtype=np.float32)[labels]
    return one_hot[:, 1:] if classes == 2 else one_hot


def _batches(
    stream: Stream, number: int, recipe: Recipe, classes: int, answers: _Answers | None
) -> Iterator[tuple[_Floats, _Floats]]:
    for images, labels in stream.epoch(number, recipe.batch_size):
        inputs, targets = images.astype(np.float32) / np.float32(255), _targets(labels, classes)
        if answers is not None:
            targets += np.float32(_TEACHERS_SHARE) * (answers(inputs) - targets)
        yield inputs, targets


def _mean_answer(tf: Any, teachers: Sequence[Path], shape: tuple[int, ...]) -> _Answers | None:
    """What the teachers say on average, as a function of a batch."""
    if not teachers:
        return None
    models = [load_keras(path) for path in teachers]
    for path, model in zip(teachers, models, strict=True):
        if (*model.input_shape[1:], model.output_shape[-1]) != shape:
            raise UsageError(
                f"{path}: takes {model.input_shape[1:]} and gives {model.output_shape[-1]} numbers; "
                f"a teacher here takes {shape[:-1]} and gives {shape[-1]}"
            )

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def mean(inputs: Any) -> Any:
        return tf.add_n([model(inputs, training=False) for model in models]) / len(models)

    return lambda inputs: np.asarray(mean(inputs), np.float32)


def _run(
    model: Any,
    batches: Iterator[tuple[_Floats, _Floats]],
    steps: int,
    number: int,
    held_out: tuple[_Floats, npt.NDArray[np.int64]],
    classes: int,
) -> Epoch:
    """Train for one epoch and measure."""
    logs = model.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False).history
    inputs, labels = held_out
    validation = model.evaluate(inputs, _targets(labels, classes), verbose=0, return_dict=True)
    return Epoch(
        number=number + 1,
        loss=float(logs["loss"][0]),
        accuracy=float(logs["accuracy"][0]),
        validation_loss=float(validation["loss"]),
        validation_accuracy=float(validation["accuracy"]),
        learning_rate=float(model.optimizer.learning_rate),
    )


class _State:
    """A training that is not finished: the model with its optimizer, the best one, and all figures.

    ``settings`` are what the result depends on; what was begun with others is thrown away.
    """

    def __init__(self, folder: Path, settings: object) -> None:
        self._folder = folder
        self._settings = json.loads(json.dumps(settings))

    @property
    def best_path(self) -> Path:
        """The model of the best epoch."""
        return self._folder / "best.keras"

    def load(self, tf: Any) -> tuple[Any, tuple[Epoch, ...]]:
        """Return the model and what it has behind it; None and nothing if there is no such training."""
        try:
            record = json.loads((self._folder / "record.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None, ()
        if record["settings"] != self._settings:
            self.remove()
            return None, ()
        return (
            tf.keras.models.load_model(self._folder / record["model"]),
            tuple(Epoch(**epoch) for epoch in record["epochs"]),
        )

    def save(self, model: Any, epochs: tuple[Epoch, ...], *, is_best: bool) -> None:
        """Keep an epoch. The record is replaced last: whenever this is cut off, the state is a whole one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"epoch{len(epochs) % 2}.keras"  # the other one is what the record names until then
        model.save(self._folder / name)
        if is_best:
            unfinished = self._folder / "unfinished.keras"
            model.save(unfinished)
            unfinished.replace(self.best_path)
        record = {"settings": self._settings, "model": name, "epochs": [asdict(epoch) for epoch in epochs]}
        write_whole(self._folder / "record.json", json.dumps(record).encode())

    def remove(self) -> None:
        """Forget it."""
        shutil.rmtree(self._folder, ignore_errors=True)
