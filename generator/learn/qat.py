"""Quantization-aware training of any feed-forward Keras 3 model, weights of 8 bits and fewer.

:func:`training_twin` rebuilds a trained model with layers that round (:mod:`generator.learn.fake_quant`);
batch normalization goes into the weights before. :func:`fine_tune` trains it on, :func:`to_tflite` writes it
with the weights on the very grid they were trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generator.errors import ModelError
from generator.learn.fake_quant import STORED_BITS, Bits, Floats, Mode, layers
from generator.learn.fitting import EpochBatches, Fit, Labelled, fit_best
from generator.learn.recipes import Recipe
from generator.quantize.keras import tensorflow
from generator.quantize.keras_network import TensorIo, keras_network

LEARNING_RATES: Mapping[Bits, float] = {8: 1e-4, 6: 2e-4, 4: 5e-4, 1: 1e-3}
"""Where the falling rate begins: the coarser the grid, the further weights have to go."""

_WEIGHTED = ("Conv2D", "DepthwiseConv2D", "Dense")
# Results have the range of what they are made from, here and in TFLite.
_TRANSPARENT = (
    "AveragePooling2D",
    "Dropout",
    "Flatten",
    "GlobalMaxPooling2D",
    "MaxPooling2D",
    "Reshape",
    "SpatialDropout2D",
    "ZeroPadding2D",
)
_OTHERS = (
    "Activation",
    "Add",
    "Concatenate",
    "GlobalAveragePooling2D",
    "Multiply",
    "ReLU",
    "Softmax",
    "Subtract",
)
# What TFLite wants of these results, whatever was measured: steps of 1/256 and 1/128.
_FIXED_RANGES = {
    "sigmoid": (0.0, 255 / 256),
    "softmax": (0.0, 255 / 256),
    "tanh": (-1.0, 127 / 128),
}
_FUSED = ("relu", "relu6")
_BATCH = 64


@dataclass(frozen=True)
class LayerGrid:
    """The grid of a layer's weights: ``integers`` times ``steps`` (one for each channel, or one).

    ``stored_bits`` is what each takes in the file, ``bits`` what it would if packed.
    """

    name: str
    bits: Bits
    stored_bits: int
    integers: NDArray[np.int8]
    steps: Floats


@dataclass(frozen=True)
class Twin:
    """A model that rounds as the integer network will.

    Attributes:
        subject: what messages call it.
        model: the ``keras.Model``, ready to be trained.
    """

    subject: str
    model: Any

    @property
    def grids(self) -> tuple[LayerGrid, ...]:
        """The weights as they stand, by layer."""
        return tuple(
            LayerGrid(
                layer.name, layer.bits, STORED_BITS[layer.bits], layer.integers(), layer.steps().reshape(-1)
            )
            for layer in self.model.layers
            if isinstance(layer, layers().FakeQuantWeights)
        )

    @property
    def packed_weight_bytes(self) -> int:
        """Bytes of all weights at their own width, biases aside: an estimate for 6 bits and 1 bit, which no
        type of TFLite has."""
        return sum(-(-grid.integers.size * grid.bits // 8) for grid in self.grids)

    def set_mode(self, mode: Mode) -> None:
        """Tell every layer what to do. What was compiled before keeps doing what it did."""
        for layer in self.model.layers:
            if hasattr(layer, "set_mode"):
                layer.set_mode(mode)


def training_twin(
    model: Any, bits: Bits, calibration: Floats, *, subject: str = "the model", edge_bits: Bits = 8
) -> Twin:
    """Rebuild a trained model with rounding layers, ranges measured on ``calibration``.

    Args:
        model: functional or sequential, of Conv2D, DepthwiseConv2D, Dense, BatchNormalization behind one of
            these, pooling, Add, Concatenate and activations; one input. It is left as it is.
        bits: of weights. Convolutions have a grid for each channel, dense layers one: what TFLite has.
        calibration: inputs, a batch of at least one.
        subject: what messages call the model.
        edge_bits: of the weights of the first and of the last layer, which suffer most from few.

    Raises:
        ModelError: a layer cannot be trained so; all of them are named.
    """
    graph = _Graph(model)
    problems = graph.problems()
    if problems:
        raise ModelError(subject, problems)
    made, keras = layers(), tensorflow().keras
    weighted = [layer.name for layer in graph.layers if _kind(layer) in _WEIGHTED]
    edges = (weighted[0], weighted[-1])

    def fake_quant(name: str, x: Any, fixed: tuple[float, float] | None = None, *, moves: bool = True) -> Any:
        return made.FakeQuantActivations(f"{name}_range", fixed, moves=moves)(x)

    def clone(layer: Any) -> Any:
        if _kind(layer) not in _WEIGHTED:
            return layer.__class__.from_config(layer.get_config())
        kernel, bias = graph.folded(layer)
        of_this = edge_bits if layer.name in edges else bits
        return made.FakeQuantWeights(
            _product(layer), kernel, bias, _reduced_axes(layer, kernel), of_this, layer.name
        )

    def call(new: Any, *args: Any, **kwargs: Any) -> Any:
        old = graph.by_name[new.name]
        if _kind(old) == "BatchNormalization":
            return args[0]
        x, function = new(*args, **kwargs), _activation(old)
        if _kind(old) in _WEIGHTED and function != "linear":
            if function in _FIXED_RANGES:
                x = fake_quant(f"{old.name}_linear", x)
            x = keras.layers.Activation(function, name=f"{old.name}_{function}")(x)
        if function in _FIXED_RANGES:
            return fake_quant(old.name, x, _FIXED_RANGES[function])
        return fake_quant(old.name, x) if graph.has_own_range(old) else x

    given = keras.Input(model.inputs[0].shape[1:], name=model.inputs[0]._keras_history.operation.name)
    # The range of the inputs stays: what prepares them is made of it.
    result = graph.model._run_through_graph(
        [fake_quant("input", given, moves=False)], operation_fn=clone, call_fn=call
    )
    twin = Twin(subject, keras.Model(given, result, name=f"{model.name}_twin"))
    twin.set_mode("measure")
    for start in range(0, len(calibration), _BATCH):
        twin.model(calibration[start : start + _BATCH], training=False)
    twin.set_mode("quantized")
    return twin


def fine_tune(
    twin: Twin,
    batches: EpochBatches | None,
    validation: Labelled,
    recipe: Recipe,
    *,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Train a twin on, with rounded weights, by :func:`~generator.learn.fitting.fit_best`.

    The rate of ``recipe`` is for training from scratch; here it is one of :data:`LEARNING_RATES`, that of the
    fewest bits, falling as a cosine.
    """
    twin.set_mode("quantized")
    rate = LEARNING_RATES[min(grid.bits for grid in twin.grids)]
    slower = replace(recipe, learning_rate=rate, schedule="cosine")
    return fit_best(twin.model, batches, validation, slower, seed=seed, progress=progress)


