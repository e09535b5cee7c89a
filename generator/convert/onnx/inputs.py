"""How the device takes a model's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from generator.convert.onnx.layout import Order, as_is, channels_last
from generator.convert.onnx.parse import OnnxInput, OnnxModel, OnnxNode

Readers: TypeAlias = Mapping[str, Sequence[OnnxNode]]


def readers_of(model: OnnxModel) -> Readers:
    """The nodes that read a name, in order."""
    readers: dict[str, list[OnnxNode]] = {}
    for node in model.nodes:
        for name in dict.fromkeys(node.inputs):
            readers.setdefault(name, []).append(node)
    return readers


_CONVOLVING = ("Conv", "ConvTranspose", "MaxPool", "AveragePool")


def input_order(readers: Readers, entry: OnnxInput) -> Order:
    """NHWC of 4-D inputs, NWC of 3-D ones that are convolved; as is if the model itself transposes first."""
    rank = len(entry.shape)
    if rank not in (3, 4):
        return as_is(rank)
    first = _first_reader(readers, entry.name, (*_CONVOLVING, "Transpose"))
    convolved = first is not None and first.op != "Transpose"
    plain = (first is not None and first.op == "Transpose") or (rank == 3 and not convolved)
    return as_is(rank) if plain else channels_last(rank)


def _first_reader(readers: Readers, name: str, ops: Sequence[str]) -> OnnxNode | None:
    """The nearest node behind a name that is one of ``ops``."""
    seen = {name}
    front = [name]
    while front:
        nodes = [node for n in front for node in readers.get(n, ())]
        for node in nodes:
            if node.op in ops:
                return node
        front = [output for node in nodes for output in node.outputs if output not in seen]
        seen.update(front)
    return None
