"""Labelled pictures: folders in the usual layouts, what is wrong with them, and drawings.

OpenCV is imported inside functions only.
"""

from __future__ import annotations

from generator.pictures.leaks import Leak, apart_from_test, find_leaks, without_leaks
from generator.pictures.merging import SPLITTINGS, Splitting, folder_set, open_data
from generator.pictures.sets import (
    MASK_LABELS,
    SYNTHETIC,
    ImageSet,
    LeftOut,
    Picture,
    Split,
    SplitName,
    network_inputs,
    synthetic_set,
    with_drawings,
)

__all__ = [
    "MASK_LABELS",
    "SPLITTINGS",
    "SYNTHETIC",
    "ImageSet",
    "Leak",
    "LeftOut",
    "Picture",
    "Split",
    "SplitName",
    "Splitting",
    "apart_from_test",
    "find_leaks",
    "folder_set",
    "network_inputs",
    "open_data",
    "synthetic_set",
    "with_drawings",
    "without_leaks",
]
