"""``evaluate``: how often a model is right, here or on the emulated part, and under what it fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from generator.catalog import ModelSource, find_model, read_info
from generator.commands import options, road
from generator.commands.data import data_options, read_data
from generator.commands.output import Output, output_options
from generator.errors import MismatchError, MissingToolError, UsageError
from generator.evaluate import (
    PAPER,
    Evaluation,
    FirmwareScorer,
    Robustness,
    Scorer,
    Scores,
    TflmScorer,
    answers,
    choose_threshold,
    measure_robustness,
)
from generator.evaluate import evaluate as evaluate_scores
from generator.evaluate.plots import draw_plots
from generator.evaluate.robustness import pictures_in_all
from generator.evaluate.show import Column, as_json, print_evaluation, print_robustness, size_reduction
from generator.imaging import Image
from generator.learn.keras_scorer import KerasScorer
from generator.pictures import ImageSet, Split, SplitName, Splitting, find_leaks
from generator.pictures.layouts import class_key
from generator.plan import Optimize
from generator.quantize.keras_network import KERAS_SUFFIXES
from generator.render import Engine
from generator.report.plotting import require_matplotlib
from generator.workers import worker_count

SYNTHETIC_NOTE = "drawn pictures: a smoke test, no statement about people"

_CHOSEN_ON: SplitName = "Validation"


@dataclass(frozen=True)
class Pictures:
    """What a model is judged by. ``truth`` are class numbers of the model."""

    split: Split
    truth: tuple[int, ...]
    chosen: frozenset[int] | None
    """Numbers of the pictures that count; None: all."""

    def images(self) -> Iterator[Image]:
        """Each picture that counts, read as it is needed."""
        for index, image in enumerate(self.split.images()):
            if self.chosen is None or index in self.chosen:
                yield image

    def __len__(self) -> int:
        return len(self.truth)


class Judge:
    """Shows a set's pictures to scorers: those of one split, and those that thresholds are chosen on."""

    def __init__(
        self, data: ImageSet, split: SplitName, labels: tuple[str, ...], limit: int | None, output: Output
    ) -> None:
        self.labels = labels or data.labels
        self._output = output
        order = class_order(self.labels, data.labels)
        if order is None:
            output.say(
                f"warning: the model's classes are {', '.join(labels)}, those of the pictures "
                f"{', '.join(data.labels)}: taken as the same, in this order"
            )
            order = tuple(range(len(labels)))
        self.pictures = _pictures(data.splits[split], order, limit)
        if not len(self.pictures):
            raise UsageError(f"{data.name}: {split} holds no picture; choose another with --split")
        self.choosing = (
            self.pictures if split == _CHOSEN_ON else _pictures(data.splits[_CHOSEN_ON], order, limit)
        )

    def scores(self, scorer: Scorer, pictures: Pictures | None = None) -> Scores:
        """Of the pictures, or of others."""
        shown = pictures or self.pictures
        title = f"{len(shown)} pictures of {shown.split.name} through {scorer.engine}"
        with self._output.progress(title) as step:
            return scorer(shown.images(), lambda done: step(done, len(shown)))

    def column(
        self,
        scorer: Scorer,
        threshold: float | None,
        file_bytes: int,
        measured: tuple[str, Scores] | None = None,
    ) -> Column:
        """All figures of ``scorer``; ``measured`` are the engine and scores to judge instead of its own."""
        engine, scores = measured or (scorer.engine, self.scores(scorer))
        pictures, choosing = self.pictures, self.choosing
        evaluation = evaluate_scores(
            scores,
            pictures.truth,
            self.labels,
            engine=engine,
            split=pictures.split.name,
            threshold=threshold if scorer.takes_threshold else None,
        )
        if len(self.labels) != 2 or not len(choosing):
            return Column(evaluation, None, file_bytes)
        seen = scores if choosing is pictures else self.scores(scorer, choosing)
        choice = choose_threshold(
            (choosing.split.name, seen, choosing.truth), (pictures.split.name, scores, pictures.truth)
        )
        return Column(evaluation, choice, file_bytes)

    def without_leaks(
        self, scorer: Scorer, threshold: float, scores: Scores, data: ImageSet
    ) -> tuple[int, Evaluation | None]:
        """How many pictures stand in an earlier split, too, and figures on the others if both are some."""
        files, split = self.pictures.split.files, self.pictures.split.name
        leaking = {leak.file for leak in find_leaks(data) if leak.split == split}
        chosen = range(len(files)) if self.pictures.chosen is None else sorted(self.pictures.chosen)
        kept = [place for place, index in enumerate(chosen) if files[index] not in leaking]
        leaks = len(scores) - len(kept)
        if not kept or not leaks:
            return leaks, None
        return leaks, evaluate_scores(
            scores[kept],
            tuple(self.pictures.truth[place] for place in kept),
            self.labels,
            engine=scorer.engine,
            split=split,
            threshold=threshold if scorer.takes_threshold else None,
        )

    def robustness(self, scorer: Scorer, threshold: float | None, seed: int) -> Robustness:
        """The pictures, spoilt."""
        total = pictures_in_all(len(self.pictures))
        with self._output.progress(f"{total:,} spoilt pictures through {scorer.engine}") as step:
            return measure_robustness(
                scorer,
                self.pictures.images(),
                self.pictures.truth,
                threshold=threshold if scorer.takes_threshold else None,
                seed=seed,
                progress=lambda done: step(done, total),
            )


