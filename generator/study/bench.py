"""What the parts of a study share: its settings, and work that is never done twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from generator.errors import UsageError
from generator.evaluate import Evaluation, Scorer, Scores, TflmScorer, evaluate
from generator.learn.architectures import ARCHITECTURES, Architecture, architecture
from generator.learn.fitting import Epoch
from generator.learn.keras_scorer import KerasScorer
from generator.learn.pipeline import CARD, HISTORY, make_model
from generator.learn.recipes import Recipe
from generator.learn.scoring import THRESHOLD
from generator.learn.sweep import Cast, OnTarget, sweep_networks
from generator.pictures import ImageSet
from generator.quantize.calibration import PIXELS
from generator.quantize.keras import tensorflow
from generator.quantize.keras_network import KERAS_SUFFIXES
from generator.records import as_read, read_record, write_whole
from generator.study.pictures import Judged
from generator.workers import worker_count

Progress: TypeAlias = Callable[[str], None]

OWN = "mask_cnn"
"""The paper's own network, which all parts but ``models`` and ``below8bits`` are about."""


@dataclass(frozen=True)
class Study:
    """What a study is about.

    Attributes:
        data: what networks learn from; of two classes.
        judged: what they are judged by, the pictures that say most last.
        paper: the paper's recipe.
        robust: the one that it is compared with.
        recipe: the one of all parts but ``robustness``, which has both.
        seeds: of repeated trainings; the first is that of single ones.
        out: folder of tables and figures.
        work: folder of models and of results that parts are put together from.
        cast: makes firmware of a .tflite file and measures it.
        command: what a reader types to repeat it, without a path of this machine.
        models: folder with finished model folders by architecture, for ``models``; None trains them.
        groups: sources of pictures by file name, for ``source_gap``; others have that of their set.
        architectures: of ``models``.
        sweep: networks of ``below8bits``.
        sheets: whether figures show pictures of ``data`` themselves, which may be of people.
        workers: processes [as many as there are processors].
    """

    data: ImageSet
    judged: tuple[Judged, ...]
    paper: Recipe
    robust: Recipe
    recipe: Recipe
    seeds: tuple[int, ...]
    out: Path
    work: Path
    cast: Cast
    command: str = ""
    models: Path | None = None
    groups: Mapping[str, str] | None = None
    architectures: tuple[Architecture, ...] = tuple(ARCHITECTURES.values())
    sweep: tuple[Architecture, ...] = sweep_networks()
    sheets: bool = True
    workers: int | None = None


@dataclass(frozen=True)
class Section:
    """A part of a study, finished: a heading, Markdown below it, and the same figures for JSON."""

    title: str
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """A finished model folder: its ``model.json``, and its epochs if it tells them."""

    folder: Path
    card: Mapping[str, Any]
    epochs: tuple[Epoch, ...]

    @property
    def name(self) -> str:
        """Of the architecture."""
        return str(self.card["name"])

    @property
    def keras(self) -> Path:
        """The float32 network."""
        return self.folder / f"{self.name}.keras"

    @property
    def tflite(self) -> Path:
        """The int8 network."""
        return self.folder / str(self.card["tflite"]["file"])


def open_made(folder: Path) -> Made | None:
    """The finished model in a folder; None if there is none, or not a whole one."""
    card, history = read_record(folder / CARD), read_record(folder / HISTORY) or {"epochs": ()}
    if card is None:
        return None
    try:
        made = Made(folder, card, tuple(Epoch(**epoch) for epoch in history["epochs"]))
        whole = made.keras.is_file() and _sha256(made.tflite) == card["tflite"]["sha256"]
    except (OSError, KeyError, TypeError):
        return None
    return made if whole else None


