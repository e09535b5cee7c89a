"""The paper's three networks: Tables 2 to 5 and Figures 3 to 6 beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from generator.evaluate import PAPER, Evaluation, answers
from generator.evaluate.paper import PAPER_TEST_PICTURES, PaperModel
from generator.evaluate.plots import confusion_panel
from generator.evaluate.show import size_reduction
from generator.imaging import area_average, crop_square
from generator.learn.fitting import compile_for
from generator.learn.scoring import THRESHOLD
from generator.learn.sweep import OnTarget
from generator.quantize.keras_network import load_keras
from generator.report.plotting import drawing
from generator.study.bench import OWN, Bench, Made, Section, finished_models
from generator.study.markdown import ABSENT, figure, percent, points, span, table

_ACROSS, _DOWN, _TILE = 8, 5, 96


@dataclass(frozen=True)
class _Measured:
    """A network's figures. ``adam_bytes`` is the float32 file with the optimizer's state in it."""

    made: Made
    float32: tuple[Evaluation, ...]
    int8: tuple[Evaluation, ...]
    keras_bytes: int
    adam_bytes: int
    int8_bytes: int
    on_target: OnTarget

    @property
    def paper(self) -> PaperModel | None:
        return PAPER.get(self.made.name)


def models(bench: Bench) -> Section:
    """Accuracy, precision, recall, sizes, curves and sample predictions."""
    study = bench.study
    if study.models is None:
        made = tuple(bench.trained(study.recipe, network=network) for network in study.architectures)
    else:
        made = finished_models(study.models, study.architectures)
    measured = [_measure(bench, one) for one in made]
    drawn = [_draw_curves(one, study.out) for one in measured]
    shown = next((one for one in made if one.name == OWN), made[0])
    sheet = _draw_predictions(bench, shown) if study.sheets else ""
    text = f"""
{_accuracies(measured)}

Intervals are Wilson's, 95 %. The paper tested on {PAPER_TEST_PICTURES:,} pictures of its own camera.

{_classes(measured)}

{_sizes(measured)}

"with Adam's state" is the Keras file as the paper seems to have weighed it (its 1.52 MB are that), and what
its reduction is of; without that state the int8 file saves less.

{_firmware(measured)}

{_shortfall(measured)}

{chr(10).join(drawn)}

{sheet}

