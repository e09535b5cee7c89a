"""Folders of pictures: the layouts that are understood, and what is said of the others."""

from __future__ import annotations

import os

import numpy as np
import pytest

from generator.errors import UsageError
from generator.imaging import area_average
from generator.pictures import folder_set, network_inputs, open_data

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")


def test_kaggle_layout(kaggle):
    data = folder_set(kaggle)
    assert data.name == "faces"
    assert data.labels == ("no mask", "mask")
    assert not data.is_synthetic
    train = data.splits["Train"]
    assert train.files[0] == "Train/WithoutMask/0.jpg"
    assert train.labels == (0, 0, 0, 1, 1, 1)
    assert data.counts()["Test"] == {"no mask": 3, "mask": 3}
    assert {picture.source for picture in train.pictures} == {"faces"}
    assert (train.pictures[0].height, train.pictures[0].width) == (40, 48)


def test_archives_unpack_into_a_folder_within_a_folder(kaggle, tmp_path, write):
    outer = tmp_path / "archive" / "Face Mask Dataset"
    outer.parent.mkdir()
    kaggle.rename(outer)
    write(tmp_path / "archive" / "__MACOSX" / "Train" / "WithMask" / "x.png")
    data = folder_set(tmp_path / "archive")
    assert data.name == "archive"
    assert data.splits["Test"].files[0] == "Face Mask Dataset/Test/WithoutMask/0.jpg"


def test_content_hash_follows_the_bytes(kaggle, write):
    before = folder_set(kaggle).content_sha256
    assert folder_set(kaggle).content_sha256 == before
    write(kaggle / "Test" / "WithMask" / "2.png", 999)
    assert folder_set(kaggle).content_sha256 != before


def test_class_folders_alone_are_split_by_content(tmp_path, write):
    for index in range(60):
        write(tmp_path / "with_mask" / f"{index:02}.png", index)
        write(tmp_path / "without_mask" / f"{index:02}.png", 1000 + index)
    data = folder_set(tmp_path)
    assert data.labels == ("no mask", "mask")
    sizes = {name: len(split) for name, split in data.splits.items()}
    assert sum(sizes.values()) == 120
    assert sizes["Train"] > 80
    first = {name: split.files for name, split in data.splits.items()}
    # Another file must not move the others from one split to another.
    write(tmp_path / "with_mask" / "extra.png", 5000)
    again = folder_set(tmp_path)
    assert all(set(first[name]) <= set(again.splits[name].files) for name in first)


def test_few_pictures_still_make_three_splits(tmp_path, write):
    for name, count in (("a", 3), ("b", 4), ("c", 5)):
        for index in range(count):
            write(tmp_path / name / f"{index}.png", 100 * ord(name) + index)
    data = folder_set(tmp_path)
    assert data.labels == ("a", "b", "c")
    assert all(min(counts.values()) >= 1 for counts in data.counts().values())


def test_any_names_endings_and_junk(tmp_path, write):
    for split in ("TRAIN", "val", "Testing"):
        for number, label in enumerate(("Füße und Hände", "猫", "Dog")):
            folder = tmp_path / split / (label.upper() if split == "val" else label)
            for index, ending in enumerate((".JPG", ".jpeg", ".png", ".bmp", ".webp")):
                seed = 1000 * number + 100 * len(split) + index
                write(folder / "deeper down" / f"ä {index}{ending}", seed)
            (folder / "Thumbs.db").write_bytes(b"junk")
            (folder / "._hidden.jpg").write_bytes(b"junk")
            write(folder / ".ipynb_checkpoints" / "copy.png", 77)
    (tmp_path / "notes").mkdir()
    data = folder_set(tmp_path)
    assert data.labels == ("Dog", "Füße und Hände", "猫")
    assert {name: len(split) for name, split in data.splits.items()} == dict.fromkeys(data.splits, 15)
    assert data.left_out == ()
    assert data.left_alone == {data.name: {".db": 9, "notes/": 1}}
    assert data.splits["Train"].load(14).shape == (40, 48, 3)


def test_spelling_says_nothing_and_symbols_do(tmp_path, write):
    names = [("cafe\u0301 au lait", "C", "C++", "-1"), ("Caf\u00e9_Au-Lait", "c", "c++", "-1")]
    for split, spelled in zip(("Train", "Test"), names, strict=True):
        for number, name in enumerate(spelled):
            for index in range(4):
                write(tmp_path / split / name / f"{index}.png", 100 * len(split) + 10 * number + index)
    data = folder_set(tmp_path)
    assert data.labels == ("-1", "C", "C++", "cafe\u0301 au lait")
    assert data.counts()["Test"] == dict.fromkeys(data.labels, 4)


def test_what_lies_beside_classes_is_counted(kaggle, write):
    write(kaggle / "Train" / "loose.png", 900)
    (kaggle / "read me").write_text("of this set")
    elsewhere = write(kaggle.parent / "elsewhere" / "x.png", 901).parent
    (kaggle / "Train" / "WithMask" / "more").symlink_to(elsewhere)
    data = folder_set(kaggle)
    assert data.left_alone == {"faces": {".png": 1, "more/": 1, "no ending": 1}}
    assert sum(map(len, data.splits.values())) == 18


