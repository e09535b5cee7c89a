"""Models rewritten, with the same meaning, where TFLM's reference kernels read what is not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from generator.reference.schema import generated, model_tree, packed


def mended(model: bytes) -> bytes:
    """``model`` as TFLM can run it; tensors keep their indices.

    DEPTHWISE_CONV_2D without a bias: the kernel reads it all the same and crashes; gets zeros.
    SPACE_TO_BATCH_ND that pads: the kernel never sets the value to pad with; a PAD does it before.
    """
    mender = _Mender(generated(), model_tree(model))
    return packed(mender.tree) if mender.mend() else model


def builtin_code(tree: Any, operator: Any) -> int:
    """Of an operator in a file's object tree, the larger of its code's two fields, as TFLM has it."""
    code = tree.operatorCodes[operator.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


class _Mender:
    def __init__(self, schema: Any, tree: Any) -> None:
        self._schema = schema
        self.tree = tree
        self._graph = tree.subgraphs[0]

    def mend(self) -> bool:
        """Change the tree; whether there was anything to do."""
        codes = self._schema.BuiltinOperator
        operators = []
        for operator in self._graph.operators:
            code = builtin_code(self.tree, operator)
            if code == codes.DEPTHWISE_CONV_2D and (len(operator.inputs) < 3 or operator.inputs[2] == -1):
                operators.append(self._with_bias(operator))
            elif code == codes.SPACE_TO_BATCH_ND and self._pads(operator):
                operators += self._padded_before(operator)
            else:
                operators.append(operator)
        changed = any(a is not b for a, b in zip(operators, self._graph.operators, strict=False))
        self._graph.operators = operators
        return changed

    def _with_bias(self, operator: Any) -> Any:
        source, weights = (self._graph.tensors[i] for i in operator.inputs[:2])
        channels = weights.shape[3]
        wide = source.type == self._schema.TensorType.INT16
        bias = self._constant("absent bias", np.zeros(channels, np.int64 if wide else np.int32))
        scales = weights.quantization.scale
        quantization = self._schema.QuantizationParametersT()
        quantization.scale = [float(source.quantization.scale[0] * s) for s in scales]
        quantization.zeroPoint = [0] * len(scales)
        self._graph.tensors[bias].quantization = quantization
        return self._like(operator, operator.opcodeIndex, [*operator.inputs[:2], bias], operator.outputs)

    def _paddings(self, operator: Any) -> Any:
        buffer = self.tree.buffers[self._graph.tensors[operator.inputs[2]].buffer].data
        return None if buffer is None else np.frombuffer(np.asarray(buffer, np.uint8).tobytes(), "<i4")

    def _pads(self, operator: Any) -> bool:
        paddings = self._paddings(operator)
        return paddings is not None and bool(paddings.any())

    def _padded_before(self, operator: Any) -> list[Any]:
        source = self._graph.tensors[operator.inputs[0]]
        paddings = self._paddings(operator).reshape(-1, 2)
        around = np.zeros((len(source.shape), 2), np.int32)
        around[1 : 1 + len(paddings)] = paddings
        padded = self._schema.TensorT()
        padded.name, padded.type, padded.quantization = "padded", source.type, source.quantization
        padded.shape = [int(n) for n in np.asarray(source.shape) + around.sum(axis=1)]
        self._graph.tensors.append(padded)
        index = len(self._graph.tensors) - 1
        pad = self._schema.OperatorT()
        pad.opcodeIndex = self._code(self._schema.BuiltinOperator.PAD)
        pad.inputs = [operator.inputs[0], self._constant("paddings", around)]
        pad.outputs = [index]
        none = self._constant("no paddings", np.zeros_like(paddings))
        inputs = [index, operator.inputs[1], none]
        return [pad, self._like(operator, operator.opcodeIndex, inputs, operator.outputs)]

    def _code(self, builtin: int) -> int:
        code = self._schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = 1
        self.tree.operatorCodes.append(code)
        return len(self.tree.operatorCodes) - 1

    def _constant(self, name: str, values: Any) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.tree.buffers.append(buffer)
        tensor = self._schema.TensorT()
        types = self._schema.TensorType
        tensor.type = types.INT64 if values.dtype == np.int64 else types.INT32
        tensor.name, tensor.shape = name, list(values.shape)
        tensor.buffer = len(self.tree.buffers) - 1
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _like(self, operator: Any, code: int, inputs: Sequence[Any], outputs: Any) -> Any:
        other = self._schema.OperatorT()
        other.opcodeIndex, other.inputs, other.outputs = code, [int(i) for i in inputs], outputs
        other.builtinOptionsType, other.builtinOptions = operator.builtinOptionsType, operator.builtinOptions
        return other
