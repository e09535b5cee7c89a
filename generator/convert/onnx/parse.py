"""An ONNX file into plain values. Files come from strangers: nothing is believed before it is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from generator.convert.onnx.values import Array
from generator.errors import MissingToolError, ModelError

MAX_FILE_BYTES = 64 << 20
_MIN_OPSET = 10  # the first with QuantizeLinear
_TYPES = ("FLOAT", "FLOAT16", "DOUBLE", "INT8", "UINT8", "INT32", "INT64", "BOOL")
_DOMAINS = ("", "ai.onnx")
MICROSOFT = "com.microsoft"
"""Where onnxruntime keeps QuantizeLinear and DequantizeLinear of types that ONNX did not know at the time."""

# What the onnx package raises on tensors and attributes that lie.
_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError)


@dataclass(frozen=True)
class OnnxNode:
    """A node: an operator with its attributes as Python values; inputs left out are empty names."""

    index: int
    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        name = f" '{self.name}'" if self.name else ""
        domain = "" if self.domain in _DOMAINS else f"{self.domain}."
        return f"node {self.index}{name} {domain}{self.op}"


@dataclass(frozen=True)
class OnnxInput:
    """An input of the model: ``dtype`` is ONNX's name of the type."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class OnnxModel:
    """A model without what does not lead to an output."""

    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Array]
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[str, ...]
    opset: int


def onnx_package() -> Any:
    """The package, imported when it is used. Raises MissingToolError without it."""
    try:
        import onnx
    except ImportError as error:
        raise MissingToolError(
            "reading ONNX models needs the package onnx: pip install 'firmcast[onnx]'"
        ) from error
    return onnx


def parse_onnx(data: bytes, subject: str) -> OnnxModel:
    """Parse a file; ``subject`` names it in messages. Raises ModelError with every problem found."""
    onnx = onnx_package()
    from google.protobuf.message import DecodeError

    if len(data) > MAX_FILE_BYTES:
        raise ModelError(subject, [f"the file is larger than {MAX_FILE_BYTES >> 20} MiB"])
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, *_BROKEN) as error:
        raise ModelError(subject, [f"the file is malformed or truncated ({error})"]) from error
    if not model.graph.node:
        raise ModelError(subject, ["this is not an ONNX model (no graph with nodes)"])
    parser = _Parser(onnx)
    try:
        parsed = parser.model(model)
    except _BROKEN as error:
        raise ModelError(subject, [*parser.problems, f"the file is malformed ({error})"]) from error
    if parser.problems:
        raise ModelError(subject, parser.problems)
    return parsed


class _Parser:
    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.problems: list[str] = []

    def model(self, model: Any) -> OnnxModel:
        graph = model.graph
        opset = max((i.version for i in model.opset_import if i.domain in _DOMAINS), default=0)
        if opset < _MIN_OPSET:
            self.problems.append(
                f"uses operator set {opset}, {_MIN_OPSET} or newer is needed: export or convert it anew "
                "(onnx.version_converter)"
            )
        if graph.sparse_initializer:
            self.problems.append("has sparse initializers, which are not supported: store them dense")
        nodes = _live(graph)
        read = {name for node in nodes.values() for name in node.input} | {
            value.name for value in graph.output
        }
        stored = {tensor.name for tensor in graph.initializer}
        constants = {
            tensor.name: values
            for tensor in graph.initializer
            if tensor.name in read
            and (values := self._array(f"initializer '{tensor.name}'", tensor)) is not None
        }
        inputs = tuple(
            found for value in graph.input if value.name not in stored and (found := self._input(value))
        )
        outputs = tuple(value.name for value in graph.output)
        if not inputs or not outputs:
            self.problems.append(
                f"has {len(inputs)} inputs and {len(outputs)} outputs, needs at least one of each"
            )
        return OnnxModel(
            tuple(self._node(i, node) for i, node in nodes.items()), constants, inputs, outputs, opset
        )

    def _node(self, index: int, node: Any) -> OnnxNode:
        plain = OnnxNode(
            index, node.op_type, node.domain, node.name, tuple(node.input), tuple(node.output), {}
        )
        attributes = {a.name: self._attribute(plain, a) for a in node.attribute}
        return OnnxNode(**{**vars(plain), "attributes": attributes})

    def _attribute(self, node: OnnxNode, attribute: Any) -> Any:
        value = self.onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, self.onnx.TensorProto):
            return self._array(f"{node}: attribute '{attribute.name}'", value)
        return tuple(value) if isinstance(value, Sequence) else value

    def _array(self, where: str, tensor: Any) -> Array | None:
        kind = self._type_name(tensor.data_type)
        if kind not in _TYPES:
            self.problems.append(f"{where} has the type {kind}; {', '.join(_TYPES)} are supported")
            return None
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            self.problems.append(
                f"{where} is stored in another file: save the model as one file "
                "(onnx.save_model(onnx.load(...), ..., save_as_external_data=False))"
            )
            return None
        if min(tensor.dims, default=0) < 0 or math.prod(tensor.dims) > MAX_FILE_BYTES:
            self.problems.append(f"{where} has the impossible shape {list(tensor.dims)[:16]}")
            return None
        try:
            values: Array = np.array(self.onnx.numpy_helper.to_array(tensor))
        except _BROKEN:
            self.problems.append(f"{where} does not hold the {math.prod(tensor.dims)} values of its shape")
            return None
        return values

    def _input(self, value: Any) -> OnnxInput | None:
        where = f"model input '{value.name}'"
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type" or not value.type.tensor_type.HasField("shape"):
            self.problems.append(f"{where} is not a tensor of known shape")
            return None
        tensor = value.type.tensor_type
        dims: list[int | str] = [
            d.dim_value if d.HasField("dim_value") else (d.dim_param or "?") for d in tensor.shape.dim
        ]
        # A free batch is one picture at a time, as it is in .tflite files.
        shape = [d if isinstance(d, int) and d > 0 else int(i == 0) for i, d in enumerate(dims)]
        if 0 in shape:
            self.problems.append(
                f"{where} has the dynamic shape {dims}: fix it "
                "(python -m onnxruntime.tools.make_dynamic_shape_fixed), or export the model with fixed sizes"
            )
            return None
        return OnnxInput(value.name, self._type_name(tensor.elem_type), tuple(shape))

    def _type_name(self, number: int) -> str:
        try:
            name: str = self.onnx.TensorProto.DataType.Name(number)
        except ValueError:
            return f"number {number}"
        return name


def _live(graph: Any) -> dict[int, Any]:
    """The nodes that lead to an output, by index."""
    needed = {value.name for value in graph.output}
    live = {}
    for index in reversed(range(len(graph.node))):
        node = graph.node[index]
        if not needed.isdisjoint(node.output):
            live[index] = node
            needed.update(node.input)
    return dict(reversed(live.items()))
