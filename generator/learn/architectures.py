"""The networks that can be trained. Adding one is one function with :func:`_architecture` above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from generator.errors import UsageError
from generator.learn.centred import can_be_centred, centred
from generator.quantize.keras import tensorflow


@dataclass(frozen=True)
class Head:
    """The last layer: how many numbers, and by which function."""

    units: int
    activation: str


_Layers: TypeAlias = Callable[[Any, Any, tuple[float, ...], Head], Any]
"""Keras's layers, an input tensor, dropout rates front to back, and the head, to an output tensor."""

_SomeLayers = TypeVar("_SomeLayers", bound=_Layers)


@dataclass(frozen=True)
class Architecture:
    """A network before training.

    Attributes:
        name: as typed on the command line.
        parameters: of the network for two classes, checked whenever it is built; None: not known.
        input_shape: height, width, channels; values are pixels / 255.
        dropout: default rate of every dropout layer, front to back.
        layers: applies the layers to an input tensor.
    """

    name: str
    parameters: int | None
    input_shape: tuple[int, int, int]
    dropout: tuple[float, ...]
    layers: _Layers

    def build(self, classes: int = 2, dropout: float = 1.0, *, is_centred: bool = False) -> Any:
        """Return a fresh ``keras.Model``: one sigmoid output, the probability of class 1, or N by softmax.

        Args:
            classes: 2 or more; the parameter count is that of two.
            dropout: factor on the dropout rates; 0 switches them off.
            is_centred: whether layers see pixels around zero, unless the first of them pads; see
                :mod:`~generator.learn.centred`.

        Raises:
            UsageError: fewer classes, or a rate that becomes 1 or more, or less than 0.
        """
        rates = tuple(rate * dropout for rate in self.dropout)
        if classes < 2 or not all(0 <= rate < 1 for rate in rates):
            raise UsageError(f"{self.name} cannot tell {classes} classes apart with dropout rates {rates}")
        keras = tensorflow().keras
        inputs = keras.Input(self.input_shape, name="image")
        head = Head(1, "sigmoid") if classes == 2 else Head(classes, "softmax")

        def model_of(x: Any) -> Any:
            return keras.Model(inputs, self.layers(keras.layers, x, rates, head), name=self.name)

        model = model_of(inputs)
        if classes == 2 and self.parameters not in (None, model.count_params()):
            raise AssertionError(f"{self.name} has {model.count_params()} parameters, not {self.parameters}")
        return model_of(centred(inputs)) if is_centred and can_be_centred(model) else model


ARCHITECTURES: dict[str, Architecture] = {}


def architecture(name: str) -> Architecture:
    """Return a network by name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name not in ARCHITECTURES:
        raise UsageError(f"no architecture is called {name!r}; there are {', '.join(sorted(ARCHITECTURES))}")
    return ARCHITECTURES[name]


def _architecture(
    name: str, parameters: int, dropout: tuple[float, ...]
) -> Callable[[_SomeLayers], _SomeLayers]:
    def register(layers: _SomeLayers) -> _SomeLayers:
        ARCHITECTURES[name] = Architecture(name, parameters, (32, 32, 3), dropout, layers)
        return layers

    return register


@_architecture("mask_cnn", 128_193, dropout=(0.2, 0.2, 0.3, 0.4, 0.3))
def mask_cnn(layer: Any, x: Any, dropout: tuple[float, ...], head: Head, width: float = 1) -> Any:
    """The paper's own network, with ``width`` times its channels; every convolution is "valid" (30, 13 and 4
    pixels wide), 5.107 M MACs.
    """
    for filters, rate in zip((32, 64, 128), dropout[:3], strict=True):
        x = layer.Conv2D(round(width * filters), 3, activation="relu")(x)
        x = layer.MaxPooling2D(2)(x)
        x = layer.Dropout(rate)(x)
    x = layer.Flatten()(x)
    for units, rate in zip((64, 32), dropout[3:], strict=True):
        x = layer.Dense(round(width * units), activation="relu")(x)
        x = layer.Dropout(rate)(x)
    return layer.Dense(head.units, activation=head.activation, name="mask")(x)


@_architecture("squeezenet", 723_009, dropout=(0.3,))
def _squeezenet(layer: Any, x: Any, dropout: tuple[float, ...], head: Head) -> Any:
    """SqueezeNet v1.1 (arXiv 1602.07360) up to fire9, on 32 x 32 pixels."""
    return _squeezenet_head(layer, _squeezenet_body(layer, x, (48, 48, 64, 64)), dropout, head)


@_architecture("squeezenet_modified", 336_705, dropout=(0.3,))
def _squeezenet_modified(layer: Any, x: Any, dropout: tuple[float, ...], head: Head) -> Any:
    """SqueezeNet v1.1 without fire8 and fire9."""
    return _squeezenet_head(layer, _squeezenet_body(layer, x, (48, 48)), dropout, head)


def _squeezenet_body(layer: Any, x: Any, last_fires: tuple[int, ...]) -> Any:
    x = layer.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(x)
    number = 2
    for squeezes in ((16, 16), (32, 32), last_fires):
        x = layer.MaxPooling2D(3, strides=2)(x)
        for squeeze in squeezes:
            x = _fire(layer, x, squeeze, f"fire{number}")
            number += 1
    return x


def _fire(layer: Any, x: Any, squeeze: int, name: str) -> Any:
    def conv(filters: int, side: int, part: str, x: Any) -> Any:
        # Smaller weights at first, as Glorot's are, and so deep a stack never begins to learn.
        return layer.Conv2D(
            filters,
            side,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"{name}_{part}",
        )(x)

    x = conv(squeeze, 1, "squeeze", x)
    narrow, wide = conv(4 * squeeze, 1, "expand1", x), conv(4 * squeeze, 3, "expand3", x)
    return layer.Concatenate(name=f"{name}_concat")([narrow, wide])


def _squeezenet_head(layer: Any, x: Any, dropout: tuple[float, ...], head: Head) -> Any:
    x = layer.Dropout(dropout[0])(x)
    x = layer.Conv2D(head.units, 1, name="conv10")(x)
    # Not GlobalAveragePooling2D: AVERAGE_POOL_2D and RESHAPE are in more runtimes than MEAN is.
    x = layer.Flatten()(layer.AveragePooling2D(x.shape[1:3])(x))
    return layer.Activation(head.activation, name="mask")(x)
