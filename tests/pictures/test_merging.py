"""Several sets as one, one held out by source; what is doubled or contradicts itself; what leaks."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from generator.errors import UsageError
from generator.pictures import apart_from_test, find_leaks, folder_set, open_data, without_leaks
from generator.pictures.report import describe
from tests.support.pictures import blobs

pytest.importorskip("cv2", reason="OpenCV is not installed")


def class_folders(root, write, first, count=12, names=("mask", "no mask")):
    for number, name in enumerate(names):
        for index in range(count):
            write(root / name / f"{index}.png", first + 1000 * number + index)
    return root


def kinds(data):
    return [(one.kind, one.file) for one in data.left_out]


def split_of(data):
    return {file: name for name, split in data.splits.items() for file in split.files}


def test_every_set_has_a_name_of_its_own(tmp_path, write):
    places = [tmp_path / "a" / "k", tmp_path / "b" / "k", tmp_path / "c" / "k-2"]
    for number, place in enumerate(places):
        class_folders(place, write, 5000 * number)
    assert folder_set(*places).name == "k + k-2 + k-2-2"


def test_equal_pictures_of_a_split_are_left_out_once(kaggle, write):
    folder = kaggle / "Train" / "WithMask"
    shutil.copy(folder / "0.png", folder / "0 copy.png")
    write(folder / "0.bmp", 0)  # another file with the same pixels
    data = folder_set(kaggle)
    assert kinds(data) == [
        ("duplicate", "Train/WithMask/0.bmp"),
        ("duplicate", "Train/WithMask/0.png"),
    ]
    assert data.left_out[0].reason == "the same picture is Train/WithMask/0 copy.png"
    assert find_leaks(data) == ()


def test_a_picture_in_two_classes_is_left_out_of_both(kaggle):
    shutil.copy(kaggle / "Train" / "WithMask" / "0.png", kaggle / "Test" / "WithoutMask" / "x.png")
    data = folder_set(kaggle)
    assert kinds(data) == [("conflict", "Test/WithoutMask/x.png"), ("conflict", "Train/WithMask/0.png")] or (
        kinds(data) == [("conflict", "Train/WithMask/0.png"), ("conflict", "Test/WithoutMask/x.png")]
    )
    assert {one.reason.rsplit(" ", 1)[1] for one in data.left_out} == {"WithMask", "WithoutMask"}


def leak(kaggle, write):
    """One equal and one mirrored picture of Train in Test, one of Validation in Test."""
    test = kaggle / "Test" / "WithMask"
    shutil.copy(kaggle / "Train" / "WithMask" / "0.png", test / "equal.png")
    write(test / "mirrored.png", np.ascontiguousarray(blobs(1, 40, 48)[:, ::-1]))
    shutil.copy(kaggle / "Validation" / "WithMask" / "2.png", test / "valid.png")


def test_leaks_of_given_splits_are_reported_and_can_be_taken_out(kaggle, write):
    leak(kaggle, write)
    data = folder_set(kaggle)
    found = [(one.split, one.file[14:], one.also_in, one.like, one.equal) for one in find_leaks(data)]
    assert found == [
        ("Test", "equal.png", "Train", "Train/WithMask/0.png", True),
        ("Test", "mirrored.png", "Train", "Train/WithMask/1.png", False),
        ("Test", "valid.png", "Validation", "Validation/WithMask/2.png", True),
    ]
    clean = without_leaks(data)
    assert len(clean.splits["Train"]) == 6
    assert clean.counts()["Test"] == {"no mask": 3, "mask": 3}
    np.testing.assert_array_equal(clean.splits["Test"].load(3), data.splits["Test"].load(3))
    assert find_leaks(clean) == ()
    apart = apart_from_test(data)
    assert apart.counts()["Train"] == {"no mask": 3, "mask": 1}
    assert len(apart.splits["Test"]) == len(data.splits["Test"])
    report = describe(data)
    assert report.straddling == {"no mask": 0, "mask": 6}
    assert len(report.near_duplicates) == 3
    assert json.loads(json.dumps(asdict(report)))["leaks"][1]["like"] == "Train/WithMask/1.png"


def test_clean_splits_keep_copies_together(kaggle, write):
    leak(kaggle, write)
    data = folder_set(kaggle, splitting="clean")
    assert find_leaks(data) == ()
    assert sum(map(len, data.splits.values())) == 18 + 3 - 2  # equal ones once
    where = split_of(data)
    assert where["Test/WithMask/mirrored.png"] == where["Train/WithMask/1.png"]
    assert folder_set(kaggle, splitting="clean").content_sha256 == data.content_sha256


def test_sets_are_merged_whatever_their_layouts_and_spellings(kaggle, tmp_path, write):
    other = class_folders(tmp_path / "own", write, 7000, names=("MASKED", "no_mask"))
    # A mirrored copy of a Test picture, in a set without splits, follows it.
    write(other / "MASKED" / "copy.png", np.ascontiguousarray(blobs(200, 40, 48)[:, ::-1]))
    data = open_data([kaggle, other])
    assert data.name == "faces + own"
    assert data.labels == ("no mask", "mask")
    where = split_of(data)
    assert where["faces/Test/WithMask/0.png"] == where["own/MASKED/copy.png"] == "Test"
    assert len(where) == 18 + 25
    assert find_leaks(data) == ()
    assert set(describe(data).sources) == {"faces", "own"}
    (tmp_path / "second").mkdir()
    same_name = class_folders(tmp_path / "second" / "own", write, 9000, 3)
    assert open_data([other, same_name]).name == "own + own-2"


def test_a_set_is_held_out_by_source(kaggle, tmp_path, write):
    camera = class_folders(tmp_path / "camera", write, 7000, 4)
    write(camera / "mask" / "copy.png", np.ascontiguousarray(blobs(1, 40, 48)[:, ::-1]))
    data = open_data(kaggle, held_out=[camera])
    assert {picture.source for picture in data.splits["Test"].pictures} == {"camera"}
    assert len(data.splits["Test"]) == 9
    assert kinds(data) == [("aside", f"faces/Test/{name}/{i}.{end}") for name, end in
                           (("WithoutMask", "jpg"), ("WithMask", "png")) for i in range(3)]  # fmt: skip
    (found,) = find_leaks(data)
    assert (found.file, found.like) == ("camera/mask/copy.png", "faces/Train/WithMask/1.png")
    assert "faces/Train/WithMask/1.png" not in split_of(apart_from_test(data))
    clean = open_data(kaggle, held_out=[camera], splitting="clean")
    assert find_leaks(clean) == ()
    assert len(clean.splits["Test"]) == 9
    alone = open_data([], held_out=[camera])
    assert (len(alone.splits["Train"]), len(alone.splits["Test"])) == (0, 9)


def test_sets_that_do_not_go_together(kaggle, tmp_path, write):
    animals = class_folders(tmp_path / "animals", write, 7000, 3, names=("cat", "dog"))
    with pytest.raises(UsageError, match=r"(?s)different classes.*faces: WithoutMask, WithMask.*cat, dog"):
        open_data([kaggle, animals])
    with pytest.raises(UsageError, match="named twice"):
        open_data([kaggle, kaggle / ".." / "faces"])
    with pytest.raises(UsageError, match="goes alone"):
        open_data(["synthetic", kaggle])


def test_a_class_that_is_one_series_is_explained(tmp_path, write):
    class_folders(tmp_path, write, 0, 6)
    for index in range(6):
        size = 96 - 2 * index
        write(tmp_path / "mask" / f"{index}.png", blobs(1)[:size, :size])
    with pytest.raises(UsageError, match=r"(?s)no picture of class mask.*12 pictures are 7 apart from near"):
        folder_set(tmp_path)
