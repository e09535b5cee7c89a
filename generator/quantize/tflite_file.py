"""What a converter has just written, float or quantized. :mod:`generator.read` reads files of users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from generator.reference.schema import model_tree, packed

_FLOAT_TYPES = ("FLOAT32", "FLOAT16", "FLOAT64")
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class FileTensor:
    """A tensor: its name, shape, type (``INT8``), and whether its values stand in the file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool
    scale: float | None
    zero_point: int


@dataclass(frozen=True)
class FileOperator:
    """An operator: its kind (``CONV_2D``) and the indices of its tensors; absent inputs are left out."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class TfliteFile:
    """Tensors and operators of the main graph, in the file's order, and the graph's edges."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of every operator, in order of execution."""
        return tuple(operator.kind for operator in self.operators)

    @property
    def left_in_float(self) -> tuple[str, ...]:
        """Operators that compute in floating point, with their position; conversions to and from it aside."""
        return tuple(
            f"{position} {operator.kind}"
            for position, operator in enumerate(self.operators)
            if operator.kind not in _CONVERSIONS
            and any(self.tensors[i].dtype in _FLOAT_TYPES for i in (*operator.inputs, *operator.outputs))
        )


def parse(content: bytes) -> TfliteFile:
    """Read what a converter has just written."""
    import tflite

    model = tflite.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    kinds, types = _names(tflite.BuiltinOperator), _names(tflite.TensorType)
    tensors = []
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        how = tensor.Quantization()
        per_tensor = how is not None and how.ScaleLength() == 1
        tensors.append(
            FileTensor(
                name=tensor.Name().decode("utf-8", "replace"),
                shape=tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength())),
                dtype=types[tensor.Type()],
                constant=model.Buffers(tensor.Buffer()).DataLength() > 0,
                scale=float(how.Scale(0)) if per_tensor else None,
                zero_point=int(how.ZeroPoint(0)) if per_tensor else 0,
            )
        )
    operators = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        operators.append(
            FileOperator(
                kind=kinds[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())],
                inputs=tuple(i for i in map(operator.Inputs, range(operator.InputsLength())) if i >= 0),
                outputs=tuple(map(operator.Outputs, range(operator.OutputsLength()))),
            )
        )
    return TfliteFile(
        tuple(tensors),
        tuple(operators),
        tuple(map(graph.Inputs, range(graph.InputsLength()))),
        tuple(map(graph.Outputs, range(graph.OutputsLength()))),
    )


def tidied(content: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The same network with inputs and outputs in the order of their names in the signature, for the
    converter has an order of its own, and with short names of tensors.

    The converter names a result, and its bias, after all operators that became one:
    ``a/Relu;a/BiasAdd;a/convolution``. In a deep network of narrow layers that is a hundredth of the file.
    The last of them to compute is enough, ``a/Relu``, and ``a/Relu;constant`` for the bias.
    """
    tree = model_tree(content)
    graph, signature = tree.subgraphs[0], tree.signatureDefs[0]
    graph.inputs, graph.outputs = _named(signature.inputs, inputs), _named(signature.outputs, outputs)
    tensors = graph.tensors
    short = [_short_name(tensor.name, tree.buffers[tensor.buffer].data is not None) for tensor in tensors]
    for tensor, name in zip(tensors, short, strict=True):
        if short.count(name) == 1:
            tensor.name = name
    return packed(tree)


def _short_name(name: bytes, constant: bool) -> bytes:
    first, *others = name.split(b";")
    return first + b";constant" if others and constant else first


def _named(edges: Sequence[Any], names: Sequence[str]) -> npt.NDArray[np.int32]:
    """Tensors of a signature's edges, in the order of ``names``."""
    tensors = {edge.name.decode(): edge.tensorIndex for edge in edges}
    assert sorted(tensors) == sorted(names)
    return np.array([tensors[name] for name in names], np.int32)


def _names(enumeration: Any) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}
