"""Inputs to compare on: pictures where the network takes pictures, smooth signals where not, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from generator.application import pixel_values
from generator.assets import models_dir
from generator.catalog import Normalization
from generator.graph import DType, Graph, Tensor
from generator.imaging import load_samples, prepare_image

Array = NDArray[np.generic]

_PICTURES = "mask_cnn"  # whose samples serve every network that takes pictures and ships none


@dataclass(frozen=True)
class TestInput:
    """One value per input of the network; ``kind`` is image, signal or noise."""

    __test__ = False  # not a test class of pytest

    name: str
    kind: str
    values: tuple[Array, ...]


def make_inputs(
    graph: Graph,
    folder: Path,
    normalization: Normalization | None,
    *,
    realistic: int,
    noise: int,
    seed: int = 0,
) -> tuple[TestInput, ...]:
    """``realistic`` pictures or signals, then ``noise`` inputs; the same arguments give the same values."""
    rng = np.random.default_rng(seed)
    tensors = graph.input_tensors()
    pictures = _pictures(tensors, folder, normalization, realistic)
    signals = [
        TestInput(f"signal {i}", "signal", tuple(_signal(t, rng) for t in tensors))
        for i in range(realistic - len(pictures))
    ]
    noises = [TestInput(f"noise {i}", "noise", tuple(_noise(t, rng) for t in tensors)) for i in range(noise)]
    return (*pictures, *signals, *noises)


def _pictures(
    tensors: Sequence[Tensor], folder: Path, normalization: Normalization | None, count: int
) -> list[TestInput]:
    tensor = tensors[0]
    if len(tensors) != 1 or len(tensor.shape) != 4 or tensor.shape[0] != 1 or tensor.shape[3] not in (1, 3):
        return []
    samples = load_samples(folder) or load_samples(models_dir() / _PICTURES)
    table = pixel_values(tensor, normalization)
    _, height, width, channels = tensor.shape
    return [
        TestInput(s.name, "image", (table[prepare_image(s.image, height, width, channels)][np.newaxis],))
        for s in samples[:count]
    ]


def _noise(tensor: Tensor, rng: np.random.Generator) -> Array:
    if tensor.dtype is DType.FLOAT32:
        return rng.uniform(-1.0, 1.0, tensor.shape).astype(np.float32)
    info = np.iinfo(np.dtype(tensor.dtype.value))
    return rng.integers(info.min, info.max, tensor.shape, endpoint=True).astype(tensor.dtype.numpy)


def _signal(tensor: Tensor, rng: np.random.Generator) -> Array:
    """A slow random walk scaled to the type's range: neighbours are alike, as in recorded signals."""
    walk = np.cumsum(rng.normal(size=max(tensor.element_count, 1)))
    unit = (walk - walk.min()) / max(float(np.ptp(walk)), 1e-9)
    if tensor.dtype is DType.FLOAT32:
        return np.asarray(unit * 2 - 1, np.float32).reshape(tensor.shape)
    info = np.iinfo(np.dtype(tensor.dtype.value))
    steps = np.rint(unit * (info.max - info.min) + info.min)
    return np.asarray(steps, tensor.dtype.numpy).reshape(tensor.shape)
