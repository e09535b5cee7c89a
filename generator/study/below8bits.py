"""Networks of fewer channels and weights of fewer bits: the sweep as a part of the study."""

from __future__ import annotations

from generator.learn.pareto import draw_pareto
from generator.learn.sweep import DEFAULT_TUNING_EPOCHS, as_json, as_markdown, run_sweep
from generator.study.bench import Bench, Section
from generator.study.markdown import figure


def below8bits(bench: Bench) -> Section:
    """The sweep's table and plot."""
    study = bench.study
    rows = run_sweep(
        study.data,
        study.work / "sweep",
        study.cast,
        networks=study.sweep,
        recipe=study.recipe,
        tuning_epochs=min(DEFAULT_TUNING_EPOCHS, study.recipe.epochs),
        seed=study.seeds[0],
        workers=study.workers,
        progress=bench.progress,
    )
    bench.seconds += sum({row.network: row.training_seconds for row in rows}.values())
    bench.seconds += sum(row.tuning_seconds for row in rows)
    draw_pareto(rows, study.out)
    text = f"""
{as_markdown(rows)}
Recipe `{study.recipe.name}`, seed {study.seeds[0]}; how weights of few bits are trained: docs/below8bits.md.

{figure("pareto", "Accuracy against flash and modelled latency")}
"""
    return Section("Below 8 bits", text, as_json(rows))
