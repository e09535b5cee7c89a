"""The paper's open point: accuracy on spoilt pictures, for its recipe and for the robust one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from generator.evaluate import CORRUPTIONS, measure_robustness
from generator.evaluate.robustness import STRENGTHS, pictures_in_all
from generator.learn.scoring import THRESHOLD
from generator.report.plotting import drawing
from generator.study.bench import OWN, Bench, Made, Section
from generator.study.markdown import figure, percent, points, table

_COLOURS = {"paper": "#08519c", "robust": "#d94801"}


def robustness(bench: Bench) -> Section:
    """Seven corruptions at five strengths, int8, both recipes on the same spoilt pictures."""
    study = bench.study
    recipes = (study.paper, study.robust)
    found = {recipe.name: _measure(bench, bench.trained(recipe)) for recipe in recipes}
    paper, robust = (found[recipe.name] for recipe in recipes)
    judged = study.judged[-1]
    rows = [["none", "", *[""] * STRENGTHS, *_means(paper["clean"], robust["clean"])]]
    for first, second in zip(paper["corruptions"], robust["corruptions"], strict=True):
        cells = [
            f"{100 * a:.1f} / {100 * b:.1f}"
            for a, b in zip(first["accuracies"], second["accuracies"], strict=True)
        ]
        levels = ", ".join(f"{level:g}" for level in first["levels"])
        rows.append(
            [first["name"], f"{levels} {first['unit']}", *cells, *_means(first["mean"], second["mean"])]
        )
    rows.append(["all seven", "", *[""] * STRENGTHS, *_means(paper["mean"], robust["mean"])])
    _draw(bench, found)
    strengths = [str(strength) for strength in range(1, STRENGTHS + 1)]
    text = f"""
{OWN}, int8, {len(judged.split):,} pictures of {judged.name}, each spoilt in 35 ways (docs/evaluation.md):
accuracy in percent, recipe `paper` / recipe `robust`. One training each, seed {study.seeds[0]}.

{table(["corruption", "levels", *strengths, "mean, paper", "mean, robust", "difference"], rows, texts=2)}

On average over all corruptions the robust recipe is {points(robust["mean"] - paper["mean"])} points from the
paper's, on pictures as they are {points(robust["clean"] - paper["clean"])}.

{figure("robustness", "Accuracy by corruption and strength, both recipes")}
"""
    return Section("Robustness", text, found)


def _measure(bench: Bench, made: Made) -> Mapping[str, Any]:
    judged = bench.study.judged[-1]

    def measure() -> object:
        count = pictures_in_all(len(judged.split))
        bench.progress(f"{count:,} spoilt pictures of {judged.name} through {made.folder.name}")
        return asdict(
            measure_robustness(
                bench.scorer(made.tflite),
                judged.split.images(),
                judged.split.labels,
                threshold=THRESHOLD,
                seed=bench.study.seeds[0],
            )
        )

    settings = {
        "model": made.card["tflite"]["sha256"],
        "pictures": judged.identity,
        "seed": bench.study.seeds[0],
        "corruptions": [[c.name, list(c.levels)] for c in CORRUPTIONS],
    }
    result: Mapping[str, Any] = bench.once(f"robustness-{made.folder.name}", settings, measure)
    return result


def _means(paper: float, robust: float) -> list[str]:
    return [percent(paper), percent(robust), points(robust - paper)]


def _draw(bench: Bench, found: Mapping[str, Mapping[str, Any]]) -> None:
    out = bench.study.out
    with drawing(12, 6, out / "robustness.png", out / "robustness.svg") as sheet:
        axes = sheet.subplots(2, 4, sharey=True).ravel()
        for number, corruption in enumerate(CORRUPTIONS):
            axis = axes[number]
            for name, result in found.items():
                values = [result["clean"], *result["corruptions"][number]["accuracies"]]
                axis.plot(
                    range(STRENGTHS + 1),
                    [100 * v for v in values],
                    marker=".",
                    color=_COLOURS[name],
                    label=name,
                )
            axis.set_xticks(
                range(STRENGTHS + 1), ["clean", *(f"{level:g}" for level in corruption.levels)], fontsize=8
            )
            axis.set_title(corruption.name, fontsize=10)
            axis.set_xlabel(corruption.unit, fontsize=7)
            axis.grid(visible=True, color="#eeeeee")
        for row in (0, 4):
            axes[row].set_ylabel("int8 accuracy, %")
        axes[-1].set_axis_off()
        handles, labels = axes[0].get_legend_handles_labels()
        axes[-1].legend(handles, [f"recipe {label}" for label in labels], loc="center", frameon=False)
