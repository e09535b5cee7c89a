"""Keras layers that compute with rounded weights and activations, and learn all the same.

The gradient passes the rounding as if it were not there (straight-through estimator, arXiv 1308.3432). The
step of each channel's grid is learned with the weights (LSQ, arXiv 1902.08153), as its logarithm, so that it
stays positive; binary weights are signs, scaled by their mean magnitude (XNOR-Net, arXiv 1603.05279).
Ranges of activations are measured first, then follow moving averages.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from generator.quantize.keras import tensorflow

Bits: TypeAlias = Literal[8, 6, 4, 1]
BITS: tuple[Bits, ...] = get_args(Bits)
STORED_BITS: dict[Bits, Literal[8, 4]] = {8: 8, 6: 8, 4: 4, 1: 4}
"""Bits that a weight takes in the file: the narrowest type of TFLite that holds it."""

Mode: TypeAlias = Literal["float", "measure", "quantized", "export", "export unpacked"]
"""What the layers do: nothing; nothing but measure ranges; round; round in a form that TensorFlow's converter
turns into integers, of 4 bits where they hold the weights, or always of 8."""

Floats: TypeAlias = NDArray[np.float32]

_EXPORTS: tuple[Mode, ...] = ("export", "export unpacked")
_RANGE_MOMENTUM = 0.99
_LEAST_STEP = 1e-7
_STEP_SHARES = np.linspace(0.3, 1.0, 29)


def levels(bits: Bits) -> int:
    """The largest integer of a grid; the smallest is its negative, and binary ones have no 0.

    >>> [levels(bits) for bits in BITS]
    [127, 31, 7, 1]
    """
    return 1 if bits == 1 else (1 << (bits - 1)) - 1


def best_steps(kernel: Floats, axes: tuple[int, ...], bits: Bits) -> Floats:
    """The step of each channel that rounds ``kernel`` with the least squared error, of 29 tried.

    ``axes`` are reduced; their sizes become 1. What is all zeros gets a step of its own choice.
    """
    magnitudes = np.abs(kernel)
    if bits == 1:
        return np.asarray(np.maximum(magnitudes.mean(axes, keepdims=True), _LEAST_STEP), np.float32)
    top = magnitudes.max(axes, keepdims=True)
    widest = np.where(top > 0, top, 1) / levels(bits)
    if bits == 8:
        return np.asarray(np.maximum(widest, _LEAST_STEP), np.float32)
    tried = [np.maximum(share * widest, _LEAST_STEP) for share in _STEP_SHARES]
    errors = [((on_grid(kernel, step, bits) * step - kernel) ** 2).sum(axes, keepdims=True) for step in tried]
    best = np.argmin(errors, axis=0)
    return np.asarray(np.take_along_axis(np.stack(tried), best[None], axis=0)[0], np.float32)


def on_grid(kernel: Floats, steps: Floats, bits: Bits) -> Floats:
    """The integers nearest to ``kernel``: -levels to levels; -1 and 1 alone if binary."""
    if bits == 1:
        return np.asarray(np.where(kernel >= 0, 1, -1), np.float32)
    top = levels(bits)
    return np.asarray(np.round(np.clip(kernel / steps, -top, top)), np.float32)


@cache
def layers() -> SimpleNamespace:
    """The layer classes; made late, as Keras is imported late."""
    tf = tensorflow("quantization-aware training")
    keras = tf.keras
    ops = keras.ops

    def rounded(x: Any) -> Any:
        return x + ops.stop_gradient(ops.round(x) - x)

    class FakeQuantWeights(keras.layers.Layer):  # type: ignore[misc,name-defined]
        """A convolution or dense layer, linear, with weights on a grid."""

        def __init__(
            self,
            product: Callable[[Any, Any], Any],
            kernel: Floats,
            bias: Floats,
            axes: tuple[int, ...],
            bits: Bits,
            name: str,
        ) -> None:
            super().__init__(name=name)
            self.product, self.axes, self.bits = product, axes, bits
            self.mode: Mode = "float"
            self.kernel = self._weight("kernel", kernel)
            self.bias = self._weight("bias", bias)
            steps = best_steps(kernel, axes, bits)
            self.log_step = self._weight("log_step", np.log(steps), trainable=bits != 1)
            self.built = True

        def _weight(self, name: str, value: Floats, *, trainable: bool = True) -> Any:
            return self.add_weight(
                name=name,
                shape=value.shape,
                initializer=lambda *_, **__: ops.convert_to_tensor(value),
                trainable=trainable,
            )

        def steps(self) -> Floats:
            """The step of each channel; other axes have size 1."""
            kernel = np.asarray(self.kernel)
            steps = best_steps(kernel, self.axes, 1) if self.bits == 1 else np.exp(np.asarray(self.log_step))
            return steps.astype(np.float32)

        def integers(self) -> NDArray[np.int8]:
            """The weights as they will stand in the file, in Keras's order of axes."""
            return on_grid(np.asarray(self.kernel), self.steps(), self.bits).astype(np.int8)

        def _fake_quantized(self) -> Any:
            if self.bits == 1:
                step = ops.mean(ops.abs(self.kernel), axis=self.axes, keepdims=True)
                signs = ops.where(self.kernel >= 0, 1.0, -1.0)
                return self.kernel + ops.stop_gradient(ops.maximum(step, _LEAST_STEP) * signs - self.kernel)
            top, step = levels(self.bits), ops.exp(self.log_step)
            return rounded(ops.clip(self.kernel / step, -top, top)) * step

        def set_mode(self, mode: Mode) -> None:
            self.mode = mode
            if mode in _EXPORTS:  # TensorFlow traces it in a graph, where variables have no values
                steps = self.steps()
                self._exported = self.integers() * steps, steps, np.asarray(self.bias)

        def _for_converter(self) -> Any:
            """A constant behind the operator that the converter knows.

            Its range is that of the type in the file, with the step of the grid.
            """
            kernel, steps, _ = self._exported
            constant, bits = tf.constant(kernel), STORED_BITS[self.bits] if self.mode == "export" else 8
            high = (steps * levels(bits)).reshape(-1)
            if high.size == 1:
                return tf.quantization.fake_quant_with_min_max_args(
                    constant, -float(high[0]), float(high[0]), num_bits=bits, narrow_range=True
                )
            # The two axes of a depthwise kernel's channels are one in TFLite.
            flat = tf.reshape(constant, (*constant.shape[:2], -1, high.size))
            flat = tf.quantization.fake_quant_with_min_max_vars_per_channel(
                flat, -high, high, num_bits=bits, narrow_range=True
            )
            return tf.reshape(flat, constant.shape)

        def call(self, x: Any) -> Any:
            match self.mode:
                case "quantized":
                    kernel, bias = self._fake_quantized(), self.bias
                case "export" | "export unpacked":
                    kernel, bias = self._for_converter(), tf.constant(self._exported[2])
                case _:
                    kernel, bias = self.kernel, self.bias
            return self.product(x, kernel) + bias

    class FakeQuantActivations(keras.layers.Layer):  # type: ignore[misc,name-defined]
        """Rounds to int8. ``fixed`` is a range that is known, as of probabilities."""

        def __init__(
            self, name: str, fixed: tuple[float, float] | None = None, *, moves: bool = True
        ) -> None:
            super().__init__(name=name)
            self.fixed, self.moves = fixed, moves and fixed is None
            self.mode: Mode = "float"
            low, high = fixed or (0.0, 0.0)
            self.low = self.add_weight(
                name="low", shape=(), initializer=keras.initializers.Constant(low), trainable=False
            )
            self.high = self.add_weight(
                name="high", shape=(), initializer=keras.initializers.Constant(high), trainable=False
            )
            self.built = True

        def set_mode(self, mode: Mode) -> None:
            self.mode = mode
            if mode in _EXPORTS:
                self._exported = self.bounds()

        def bounds(self) -> tuple[float, float]:
            """The range; 0 is in it, and it is never empty."""
            low, high = min(float(self.low), 0.0), max(float(self.high), 0.0)
            return (low, high) if high - low > _LEAST_STEP else (0.0, 1.0)

        def call(self, x: Any, training: bool = False) -> Any:
            if self.mode == "measure" and self.fixed is None:
                self.low.assign(ops.minimum(self.low, ops.min(x)))
                self.high.assign(ops.maximum(self.high, ops.max(x)))
            if self.mode == "quantized":
                if training and self.moves:
                    kept = _RANGE_MOMENTUM
                    self.low.assign(kept * self.low + (1 - kept) * ops.minimum(ops.min(x), 0.0))
                    self.high.assign(kept * self.high + (1 - kept) * ops.maximum(ops.max(x), 0.0))
                low = ops.minimum(self.low, 0.0)
                step = ops.maximum((ops.maximum(self.high, 0.0) - low) / 255, _LEAST_STEP)
                # The range moves by less than half a step, so that 0 is one of its values.
                lowest = ops.stop_gradient(ops.round(low / step))
                return rounded(ops.clip(x / step, lowest, lowest + 255)) * step
            if self.mode in _EXPORTS:
                return tf.quantization.fake_quant_with_min_max_args(x, *self._exported, num_bits=8)
            return x

    return SimpleNamespace(FakeQuantWeights=FakeQuantWeights, FakeQuantActivations=FakeQuantActivations)
