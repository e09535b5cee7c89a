"""What a Test split of the training mix hides: accuracy on a source that training never saw."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from generator.study.bench import OWN, Bench, Section
from generator.study.markdown import percent, points, span, table
from generator.study.pictures import groups_of, ordinary_test, without_group


@dataclass(frozen=True)
class _Gap:
    """A network trained without a source: on that source, and on Test of the others."""

    source: str
    pictures: int
    accuracy: float
    interval: tuple[float, float]
    test_pictures: int
    test_accuracy: float

    @property
    def difference(self) -> float:
        return self.accuracy - self.test_accuracy


def source_gap(bench: Bench) -> Section:
    """Leave one source out: its pictures against the ordinary Test split, int8."""
    study = bench.study
    sources = sorted(
        {group for split in study.data.splits.values() for group in groups_of(split, study.groups)}
    )
    title = "Source gap"
    if len(sources) < 2:
        text = f"""
All pictures are of one source, {sources[0]}: there is none to leave out. Name several folders with `--data`,
or the sources within a set with `--groups FILE.csv` (columns `file` and `group`).
"""
        return Section(title, text, {"sources": sources, "gaps": [], "skipped": []})
    gaps, skipped = [], []
    for number, source in enumerate(sources):
        rest, left_out = without_group(study.data, source, study.groups)
        if left_out is None:
            skipped.append(source)
            continue
        made = bench.trained(study.recipe, data=rest, variant=f"without{number}")
        there = bench.evaluation(made.tflite, left_out)
        test = bench.evaluation(made.tflite, ordinary_test(rest))
        interval = there.accuracy_interval
        gaps.append(
            _Gap(
                source, there.count, there.accuracy, (interval.low, interval.high), test.count, test.accuracy
            )
        )
    rows = [
        [
            gap.source,
            f"{gap.pictures:,}",
            percent(gap.accuracy),
            span(gap.interval),
            percent(gap.test_accuracy),
            f"{gap.test_pictures:,}",
            points(gap.difference),
        ]
        for gap in gaps
    ]
    headings = [
        "source left out",
        "its pictures",
        "accuracy on them",
        "95 % interval",
        "accuracy on Test of the others",
        "its pictures",
        "difference, points",
    ]
    text = f"""
{OWN}, recipe `{study.recipe.name}`, int8, seed {study.seeds[0]}: trained once without each source
(and without copies of its pictures), then judged on all of it, and on Test of the sources it did learn from.

{table(headings, rows)}

{_in_words(gaps)}
{_skipped(skipped)}"""
    return Section(
        title, text, {"sources": sources, "gaps": [asdict(gap) for gap in gaps], "skipped": skipped}
    )


def _in_words(gaps: list[_Gap]) -> str:
    if not gaps:
        return "No source could be left out."
    mean = sum(gap.difference for gap in gaps) / len(gaps)
    worst = min(gaps, key=lambda gap: gap.difference)
    return (
        f"On a source that it has never seen, the network is {points(mean)} points from what its Test split "
        f"says, on average; at worst {points(worst.difference)} ({worst.source}). Accuracy on a source left "
        "out is the one to expect of another camera or place: hence the paper's held-out camera session."
    )


def _skipped(sources: list[str]) -> str:
    if not sources:
        return ""
    return f"\nNot left out, because a split would lack a class without it: {', '.join(sources)}.\n"