@click.command()
@options.model_argument
@data_options
@click.option(
    "--split", type=click.Choice(["Train", "Validation", "Test"]), default="Test", show_default=True
)
@click.option(
    "--on",
    "where",
    type=click.Choice(["host", "emulator"]),
    default="host",
    show_default=True,
    help="TFLM in this computer, or the firmware on emulated parts, which must agree with it.",
)
@click.option(
    "--float",
    "float_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The float network [default: the .keras file of the same name beside the model].",
)
@click.option("--limit", type=click.IntRange(2), help="Take at most so many pictures, evenly from the split.")
@click.option("--robustness", is_flag=True, help="Spoil the pictures in 7 ways of 5 strengths, too.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of --robustness.")
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write roc.png, reliability.png and confusion.png into.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes [default: one for each processor].")
@options.project_options
@output_options
def evaluate(
    model: str,
    data: tuple[str, ...],
    held_out: tuple[str, ...],
    splitting: Splitting,
    split: SplitName,
    where: str,
    float_path: Path | None,
    limit: int | None,
    robustness: bool,
    seed: int,
    plots: Path | None,
    workers: int | None,
    board: str,
    engine: Engine,
    tflm_dir: Path | None,
    clock_mhz: int | None,
    out: Path | None,
    settings: Path | None,
    optimize: Optimize,
    output: Output,
) -> None:
    """Accuracy, confusion, precision, recall, F1, ROC and calibration of MODEL (.tflite or Keras).

    A .tflite file runs in TensorFlow Lite for Microcontrollers; with --on emulator in the firmware too, whose
    scores must be the same to the bit. docs/evaluation.md explains the figures.
    """
    if plots is not None:
        require_matplotlib()
    processes = worker_count(workers)
    source = None if Path(model).suffix in KERAS_SUFFIXES else find_model(model, settings)
    images = read_data(data, held_out, splitting, output)
    if images.is_synthetic:
        output.say(SYNTHETIC_NOTE)
    comparison: FirmwareComparison | None = None
    if source is None:
        if where == "emulator" or float_path is not None:
            raise UsageError(
                f"{model} is a float network: --on emulator and --float go with its .tflite file "
                "(python -m generator quantize makes it)"
            )
        info = read_info(Path(model))
        name, threshold = Path(model).stem, info.threshold
        scorer: Scorer = KerasScorer(Path(model), info.normalization)
        judge = Judge(images, split, info.labels, limit, output)
        scores = judge.scores(scorer)
        columns = [judge.column(scorer, threshold, Path(model).stat().st_size, (scorer.engine, scores))]
    else:
        name, threshold = source.name, _threshold(source)
        judge = Judge(images, split, source.info.labels, limit, output)
        scorer = _tflm(source, judge, processes)
        firmware = None
        if where == "emulator":
            target = road.choose_target(board, clock_mhz, engine, tflm_dir)
            planned = road.plan_model(model, settings, target, optimize)
            firmware = _build(planned, target, out, judge, processes, output)
        float_scorer = _float_scorer(source, float_path, output)
        scores = judge.scores(scorer)
        measured = None
        if firmware is not None:
            measured, comparison = compare_with_firmware(firmware, judge, scores, scorer, threshold, output)
        columns = [judge.column(scorer, threshold, len(source.data), measured or (scorer.engine, scores))]
        if float_scorer is not None:
            columns.insert(0, judge.column(float_scorer[0], threshold, float_scorer[1]))
    spoilt = judge.robustness(scorer, threshold, seed) if robustness else None
    leaks, honest = judge.without_leaks(scorer, threshold, scores, images)

    reduction = size_reduction(columns[0].file_bytes, columns[-1].file_bytes) if len(columns) > 1 else None
    paper = PAPER.get(name)
    print_evaluation(columns, paper, output.results, reduction=reduction)
    _print_extras(columns[-1].evaluation, leaks, honest, comparison, spoilt, output)
    if plots is not None:
        written = draw_plots([column.evaluation for column in reversed(columns)], plots)
        output.say(f"wrote {', '.join(map(str, written))}")
    output.json(
        {
            **as_json(columns[-1]),
            "data": {"name": images.name, "content_sha256": images.content_sha256},
            "leaks": leaks,
            "without_leaks": None if honest is None else asdict(honest),
            "left_out": [asdict(one) for one in images.left_out],
            "float32": as_json(columns[0]) if len(columns) > 1 else None,
            "size_reduction": reduction,
            "firmware": None if comparison is None else asdict(comparison),
            "robustness": None if spoilt is None else asdict(spoilt),
            "paper": None if paper is None else asdict(paper),
        }
    )
    if comparison is not None and comparison.mismatches:
        raise MismatchError(f"{comparison}: python -m generator validate {model} says where they part")


