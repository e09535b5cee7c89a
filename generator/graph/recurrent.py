"""Operators that keep state from one run of the network to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from generator.graph.attributes import Attributes


@dataclass(frozen=True)
class Lstm(Attributes):
    """An LSTM over a sequence. Inputs: activations (batch, step, depth), or (step, batch, depth) if
    ``time_major``; weights (4 * units, depth), recurrent weights (4 * units, units), int32 biases
    (4 * units). Units of the input gate come first, then those of forget gate, cell and output gate, each
    with a scale of its own. State: the last output (batch, units) and the cells, int16 of the same shape.

    Cells are clamped to +-``cell_clip``, which 32768 does not do.
    """

    name: ClassVar[str] = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    parameters_from: ClassVar[int | None] = 1
    batches: int
    steps: int
    time_major: bool
    cell_clip: int


@dataclass(frozen=True)
class Svdf(Attributes):
    """A filter over features of the inputs of the last runs. Inputs: activations (batch, depth), weights
    (units * rank, depth) that make a feature of each, weights (units * rank, memory) of the features kept,
    int32 biases (units). State: the features, int8 or int16 (batch, units * rank * memory),
    oldest first.
    """

    name: ClassVar[str] = "SVDF"
    parameters_from: ClassVar[int | None] = 1
    rank: int
