"""What a study learns from and judges by: held-out sets, sources, and copies of their pictures."""

from __future__ import annotations

import pytest

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")

from generator.errors import UsageError  # noqa: E402
from generator.pictures import open_data, synthetic_set  # noqa: E402
from generator.study.pictures import (  # noqa: E402
    groups_of,
    ordinary_test,
    read_groups,
    study_sets,
    without_group,
)
from tests.support.pictures import blobs  # noqa: E402

CLASSES = ("WithoutMask", "WithMask")


def write(folder, seed):
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{seed}.png"), blobs(seed))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two sets with splits, and a camera's, of which one picture stands in the first set's Train."""
    root = tmp_path_factory.mktemp("sets")
    seed = 0
    for name in ("first", "second"):
        for split in ("Train", "Validation", "Test"):
            for label in CLASSES:
                for _ in range(3):
                    write(root / name / split / label, seed)
                    seed += 1
    for number, label in enumerate(CLASSES):
        for _ in range(2):
            write(root / "camera" / label, seed)
            seed += 1
        write(root / "camera" / label, number * 3)  # of the first set's Train
    return root


@pytest.fixture(scope="module")
def two(folders):
    return open_data([folders / "first", folders / "second"])


def test_nothing_of_the_held_out_set_is_learned_from(folders, two):
    joint = open_data([folders / "first", folders / "second"], held_out=[folders / "camera"])
    data, judged = study_sets(two, joint)
    assert [(one.name, len(one.split)) for one in judged] == [
        ("Validation", 12), ("Test", 12), ("held-out", 6),
    ]  # fmt: skip
    assert len(two.splits["Train"]) - len(data.splits["Train"]) == 2
    learned = {p.sha256 for p in data.splits["Train"].pictures + data.splits["Validation"].pictures}
    assert not learned.intersection(p.sha256 for p in judged[-1].split.pictures)
    assert data.content_sha256 != two.content_sha256
    assert len({one.identity for one in judged}) == 3


def test_without_a_held_out_set_test_judges(two):
    data, judged = study_sets(two)
    assert data is two
    assert [one.name for one in judged] == ["Validation", "Test"]


def test_a_source_is_left_out_of_everything(two):
    rest, gone = without_group(two, "second", None)
    assert {p.source for split in rest.splits.values() for p in split.pictures} == {"first"}
    assert len(gone.split) == 18
    assert {p.source for p in gone.split.pictures} == {"second"}
    assert gone.split.load(0).shape == (96, 96, 3)
    assert len(ordinary_test(rest).split) == 6


def test_sources_within_a_set(two, tmp_path):
    names = [file for split in two.splits.values() for file in split.files]
    lines = [f"{file},{'red' if i % 2 else 'blue'}" for i, file in enumerate(names[:-1])]
    (tmp_path / "groups.csv").write_text("\n".join(["file,group", *lines]) + "\n")
    groups = read_groups(tmp_path / "groups.csv", two)
    assert set(groups_of(two.splits["Train"], groups)) == {"red", "blue"}
    assert groups_of(two.splits["Test"], groups)[-1] == "second"  # not named: its set's
    rest, gone = without_group(two, "red", groups)
    assert gone is not None
    assert len(rest.splits["Train"]) == 6


def test_a_source_that_a_class_cannot_do_without(two):
    groups = {
        file: "masked"
        for split in two.splits.values()
        for file, label in zip(split.files, split.labels, strict=True)
        if label
    }
    assert without_group(two, "masked", groups)[1] is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name,source\n", "columns file and group"),
        ("file,group\nabsent.png,x\n", "absent.png"),
        ("file,group\n", "names are as in first/"),
    ],
)
def test_mistaken_groups(two, tmp_path, content, words):
    (tmp_path / "groups.csv").write_text(content)
    with pytest.raises(UsageError, match=words):
        read_groups(tmp_path / "groups.csv", two)


def test_three_classes_are_refused():
    from dataclasses import replace

    three = replace(synthetic_set(train=6, held_out=4, size=32), labels=("a", "b", "c"))
    with pytest.raises(UsageError, match="two classes"):
        study_sets(three)
