"""A whole ONNX model into a .tflite file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from generator.convert.onnx.converter import MAX_ELEMENTS, MAX_RANK, Converter
from generator.convert.onnx.folding import FOLDABLE, folded
from generator.convert.onnx.inputs import input_order, readers_of
from generator.convert.onnx.layout import as_is, channels_last, held_shape
from generator.convert.onnx.operators import HANDLERS, supported_onnx_operators
from generator.convert.onnx.parse import MICROSOFT, OnnxInput, OnnxModel, OnnxNode, parse_onnx
from generator.convert.onnx.quantization import asked_quantization, stored_quantization
from generator.convert.onnx.values import Constant, RefusedError, TooLargeError, Value
from generator.convert.tflite_writer import TfliteWriter
from generator.errors import ModelError
from generator.graph import DType, Quantization

_QUANTIZING = ("QuantizeLinear", "DequantizeLinear")
_UNSUPPORTED = "is not supported"

# What attributes and constants that are not what they should be raise.
_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, ZeroDivisionError)


def convert_onnx(data: bytes, subject: str) -> bytes:
    """The .tflite file, int8 from input to output, that computes what a QDQ-quantized ONNX model computes.

    Images are NHWC: a 4-D input, and a 4-D output that comes from an image, is the model's N x C x H x W with
    the channels last. Sums are TFLite's: a layer's output may differ by one step from another runtime's.

    Args:
        data: the ONNX file.
        subject: names it in messages.

    Raises:
        ModelError: it is malformed, or something in it is not supported; with every problem found.
        MissingToolError: the package onnx is not installed.
    """
    model = parse_onnx(data, subject)
    values: dict[str, Value | Constant] = {name: Constant(v) for name, v in model.constants.items()}
    converter = Converter(model, readers_of(model), TfliteWriter(), values, set(), set())
    problems: list[str] = []
    try:
        inputs, outputs = _walk(converter, problems)
    except TooLargeError as error:
        problems.append(str(error))
    if not all(_is_known(node) for node in model.nodes):
        problems.append(f"supported operators are {', '.join(supported_onnx_operators())}")
    if problems:
        raise ModelError(subject, problems)
    digest = hashlib.sha256(data).hexdigest()
    return converter.writer.finish(inputs, outputs, f"converted from ONNX, SHA-256 {digest}")


def _walk(c: Converter, problems: list[str]) -> tuple[list[int], list[int]]:
    """Convert all nodes. Returns the tensors of inputs and outputs."""
    # Exporters write a constant just before its reader, but operators look ahead.
    for node in c.model.nodes:
        if node.op == "Constant":
            _convert(c, node, problems)
    inputs = _make_inputs(c, c.model.inputs, problems)
    for node in c.model.nodes:
        if node.op != "Constant":
            _convert(c, node, problems)
    return inputs, _outputs(c, c.model, problems)


def _convert(c: Converter, node: OnnxNode, problems: list[str]) -> None:
    if node.index in c.absorbed or not c.unknown.isdisjoint(node.inputs):
        _skip(c, node, problems)
        return
    try:
        if not _is_known(node):
            raise RefusedError(_UNSUPPORTED)
        if not folded(c, node):
            HANDLERS.get(node.op, _only_folded)(c, node)
    except RefusedError as error:
        problems.append(f"{node}: {error}")
        c.unknown.update(node.outputs)
    except _BROKEN as error:
        problems.append(f"{node}: has attributes or inputs that do not fit it ({error})")
        c.unknown.update(node.outputs)


def _skip(c: Converter, node: OnnxNode, problems: list[str]) -> None:
    """A node that is part of another one, or reads what a refused one would compute: that is told already."""
    if not _is_known(node):
        problems.append(f"{node}: {_UNSUPPORTED}")
    if not c.unknown.isdisjoint(node.inputs):
        c.unknown.update(node.outputs)


def _is_known(node: OnnxNode) -> bool:
    if node.domain == MICROSOFT:
        return node.op in _QUANTIZING
    return node.domain in ("", "ai.onnx") and (node.op in HANDLERS or node.op in FOLDABLE)


def _only_folded(c: Converter, node: OnnxNode) -> None:
    raise RefusedError("is supported in arithmetic on shapes alone, not on values of the network")


def _outputs(c: Converter, model: OnnxModel, problems: list[str]) -> list[int]:
    """The model's outputs: images NHWC, all else in ONNX's order."""
    tensors = []
    for name in model.outputs:
        found = c.values.get(name)
        if name in c.unknown:
            continue
        if not isinstance(found, Value):
            what = "is never computed" if found is None else "is a constant"
            problems.append(f"model output '{name}' {what}")
            continue
        try:
            rank = len(found.shape)
            image = channels_last(4) if rank == 4 else as_is(rank)
            found = c.settled(found, image)
            tensors.append((found if found.order == image else c.arranged(found, as_is(rank), name)).tensor)
        except RefusedError as error:
            problems.append(f"model output '{name}': {error}")
    return tensors


def _make_inputs(c: Converter, given: Sequence[OnnxInput], problems: list[str]) -> list[int]:
    """The model's inputs as int8 tensors with the quantization that their readers ask for."""
    tensors = []
    for entry in given:
        try:
            quantization = _input_quantization(c, entry)
        except (RefusedError, *_BROKEN) as error:
            problems.append(f"model input '{entry.name}' {error}")
            c.unknown.add(entry.name)
            continue
        order = input_order(c.readers, entry)
        tensors.append(c.writer.tensor(entry.name, held_shape(order, entry.shape), DType.INT8, quantization))
        c.bind(entry.name, Value(tensors[-1], entry.shape, entry.shape, order, quantization))
    return tensors


def _input_quantization(c: Converter, entry: OnnxInput) -> Quantization:
    if len(entry.shape) > MAX_RANK or math.prod(entry.shape) > MAX_ELEMENTS:
        raise RefusedError(f"has the impossible shape {list(entry.shape)}")
    found = None
    if entry.dtype in ("FLOAT", "FLOAT16", "DOUBLE"):
        found = asked_quantization(c, entry.name)
    elif entry.dtype in ("INT8", "UINT8"):
        found = stored_quantization(c, entry.name, np.dtype(entry.dtype.lower()))
    if found is None:
        raise RefusedError(
            f"is {entry.dtype} and not quantized: QuantizeLinear or DequantizeLinear must read it; quantize "
            "a float model first (python -m generator quantize MODEL.onnx --data DIR)"
        )
    return found