def _print_extras(
    evaluation: Evaluation,
    leaks: int,
    honest: Evaluation | None,
    comparison: FirmwareComparison | None,
    spoilt: Robustness | None,
    output: Output,
) -> None:
    """What is there only if it was asked for, or found."""
    if leaks:
        others = "there are no others"
        if honest is not None:
            others = f"{honest.accuracy:.2%} on the {honest.count:,} others"
        output.results.print(
            f"{leaks:,} of {evaluation.count:,} pictures of {evaluation.split} stand in an earlier split, "
            f"too: accuracy {evaluation.accuracy:.2%} on all, {others}"
        )
    if comparison is not None:
        output.results.print(str(comparison))
    if spoilt is not None:
        print_robustness(spoilt, output.results)


@dataclass(frozen=True)
class FirmwareComparison:
    """The firmware beside TFLM.

    Attributes:
        pictures: compared.
        mismatches: those with another score in any bit, or another decision.
        first_mismatch: number of the first among the pictures; None if there is none.
        workers: emulated boards.
        seconds: taken by this computer.
    """

    pictures: int
    mismatches: int
    first_mismatch: int | None
    workers: int
    seconds: float

    def __str__(self) -> str:
        verdict = (
            "same scores and decisions as TFLM, to the bit"
            if not self.mismatches
            else f"{self.mismatches:,} differ from TFLM, the first is number {self.first_mismatch}"
        )
        return f"firmware, {self.pictures:,} pictures: {verdict}"


