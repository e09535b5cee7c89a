"""What the paper reports (arXiv 2011.14858, Tables 1 to 5), to stand beside our figures.

Its pictures are others: 4,794 of its camera after augmentation. So a difference is no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PAPER_TEST_PICTURES = 4794


@dataclass(frozen=True)
class PaperSet:
    """A row of the paper's Table 1: pictures, transformed copies of them, and what is left after.

    Attributes:
        name: as in the paper.
        pictures: before augmentation.
        copies: by standard augmentation.
        interpolated: whether each is scaled in five ways.
        after: pictures after augmentation, as printed there.
    """

    name: str
    pictures: int
    copies: int
    interpolated: bool
    after: int


PAPER_SETS = (
    PaperSet("Kaggle, Face Mask 12K Images", 11_792, 0, True, 58_960),
    PaperSet("Kaggle, face-mask-detection", 440, 4_000, True, 22_200),
    PaperSet("OpenMV camera", 1_979, 8_000, True, 49_895),
    PaperSet("OpenMV camera, held out", 594, 4_200, False, 4_794),
)
"""Table 1; all but the last are for training and validation."""


@dataclass(frozen=True)
class PaperModel:
    """One column of the paper's tables.

    Attributes:
        name: as in the paper.
        float32_accuracy, int8_accuracy: 0..1.
        mask, no_mask: precision and recall of the int8 network, 0..1, as rounded there.
        float32_file, int8_file: sizes as printed there.
        reduction: part of the float32 file that the int8 file saves, 0..1.
    """

    name: str
    float32_accuracy: float
    int8_accuracy: float
    mask: tuple[float, float]
    no_mask: tuple[float, float]
    float32_file: str
    int8_file: str
    reduction: float

    def figures_of(self, label: str) -> tuple[float, float] | None:
        """Precision and recall of a class by our name for it."""
        return {"mask": self.mask, "no mask": self.no_mask}.get(label)


PAPER: Mapping[str, PaperModel] = MappingProxyType(
    {
        "mask_cnn": PaperModel(
            "proposed", 0.9981, 0.9983, (1.0, 1.0), (1.0, 1.0), "1.52 MB", "138 KB", 0.9116
        ),
        "squeezenet": PaperModel(
            "SqueezeNet", 0.9850, 0.9853, (1.0, 0.97), (0.97, 1.0), "8.0 MB", "780 KB", 0.9048
        ),
        "squeezenet_modified": PaperModel(
            "Modified SqueezeNet", 0.9893, 0.9899, (1.0, 0.97), (0.97, 1.0), "3.84 MB", "386 KB", 0.9018
        ),
    }
)
"""By the name of our architecture."""
