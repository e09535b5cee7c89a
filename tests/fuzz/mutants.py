"""Mutation that knows what a .tflite file is made of: most mutants get past the first checks."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from generator.read.operators import OPERATOR_NAMES, READERS

Tree = Any
NUMBERS = (-(1 << 31), -129, -9, -2, -1, 0, 1, 2, 3, 4, 5, 7, 8, 9, 64, 255, 257, 1025, 65537, (1 << 31) - 1)
SCALES = (
    0.0,
    -1.0,
    float("nan"),
    float("inf"),
    1e-38,
    2.0**-124,
    1e-7,
    1 / 256,
    1 / 128,
    0.1,
    3.0,
    1e9,
    2.0**60,
)
ZERO_POINTS = (-129, -128, -1, 0, 3, 127, 128, 255, 1 << 40)
UNFIT = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError, struct.error)
"""What the object tree raises that a file, or one change after another, has left incomplete."""
TYPES = tuple(v for k, v in vars(schema.TensorType).items() if isinstance(v, int))
OPERATORS = (
    *READERS,
    schema.BuiltinOperator.CUSTOM,
    schema.BuiltinOperator.SHAPE,
    schema.BuiltinOperator.WHILE,
)


def unpacked(model: bytes) -> Tree:
    """The schema's object tree; raises whatever flatbuffers raises on a file that lies."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))


