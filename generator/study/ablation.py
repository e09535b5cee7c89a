"""The paper's two claims: that dropout matters most, and that interpolation augmentation comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from generator.augment import INTERPOLATIONS
from generator.learn.recipes import Recipe
from generator.report.plotting import drawing
from generator.study.bench import OWN, Bench, Section, one_epoch_alike
from generator.study.markdown import ABSENT, figure, percent, points, span, table
from generator.study.statistics import Spread, paired, spread

_Accuracies: TypeAlias = Mapping[str, Sequence[float]]
"""By the name of what was judged, a value for each seed."""


@dataclass(frozen=True)
class _Variant:
    dropout: bool
    interpolation: bool

    @property
    def name(self) -> str:
        return "-".join(
            ["no_dropout"] * (not self.dropout) + ["one_interpolation"] * (not self.interpolation)
        )

    @property
    def words(self) -> tuple[str, str]:
        return "on" if self.dropout else "off", "on" if self.interpolation else "off"

    def of(self, recipe: Recipe) -> Recipe:
        kept = recipe if self.dropout else replace(recipe, dropout=0.0)
        return kept if self.interpolation else one_epoch_alike(kept)


_VARIANTS = tuple(
    _Variant(dropout, interpolation) for dropout in (True, False) for interpolation in (True, False)
)
_BOTH, _DROPOUT_ALONE, _INTERPOLATION_ALONE, _NEITHER = _VARIANTS
_CLAIMS = (
    ("dropout", "with interpolation", _BOTH, _INTERPOLATION_ALONE),
    ("dropout", "without", _DROPOUT_ALONE, _NEITHER),
    ("interpolation", "with dropout", _BOTH, _DROPOUT_ALONE),
    ("interpolation", "without", _INTERPOLATION_ALONE, _NEITHER),
)


def ablation(bench: Bench) -> Section:
    """Dropout on and off by interpolation on and off, over all seeds, int8."""
    study = bench.study
    found = {
        variant: {
            judged.name: [
                bench.evaluation(
                    bench.trained(variant.of(study.recipe), seed=seed, variant=variant.name).tflite, judged
                ).accuracy
                for seed in study.seeds
            ]
            for judged in study.judged
        }
        for variant in _VARIANTS
    }
    names = [judged.name for judged in study.judged]
    counts = {judged.name: len(judged.split) for judged in study.judged}
    _draw(bench, found, names)
    effects = [
        (what, beside, name, paired(found[first][name], found[second][name]))
        for what, beside, first, second in _CLAIMS
        for name in names
    ]
    seeds = len(study.seeds)
    text = f"""
{OWN}, recipe `{study.recipe.name}`, int8, {seeds} seed{"s" * (seeds > 1)} each: mean accuracy and standard
deviation over the seeds.

{
        table(
            ["dropout", "interpolation", *(f"{name} ({counts[name]:,})" for name in names)],
            [
                [*variant.words, *(_mean(spread(found[variant][name])) for name in names)]
                for variant in _VARIANTS
            ],
            texts=2,
        )
    }

"Interpolation off" scales every picture in one way ({
        INTERPOLATIONS[study.recipe.epoch.interpolations[0]]
    }), as often as "on" scales it in five: as many steps
of training, without the variety. "Dropout off" is the same network with all rates 0.

What each brings: differences between runs of one seed, in percentage points, with Student's 95 % interval. Of
so many intervals, one in twenty misses by chance.

{
        table(
            ["claim", "beside", "on", "mean", "deviation", "95 % interval", "these pictures say"],
            [
                [
                    what,
                    beside,
                    name,
                    points(d.mean),
                    _points_or_absent(d.deviation),
                    span(d.interval, signed=True),
                    _verdict(d),
                ]
                for what, beside, name, d in effects
            ],
            texts=3,
        )
    }

{_claims(effects, names[-1], counts[names[-1]])}

{figure("ablation", "Accuracy of every run, and means")}
"""
    facts = {
        "accuracies": [{**asdict(v), "by_seed": found[v]} for v in _VARIANTS],
        "differences": [
            {"claim": what, "beside": beside, "on": name, **asdict(d), "interval": d.interval}
            for what, beside, name, d in effects
        ],
    }
    return Section("Ablation: dropout and interpolation", text, facts)


def _mean(values: Spread) -> str:
    return percent(values.mean) + ("" if values.deviation is None else f" ± {100 * values.deviation:.2f}")


def _points_or_absent(deviation: float | None) -> str:
    return ABSENT if deviation is None else f"{100 * deviation:.2f}"


def _verdict(difference: Spread) -> str:
    if difference.interval is None:
        return "nothing: one seed"
    low, high = difference.interval
    return "it helps" if low > 0 else "it hurts" if high < 0 else "cannot tell"


def _claims(effects: Sequence[tuple[str, str, str, Spread]], name: str, count: int) -> str:
    """Both claims in a sentence each, on the pictures that say most."""
    lines = []
    for what in ("dropout", "interpolation"):
        verdicts = {_verdict(d) for claim, _, on, d in effects if claim == what and on == name}
        if verdicts == {"it helps"}:
            said = f"The claim that {what} helps holds here, with and without the other"
        elif "it hurts" in verdicts and "it helps" not in verdicts:
            said = f"The claim that {what} helps does not hold here: at least once it hurts"
        elif "it helps" in verdicts:
            said = f"The claim that {what} helps holds here only in part"
        else:
            said = f"These runs do not show whether {what} helps"
        lines.append(f"* {said} ({name}).")
    sizes = {
        what: [d.mean for claim, _, on, d in effects if claim == what and on == name]
        for what in ("dropout", "interpolation")
    }
    dropout, interpolation = (sum(values) / len(values) for values in sizes.values())
    lines.append(
        f"* On average dropout brings {points(dropout)} points, interpolation {points(interpolation)}; "
        f"in the paper dropout matters most. One of {count:,} pictures is {100 / count:.2f} points."
    )
    return "\n".join(lines)


def _draw(bench: Bench, found: Mapping[_Variant, _Accuracies], names: Sequence[str]) -> None:
    out = bench.study.out
    with drawing(3.2 * len(names) + 1, 4, out / "ablation.png", out / "ablation.svg") as sheet:
        axes = sheet.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axis, name in zip(axes, names, strict=True):
            for place, variant in enumerate(_VARIANTS):
                values = [100 * accuracy for accuracy in found[variant][name]]
                axis.plot([place] * len(values), values, "o", color="#08519c", alpha=0.5)
                axis.plot([place - 0.25, place + 0.25], [sum(values) / len(values)] * 2, color="#d94801")
            axis.set_xticks(
                range(len(_VARIANTS)),
                [f"dropout {v.words[0]}\ninterp. {v.words[1]}" for v in _VARIANTS],
                fontsize=7,
            )
            axis.set_title(name, fontsize=10)
            axis.grid(visible=True, axis="y", color="#eeeeee")
        axes[0].set_ylabel("int8 accuracy, %")
        sheet.suptitle("a dot for each seed, a line for the mean", fontsize=9)
