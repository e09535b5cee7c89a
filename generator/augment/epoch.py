"""Which pictures an epoch consists of, and how many: the arithmetic of the paper's Table 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from generator.augment.recipe import BARE, INTERPOLATIONS, MASKED, STANDARD, Augmentation


@dataclass(frozen=True)
class Epoch:
    """What an epoch consists of.

    Attributes:
        originals: whether every picture is there as it is.
        copies: augmented pictures beside them: per source, by its name, or one number for all together.
        augmentation: what copies go through.
        each_interpolation: whether every picture and copy is there once for each of ``interpolations``; else
            once, scaled in one of them drawn by lot.
        balanced: whether copies come from all classes alike; else from all pictures alike.
        interpolations: ways to scale, by their positions in INTERPOLATIONS: the paper's five. Five times the
            same way is as large an epoch without their variety.
    """

    originals: bool = True
    copies: Mapping[str, int] | int = 0
    augmentation: Augmentation = STANDARD
    each_interpolation: bool = True
    balanced: bool = False
    interpolations: tuple[int, ...] = tuple(range(len(INTERPOLATIONS)))

    def size(self, pictures: int) -> int:
        """Pictures of one epoch, for a set of so many."""
        copies = self.copies if isinstance(self.copies, int) else sum(self.copies.values())
        ways = len(self.interpolations) if self.each_interpolation else 1
        return (pictures * self.originals + copies) * ways


@dataclass(frozen=True)
class Slots:
    """The pictures of one epoch in its order; arrays with an entry for each.

    Attributes:
        picture: position in the set.
        label: its class then.
        is_copy: whether it is augmented.
        is_drawn: whether it is a bare face that gets a mask.
        interpolation: position in INTERPOLATIONS.
    """

    picture: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    is_copy: npt.NDArray[np.bool_]
    is_drawn: npt.NDArray[np.bool_]
    interpolation: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.picture)

    def part(self, start: int, stop: int) -> Slots:
        """Those from ``start`` to before ``stop``."""
        return Slots(*(getattr(self, field.name)[start:stop] for field in fields(self)))


def slots(how: Epoch, labels: Sequence[int], sources: Sequence[str], rng: np.random.Generator) -> Slots:
    """Draw the pictures of an epoch and their order.

    Args:
        how: what it consists of.
        labels: class of every picture of the set.
        sources: name of the set that each came from.
        rng: decides.
    """
    classes = np.asarray(labels, np.int64)
    originals = np.arange(len(classes) if how.originals else 0)
    copied, drawn = _balanced(how, classes, rng) if how.balanced else _of_each(how, np.asarray(sources), rng)
    picture = np.concatenate([originals, copied])
    is_copy = np.arange(len(picture)) >= len(originals)
    is_drawn = np.concatenate([np.zeros(len(originals), np.bool_), drawn])
    label = np.where(is_drawn, MASKED, classes[picture])
    ways = len(how.interpolations)
    if how.each_interpolation:
        slot, way = np.divmod(np.arange(len(picture) * ways), ways)
    else:
        slot, way = np.arange(len(picture)), rng.integers(ways, size=len(picture))
    interpolation = np.asarray(how.interpolations, np.int64)[way]
    order = rng.permutation(len(slot))
    slot = slot[order]
    return Slots(picture[slot], label[slot], is_copy[slot], is_drawn[slot], interpolation[order])


def _of_each(
    how: Epoch, sources: npt.NDArray[np.str_], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Pictures that copies are made of, source by source, and that none of them gets a mask drawn on."""
    wanted = {None: how.copies} if isinstance(how.copies, int) else how.copies
    chosen = [
        _evenly(np.flatnonzero((sources == name) | (name is None)), count, rng)
        for name, count in wanted.items()
    ]
    copied = np.concatenate(chosen)
    return copied, np.zeros(len(copied), np.bool_)


def _balanced(
    how: Epoch, classes: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Pictures that copies are made of, from all classes alike, and which of them get a mask drawn on."""
    assert isinstance(how.copies, int), "balanced copies are for all sources together"
    kinds = int(classes.max()) + 1
    wanted = np.arange(how.copies) % kinds
    disguises = how.augmentation.disguises
    drawn = (wanted == MASKED) & (rng.random(how.copies) < (disguises.drawn if disguises else 0))
    origin = np.where(drawn, BARE, wanted)
    copied = np.empty(how.copies, np.int64)
    for kind in range(kinds):
        takers = origin == kind
        copied[takers] = _evenly(np.flatnonzero(classes == kind), int(takers.sum()), rng)
    return copied, drawn


def _evenly(pool: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """``count`` from ``pool``, each as often as any other, give or take one."""
    rounds = [rng.permutation(pool) for _ in range(-(-count // max(len(pool), 1)))]
    return np.concatenate([*rounds, pool[:0]])[:count]