def to_tflite(twin: Twin, io: TensorIo = "int8", *, packed: bool = True) -> bytes:
    """The twin as integers: int8 activations, weights as :attr:`Twin.grids` tells, int32 biases.

    Without ``packed`` the same integers stand as int8, for runtimes that have no int4.

    Raises:
        ModelError: TensorFlow cannot convert it.
    """
    twin.set_mode("export" if packed else "export unpacked")
    try:
        return keras_network(twin.model, twin.subject).fake_quantized_tflite(io)
    finally:
        twin.set_mode("quantized")


class _Graph:
    """A model's layers and who reads whom."""

    def __init__(self, model: Any) -> None:
        # A Sequential becomes functional.
        self.model = tensorflow().keras.Model(model.inputs, model.outputs)
        self.nodes = [
            node
            for depth in sorted(self.model._nodes_by_depth, reverse=True)
            for node in self.model._nodes_by_depth[depth]
            if not node.is_input
        ]
        self.layers = [node.operation for node in self.nodes]
        self.by_name = {layer.name: layer for layer in self.layers}
        self._readers: dict[int, list[Any]] = {}
        for node in self.nodes:
            for tensor in node.input_tensors:
                self._readers.setdefault(id(tensor), []).append(node.operation)
        self._results = {node.operation.name: node.output_tensors[0] for node in self.nodes}
        self._sources = {node.operation.name: node.input_tensors[0] for node in self.nodes}
        self._outputs = {id(tensor) for tensor in self.model.outputs}

    def only_reader(self, layer: Any) -> Any | None:
        """The layer that alone reads the result, if it is not an output."""
        result = self._results[layer.name]
        readers = self._readers.get(id(result), [])
        return readers[0] if len(readers) == 1 and id(result) not in self._outputs else None

    def normalization(self, layer: Any) -> Any | None:
        """The batch normalization that goes into a layer's weights."""
        reader = self.only_reader(layer)
        foldable = reader is not None and _kind(reader) == "BatchNormalization"
        return reader if foldable and _kind(layer) in _WEIGHTED and _activation(layer) == "linear" else None

    def folded(self, layer: Any) -> tuple[Floats, Floats]:
        """Kernel and bias (zeros if it has none), batch normalization within."""
        kernel = np.asarray(layer.kernel)
        count = np.prod(kernel.shape[-2:]) if _kind(layer) == "DepthwiseConv2D" else kernel.shape[-1]
        bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(int(count), np.float32)
        norm = self.normalization(layer)
        if norm is None:
            return kernel, bias
        factor = 1 / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
        if norm.scale:
            factor = factor * np.asarray(norm.gamma)
        offset = np.asarray(norm.beta) if norm.center else 0.0
        by_channel = factor.reshape(kernel.shape[-2:]) if _kind(layer) == "DepthwiseConv2D" else factor
        bias = (bias - np.asarray(norm.moving_mean)) * factor + offset
        return (kernel * by_channel).astype(np.float32), bias.astype(np.float32)

    def has_own_range(self, layer: Any) -> bool:
        """Whether the result is rounded: not what an activation follows in the same operator, nor what is
        joined with others and has their range."""
        if _kind(layer) in _TRANSPARENT or (_kind(layer) == "Activation" and _activation(layer) == "linear"):
            return False
        reader = self.only_reader(self.normalization(layer) or layer)
        if reader is None:
            return True
        if _kind(reader) == "Concatenate":
            return False
        fuses = _kind(layer) in (*_WEIGHTED, "Add", "Subtract", "Multiply") and _activation(layer) == "linear"
        return not (fuses and _activation(reader) in _FUSED and _kind(reader) not in _WEIGHTED)

    def problems(self) -> list[str]:
        """Everything that is in the way."""
        found = []
        if len(self.model.inputs) != 1 or len(self.model.outputs) != 1:
            found.append(
                f"has {len(self.model.inputs)} inputs and {len(self.model.outputs)} outputs; "
                "quantization-aware training takes one of each"
            )
        if not any(_kind(layer) in _WEIGHTED for layer in self.layers):
            found.append(f"has no layer with weights to train ({', '.join(_WEIGHTED)})")
        for layer in self.layers:
            found += [
                f"layer {layer.name} ({_kind(layer)}) {problem}" for problem in self._problems_of(layer)
            ]
        return found

    def _problems_of(self, layer: Any) -> Iterable[str]:
        kind = _kind(layer)
        if kind not in (*_WEIGHTED, *_TRANSPARENT, *_OTHERS, "BatchNormalization"):
            yield (
                "is not taken by quantization-aware training, which takes "
                f"{', '.join(sorted((*_WEIGHTED, *_TRANSPARENT, *_OTHERS, 'BatchNormalization')))}"
            )
            return
        if self.layers.count(layer) > 1:
            yield "is used more than once: give each use a layer of its own"
        if getattr(layer, "data_format", None) == "channels_first":
            yield "has its channels first: build the model with channels_last"
        if _activation(layer) not in ("linear", *_FUSED, *_FIXED_RANGES):
            yield f"has another activation than linear, {', '.join((*_FUSED, *_FIXED_RANGES))}"
        if kind == "BatchNormalization":
            source = self._sources[layer.name]._keras_history.operation
            if source.name not in self.by_name or self.normalization(source) is not layer:
                yield (
                    f"follows {source.name}: only one directly behind a linear {', '.join(_WEIGHTED)}, "
                    "alone, can go into the weights"
                )


