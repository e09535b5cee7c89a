"""Train, quantize, evaluate, and write down where the result comes from: a folder as in ``models/``."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from generator.evaluate import Evaluation
from generator.learn.architectures import Architecture
from generator.learn.recipes import Recipe
from generator.learn.scoring import THRESHOLD, float_evaluation, int8_evaluation
from generator.learn.training import DEFAULT_SEED, Progress, TrainingResult, train
from generator.pictures import ImageSet, SplitName, without_leaks
from generator.quantize.calibration import PIXELS, image_set_samples
from generator.quantize.full_integer import Quantization, quantize
from generator.quantize.keras_network import TensorIo, load_network
from generator.records import write_whole

CARD = "model.json"
HISTORY = "training.json"
_LIBRARIES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "tflite-micro")
_CARD_FIGURES = ("engine", "split", "count", "threshold", "accuracy", "confusion", "classes")
_HELD_OUT: tuple[SplitName, ...] = ("Validation", "Test")


@dataclass(frozen=True)
class Outcome:
    """A finished model folder.

    Attributes:
        training: what training left behind.
        quantization: the int8 file and its calibration.
        evaluations: float32 and int8, each on Validation and Test, and on these without leaks if some of
            their pictures, but not all, stand in an earlier split.
        card_path: ``model.json``.
    """

    training: TrainingResult
    quantization: Quantization
    evaluations: tuple[Evaluation, ...]
    card_path: Path

    def evaluation(self, engine: str, split: SplitName) -> Evaluation:
        """Return the figures of one engine (``keras-float32`` or ``tflm-int8``) on one split."""
        return next(e for e in self.evaluations if e.engine == engine and e.split == split)


def make_model(
    network: Architecture,
    data: ImageSet,
    out_dir: Path,
    recipe: Recipe,
    *,
    seed: int = DEFAULT_SEED,
    teachers: Sequence[Path] = (),
    workers: int | None = None,
    io: TensorIo = "int8",
    command: str = "",
    progress: Progress = lambda _: None,
) -> Outcome:
    """Write ``NAME.keras``, ``NAME.tflite``, ``training.json`` and ``model.json`` into ``out_dir``.

    ``training.json`` has the figures of every epoch; ``model.json`` comes last, so that a folder with it is
    finished.

    ``command`` is what a reader types to repeat it; it goes into ``model.json``, so it should hold no path of
    this machine. The rest is as in :func:`~generator.learn.training.train`.

    Raises:
        FirmcastError: whatever :func:`train`, :func:`quantize` and :func:`evaluate` raise.
    """
    training = train(
        network, data, out_dir, recipe, seed=seed, teachers=teachers, workers=workers, progress=progress
    )
    progress("quantizing to int8")
    trained = load_network(training.model_path)
    samples = image_set_samples(data, trained.inputs, seed=seed)
    quantization = quantize(trained, samples, out_dir / f"{network.name}.tflite", io=io)
    evaluations = []
    for measure, path in (
        (float_evaluation, training.model_path),
        (int8_evaluation, quantization.model_path),
    ):
        for name, pictures, split in _judges(data):
            progress(f"evaluating {path.name} on {name}")
            evaluations.append(replace(measure(path, pictures, split), split=name))
    card = model_card(network, data, training, quantization, tuple(evaluations), command)
    history = {"epochs": [asdict(epoch) for epoch in training.epochs]}
    write_whole(out_dir / HISTORY, (json.dumps(history, indent=2) + "\n").encode())
    card_path = out_dir / CARD
    write_whole(card_path, (json.dumps(card, indent=2) + "\n").encode())
    return Outcome(training, quantization, tuple(evaluations), card_path)


def model_card(
    network: Architecture,
    data: ImageSet,
    training: TrainingResult,
    quantization: Quantization,
    evaluations: tuple[Evaluation, ...],
    command: str,
) -> Mapping[str, Any]:
    """Return the content of ``model.json``: what the firmware needs to know, then provenance and figures."""
    return {
        "name": training.architecture,
        "labels": list(data.labels),
        "positive": 1,
        "threshold": THRESHOLD,
        "normalization": PIXELS.model_dump(),
        "parameters": training.parameters,
        "tflite": {
            "file": quantization.model_path.name,
            "sha256": quantization.sha256,
            "size_bytes": quantization.size_bytes,
            "io": quantization.io,
            "operators": list(quantization.operators),
        },
        "provenance": {
            "note": _note(data),
            "data": {
                "name": data.name,
                "synthetic": data.is_synthetic,
                "images": data.counts(),
                "content_sha256": data.content_sha256,
            },
            "command": command,
            "seed": training.seed,
            "epochs": len(training.epochs),
            "best_epoch": training.best.number,
            "pictures_per_epoch": training.pictures_per_epoch,
            "recipe": asdict(training.recipe),
            "dropout": [rate * training.recipe.dropout for rate in network.dropout],
            "teachers": list(training.teachers),
            "preprocessing": {
                "Train": "centre square, an OpenCV interpolation",
                "Validation and Test": "centre square, area average as in the firmware",
            },
            "calibration": {
                "images": quantization.calibration_samples,
                "from": "Train",
                "seed": quantization.seed,
            },
            "libraries": library_versions(),
        },
        "evaluation": [
            {name: value for name, value in asdict(evaluation).items() if name in _CARD_FIGURES}
            for evaluation in evaluations
        ],
    }


def _judges(data: ImageSet) -> list[tuple[str, ImageSet, SplitName]]:
    """What the finished network is judged by: a name for it, and the split of a set."""
    alone = without_leaks(data)
    judges: list[tuple[str, ImageSet, SplitName]] = []
    for name in _HELD_OUT:
        judges.append((name, data, name))
        if 0 < len(alone.splits[name]) < len(data.splits[name]):
            judges.append((f"{name} without leaks", alone, name))
    return judges


def library_versions() -> dict[str, str]:
    """Of Python, and of all that a network's figures may depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def _note(data: ImageSet) -> str:
    if data.is_synthetic:
        return "Trained on drawings: a smoke test. The figures say nothing about photographs of people."
    learned_from, judged_by = (
        {picture.source for picture in data.splits[name].pictures} for name in ("Train", "Test")
    )
    if learned_from.isdisjoint(judged_by):
        origin = "Test is of other collections than Train and Validation."
    elif len(learned_from) == 1:
        origin = (
            "All splits come from one collection, so figures on pictures of another origin will be lower."
        )
    else:
        origin = (
            "All splits come from the same collections, so figures on pictures of another origin will be "
            "lower."
        )
    return f"The epoch to keep was chosen on Validation, nothing on Test. {origin}"
