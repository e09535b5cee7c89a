"""Mutation that knows what an ONNX file is made of."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper

from tests.convert.test_operators import CASES
from tests.fuzz.mutants import NUMBERS, SCALES, UNFIT, scrambled

TYPES = tuple(TensorProto.DataType.values())


@cache
def onnx_models() -> dict[str, bytes]:
    """A quantized network for every case of the converter's tests, by name."""
    found = {}
    for number, (name, case) in enumerate(CASES.items()):
        network, output, axes = case.network()
        model = network.quantized(output, unsigned=bool(number % 2), weight_axis=axes)
        found[name.replace(" ", "_")] = model.SerializeToString()
    return found


def mutated(data: bytes, rng: random.Random) -> bytes:
    """``data`` with one to four changes, or some wrong bytes where these make no file."""
    if rng.random() < 0.1:
        return scrambled(data, rng)
    try:
        model = onnx.load_model_from_string(data)
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
            rng.choice(_CHANGES)(model.graph, rng)
        return bytes(model.SerializeToString())
    except (DecodeError, *UNFIT):
        return scrambled(data, rng)


def _node(graph: Any, rng: random.Random) -> Any:
    return rng.choice(graph.node)


def _attribute(graph: Any, rng: random.Random) -> None:
    attributes = [a for node in graph.node for a in node.attribute]
    attribute = rng.choice(attributes)
    if attribute.ints:
        place = rng.randrange(len(attribute.ints))
        attribute.ints[place] = rng.choice((attribute.ints[place] + rng.choice((-1, 1)), *NUMBERS))
        if rng.random() < 0.2:
            attribute.ints.append(rng.choice(NUMBERS))
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = rng.choice((attribute.i + 1, attribute.i - 1, *NUMBERS))
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = rng.choice(SCALES)
    else:
        attribute.s = rng.choice((b"", b"SAME_UPPER", b"VALID", b"reflect", b"\xff"))


def _without_attribute(graph: Any, rng: random.Random) -> None:
    node = _node(graph, rng)
    if node.attribute:
        del node.attribute[rng.randrange(len(node.attribute))]


def _values(graph: Any, rng: random.Random) -> None:
    """Of a constant: one of them, their number, or their type."""
    tensor = rng.choice(graph.initializer)
    values = np.array(numpy_helper.to_array(tensor))
    how = rng.randrange(4)
    if how == 0:
        values = values.reshape(-1)[: rng.randrange(values.size + 1)]
    elif how == 1:
        values = values.reshape(rng.choice(((-1,), (1, -1), (-1, 1), (1, *values.shape))))
    elif how == 2:
        values = values.astype(rng.choice((np.int64, np.int32, np.int8, np.uint8, np.float32)))
    elif values.size:
        numbers = SCALES if values.dtype.kind == "f" else NUMBERS
        with np.errstate(all="ignore"):
            number = np.array(rng.choice(numbers)).astype(values.dtype)
        values.reshape(-1)[rng.randrange(values.size)] = number
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _lie(graph: Any, rng: random.Random) -> None:
    tensor = rng.choice(graph.initializer)
    if rng.random() < 0.5 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
    else:
        tensor.data_type = rng.choice(TYPES)


def _operands(graph: Any, rng: random.Random) -> None:
    node = _node(graph, rng)
    names = [n for each in graph.node for n in (*each.input, *each.output)]
    side = rng.choice((node.input, node.input, node.output))
    how = rng.randrange(3)
    if how == 0:
        side.append(rng.choice(names))
    elif how == 1 and side:
        side.pop()
    elif side:
        side[rng.randrange(len(side))] = rng.choice(("", *names))


def _kind(graph: Any, rng: random.Random) -> None:
    _node(graph, rng).op_type = rng.choice([*(case.op for case in CASES.values()), "Loop", "Nonsense"])


def _nodes(graph: Any, rng: random.Random) -> None:
    how = rng.randrange(3)
    if how == 0:
        del graph.node[rng.randrange(len(graph.node))]
    elif how == 1:
        graph.node.append(_node(graph, rng))
    else:
        first, second = _node(graph, rng), _node(graph, rng)
        kept = type(first)()
        kept.CopyFrom(first)
        first.CopyFrom(second)
        second.CopyFrom(kept)


def _shape(graph: Any, rng: random.Random) -> None:
    dims = rng.choice(graph.input).type.tensor_type.shape.dim
    if rng.random() < 0.2:
        dims.add().dim_value = 1
    elif dims:
        dim = rng.choice(dims)
        dim.dim_value = rng.choice((dim.dim_value + 1, dim.dim_value - 1, *NUMBERS))


_CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    _attribute,
    _attribute,
    _without_attribute,
    _values,
    _values,
    _lie,
    _operands,
    _kind,
    _nodes,
    _shape,
)
