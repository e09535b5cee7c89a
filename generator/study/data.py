"""The paper's Table 1 beside ours: pictures before and after augmentation, their classes, and a sheet."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from generator.augment import Epoch
from generator.evaluate import PAPER_SETS
from generator.pictures import ImageSet, Split, find_leaks
from generator.pictures.report import draw_sheet
from generator.study.bench import Bench, Section
from generator.study.markdown import figure, table


def data(bench: Bench) -> Section:
    """Counts by the arithmetic of an epoch, class balance, and a sample sheet."""
    study = bench.study
    images, epoch = study.data, study.recipe.epoch
    sources = sorted({p.source for split in images.splits.values() for p in split.pictures})
    rows = [
        [row.name, "paper", f"{row.pictures:,}", f"{row.copies:,}", f"{_after(row.pictures, row.copies):,}"]
        for row in PAPER_SETS[:-1]
    ]
    rows.append(
        ["all for training", "paper", *_total([(r.pictures, r.copies, r.after) for r in PAPER_SETS[:-1]])]
    )
    held = PAPER_SETS[-1]
    rows.append([held.name, "paper", f"{held.pictures:,}", f"{held.copies:,}", f"{held.after:,}"])
    for source in sources:
        count = sum(p.source == source for p in images.splits["Train"].pictures)
        copies = 0 if isinstance(epoch.copies, int) else epoch.copies.get(source, 0)
        after = replace(epoch, copies=copies).size(count)
        rows.append([f"{source}, Train", "ours", f"{count:,}", f"{copies:,}", f"{after:,}"])
    trained = len(images.splits["Train"])
    copies = epoch.copies if isinstance(epoch.copies, int) else sum(epoch.copies.values())
    rows.append(["Train", "ours", f"{trained:,}", f"{copies:,}", f"{epoch.size(trained):,}"])
    rows += [[one.name, "ours", f"{len(one.split):,}", "0", f"{len(one.split):,}"] for one in study.judged]
    parts: dict[str, Split] = {"Train": images.splits["Train"], **{j.name: j.split for j in study.judged}}
    counts = {name: _classes(images, split) for name, split in parts.items()}
    balance = table(
        ["pictures", *images.labels, "smaller class of the larger"],
        [
            [name, *(f"{n:,}" for n in of.values()), f"{min(of.values()) / max(1, *of.values()):.0%}"]
            for name, of in counts.items()
        ],
    )
    leaks = Counter[str](leak.split for leak in find_leaks(images))
    if study.sheets:
        _draw_sheet(images, study.out / "sheet.png")
    text = f"""
{table(["set", "of", "pictures", "standard copies", "after augmentation"], rows, texts=2)}

Ours "after augmentation" are the pictures of one epoch of the recipe `{study.recipe.name}`, counted as the
paper counts: (pictures + copies) times the ways of scaling, five in the paper. Copies of ours are drawn anew
in every epoch, the paper's once. What judges is scaled once, as the firmware does.

{balance}

{_leaks_in_words(leaks)}

{figure("sheet", "Pictures of each class and split") if study.sheets else ""}
"""
    facts = {
        "name": images.name,
        "content_sha256": images.content_sha256,
        "paper": [asdict(row) for row in PAPER_SETS],
        "counts": counts,
        "pictures_per_epoch": epoch.size(trained),
        "leaks": dict(leaks),
    }
    return Section("Data (Table 1)", text, facts)


def _after(pictures: int, copies: int) -> int:
    return Epoch(copies=copies).size(pictures)


def _total(rows: list[tuple[int, int, int]]) -> list[str]:
    return [f"{sum(column):,}" for column in zip(*rows, strict=True)]


def _classes(images: ImageSet, split: Split) -> dict[str, int]:
    found = Counter(split.labels)
    return {label: found[index] for index, label in enumerate(images.labels)}


def _leaks_in_words(leaks: Counter[str]) -> str:
    if not leaks:
        return "No picture of Validation or Test stands in an earlier split, mirrored or recoloured either."
    found = " and ".join(f"{count:,} pictures of {split}" for split, count in sorted(leaks.items()))
    return f"{found} stand in an earlier split, too: accuracy on them flatters."


def _draw_sheet(images: ImageSet, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    draw_sheet(images, unfinished)
    unfinished.replace(path)