{_origins(measured)}
"""
    return Section(
        "Models (Tables 2 to 5, Figures 3 to 6)", text, {one.made.name: _facts(one) for one in measured}
    )


def _measure(bench: Bench, made: Made) -> _Measured:
    judged = bench.study.judged
    return _Measured(
        made,
        tuple(bench.evaluation(made.keras, one) for one in judged),
        tuple(bench.evaluation(made.tflite, one) for one in judged),
        made.keras.stat().st_size,
        bench.once(
            f"adam-{made.folder.name}",
            made.card["tflite"]["sha256"],
            lambda: _bytes_with_adam(made.keras, bench),
        ),
        made.tflite.stat().st_size,
        bench.on_target(made.tflite),
    )


def _bytes_with_adam(path: Path, bench: Bench) -> int:
    model = load_keras(path)
    compile_for(model, bench.study.recipe)
    model.optimizer.build(model.trainable_variables)
    with TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        model.save(file)
        return file.stat().st_size


def _accuracies(measured: Sequence[_Measured]) -> str:
    rows = []
    for one in measured:
        for engine, found in (("float32", one.float32), ("int8", one.int8)):
            beside = None if one.paper is None else getattr(one.paper, f"{engine}_accuracy")
            rows += [
                [
                    one.made.name,
                    engine,
                    e.split,
                    f"{e.count:,}",
                    percent(e.accuracy),
                    _interval(e),
                    percent(beside),
                ]
                for e in found
            ]
    headings = ["model", "arithmetic", "pictures", "number", "accuracy", "95 % interval", "paper"]
    return table(headings, rows, texts=3)


def _classes(measured: Sequence[_Measured]) -> str:
    rows = []
    for one in measured:
        for evaluation in one.int8:
            for of in evaluation.classes:
                beside = None if one.paper is None else one.paper.figures_of(of.label)
                precision, recall = (ABSENT, ABSENT) if beside is None else (f"{value:g}" for value in beside)
                ours = (f"{value:.4f}" for value in (of.precision, of.recall, of.f1))
                first, second, f1 = ours
                rows.append([one.made.name, evaluation.split, of.label, first, precision, second, recall, f1])
    headings = ["int8 model", "pictures", "class", "precision", "paper", "recall", "paper", "F1"]
    return table(headings, rows, texts=3)


def _sizes(measured: Sequence[_Measured]) -> str:
    rows = [
        [
            one.made.name,
            f"{one.made.card['parameters']:,}",
            f"{one.on_target.macs:,}",
            f"{one.keras_bytes:,}",
            f"{one.adam_bytes:,}",
            ABSENT if one.paper is None else one.paper.float32_file,
            f"{one.int8_bytes:,}",
            ABSENT if one.paper is None else one.paper.int8_file,
            percent(size_reduction(one.adam_bytes, one.int8_bytes)),
            ABSENT if one.paper is None else percent(one.paper.reduction),
            percent(size_reduction(one.keras_bytes, one.int8_bytes)),
        ]
        for one in measured
    ]
    headings = [
        "model",
        "parameters",
        "MACs",
        "float32 file, B",
        "with Adam's state, B",
        "paper",
        "int8 file, B",
        "paper",
        "reduction, with Adam's state",
        "paper",
        "reduction",
    ]
    return table(headings, rows)


def _firmware(measured: Sequence[_Measured]) -> str:
    rows = [
        [
            one.made.name,
            f"{one.on_target.flash_bytes:,}",
            f"{one.on_target.ram_bytes:,}",
            f"{one.on_target.cycles:,}",
            f"{one.on_target.ms:.2f}",
            f"{1000 / one.on_target.ms:.0f}",
            "yes" if one.on_target.mismatches == 0 else "NO",
        ]
        for one in measured
    ]
    headings = [
        "firmware",
        "flash B",
        "RAM B",
        "modelled cycles",
        f"ms at {measured[0].on_target.clock_mhz:g} MHz",
        "inferences a second",
        f"bit-exact on {measured[0].on_target.inputs} inputs",
    ]
    return table(headings, rows)


def _shortfall(measured: Sequence[_Measured]) -> str:
    """Where the int8 networks stand against the paper, on the pictures that say most."""
    lines = []
    for one in measured:
        if one.paper is None:
            continue
        last, theirs = one.int8[-1], one.paper.int8_accuracy
        interval = last.accuracy_interval
        place = (
            "within the interval of ours"
            if round(interval.low, 4) <= theirs <= round(interval.high, 4)  # it gives two decimals
            else "outside the interval of ours"
        )
        lines.append(
            f"* {one.made.name}: {points(last.accuracy - theirs)} points against the paper's {theirs:.2%} on "
            f"{last.split} ({last.count:,} pictures), which is {place}."
        )
    return "\n".join(["Against the paper, int8:", "", *lines])


def _origins(measured: Sequence[_Measured]) -> str:
    lines = []
    for one in measured:
        told = one.made.card.get("provenance", {})
        recipe = told.get("recipe", {}).get("name", "unknown")
        pictures = told.get("data", {}).get("name")
        seconds = sum(epoch.seconds for epoch in one.made.epochs)
        lines.append(
            f"* {one.made.name}: recipe {recipe}, {told.get('epochs')} epochs "
            f"(best {told.get('best_epoch')}), seed {told.get('seed')}, trained on {pictures}"
            + (f" in {seconds:,.0f} s" if seconds else "")
        )
    return "\n".join(lines)


def _draw_curves(one: _Measured, out: Path) -> str:
    """Loss and accuracy per epoch and both confusion matrices, as the paper's Figures 3 to 5."""
    name = f"model_{one.made.name}"
    epochs = one.made.epochs
    numbers = [epoch.number for epoch in epochs]
    with drawing(10, 8.5, out / f"{name}.png", out / f"{name}.svg") as sheet:
        (loss, accuracy), (left, right) = sheet.subplots(2, 2)
        for axis, title, lines in (
            (loss, "loss", ("loss", "validation_loss")),
            (accuracy, "accuracy", ("accuracy", "validation_accuracy")),
        ):
            for field, label in zip(lines, ("training", "Validation"), strict=True):
                axis.plot(numbers, [getattr(epoch, field) for epoch in epochs], marker=".", label=label)
            axis.set(xlabel="epoch", ylabel=title)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.set_title(f"{one.made.name}: {title} per epoch", fontsize=10)
            axis.grid(visible=True, color="#eeeeee")
            if epochs:
                best = one.made.card["provenance"]["best_epoch"]
                axis.axvline(best, color="0.7", linestyle=":", label="epoch that was kept")
                axis.legend(fontsize=8)
            else:
                axis.text(0.5, 0.5, "no training.json", ha="center", transform=axis.transAxes)
        confusion_panel(left, one.float32[-1])
        confusion_panel(right, one.int8[-1])
    caption = f"{one.made.name}: loss, accuracy, float32 and int8 confusion"
    return f"{figure(name, caption)}\n\n{caption}, as the paper's Figures 3 to 5.\n"