def test_a_folder_of_sets_is_no_set(kaggle, tmp_path, write):
    for index in range(3):
        write(tmp_path / "k440" / "mask" / f"{index}.png", 950 + index)
    with pytest.raises(UsageError, match=r"faces holds splits of its own: name each set alone"):
        folder_set(tmp_path)


def test_too_few_pictures_say_how_many(tmp_path, write):
    for name in ("a", "b"):
        for index in range(2):
            write(tmp_path / name / f"{index}.png", 100 * ord(name) + index)
    with pytest.raises(UsageError, match=r"no picture of class(.|\n)*made of 3 pictures of each class"):
        folder_set(tmp_path)


def test_a_name_that_is_no_text(tmp_path, write):
    for index in range(3):
        write(tmp_path / "a" / f"{index}.png", index)
        written = write(tmp_path / "b" / f"{index}.png", 10 + index)
        os.rename(written, os.path.join(os.fsencode(tmp_path / "b"), b"\xff%d.png" % index))
    files = [file for split in folder_set(tmp_path).splits.values() for file in split.files]
    assert "b/?0.png" in files


def test_a_missing_split_is_taken_from_train(kaggle, write):
    for file in (kaggle / "Validation").rglob("*.*"):
        file.unlink()
    for index in range(20):
        write(kaggle / "Train" / "WithMask" / f"more{index}.png", 2000 + index)
        write(kaggle / "Train" / "WithoutMask" / f"more{index}.png", 3000 + index)
    with pytest.raises(UsageError, match="Validation has no picture of class WithoutMask, Validation has no"):
        folder_set(kaggle)
    (kaggle / "Validation").rename(kaggle / "Other")
    data = folder_set(kaggle)
    assert all(file.startswith("Train/") for file in data.splits["Validation"].files)
    assert len(data.splits["Test"]) == 6
    assert data.left_alone == {"faces": {"Other/": 1}}


def test_wrong_folders_are_explained(tmp_path, kaggle):
    with pytest.raises(UsageError, match=r"no such folder.*synthetic"):
        folder_set(tmp_path / "absent")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match=r"needs at least two class folders.*found no folder at all"):
        folder_set(empty)
    (empty / "cat").mkdir()
    with pytest.raises(UsageError, match="found cat"):
        folder_set(empty)
    (kaggle / "Train").rename(kaggle / "Other")
    with pytest.raises(UsageError, match="has Validation and Test but no folder Train"):
        folder_set(kaggle)


def test_a_class_without_images_is_named(kaggle):
    for file in (kaggle / "Test" / "WithMask").iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(UsageError, match=r"Test has no picture of class WithMask(.|\n)*0\.png: is neither"):
        folder_set(kaggle)


def test_what_cannot_be_read_is_left_out(kaggle):
    (kaggle / "Train" / "WithMask" / "0.png").write_bytes(b"broken")
    cut = kaggle / "Train" / "WithoutMask" / "1.jpg"
    cut.write_bytes(cut.read_bytes()[:-30])
    data = folder_set(kaggle)
    assert [(one.kind, one.file) for one in data.left_out] == [
        ("unreadable", "Train/WithoutMask/1.jpg"),
        ("unreadable", "Train/WithMask/0.png"),
    ]
    assert str(kaggle) not in data.left_out[0].reason
    assert len(list(data.splits["Train"].images())) == 4


def test_pictures_that_go_bad_later_are_named(kaggle):
    data = folder_set(kaggle)
    (kaggle / "Train" / "WithMask" / "0.png").write_bytes(b"broken")
    (kaggle / "Train" / "WithoutMask" / "1.jpg").unlink()
    with pytest.raises(UsageError, match=r"(?s)WithoutMask/1\.jpg.*WithMask/0\.png"):
        list(data.splits["Train"].images())


def test_grey_transparent_and_tiny_pictures(kaggle, write):
    folder = kaggle / "Train" / "WithMask"
    write(folder / "grey.png", np.full((9, 9), 77, np.uint8))
    write(folder / "clear.png", np.zeros((5, 5, 4), np.uint8))
    write(folder / "pixel.png", np.full((1, 1, 3), 7, np.uint8))
    write(folder / "another.png", np.full((1, 1, 3), 250, np.uint8))
    data = folder_set(kaggle)
    assert data.left_out == ()
    assert network_inputs(data.splits["Train"], 16, 16, 3).shape == (10, 16, 16, 3)
    assert len({picture.cluster for picture in data.splits["Train"].pictures}) == 10


def test_network_inputs_are_the_firmwares(kaggle):
    test = open_data(kaggle).splits["Test"]
    inputs = network_inputs(test, 16, 16, 3)
    assert inputs.shape == (6, 16, 16, 3)
    np.testing.assert_array_equal(inputs[4], area_average(test.load(4), 16, 16))
    assert network_inputs(test, 16, 16, 1).shape == (6, 16, 16, 1)