def class_order(labels: tuple[str, ...], found: tuple[str, ...]) -> tuple[int, ...] | None:
    """For each class of the pictures its number in the model, by name; None where all names are others.

    Raises:
        UsageError: there are other numbers of classes, or some of the names are the same.
    """
    if len(labels) != len(found):
        raise UsageError(
            f"the model tells {len(labels)} classes apart ({', '.join(labels)}), the pictures are of "
            f"{len(found)} ({', '.join(found)}): name the class folders as the model's labels"
        )
    known, seen = [class_key(label) for label in labels], [class_key(name) for name in found]
    if not set(known).intersection(seen):
        return None
    if sorted(known) != sorted(set(seen)):
        raise UsageError(
            f"the model's classes are {', '.join(labels)}, those of the pictures {', '.join(found)}: "
            "name the class folders as the model's labels"
        )
    return tuple(known.index(key) for key in seen)


def _pictures(split: Split, order: tuple[int, ...], limit: int | None) -> Pictures:
    truth = tuple(order[label] for label in split.labels)
    if limit is None or limit >= len(truth):
        return Pictures(split, truth, None)
    kept = sorted({round(place) for place in np.linspace(0, len(truth) - 1, limit)})
    return Pictures(split, tuple(truth[i] for i in kept), frozenset(kept))


def _threshold(source: ModelSource) -> float:
    wished = source.settings.application.threshold
    return source.info.threshold if wished is None else wished


def _tflm(source: ModelSource, judge: Judge, processes: int) -> TflmScorer:
    return TflmScorer(
        source.data, str(source.path), source.info.normalization, len(judge.labels), workers=processes
    )


def _float_scorer(
    source: ModelSource, float_path: Path | None, output: Output
) -> tuple[KerasScorer, int] | None:
    """The float network beside the model, and the bytes of its file."""
    path = float_path or source.path.with_suffix(".keras")
    if not path.is_file():
        return None
    try:
        return KerasScorer(path, source.info.normalization), path.stat().st_size
    except MissingToolError as error:
        if float_path is not None:
            raise
        output.say(f"figures of {path} are left out: {error}")
        return None


def _build(
    planned: road.Planned,
    target: road.Target,
    out: Path | None,
    judge: Judge,
    processes: int,
    output: Output,
) -> FirmwareScorer:
    if planned.application.image is None:
        raise UsageError(f"{planned.source.name} takes no images: it cannot be evaluated on pictures")
    folder = road.default_folder(planned, out)
    road.render_to(planned, target, folder)
    elf = road.build_project(folder, target, output).elf
    workers = min(processes, len(judge.pictures))
    output_tensor = planned.as_read.output_tensors()[0]
    return FirmwareScorer(elf, target.board, output_tensor, len(judge.labels), workers=workers)


def compare_with_firmware(
    firmware: FirmwareScorer,
    judge: Judge,
    scores: Scores,
    scorer: Scorer,
    threshold: float,
    output: Output,
) -> tuple[tuple[str, Scores], FirmwareComparison]:
    """Engine and scores of the firmware, and how they compare with ``scores``, those of ``scorer``."""
    count, started = len(judge.pictures), time.monotonic()
    title = f"{count} pictures through the firmware on {firmware.workers} emulated boards"
    with output.progress(title) as step:
        emulated, decided = firmware.decide(judge.pictures.images(), lambda done: step(done, count))
    seconds = time.monotonic() - started
    output.say(f"{seconds:.1f} s, {seconds / count:.2f} s for each picture")
    expected = answers(scores, threshold if scorer.takes_threshold else None)
    same = (emulated.view(np.uint64) == scores.view(np.uint64)).all(axis=1) & (decided == expected)
    wrong = np.flatnonzero(~same)
    first = int(wrong[0]) if len(wrong) else None
    return (firmware.engine, emulated), FirmwareComparison(
        count, len(wrong), first, firmware.workers, round(seconds, 1)
    )
