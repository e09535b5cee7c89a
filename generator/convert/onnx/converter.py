"""The walk over an ONNX graph: what each name has become, and the ways in which operators are written."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from generator.convert.onnx.layout import (
    Order,
    Shape,
    as_is,
    channels_last,
    held_shape,
    merged,
    regrouped,
    same_bytes,
)
from generator.convert.onnx.parse import OnnxModel, OnnxNode
from generator.convert.onnx.values import Array, Constant, RefusedError, TooLargeError, Value
from generator.convert.tflite_writer import Options, TfliteWriter
from generator.graph import DType, Quantization

MAX_ELEMENTS = 1 << 24
MAX_RANK = 8
MAX_CONSTANT_BYTES = 1 << 28  # of the largest file, twice over
MAX_MOVED_AXES = 5  # of a TRANSPOSE in TFLM

Handler = Callable[["Converter", OnnxNode], None]


@dataclass
class Converter:
    """A model on its way: handlers of operators read ``values`` and bind their outputs in it.

    ``readers`` are the nodes that read a name. A node in ``absorbed`` is already part of one before it; a
    name in ``unknown`` is what a refused node would have computed.
    """

    model: OnnxModel
    readers: Mapping[str, Sequence[OnnxNode]]
    writer: TfliteWriter
    values: dict[str, Value | Constant]
    unknown: set[str]
    absorbed: set[int]
    changed: dict[Hashable, Value] = field(default_factory=dict)
    spent: int = 0

    def spend(self, size_bytes: int) -> None:
        """Bounds what nodes that use the same constants again and again can cost together."""
        self.spent += size_bytes
        if self.spent > MAX_CONSTANT_BYTES:
            most = f"{MAX_CONSTANT_BYTES >> 20} MiB"
            raise TooLargeError(f"its constants, as its nodes use them, exceed {most}")

    # What a node reads.

    def operand(self, node: OnnxNode, position: int) -> Value | Constant:
        """An input that must be there."""
        found = self.optional(node, position)
        if found is None:
            raise RefusedError(f"lacks input {position}")
        return found

    def optional(self, node: OnnxNode, position: int) -> Value | Constant | None:
        """An input, or None where it is left out."""
        name = node.inputs[position] if position < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.values:
            raise RefusedError(f"reads '{name}', which nothing before it computes")
        return self.values[name]

    def value(self, node: OnnxNode, position: int = 0) -> Value:
        """An input that the device computes, with elements where its shape says."""
        return self.settled(self.lazy_value(node, position))

    def lazy_value(self, node: OnnxNode, position: int = 0) -> Value:
        """Likewise, but elements may still have to move for its shape."""
        found = self.operand(node, position)
        if isinstance(found, Constant):
            raise RefusedError(f"input {position} is a constant, values of the network are expected")
        return found

    def constant(self, node: OnnxNode, position: int, what: str) -> Constant | None:
        """A constant input, or None where it is left out."""
        found = self.optional(node, position)
        if isinstance(found, Value):
            raise RefusedError(f"its {what} is computed by the network, only a constant is supported")
        return found

    def integers(self, node: OnnxNode, position: int, name: str) -> tuple[int, ...] | None:
        """Integers that are an input in newer operator sets and an attribute in older ones."""
        if name in node.attributes:
            given = node.attributes[name]
            return tuple(int(n) for n in given) if isinstance(given, Sequence) else (int(given),)
        found = self.constant(node, position, name) if position < len(node.inputs) else None
        return None if found is None else tuple(int(n) for n in found.values.reshape(-1))

    def number(self, node: OnnxNode, position: int, name: str, default: float) -> float:
        """Likewise one number."""
        if name in node.attributes:
            return float(node.attributes[name])
        found = self.constant(node, position, name) if position < len(node.inputs) else None
        if found is None or found.values.size != 1:
            return default
        return float(found.real.reshape(-1)[0])

    def only_reader(self, name: str) -> OnnxNode | None:
        """The node that reads a name if nothing else does."""
        readers = self.readers.get(name, ())
        return readers[0] if len(readers) == 1 and name not in self.model.outputs else None

    # What a node writes.

    def bind(self, name: str, value: Value | Constant) -> None:
        """What a name has become."""
        self.values[name] = value

    def emit(
        self,
        op: str,
        inputs: Sequence[int],
        like: Value,
        *,
        name: str,
        shape: Shape | None = None,
        order: Order | None = None,
        quantization: Quantization | None = None,
        options: Options | None = None,
        dtype: DType = DType.INT8,
    ) -> Value:
        """Write an operator; its output is ``like`` but for what is given (shape and order together)."""
        whole = like.whole if shape is None else shape
        if len(whole) > MAX_RANK or not 0 < int(np.prod(whole, dtype=object)) <= MAX_ELEMENTS:
            raise RefusedError(f"computes the impossible shape {list(whole)}")
        order = order or (like.order if shape is None else as_is(len(whole)))
        quantization = quantization or (like.quantization if dtype is DType.INT8 else None)
        tensor = self.writer.tensor(name, held_shape(order, whole), dtype, quantization)
        self.writer.operator(op, inputs, [tensor], options)
        return Value(tensor, like.shape if shape is None else shape, whole, order, quantization)

    def parameter(
        self, name: str, values: Array, dtype: DType, quantization: Quantization | None = None
    ) -> int:
        """Write a constant tensor."""
        self.spend(values.nbytes)
        return self.writer.tensor(name, values.shape, dtype, quantization, values)

    def indices(self, name: str, values: Iterable[int]) -> int:
        """Write a constant list of integers."""
        return self.parameter(name, np.array(list(values), np.int32), DType.INT32)

    # Changes of how a value is held.

    def rescaled(self, value: Value, quantization: Quantization, name: str) -> Value:
        """The value with another scale and zero point."""
        if value.quant == quantization:
            return value
        return self._once(
            ("QUANTIZE", value, quantization),
            lambda: self.emit(
                "QUANTIZE",
                [value.tensor],
                value,
                name=name,
                quantization=quantization,
                options=Options("QuantizeOptions"),
            ),
        )

    def arranged(self, value: Value, order: Order, name: str = "") -> Value:
        """The value held in another order; a TRANSPOSE only if elements move."""
        value = self.settled(value, order)
        if value.order == order:
            return value
        name = name or f"tensor {value.tensor} (axes moved)"
        if same_bytes(value.order, order, value.whole):
            return self._shaped(value, value.whole, order, name)
        if len(order) > MAX_MOVED_AXES:
            shape, held, wanted = merged(value.order, order, value.whole)
            if len(held) < len(order):
                few = self.arranged(self._shaped(value, shape, held, f"{name} (fewer axes)"), wanted, name)
                return self._shaped(few, value.whole, order, f"{name} (all axes)")
        permutation = [value.order.index(axis) for axis in order]
        return self._once(
            ("TRANSPOSE", value, order),
            lambda: self.emit(
                "TRANSPOSE",
                [value.tensor, self.indices(f"{name} permutation", permutation)],
                value,
                name=name,
                shape=value.shape,
                order=order,
                options=Options("TransposeOptions"),
            ),
        )

    def reshaped(self, value: Value, shape: Shape, name: str) -> Value:
        """The value under another shape. If elements have to move, they stay until :meth:`settled`."""
        before, after = regrouped(value.order, value.whole, shape)
        if not same_bytes(value.order, before, value.whole):
            return replace(value, shape=shape)
        return self._shaped(value, shape, after, name)

    def settled(self, value: Value, wanted: Order | None = None) -> Value:
        """The value with its elements where its shape says, in the ``wanted`` order if that costs no more."""
        if value.shape == value.whole:
            return value
        name = f"tensor {value.tensor} (flattened)"
        before, after = regrouped(value.order, value.whole, value.shape, wanted)
        moved = self.arranged(replace(value, shape=value.whole), before)
        return self._shaped(moved, value.shape, after, name)

    def _shaped(self, value: Value, shape: Shape, order: Order, name: str) -> Value:
        held = held_shape(order, shape)
        if held == value.held:
            return replace(value, shape=shape, whole=shape, order=order)
        return self._once(
            ("RESHAPE", value, shape, order),
            lambda: self.emit(
                "RESHAPE",
                [value.tensor, self.indices(f"{name} shape", held)],
                value,
                name=name,
                shape=shape,
                order=order,
                options=Options("ReshapeOptions"),
            ),
        )

    def _once(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """A change that several nodes ask for is made for the first of them."""
        if key not in self.changed:
            self.changed[key] = make()
        return self.changed[key]

    def sliced(self, value: Value, begin: Sequence[int], shape: Shape, name: str) -> Value:
        """The part of ``shape`` that begins at ``begin``."""
        if shape == value.shape:
            return value
        first, size = (
            self.indices(f"{name} {what}", held_shape(value.order, tuple(numbers)))
            for what, numbers in (("begin", begin), ("size", shape))
        )
        return self.emit(
            "SLICE",
            [value.tensor, first, size],
            value,
            name=name,
            shape=shape,
            order=value.order,
            options=Options("SliceOptions"),
        )

    def image(self, node: OnnxNode, position: int = 0) -> Value:
        """An input as NHWC; an N x C x W one as an image of height 1."""
        value = self.lazy_value(node, position)
        if len(value.shape) == 3:
            n, channels, width = value.shape
            value = self.reshaped(self.arranged(value, channels_last(3)), (n, channels, 1, width), node.name)
        if len(value.shape) != 4:
            raise RefusedError(f"input of rank {len(value.shape)}; N x C x H x W and N x C x W are supported")
        return self.arranged(value, channels_last(4))

    def bind_image(self, name: str, value: Value, rank: int) -> None:
        """Bind what an operator on :meth:`image` has computed under the rank of its input."""
        if rank == 3:
            n, channels, _, width = value.shape
            value = self.reshaped(value, (n, channels, width), f"{name} (rank 3)")
        self.bind(name, value)
