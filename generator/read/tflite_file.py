"""A .tflite file into a Graph. Files come from strangers: nothing is believed before it is checked."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from generator.errors import ModelError, UsageError
from generator.graph import MOVEMENTS, DType, Graph, Operator, Quantization, Reshape, Tensor
from generator.read.budget import (
    MAX_FILE_BYTES,
    MAX_OPERATORS,
    MAX_PROBLEMS,
    MAX_TENSORS,
    Budget,
    MalformedError,
    TooLargeError,
)
from generator.read.codes import builtin_code
from generator.read.dilation import undilate
from generator.read.node import MAX_RANK, MAX_SCALE, LacksOptionsError, Node, Piece
from generator.read.operators import OPERATOR_NAMES, READERS
from generator.read.shapes import shape_values

_MAX_ELEMENTS = 1 << 24
_MAX_NAME = 256
_MAX_ENDPOINTS = 32  # what the host link keeps track of
# Quotients and products of two scales, and 6 / scale, stay finite in float32, in which TFLM computes some.
_MIN_SCALE, _MAX_SCALE = 2.0**-124, MAX_SCALE
_INPUT_TYPES = (DType.INT8, DType.UINT8, DType.INT16, DType.FLOAT32)
_OUTPUT_TYPES = (*_INPUT_TYPES, DType.INT32)

_DTYPES = {
    tflite.TensorType.INT8: DType.INT8,
    tflite.TensorType.UINT8: DType.UINT8,
    tflite.TensorType.INT16: DType.INT16,
    tflite.TensorType.INT32: DType.INT32,
    tflite.TensorType.INT64: DType.INT64,
    tflite.TensorType.FLOAT32: DType.FLOAT32,
    tflite.TensorType.BOOL: DType.BOOL,
}
_ZERO_POINTS = {DType.INT8: (-128, 127), DType.UINT8: (0, 255)}
_TYPE_NAMES = {number: name for name, number in vars(tflite.TensorType).items() if isinstance(number, int)}

# What the schema classes and struct raise on offsets and lengths that lie.
_BROKEN = (
    ZeroDivisionError,
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    UnicodeDecodeError,
    MemoryError,
)


def _text(raw: bytes | None) -> str:
    """A name that is fit to be printed; what is too long for a name is cut."""
    text = (raw or b"")[: 4 * _MAX_NAME].decode("utf-8", "replace")[:_MAX_NAME]
    return "".join(c if c.isprintable() else "?" for c in text)


def supported_operators() -> tuple[str, ...]:
    """Names of all operators that can be read, sorted."""
    return tuple(sorted(OPERATOR_NAMES[code] for code in READERS))


def _unpacked(data: bytes, count: int) -> bytes:
    """``count`` int4 as int8; the low half of a byte comes first."""
    packed = np.frombuffer(data, np.int8)
    # The shift to the left drops the high half, the arithmetic one to the right repeats the sign.
    halves = np.stack([np.left_shift(packed, 4) >> 4, packed >> 4], axis=1)
    return halves.reshape(-1)[:count].tobytes()


def read_tflite(path: Path) -> Graph:
    """Read a model file.

    Raises UsageError if there is no such file, ModelError with every problem found if it cannot be used.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read model {path}: {error.strerror}") from error
    return read_tflite_bytes(data, path.stem, str(path))


