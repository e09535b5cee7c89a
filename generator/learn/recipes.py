"""How networks are trained: the paper's way, and a way that holds on pictures from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from generator.augment import FACES, STANDARD, Epoch
from generator.errors import UsageError
from generator.pictures import MASK_LABELS, ImageSet

Schedule: TypeAlias = Literal["plateau", "cosine"]

_PLATEAU_FACTOR = 0.2
_PLATEAU_PATIENCE = 5
_COSINE_END = 0.01  # of the highest rate
_WARM_UP = 0.1  # of the highest rate, in the first epoch: deep networks may never begin to learn otherwise


@dataclass(frozen=True)
class Recipe:
    """Everything that training can vary, but for the network, the pictures and the seed.

    Attributes:
        name: as typed on the command line.
        epoch: what each epoch consists of.
        epochs: how many there are at most.
        batch_size: pictures per step.
        learning_rate: of Adam, at first (beta1 0.9, beta2 0.999, epsilon 1e-7).
        schedule: plateau: by 0.2 after 5 epochs without gain on Validation, as in the paper; cosine: a tenth
            in the first epoch, then falling to a hundredth in the last.
        dropout: factor on the network's dropout rates; 0 switches them off.
        is_centred: whether the network sees pixels around zero while it learns; what comes out takes 0..1.
        label_smoothing: part of the truth that is spread over all classes, 0..1.
        patience: epochs without gain on Validation after which training stops; None goes on to the end.
        validation_copies: augmented Validation pictures, always the same, that decide which epoch is best,
            beside the originals.
        drawings: drawn faces that join the pictures of Train, where classes are bare and masked faces: masks,
            hands, beards and scarves of every kind.
    """

    name: str
    epoch: Epoch
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 0.001
    schedule: Schedule = "plateau"
    dropout: float = 1.0
    is_centred: bool = False
    label_smoothing: float = 0.0
    patience: int | None = None
    validation_copies: int = 0
    drawings: int = 0

    def rate(self, number: int, accuracies: Sequence[float]) -> float:
        """Learning rate of epoch ``number`` (from 0), after epochs with these Validation accuracies."""
        if self.schedule == "cosine":
            if number == 0 and self.epochs > 1:
                return self.learning_rate * _WARM_UP
            share = 0.5 + 0.5 * math.cos(math.pi * number / max(self.epochs - 1, 1))
            return self.learning_rate * (_COSINE_END + (1 - _COSINE_END) * share)
        return self.learning_rate * _PLATEAU_FACTOR ** _falls(accuracies)

    def is_over(self, accuracies: Sequence[float]) -> bool:
        """Whether training has nothing more to gain after epochs with these Validation accuracies."""
        if self.patience is None or not accuracies:
            return False
        best = max(range(len(accuracies)), key=lambda i: (accuracies[i], -i))
        return len(accuracies) - 1 - best >= self.patience


def _falls(accuracies: Sequence[float]) -> int:
    """How often a plateau of _PLATEAU_PATIENCE epochs was met."""
    falls, best, waited = 0, -1.0, 0
    for accuracy in accuracies:
        if accuracy > best + 1e-4:
            best, waited = accuracy, 0
        else:
            waited += 1
            if waited == _PLATEAU_PATIENCE:
                falls, waited = falls + 1, 0
    return falls


PAPER = Recipe("paper", Epoch(augmentation=STANDARD))
"""That of arXiv 2011.14858, section 3; standard copies as they are asked for, for small sets."""

ROBUST = Recipe(
    "robust",
    Epoch(originals=False, copies=20_000, augmentation=FACES, each_interpolation=False, balanced=True),
    epochs=300,
    schedule="cosine",
    dropout=0.5,
    is_centred=True,
    validation_copies=2_000,
    drawings=600,
)
"""For pictures from elsewhere: masks, faces, framing, cameras and light that the set does not hold."""

RECIPES = {recipe.name: recipe for recipe in (PAPER, ROBUST)}


def fitted(recipe: Recipe, data: ImageSet, copies: Mapping[str, int] | int | None = None) -> Recipe:
    """Return a recipe for an image set: with ``copies`` of its own, and of Validation no more than of Train;
    masks and faces are drawn only where classes are bare and masked faces.

    Raises:
        UsageError: copies are asked of a set that is not there, or not for all sets together where a recipe
            balances classes.
    """
    epoch, validation_copies = recipe.epoch, recipe.validation_copies
    if copies is not None:
        if isinstance(copies, Mapping):
            if epoch.balanced:
                raise UsageError(
                    f"recipe {recipe.name} balances classes: give one number of copies for all sets"
                )
            known = {picture.source for picture in data.splits["Train"].pictures}
            for name in copies:
                if name not in known:
                    raise UsageError(f"no set is called {name!r}; there are {', '.join(sorted(known))}")
        else:
            validation_copies = min(validation_copies, copies)
        epoch = replace(epoch, copies=copies)
    drawings = 0 if data.is_synthetic else recipe.drawings
    if data.labels != MASK_LABELS:
        epoch, drawings = replace(epoch, augmentation=replace(epoch.augmentation, disguises=None)), 0
    return replace(recipe, epoch=epoch, validation_copies=validation_copies, drawings=drawings)
