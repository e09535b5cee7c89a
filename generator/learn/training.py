"""Training by a recipe: the best epoch kept, and a killed run resumed without a difference."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from generator.errors import UsageError
from generator.learn.architectures import Architecture
from generator.learn.centred import take_weights
from generator.learn.fitting import (
    Answers,
    Batches,
    Epoch,
    best_of,
    compile_for,
    held_out,
    in_words,
    learned_from,
    run_epoch,
    stream_of,
)
from generator.learn.recipes import Recipe
from generator.pictures import ImageSet
from generator.quantize.keras import seed_everything, tensorflow
from generator.quantize.keras_network import load_keras
from generator.records import as_read, make_folder, read_record, write_whole
from generator.workers import worker_count

Progress: TypeAlias = Callable[[str], None]
"""Is told, in a sentence, what begins or was reached."""

DEFAULT_SEED = 0

_STATE = ".training"


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
    network: Architecture,
    data: ImageSet,
    out_dir: Path,
    recipe: Recipe,
    *,
    seed: int = DEFAULT_SEED,
    teachers: Sequence[Path] = (),
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> TrainingResult:
    """Train a network from scratch and write ``out_dir/NAME.keras``.

    Pictures of Train are decoded and augmented in other processes while the network learns; Validation,
    scaled as the firmware does, chooses the epoch; Test is not touched. Every finished epoch is kept in
    ``out_dir/.training``, so a run that was killed goes on where it was and ends the same; with other
    arguments it begins anew. Repeatable with equal arguments, versions and machine.

    Args:
        network: what to train.
        data: the pictures.
        out_dir: is made.
        recipe: see :func:`~generator.learn.recipes.fitted`.
        seed: of everything drawn by lot.
        teachers: Keras files of networks with the same output; their mean answer is half of the truth.
        workers: processes that prepare pictures [as many as there are processors].
        progress: is told how it goes.

    Raises:
        UsageError: a recipe without an epoch, unfit teachers, unreadable pictures, a folder that cannot be
            made.
        MissingToolError: TensorFlow or OpenCV is not installed.
    """
    if recipe.epochs < 1 or recipe.batch_size < 1:
        raise UsageError(
            f"training needs at least one epoch and one picture a step, not {recipe.epochs}, "
            f"{recipe.batch_size}"
        )
    classes = len(data.labels)
    tf = tensorflow()
    seed_everything(tf, seed)
    if data.is_synthetic:
        progress("the pictures are drawings: this run is a smoke test and says nothing about accuracy")
    answers = _mean_answer(tf, teachers, (*network.input_shape, 1 if classes == 2 else classes))
    make_folder(out_dir)
    processes = worker_count(workers)
    shape = network.input_shape
    pictures = learned_from(data, recipe, seed)
    validation = held_out(data.splits["Validation"], classes, recipe, shape, seed=seed, workers=processes)
    state = _State(
        out_dir / _STATE,
        {
            "architecture": network.name,
            "data": data.content_sha256,
            "pictures": len(pictures),
            "recipe": asdict(recipe),
            "seed": seed,
            "teachers": [sha256(path.read_bytes()).hexdigest() for path in teachers],
        },
    )
    model, epochs = state.load(tf)
    if model is None:
        model = network.build(classes, recipe.dropout, is_centred=recipe.is_centred)
        compile_for(model, recipe)
    else:
        progress(f"going on after epoch {len(epochs)}, which was finished before")
    with stream_of(pictures, recipe.epoch, shape, seed=seed, workers=processes) as stream:
        progress(f"training {network.name} for {recipe.epochs} epochs of {len(stream):,} pictures")
        batches = Batches(stream, recipe.batch_size, classes, answers)
        while len(epochs) < recipe.epochs and not recipe.is_over([e.validation_accuracy for e in epochs]):
            epochs = (*epochs, run_epoch(model, batches, recipe, epochs, validation, seed))
            is_best = best_of(epochs) == epochs[-1]
            state.save(model, epochs, is_best=is_best)
            progress(in_words(epochs[-1], recipe, is_best=is_best))

    # A fresh model has no optimizer, whose state would triple the file, and the rates of its own.
    final = network.build(classes)
    take_weights(final, tf.keras.models.load_model(state.best_path, compile=False))
    path = out_dir / f"{network.name}.keras"
    unfinished = out_dir / f".{network.name}.unfinished.keras"
    final.save(unfinished)
    unfinished.replace(path)
    state.remove()
    return TrainingResult(
        model_path=path,
        architecture=network.name,
        parameters=final.count_params(),
        recipe=recipe,
        pictures_per_epoch=recipe.epoch.size(len(pictures)),
        epochs=epochs,
        best=best_of(epochs),
        seed=seed,
        teachers=tuple(path.stem for path in teachers),
    )


def _mean_answer(tf: Any, teachers: Sequence[Path], shape: tuple[int, ...]) -> Answers | None:
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


class _State:
    """A training that is not finished: the model with its optimizer, the best one, and all figures.

    ``settings`` are what the result depends on; what was begun with others is thrown away.
    """

    def __init__(self, folder: Path, settings: object) -> None:
        self._folder = folder
        self._settings = as_read(settings)

    @property
    def best_path(self) -> Path:
        """The model of the best epoch."""
        return self._folder / "best.keras"

    def load(self, tf: Any) -> tuple[Any, tuple[Epoch, ...]]:
        """Return the model and what it has behind it; None and nothing if there is no such training."""
        record = read_record(self._folder / "record.json")
        if record is None:
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