class Bench:
    """Trains and measures for one part of a study; what was finished with the same settings is read.

    Attributes:
        study: what it works for.
        progress: is told what begins or was reached.
        seconds: that all work behind the part took, whenever it was done.
    """

    def __init__(self, study: Study, progress: Progress = lambda _: None) -> None:
        self.study = study
        self.progress = progress
        self.seconds = 0.0

    def once(self, name: str, settings: object, make: Callable[[], Any]) -> Any:
        """What ``make`` returns, as JSON has it; kept as ``name`` for the next call with these settings."""
        path = self.study.work / "results" / f"{name}.json"
        wanted, record, before = as_read(settings), read_record(path), self.seconds
        if record is None or record.get("settings") != wanted or "value" not in record:
            started = time.monotonic()
            value = as_read(make())
            record = {"settings": wanted, "seconds": round(time.monotonic() - started, 3), "value": value}
            write_whole(path, (json.dumps(record) + "\n").encode())
        self.seconds = before + record["seconds"]  # what lies within is in it
        return record["value"]

    def trained(
        self,
        recipe: Recipe,
        *,
        seed: int | None = None,
        network: Architecture | None = None,
        data: ImageSet | None = None,
        variant: str = "",
    ) -> Made:
        """A network trained, quantized and written, by default the paper's own on all pictures.

        ``variant`` tells folders of other recipes and pictures apart.
        """
        study, network, data = self.study, network or architecture(OWN), data or self.study.data
        seed = study.seeds[0] if seed is None else seed
        name = "-".join(filter(None, (network.name, recipe.name, variant, f"seed{seed}")))
        folder = study.work / "models" / name
        made = open_made(folder)
        if made is None or not _is_of(made, recipe, seed, data):
            (folder / CARD).unlink(missing_ok=True)
            self.progress(f"{name}:")
            # Names of layers, which go into the files, are numbered through a process.
            tensorflow().keras.utils.clear_session()
            make_model(
                network, data, folder, recipe, seed=seed, workers=study.workers, progress=self.progress
            )
            made = open_made(folder)
            assert made is not None, "it was just written"
        self.seconds += sum(epoch.seconds for epoch in made.epochs)
        return made

    def scores(self, model: Path, judged: Judged) -> Scores:
        """Of a ``.tflite`` or Keras file."""

        def score() -> object:
            self.progress(f"{model.name} on {len(judged.split):,} pictures of {judged.name}")
            return self.scorer(model)(judged.split.images()).tolist()

        content = _sha256(model)
        name = f"scores-{model.suffix[1:]}-{content[:16]}-{judged.identity[:16]}"
        return np.array(self.once(name, {"model": content, "pictures": judged.identity}, score), np.float64)

    def on_target(self, model: Path) -> OnTarget:
        """What a ``.tflite`` file is as firmware."""
        content = _sha256(model)
        cast = self.study.cast
        settings = {"model": content, "target": cast.target}
        return OnTarget(**self.once(f"firmware-{content[:16]}", settings, lambda: asdict(cast.make(model))))

    def scorer(self, model: Path) -> Scorer:
        """What scores pictures with a file."""
        if model.suffix in KERAS_SUFFIXES:
            return KerasScorer(model, PIXELS)
        workers = max(1, worker_count(self.study.workers))
        classes = len(self.study.data.labels)
        return TflmScorer(model.read_bytes(), model.name, PIXELS, classes, workers=workers)

    def evaluation(self, model: Path, judged: Judged) -> Evaluation:
        """All figures of a ``.tflite`` or Keras file."""
        return evaluate(
            self.scores(model, judged),
            judged.split.labels,
            self.study.data.labels,
            engine="float32" if model.suffix in KERAS_SUFFIXES else "int8",
            split=judged.name,
            threshold=THRESHOLD,
        )


def one_epoch_alike(recipe: Recipe) -> Recipe:
    """The recipe with every picture scaled in the same way; its epochs are as large as before."""
    ways = recipe.epoch.interpolations
    return replace(recipe, epoch=replace(recipe.epoch, interpolations=(ways[0],) * len(ways)))


def finished_models(folder: Path, networks: tuple[Architecture, ...]) -> tuple[Made, ...]:
    """Models of all ``networks`` in folders of their names. UsageError names those that are missing."""
    found = {network.name: open_made(folder / network.name) for network in networks}
    missing = [name for name, made in found.items() if made is None]
    if missing:
        raise UsageError(
            f"{folder}: holds no finished {', '.join(missing)}; make each with "
            f"python -m generator train ARCH --out {folder / 'ARCH'}, or leave --models away"
        )
    return tuple(made for made in found.values() if made is not None)


def _is_of(made: Made, recipe: Recipe, seed: int, data: ImageSet) -> bool:
    told = made.card.get("provenance", {})
    pictures = told.get("data", {})
    return bool(
        told.get("recipe") == as_read(asdict(recipe))
        and told.get("seed") == seed
        and told.get("teachers") == []
        and pictures.get("content_sha256") == data.content_sha256
        and pictures.get("images") == data.counts()
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
