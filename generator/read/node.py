"""An operator of a model file while it is being read, and the checks that readers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generator.graph import COPY_LOOPS, Attributes, DType, Tensor, View, merged_view
from generator.read.budget import Budget

MAX_RANK = 8
_MEANT = (DType.INT8, DType.INT16)  # types whose numbers mean what their scale makes of them
# Of activations. Beyond, shifts in TFLM's arithmetic leave what C defines.
MIN_SCALE, MAX_SCALE = 2.0**-40, 2.0**20
MAX_FACTOR = 2.0**24


class LacksOptionsError(Exception):
    """An operator without the options that it needs."""


@dataclass(frozen=True)
class Piece:
    """One operator of the graph; a file's operator may become several."""

    attributes: Attributes
    inputs: tuple[Tensor | None, ...]
    output: Tensor
    state: tuple[Tensor, ...] = ()


@dataclass
class Node:
    """``options`` gives the options table as a schema class; ``new_index`` an index for one more tensor;
    ``budget`` is the file's.
    """

    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Callable[[Any], Any]
    new_index: Callable[[], int]
    budget: Budget
    problems: list[str] = field(default_factory=list)

    def require(self, condition: bool, problem: str) -> bool:
        """Note ``problem`` unless ``condition``; returns the condition."""
        if not condition:
            self.problems.append(problem)
        return condition

    def whole(self, attributes: Attributes | None, inputs: int | None = None) -> list[Piece]:
        """The operator as one piece with its first ``inputs`` inputs, or all; nothing without attributes."""
        if attributes is None:
            return []
        return [Piece(attributes, self.inputs[:inputs], self.outputs[0])]

    def arity(self, inputs: Sequence[int], outputs: int | None = 1) -> bool:
        """Check the number of inputs (any of ``inputs``) and outputs, none of the required ones absent."""
        wanted = " or ".join(map(str, inputs))
        return (
            self.require(len(self.inputs) in inputs, f"has {len(self.inputs)} inputs, needs {wanted}")
            and self.require(
                len(self.outputs) == outputs or (outputs is None and len(self.outputs) > 0),
                f"has {len(self.outputs)} outputs, needs {outputs or 'at least one'}",
            )
            and self.require(
                all(t is not None for t in self.inputs[: min(inputs)]),
                "lacks an input that it cannot do without",
            )
        )

    def operand(self, position: int) -> Tensor:
        """An input that :meth:`arity` has found present."""
        tensor = self.inputs[position]
        if tensor is None:
            raise ValueError(f"input {position} is absent")
        return tensor

    def intermediate(self, like: Tensor, shape: Sequence[int], what: str) -> Tensor:
        """A tensor between two pieces."""
        return replace(
            like, index=self.new_index(), name=f"{like.name} ({what})", shape=tuple(shape), data=None
        )

    def integers(self, position: int, what: str, most: int = 2 * MAX_RANK) -> tuple[int, ...] | None:
        """The values of a constant int32 or int64 input; None after noting that they are not known, or that
        they are more than ``most``.
        """
        tensor = self.operand(position)
        if not self.require(
            tensor.is_constant and tensor.dtype in (DType.INT32, DType.INT64),
            f"{what} {tensor} must be constant integers: they decide about shapes",
        ):
            return None
        if not self.require(tensor.element_count <= most, f"{what} {tensor} has more than {most} values"):
            return None
        self.budget.entries(tensor.element_count)
        values: NDArray[np.generic] = tensor.values.reshape(-1)
        return tuple(int(v) for v in values)

    def view(self, name: str, offset: int, counts: Sequence[int], strides: Sequence[int]) -> View | None:
        """Elements in a regular order; None after noting that it takes more loops than kernels have."""
        view = merged_view(name, offset, counts, strides)
        good = self.require(
            view.loops <= COPY_LOOPS,
            f"moves elements along {view.loops} axes at once, at most {COPY_LOOPS}: split it in two",
        )
        return view if good else None

    def axis(self, number: int, rank: int) -> int | None:
        """An axis counted from 0; None after noting that there is no such axis."""
        found = number + rank if number < 0 else number
        good = self.require(0 <= found < rank, f"axis {number} does not exist in a tensor of rank {rank}")
        return found if good else None

    def quantized(self, *tensors: Tensor) -> bool:
        """Check that the tensors are int8 with one scale and zero point, or all int16 with zero point 0."""
        if any(tensor.dtype is not DType.INT16 for tensor in tensors):
            return self.int8(*tensors)
        return all(
            [
                self.quantized_per_tensor(t)
                and self.require(t.quant.zero_point == 0, f"tensor {t} has a zero point other than 0")
                for t in tensors
            ]
        )

    def int8(self, *tensors: Tensor) -> bool:
        """Check that the tensors are int8 with one scale and zero point."""
        return all([self._int8(tensor) for tensor in tensors])

    def _int8(self, tensor: Tensor) -> bool:
        if tensor.dtype is DType.FLOAT32:
            return self.require(
                False,
                f"tensor {tensor} is float32: quantize the model to int8 first "
                "(python -m generator quantize MODEL.keras --data DIR)",
            )
        return self.require(
            tensor.dtype is DType.INT8, f"tensor {tensor} is not int8"
        ) and self.quantized_per_tensor(tensor)

    def quantized_per_tensor(self, tensor: Tensor) -> bool:
        """Check for exactly one scale and zero point, and a scale that activations can have."""
        quantization = tensor.quantization
        if quantization is None or quantization.is_per_channel:
            return self.require(False, f"tensor {tensor} needs one scale and one zero point")
        return self.require(
            MIN_SCALE <= quantization.scale <= MAX_SCALE,
            f"tensor {tensor} has the scale {quantization.scale:.3g}, not {MIN_SCALE:.1e} to {MAX_SCALE:.1e}",
        )

    def multiplies_by(self, factor: float, limit: float = MAX_FACTOR) -> bool:
        """Check what a sum or product is scaled by: shifts farther than sensible networks need overflow."""
        return self.require(
            factor < limit, f"its scales multiply by {factor:.3g}, less than {limit:.3g} expected"
        )

    def same_quantization(self, first: Tensor, second: Tensor) -> bool:
        """Check for one scale and zero point that two tensors share."""
        return self.require(
            first.quantization is not None
            and second.quantization is not None
            and first.quantization.scales == second.quantization.scales
            and first.quantization.zero_points == second.quantization.zero_points,
            f"tensors {first} and {second} must have the same scale and zero point",
        )

    def same_shape(self, first: Tensor, second: Tensor) -> bool:
        """Check for equal shapes."""
        return self.require(first.shape == second.shape, f"{first} and {second} differ in shape")

    def moves(self, source: Tensor, result: Tensor) -> bool:
        """Check what operators that only move elements need: one type, one meaning, a rank within reason."""
        return (
            self.require(source.dtype is result.dtype, f"{source} and {result} differ in type")
            and self.require(
                max(len(source.shape), len(result.shape)) <= MAX_RANK,
                f"{source} and {result} have more than {MAX_RANK} axes",
            )
            and (source.dtype not in _MEANT or self._meaning_stays(source, result))
        )

    def _meaning_stays(self, source: Tensor, result: Tensor) -> bool:
        if source.quantization is None and result.quantization is None:
            return True
        return self.same_quantization(source, result)

    def result_shape(self, shape: Sequence[int]) -> bool:
        """Check the result's shape against the one that follows from the inputs."""
        result = self.outputs[0]
        return self.require(
            result.shape == tuple(shape),
            f"output {result} should have the shape {'x'.join(map(str, shape)) or 'of a scalar'}",
        )