def _kind(layer: Any) -> str:
    return type(layer).__name__


def _activation(layer: Any) -> str:
    """``relu``, ``linear`` and the like; ``other`` is none of those that are known."""
    match _kind(layer):
        case "Softmax":
            return "softmax" if layer.axis == -1 else "other"
        case "ReLU":
            plain = not layer.negative_slope and not layer.threshold
            return {None: "relu", 6: "relu6"}.get(layer.max_value, "other") if plain else "other"
    return str(getattr(getattr(layer, "activation", None), "__name__", "linear"))


def _product(layer: Any) -> Callable[[Any, Any], Any]:
    """What a layer does with its input and kernel."""
    ops = tensorflow().keras.ops
    if _kind(layer) == "Dense":
        return ops.matmul  # type: ignore[no-any-return]
    convolve = ops.conv if _kind(layer) == "Conv2D" else ops.depthwise_conv
    strides, padding, dilation = layer.strides, layer.padding, layer.dilation_rate
    return lambda x, kernel: convolve(
        x, kernel, strides, padding, data_format="channels_last", dilation_rate=dilation
    )


def _reduced_axes(layer: Any, kernel: Floats) -> tuple[int, ...]:
    """Axes of a kernel that share a step: a dense layer has one, convolutions one for each output channel."""
    kept = {"Dense": 0, "Conv2D": 1, "DepthwiseConv2D": 2}[_kind(layer)]
    return tuple(range(kernel.ndim - kept))
