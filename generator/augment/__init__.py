"""More pictures from few: the paper's two augmentations (arXiv 2011.14858, section 3), and stronger ones.

Light: NumPy at import, OpenCV only inside functions.
"""

from __future__ import annotations

from generator.augment.epoch import Epoch, Slots, slots
from generator.augment.recipe import FACES, INTERPOLATIONS, STANDARD, STRONG, Augmentation, Disguises
from generator.augment.stream import Batch, Pictures, Stream
from generator.augment.variation import Framing, Light

__all__ = [
    "FACES",
    "INTERPOLATIONS",
    "STANDARD",
    "STRONG",
    "Augmentation",
    "Batch",
    "Disguises",
    "Epoch",
    "Framing",
    "Light",
    "Pictures",
    "Slots",
    "Stream",
    "slots",
]
