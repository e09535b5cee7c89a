"""What an epoch consists of: counts, classes, order."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from generator.augment import FACES, INTERPOLATIONS, STANDARD, Epoch, slots

# Table 1 of arXiv 2011.14858: set, pictures, standard copies, scaled in five ways or not, pictures after.
TABLE_1 = (
    ("kaggle12k", 11_792, 0, True, 58_960),
    ("kaggle440", 440, 4_000, True, 22_200),
    ("openmv", 1_979, 8_000, True, 49_895),
    ("openmv_test", 594, 4_200, False, 4_794),
)


def drawn(how, sources, labels=None, seed=0):
    labels = np.arange(len(sources)) % 2 if labels is None else labels
    return slots(how, labels, sources, np.random.default_rng(seed))


@pytest.mark.parametrize(("name", "pictures", "copies", "each", "after"), TABLE_1)
def test_counts_are_those_of_table_1(name, pictures, copies, each, after):
    sources = [name] * pictures
    how = Epoch(copies={name: copies}, augmentation=STANDARD, each_interpolation=each)
    assert how.size(len(sources)) == len(drawn(how, sources)) == after


def test_training_sets_of_the_paper_add_up():
    sources = [name for name, count, *_ in TABLE_1[:3] for _ in range(count)]
    how = Epoch(copies={name: copies for name, _, copies, *_ in TABLE_1[:3]}, augmentation=STANDARD)
    plan = drawn(how, sources)
    assert len(sources) == 14_211
    assert how.size(len(sources)) == len(plan) == 131_055
    taken = Counter(np.asarray(sources)[plan.picture[plan.is_copy]].tolist())
    assert taken == {"kaggle440": 5 * 4_000, "openmv": 5 * 8_000}


def test_each_original_is_there_once_in_every_interpolation():
    plan = drawn(Epoch(), ["a"] * 7)
    assert sorted(zip(plan.picture.tolist(), plan.interpolation.tolist(), strict=True)) == [
        (picture, way) for picture in range(7) for way in range(len(INTERPOLATIONS))
    ]
    assert not plan.is_copy.any()


def test_copies_come_from_all_pictures_alike():
    plan = drawn(Epoch(originals=False, copies=25, each_interpolation=False), ["a"] * 10)
    assert set(Counter(plan.picture.tolist()).values()) == {2, 3}


def test_balanced_copies_come_from_all_classes_alike():
    labels = [0] * 90 + [1] * 9 + [2]
    how = Epoch(originals=False, copies=300, each_interpolation=False, balanced=True)
    plan = drawn(how, ["a"] * 100, labels)
    assert Counter(plan.label.tolist()) == {0: 100, 1: 100, 2: 100}
    assert (np.asarray(labels)[plan.picture] == plan.label).all()


def test_bare_faces_that_get_a_mask_are_masked_ones():
    how = Epoch(originals=False, copies=4_000, augmentation=FACES, each_interpolation=False, balanced=True)
    labels = np.arange(40) % 2
    plan = drawn(how, ["a"] * 40, labels)
    assert Counter(plan.label.tolist()) == {0: 2_000, 1: 2_000}
    assert (labels[plan.picture[plan.is_drawn]] == 0).all()
    assert (plan.label[plan.is_drawn] == 1).all()
    assert FACES.disguises is not None
    assert plan.is_drawn.sum() == pytest.approx(FACES.disguises.drawn * 2_000, rel=0.1)


def test_order_and_lots_follow_from_the_seed():
    how = Epoch(copies=30, augmentation=STANDARD)
    first, again, other = (drawn(how, ["a"] * 20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.picture, again.picture)
    assert (first.picture != other.picture).any()
    assert (np.diff(first.picture) < 0).any(), "not shuffled"


def test_the_same_way_five_times_is_as_large_an_epoch():
    ways = drawn(Epoch(), ["a"] * 7), drawn(Epoch(interpolations=(2,) * 5), ["a"] * 7)
    assert len(ways[0]) == len(ways[1]) == 35
    assert (ways[0].picture == ways[1].picture).all()
    assert set(ways[1].interpolation.tolist()) == {2}