def packed(tree: Tree) -> bytes:
    """The tree as a file."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def mutated(model: bytes, rng: random.Random) -> bytes:
    """``model`` with one to four changes, or some wrong bytes where these make no file."""
    try:
        tree = unpacked(model)
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
            rng.choice(_CHANGES)(tree, rng)
        return packed(tree)
    except UNFIT:
        return scrambled(model, rng)


def scrambled(model: bytes, rng: random.Random) -> bytes:
    """``model`` with some bytes wrong."""
    mutant = bytearray(model)
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(mutant))
        if rng.random() < 0.5:
            mutant[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        else:
            word = place & ~3
            mutant[word : word + 4] = (rng.choice(NUMBERS) & 0xFFFFFFFF).to_bytes(4, "little")
    del mutant[len(model) :]
    return bytes(mutant[: rng.randrange(len(mutant))] if rng.random() < 0.05 else mutant)


def _number(old: int, rng: random.Random) -> int:
    return int(old) + rng.choice((-2, -1, 1, 2)) if rng.random() < 0.5 else rng.choice(NUMBERS)


def _list(values: Any) -> list[Any]:
    return [] if values is None else [v.item() if isinstance(v, np.generic) else v for v in values]


def _tensor(tree: Tree, rng: random.Random) -> Any:
    return rng.choice(tree.subgraphs[0].tensors)


def _operator(tree: Tree, rng: random.Random) -> Any:
    return rng.choice(tree.subgraphs[0].operators)


def _extent(tree: Tree, rng: random.Random) -> None:
    tensor = _tensor(tree, rng)
    shape = _list(tensor.shape)
    if shape:
        place = rng.randrange(len(shape))
        shape[place] = max(-(1 << 31), min((1 << 31) - 1, _number(shape[place], rng)))
    tensor.shape = shape


def _extent_everywhere(tree: Tree, rng: random.Random) -> None:
    """One length becomes another in all shapes, and constants get the values that they then need."""
    old = rng.choice(_list(_tensor(tree, rng).shape) or [1])
    new = rng.choice((1, 2, 3, 4, 5, 7, 8, 16, 33))
    for tensor in tree.subgraphs[0].tensors:
        tensor.shape = [new if n == old else n for n in _list(tensor.shape)]
        _refilled(tree, tensor, rng)


def _refilled(tree: Tree, tensor: Any, rng: random.Random) -> None:
    size = {schema.TensorType.INT8: 1, schema.TensorType.UINT8: 1, schema.TensorType.INT32: 4}.get(
        tensor.type, 4
    )
    count = size
    for length in tensor.shape:
        count *= max(int(length), 0)
    buffer = tree.buffers[tensor.buffer]
    if tensor.buffer and buffer.data is not None and len(buffer.data) != count <= 1 << 16:
        buffer.data = np.resize(np.asarray(buffer.data, np.uint8), count)


def _axes(tree: Tree, rng: random.Random) -> None:
    tensor = _tensor(tree, rng)
    shape = _list(tensor.shape)
    place = rng.randrange(len(shape) + 1)
    how = rng.randrange(3)
    if how == 0:
        shape[place:place] = [rng.choice((1, 1, 2))] * rng.choice((1, 1, 5))
    elif how == 1 and shape:
        del shape[min(place, len(shape) - 1)]
    else:
        rng.shuffle(shape)
    tensor.shape = shape


def _type(tree: Tree, rng: random.Random) -> None:
    _tensor(tree, rng).type = rng.choice(TYPES)


def _type_everywhere(tree: Tree, rng: random.Random) -> None:
    old, new = _tensor(tree, rng).type, rng.choice((0, 2, 3, 4, 6, 7, 9))
    for tensor in tree.subgraphs[0].tensors:
        if tensor.type == old:
            tensor.type = new


def _quantization(tree: Tree, rng: random.Random) -> None:
    tensor = _tensor(tree, rng)
    quantization = tensor.quantization
    how = rng.randrange(6)
    if quantization is None or quantization.scale is None or how == 0:
        tensor.quantization = rng.choice([t.quantization for t in tree.subgraphs[0].tensors] + [None])
        return
    scales, zeros = _list(quantization.scale), _list(quantization.zeroPoint)
    if how == 1 and scales:
        scales[rng.randrange(len(scales))] = rng.choice(SCALES)
    elif how == 2 and scales:
        factor = rng.choice((0.01, 0.5, 2.0, 100.0))
        scales = [s * factor for s in scales]
    elif how == 3 and zeros:
        zeros[rng.randrange(len(zeros))] = rng.choice(ZERO_POINTS)
    elif how == 4:
        scales, zeros = scales * rng.randrange(3), zeros * rng.randrange(3)
    else:
        quantization.quantizedDimension = rng.choice(NUMBERS)
    quantization.scale, quantization.zeroPoint = scales, zeros


def _value(tree: Tree, rng: random.Random) -> None:
    """Of a constant; words of integers."""
    known = [t for t in tree.subgraphs[0].tensors if tree.buffers[t.buffer].data is not None]
    if not known:
        return
    tensor = rng.choice(known)
    data = bytearray(np.asarray(tree.buffers[tensor.buffer].data, np.uint8).tobytes())
    if not data:
        return
    if tensor.type == schema.TensorType.INT32 and len(data) >= 4:
        word = rng.randrange(len(data) // 4) * 4
        old = int.from_bytes(data[word : word + 4], "little", signed=True)
        data[word : word + 4] = (_number(old, rng) & 0xFFFFFFFF).to_bytes(4, "little")
    else:
        data[rng.randrange(len(data))] = rng.randrange(256)
    tree.buffers[tensor.buffer].data = np.frombuffer(bytes(data), np.uint8)


def _buffer(tree: Tree, rng: random.Random) -> None:
    tensor = _tensor(tree, rng)
    how = rng.randrange(5)
    buffer = tree.buffers[tensor.buffer]
    if how == 0:
        tensor.buffer = rng.randrange(len(tree.buffers) + 1)
    elif how == 1:
        buffer.data = None if buffer.data is None else buffer.data[: rng.randrange(len(buffer.data) + 1)]
    elif how == 2:
        buffer.offset, buffer.size = rng.choice((2, 8, 1 << 40)), rng.choice((0, 4, 1 << 40))
    elif how == 3:
        tensor.buffer = 0
    else:
        _as_constant(tree, tensor, rng)


def _as_constant(tree: Tree, tensor: Any, rng: random.Random) -> None:
    """What was computed, or given, is known."""
    count = 4 if tensor.type == schema.TensorType.INT32 else 1
    for length in _list(tensor.shape):
        count *= max(length, 0)
    if count <= 1 << 12:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(rng.randbytes(count), np.uint8)
        tree.buffers.append(buffer)
        tensor.buffer = len(tree.buffers) - 1


def _option(tree: Tree, rng: random.Random) -> None:
    options = _operator(tree, rng).builtinOptions
    names = (
        [] if options is None else [k for k, v in vars(options).items() if isinstance(v, (bool, int, float))]
    )
    if names:
        name = rng.choice(names)
        old = getattr(options, name)
        if isinstance(old, bool):
            setattr(options, name, not old)
        elif isinstance(old, float):
            setattr(options, name, rng.choice(SCALES))
        else:
            small = name in ("padding", "fusedActivationFunction", "weightsFormat", "mode", "outputType")
            setattr(options, name, rng.randrange(7) if small else _number(old, rng))


def _options(tree: Tree, rng: random.Random) -> None:
    operator, other = _operator(tree, rng), _operator(tree, rng)
    operator.builtinOptions, operator.builtinOptionsType = rng.choice(
        ((None, 0), (other.builtinOptions, other.builtinOptionsType))
    )


def _operands(tree: Tree, rng: random.Random) -> None:
    operator = _operator(tree, rng)
    side = rng.choice(("inputs", "inputs", "outputs"))
    indices = _list(getattr(operator, side))
    index = rng.randrange(-1, len(tree.subgraphs[0].tensors))
    place = rng.randrange(len(indices) + 1)
    how = rng.randrange(4)
    if how == 0:
        indices.insert(place, index)
    elif how == 1 and indices:
        del indices[min(place, len(indices) - 1)]
    elif how == 2:
        rng.shuffle(indices)
    elif indices:
        indices[min(place, len(indices) - 1)] = index
    setattr(operator, side, indices)


def _operators(tree: Tree, rng: random.Random) -> None:
    operators = tree.subgraphs[0].operators
    how = rng.randrange(4)
    if how == 0:
        rng.shuffle(operators)
    elif how == 1 and len(operators) > 1:
        del operators[rng.randrange(len(operators))]
    elif how == 2:
        _chained(tree, rng)
    else:
        _kind(tree, rng)


def _chained(tree: Tree, rng: random.Random) -> None:
    """An operator once more, from a result to a new tensor like its own result."""
    graph = tree.subgraphs[0]
    operator = _operator(tree, rng)
    if not _list(operator.outputs) or not _list(operator.inputs):
        return
    again = schema.OperatorT()
    vars(again).update(vars(operator))
    like = graph.tensors[operator.outputs[0]]
    tensor = schema.TensorT()
    vars(tensor).update(vars(like))
    tensor.name = b"again"
    graph.tensors = [*graph.tensors, tensor]
    again.inputs = [_list(_operator(tree, rng).outputs or [0])[0], *_list(operator.inputs)[1:]]
    again.outputs = [len(graph.tensors) - 1]
    graph.operators = [*graph.operators, again]
    graph.outputs = [*_list(graph.outputs), len(graph.tensors) - 1]


def _kind(tree: Tree, rng: random.Random) -> None:
    number = rng.choice(OPERATORS)
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
    tree.operatorCodes = [*tree.operatorCodes, code]
    operator = _operator(tree, rng)
    operator.opcodeIndex = len(tree.operatorCodes) - 1
    words = OPERATOR_NAMES[number].replace("_2D", "_2d").split("_")
    kind = "".join(word.capitalize() if not word[0].isdigit() else word.upper() for word in words)
    options = getattr(schema, f"{kind}OptionsT", None)
    if options is not None and rng.random() < 0.8:
        operator.builtinOptions = options()
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{kind}Options")


def _endpoints(tree: Tree, rng: random.Random) -> None:
    graph = tree.subgraphs[0]
    side = rng.choice(("inputs", "outputs"))
    indices = _list(getattr(graph, side))
    index = rng.randrange(len(graph.tensors))
    setattr(graph, side, rng.choice(([*indices, index], [index], indices[1:], [*indices, *indices])))


_CHANGES: tuple[Callable[[Tree, random.Random], None], ...] = (
    _extent,
    _extent_everywhere,
    _extent_everywhere,
    _axes,
    _type,
    _type_everywhere,
    _quantization,
    _quantization,
    _value,
    _value,
    _buffer,
    _option,
    _option,
    _options,
    _operands,
    _operators,
    _endpoints,
)
