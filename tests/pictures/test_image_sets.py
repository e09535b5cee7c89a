"""Folders of pictures: the layouts that are understood, and what is said of the others."""

from __future__ import annotations

import numpy as np
import pytest

from generator.errors import UsageError
from generator.imaging import area_average
from generator.learn.augment import INTERPOLATIONS, Augmentation, epoch_images, interpolated, standard
from generator.pictures.sets import folder_set, network_inputs, squares

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")


def write(path, value=0, size=(40, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(value).integers(0, 256, (*size, 3), dtype=np.uint8)
    cv2.imwrite(str(path), image)


@pytest.fixture
def faces(tmp_path):
    root = tmp_path / "faces"
    for order, split in enumerate(("Train", "Validation", "Test")):
        for index in range(3):
            write(root / split / "WithMask" / f"{index}.png", 100 * order + index)
            write(root / split / "WithoutMask" / f"{index}.jpg", 100 * order + 50 + index)
    return root


def test_kaggle_layout(faces):
    data = folder_set(faces)
    assert data.name == "faces"
    assert data.labels == ("no mask", "mask")
    assert not data.is_synthetic
    train = data.splits["Train"]
    assert train.files[0] == "Train/WithoutMask/0.jpg"
    assert train.labels == (0, 0, 0, 1, 1, 1)
    assert data.counts()["Test"] == {"no mask": 3, "mask": 3}


def test_content_hash_follows_the_bytes(faces):
    before = folder_set(faces).content_sha256
    assert folder_set(faces).content_sha256 == before
    write(faces / "Test" / "WithMask" / "2.png", 999)
    assert folder_set(faces).content_sha256 != before


def test_class_folders_alone_are_split_by_content(tmp_path):
    for index in range(60):
        write(tmp_path / "with_mask" / f"{index:02}.png", index, (8, 8))
        write(tmp_path / "without_mask" / f"{index:02}.png", 1000 + index, (8, 8))
    data = folder_set(tmp_path)
    assert data.labels == ("no mask", "mask")
    sizes = {name: len(split) for name, split in data.splits.items()}
    assert sum(sizes.values()) == 120
    assert sizes["Train"] > 80
    first = {name: split.files for name, split in data.splits.items()}
    # Another file must not move the others from one split to another.
    write(tmp_path / "with_mask" / "extra.png", 5000, (8, 8))
    again = folder_set(tmp_path)
    assert all(set(first[name]) <= set(again.splits[name].files) for name in first)


def test_other_class_names_keep_their_names(tmp_path):
    for split in ("train", "val", "test"):
        write(tmp_path / split / "cat" / "1.png", 1)
        write(tmp_path / split / "dog" / "1.png", 2)
    assert folder_set(tmp_path).labels == ("cat", "dog")


def test_wrong_folders_are_explained(tmp_path, faces):
    with pytest.raises(UsageError, match=r"no such folder.*synthetic"):
        folder_set(tmp_path / "absent")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match=r"needs two class folders.*found no folder at all"):
        folder_set(empty)
    (faces / "Validation").rename(faces / "Other")
    with pytest.raises(UsageError, match="has no folder Validation"):
        folder_set(faces)


def test_a_class_without_images_is_named(faces):
    for file in (faces / "Test" / "WithMask").iterdir():
        file.unlink()
    with pytest.raises(UsageError, match="Test has no JPEG or PNG image of class WithMask"):
        folder_set(faces)


def test_three_classes_are_refused(faces):
    write(faces / "Train" / "Wrong" / "1.png")
    with pytest.raises(UsageError, match="found WithMask, WithoutMask, Wrong"):
        folder_set(faces)


def test_all_unreadable_pictures_are_named(faces):
    (faces / "Train" / "WithMask" / "0.png").write_bytes(b"broken")
    (faces / "Train" / "WithoutMask" / "1.jpg").write_bytes(b"")
    data = folder_set(faces)
    with pytest.raises(UsageError) as caught:
        squares(data.splits["Train"])
    assert "WithMask/0.png" in str(caught.value)
    assert "WithoutMask/1.jpg" in str(caught.value)


def test_network_inputs_are_the_firmwares(faces):
    test = folder_set(faces).splits["Test"]
    inputs = network_inputs(test, 16, 16, 3)
    assert inputs.shape == (6, 16, 16, 3)
    np.testing.assert_array_equal(inputs[4], area_average(test.load(4), 16, 16))
    assert network_inputs(test, 16, 16, 1).shape == (6, 16, 16, 1)


def test_five_interpolations_differ():
    image = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    variants = interpolated(image, 32, 32, 3)
    assert variants.shape == (5, 32, 32, 3)
    assert len({variant.tobytes() for variant in variants}) == len(INTERPOLATIONS) == 5
    assert np.abs(variants[0].astype(int) - area_average(image, 32, 32)).max() <= 1


def test_augmentation_is_seeded_and_bounded():
    image = np.full((48, 48, 3), 100, np.uint8)
    how = Augmentation(share=1.0, brightness=0.2)
    one, two = (standard(image, np.random.default_rng(4), how) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert 79 <= one.min() <= one.max() <= 121
    sides = {standard(image, np.random.default_rng(seed), how).shape[0] for seed in range(20)}
    assert len(sides) > 5
    assert 40 <= min(sides) <= max(sides) <= 56
    plain = epoch_images([image], np.random.default_rng(0), None, (32, 32, 3))
    assert plain.shape == (5, 32, 32, 3)
    assert (plain == 100).all()