def _draw_predictions(bench: Bench, made: Made) -> str:
    """Pictures with score and truth, the errors first and the worst of them first of all."""
    study = bench.study
    judged, labels = study.judged[-1], study.data.labels
    scores = bench.scores(made.tflite, judged)
    truth = np.array(judged.split.labels)
    given = answers(scores, THRESHOLD)
    wrong = np.flatnonzero(given != truth)
    confidence = scores[np.arange(len(scores)), given]
    errors = wrong[np.argsort(-confidence[wrong], kind="stable")][: _ACROSS * _DOWN // 2].tolist()
    right = np.flatnonzero(given == truth)
    room = _ACROSS * _DOWN - len(errors)
    places = np.linspace(0, len(right) - 1, min(room, len(right))).round().astype(int)
    shown = [*errors, *right[places].tolist()]
    rows = -(-len(shown) // _ACROSS)
    with drawing(1.45 * _ACROSS, 1.75 * rows + 0.5, study.out / "predictions.png") as sheet:
        axes = sheet.subplots(rows, _ACROSS, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        for axis, index in zip(axes, shown, strict=False):
            axis.imshow(area_average(crop_square(judged.split.load(index)), _TILE, _TILE))
            is_right = given[index] == truth[index]
            words = f"{labels[given[index]]} {confidence[index]:.2f}"
            axis.set_title(
                words if is_right else f"{words}\nis {labels[truth[index]]}",
                fontsize=8,
                color="#1a7f37" if is_right else "#cf222e",
            )
        sheet.suptitle(
            f"{made.name}, int8, {judged.name}: {len(wrong):,} of {len(truth):,} wrong, "
            f"{len(errors)} of them first",
            fontsize=10,
        )
    caption = "Sample predictions of the int8 network with their scores, errors first (the paper's Figure 6)"
    return f"{figure('predictions', caption)}\n\n{caption}."


def _interval(evaluation: Evaluation) -> str:
    return span((evaluation.accuracy_interval.low, evaluation.accuracy_interval.high))


def _facts(one: _Measured) -> Mapping[str, Any]:
    fields = ("engine", "split", "count", "accuracy", "accuracy_interval", "confusion", "classes")
    return {
        "parameters": one.made.card["parameters"],
        "on_target": asdict(one.on_target),
        "keras_bytes": one.keras_bytes,
        "adam_bytes": one.adam_bytes,
        "int8_bytes": one.int8_bytes,
        "evaluations": [
            {f: v for f, v in asdict(e).items() if f in fields} for e in (*one.float32, *one.int8)
        ],
        "paper": None if one.paper is None else asdict(one.paper),
    }