def read_tflite_bytes(data: bytes, name: str, subject: str) -> Graph:
    """Read a model from memory; ``subject`` names it in messages."""
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(subject, [f"the file is larger than {MAX_FILE_BYTES >> 20} MiB"])
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise ModelError(subject, ["this is not a .tflite file (no TFL3 identifier)"])
    reader = _Reader(data)
    try:
        graph = reader.graph(name)
    except TooLargeError as error:
        raise ModelError(subject, [*reader.problems[:MAX_PROBLEMS], str(error)]) from error
    except _BROKEN as error:
        raise ModelError(
            subject, [*reader.problems[:MAX_PROBLEMS], f"the file is malformed or truncated ({error})"]
        ) from error
    if reader.problems:
        raise ModelError(subject, reader.problems)
    return graph


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.model = tflite.Model.GetRootAs(data, 0)
        self.problems: list[str] = []
        self._constants: dict[int, bytes] = {}
        self._budget = Budget(len(data))
        self._tensor_count = 0
        self._fixed: set[int] = set()

    def graph(self, name: str) -> Graph:
        subgraphs = self.model.SubgraphsLength()
        if subgraphs != 1:
            self.problems.append(f"has {subgraphs} subgraphs (control flow is not supported), needs 1")
            if subgraphs < 1:
                return Graph(name, "", {}, (), (), ())
        subgraph = self.model.Subgraphs(0)
        notes = self._notes(subgraph)
        tensors = {
            i: self._tensor(i, subgraph.Tensors(i))
            for i in range(self._count(subgraph.TensorsLength(), MAX_TENSORS, "tensors"))
            if i not in notes
        }
        inputs = self._indices(subgraph.InputsAsNumpy(), tensors, "model input")
        outputs = self._indices(subgraph.OutputsAsNumpy(), tensors, "model output")
        self._tensor_count = subgraph.TensorsLength()
        if not inputs or not outputs:
            self.problems.append(
                f"has {len(inputs)} inputs and {len(outputs)} outputs, needs at least one of each"
            )
        self._check_endpoints(tensors, "input", inputs)
        self._check_endpoints(tensors, "output", outputs)
        operators: list[Operator] = []
        self._fixed = {*inputs, *(i for i, t in tensors.items() if t.is_constant or t.is_variable)}
        for i in range(self._count(subgraph.OperatorsLength(), MAX_OPERATORS, "operators")):
            operators.extend(self._operator(i, subgraph.Operators(i), tensors))
            if len(operators) > MAX_OPERATORS:
                raise TooLargeError(f"its groups and splits make more than {MAX_OPERATORS} operators")
            if len(self.problems) > MAX_PROBLEMS:
                raise TooLargeError(f"has more than {MAX_PROBLEMS} problems; reading stopped at operator {i}")
        operators, wrong = undilate(operators, tensors, outputs)
        self.problems.extend(wrong)
        if not self.problems:
            self._check_variables(tensors, operators)
            self._check_order(tensors, operators, inputs, outputs)
        return Graph(name, hashlib.sha256(self.data).hexdigest(), tensors, tuple(operators), inputs, outputs)

    def _notes(self, subgraph: Any) -> set[int]:
        """Tensors that hold nothing, but scales of what goes on within an operator."""
        notes: set[int] = set()
        for i in range(self._count(subgraph.OperatorsLength(), MAX_OPERATORS, "operators")):
            numbers = subgraph.Operators(i).IntermediatesAsNumpy()
            if not isinstance(numbers, int):
                self._budget.entries(len(numbers))
                notes.update(int(n) for n in numbers)
        return notes

    def _count(self, length: int, most: int, what: str) -> int:
        if length > len(self.data) // 4:
            raise MalformedError(f"a list of {length} entries is longer than the file")
        if length > most:
            raise TooLargeError(f"has {length} {what}, at most {most} are supported")
        return length

    def _check_endpoints(self, tensors: dict[int, Tensor], kind: str, indices: tuple[int, ...]) -> None:
        if len(indices) > _MAX_ENDPOINTS:
            self.problems.append(f"has {len(indices)} {kind}s, at most {_MAX_ENDPOINTS} are supported")
        for index in sorted(set(indices)):
            tensor = tensors[index]
            types = _INPUT_TYPES if kind == "input" else _OUTPUT_TYPES
            if tensor.dtype not in types:
                self.problems.append(f"model {kind} {tensor} must be {', '.join(t.value for t in types)}")
            if tensor.is_variable:
                self.problems.append(f"model {kind} {tensor} is a variable")
            if kind == "input" and tensor.is_constant:
                self.problems.append(f"model input {tensor} is a constant")
            if kind == "input" and indices.count(index) > 1:
                self.problems.append(f"model input {tensor} is listed {indices.count(index)} times")

    def _indices(self, numbers: Any, tensors: dict[int, Tensor], what: str) -> tuple[int, ...]:
        indices = () if isinstance(numbers, int) else tuple(int(n) for n in numbers)
        self._budget.entries(len(indices))
        for index in indices:
            if index not in tensors:
                raise MalformedError(f"{what} refers to tensor {index}, of which nothing is known")
        return indices

    def _tensor(self, index: int, table: Any) -> Tensor:
        name = _text(table.Name()) or f"tensor_{index}"
        self._budget.entries(len(name) + table.ShapeLength())
        shape_numbers = table.ShapeAsNumpy()
        shape = () if isinstance(shape_numbers, int) else tuple(shape_numbers.tolist())
        where = f"tensor {index} '{name}'"
        signature = table.ShapeSignatureAsNumpy()
        # A free batch of an otherwise fixed shape stands as 1 in ``shape``, as TFLM reads it.
        if not isinstance(signature, int) and min(signature[1:].tolist(), default=0) < 0:
            self.problems.append(f"{where} has the dynamic shape {[int(n) for n in signature]}")
        if len(shape) > MAX_RANK:
            self.problems.append(f"{where} has {len(shape)} axes, at most {MAX_RANK} are supported")
            shape = (1,)
        if min(shape, default=1) < 1 or math.prod(shape) > _MAX_ELEMENTS:
            self.problems.append(f"{where} has the impossible shape {list(shape)}")
            shape = (1,) * len(shape)
        if table.Sparsity() is not None:
            self.problems.append(f"{where} is stored sparse, which is not supported")
        is_packed = table.Type() == tflite.TensorType.INT4
        dtype = DType.INT8 if is_packed else _DTYPES.get(table.Type())
        if dtype is None:
            self.problems.append(
                f"{where} has the unsupported type {_TYPE_NAMES.get(table.Type(), table.Type())}"
            )
            dtype = DType.INT8
        quantization = self._quantization(where, dtype, table.Quantization())
        self._budget.channels(shape[-1] if shape else 1)
        tensor = Tensor(index, name, shape, dtype, quantization, is_variable=bool(table.IsVariable()))
        return self._with_data(where, tensor, table.Buffer(), is_packed=is_packed)

    def _with_data(self, where: str, tensor: Tensor, number: int, *, is_packed: bool) -> Tensor:
        """The tensor with its values, if it is a constant; ``is_packed``: two int4 in a byte become int8."""
        if not 0 <= number < self.model.BuffersLength():
            raise MalformedError(f"{where} refers to buffer {number}, there are {self.model.BuffersLength()}")
        buffer = self.model.Buffers(number)
        if number and (buffer.Offset() or buffer.Size()):
            self.problems.append(
                f"{where} has its values outside of the model's tables: convert it with them inside"
            )
        if number == 0 or buffer.DataLength() == 0:
            if is_packed:
                self.problems.append(f"{where} is int4 and no constant, which is not supported")
            return tensor
        if number not in self._constants:  # tensors may share a buffer
            self._constants[number] = buffer.DataAsNumpy().tobytes()
        data = self._constants[number]
        needed = -(-tensor.size_bytes // 2) if is_packed else tensor.size_bytes
        if len(data) != needed:
            self.problems.append(f"{where} needs {needed} bytes of data, the file holds {len(data)}")
            return tensor
        if tensor.is_variable:
            self.problems.append(f"{where} is a variable with values of its own, which is not supported")
            return tensor
        if is_packed:
            self._budget.made(tensor.size_bytes)
            data = _unpacked(data, tensor.element_count)
        return replace(tensor, data=data)

    def _quantization(self, where: str, dtype: DType, table: Any) -> Quantization | None:
        if table is None or table.ScaleLength() == 0:
            return None
        self._budget.entries(table.ScaleLength() + table.ZeroPointLength())
        scales = tuple(float(s) for s in table.ScaleAsNumpy())
        zero_points = tuple(int(z) for z in table.ZeroPointAsNumpy()) if table.ZeroPointLength() else ()
        if not zero_points and dtype not in _ZERO_POINTS and dtype is not DType.INT16:  # as TFLM has it
            zero_points = (0,) * len(scales)
        if not all(_MIN_SCALE <= s <= _MAX_SCALE for s in scales):
            self.problems.append(
                f"{where} has a scale that is not a positive number of {_MIN_SCALE:.1e} to {_MAX_SCALE:.1e}"
            )
            return None
        if len(zero_points) == 1:
            zero_points *= len(scales)
        lowest, highest = _ZERO_POINTS.get(dtype, (-32768, 32767))
        if len(zero_points) != len(scales) or any(not lowest <= z <= highest for z in zero_points):
            self.problems.append(f"{where} has zero points that do not fit its scales or type")
            return None
        return Quantization(scales, zero_points, table.QuantizedDimension())

    def _operator(self, index: int, table: Any, tensors: dict[int, Tensor]) -> Iterator[Operator]:
        """What becomes of an operator of the file: none where it only computes constants, which go into
        ``tensors``, as the tensors between several go.
        """
        code_index = table.OpcodeIndex()
        if not 0 <= code_index < self.model.OperatorCodesLength():
            raise MalformedError(f"operator {index} refers to operator code {code_index}")
        code = self.model.OperatorCodes(code_index)
        builtin = builtin_code(code)
        name = OPERATOR_NAMES.get(builtin, str(builtin))
        input_indices = self._operand_indices(table.InputsAsNumpy(), tensors, f"operator {index} {name}")
        outputs = self._indices(table.OutputsAsNumpy(), tensors, f"operator {index} {name}")
        node = Node(
            tuple(None if i is None else tensors[i] for i in input_indices),
            tuple(tensors[i] for i in outputs),
            self._options(table),
            self._new_index,
            self._budget,
        )
        values = shape_values(node, builtin)
        if values is not None:
            self._fix(
                f"operator {index} {name}", replace(tensors[outputs[0]], data=values.tobytes()), tensors
            )
            return
        if builtin not in READERS:
            custom = _text(code.CustomCode())
            if custom:
                name = f"{name} '{custom}'"
            target = tensors[outputs[0]] if outputs else "no tensor"
            self.problems.append(
                f"operator {index} {name} (computes {target}) is not supported; "
                f"supported are {', '.join(supported_operators())}"
            )
            return
        pieces: list[Piece] = []
        try:
            pieces = READERS[builtin](node)
        except LacksOptionsError as error:
            node.problems.append(str(error))
        self.problems.extend(f"operator {index} {name}: {problem}" for problem in node.problems)
        for piece in pieces:
            inputs = [tensors.setdefault(t.index, t) if t is not None else None for t in piece.inputs]
            output = tensors.setdefault(piece.output.index, piece.output)
            folded = self._folded(piece, inputs, output)
            if folded is not None:
                self._fix(f"operator {index} {name}", folded, tensors)
            else:
                indices = tuple(None if t is None else t.index for t in inputs)
                state = tuple(t.index for t in piece.state)
                self._fixed.update(i for i in (*indices, output.index) if i is not None)
                self._budget.parameters(sum(t.element_count for t in inputs if t and t.is_constant))
                yield Operator(index, piece.attributes, indices, (output.index,), state)

    def _folded(self, piece: Piece, inputs: Sequence[Tensor | None], output: Tensor) -> Tensor | None:
        """The output with its values if all that is moved is known; None otherwise."""
        movement = piece.attributes
        known = [t for t in inputs if t is not None and t.is_constant]
        if not isinstance(movement, MOVEMENTS) or len(known) < len(inputs):
            return None
        if isinstance(movement, Reshape):
            return replace(output, data=known[0].data)
        self._budget.made(output.size_bytes)
        moved = movement.moved(*(t.values.reshape(-1) for t in known))
        return replace(output, data=np.ascontiguousarray(moved).tobytes())

    def _fix(self, where: str, tensor: Tensor, tensors: dict[int, Tensor]) -> None:
        """Make a tensor a constant, which only one may be that nothing has read or written so far."""
        if tensor.index in self._fixed:
            self.problems.append(f"{where} writes {tensor}, which already has a value or a reader")
        self._fixed.add(tensor.index)
        tensors[tensor.index] = tensor

    def _new_index(self) -> int:
        self._tensor_count += 1
        return self._tensor_count - 1

    def _operand_indices(self, numbers: Any, tensors: dict[int, Tensor], what: str) -> tuple[int | None, ...]:
        raw = () if isinstance(numbers, int) else tuple(int(n) for n in numbers)
        self._indices([n for n in raw if n != -1], tensors, what)
        return tuple(None if n == -1 else n for n in raw)

    @staticmethod
    def _options(table: Any) -> Callable[[Any], Any]:
        """The options table as the given schema class; another one's are none, as for TFLM."""

        def options(schema_class: Any) -> Any:
            found = table.BuiltinOptions()
            instance = schema_class()
            kind = getattr(tflite.BuiltinOptions, schema_class.__name__)
            if found is None or table.BuiltinOptionsType() != kind:
                raise LacksOptionsError(f"lacks its {schema_class.__name__}")
            instance.Init(found.Bytes, found.Pos)
            return instance

        return options

    def _check_variables(self, tensors: dict[int, Tensor], operators: list[Operator]) -> None:
        """A variable is the state of one operator, and nothing else."""
        states: set[int] = set()
        for operator in operators:
            for index in operator.state:
                if index in states:
                    self.problems.append(
                        f"{operator} shares its state {tensors[index]} with another operator"
                    )
                states.add(index)
            for tensor in (tensors[i] for i in (*operator.inputs, *operator.outputs) if i is not None):
                if tensor.is_variable:
                    self.problems.append(
                        f"{operator} uses the variable {tensor}: only state of SVDF and "
                        "UNIDIRECTIONAL_SEQUENCE_LSTM is supported"
                    )

    def _check_order(
        self,
        tensors: dict[int, Tensor],
        operators: list[Operator],
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
    ) -> None:
        """Every tensor is known before it is read and written once: no cycles, no missing producers.

        Kernels compute from activations, and every output comes out of a kernel.
        """
        constant = {i for i, t in tensors.items() if t.is_constant}
        known = set(inputs) | constant
        given = set(inputs)  # and their reshapes
        for operator in operators:
            for index in operator.inputs:
                if index is not None and index not in known:
                    self.problems.append(f"{operator} reads {tensors[index]} before anything has computed it")
            if constant.issuperset(operator.operands):
                first = tensors[operator.operands[0] or 0]
                self.problems.append(f"{operator} reads the constant {first} as an activation")
            for index in operator.outputs:
                if index in known:
                    self.problems.append(f"{operator} writes {tensors[index]}, which already has a value")
                known.add(index)
                if isinstance(operator.attributes, Reshape) and operator.inputs[0] in given:
                    given.add(index)
        for index in outputs:
            if index not in known:
                self.problems.append(f"model output {tensors[index]} is never computed")
            elif index in constant or index in given:
                self.problems.append(f"model output {tensors[index]} does not depend on the operators")
