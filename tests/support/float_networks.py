"""Small Keras models of many kinds, untrained but with the same weights each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from generator.quantize.calibration import Samples
from generator.quantize.keras import tensorflow
from generator.quantize.pool import NetworkInput


def keywords() -> Any:
    """DS-CNN on 49 frames of 10 MFCCs."""
    keras = tensorflow().keras
    layers = keras.layers
    sound = keras.Input((49, 10, 1), name="mfcc")
    x = layers.Conv2D(8, (10, 4), strides=2, padding="same", use_bias=False)(sound)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for _ in range(2):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(x)))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(sound, layers.Dense(12, activation="softmax")(x))


def two_by_two() -> Any:
    """Two inputs, two outputs; neither in alphabetical order."""
    keras = tensorflow().keras
    layers = keras.layers
    picture, sensors = keras.Input((8, 8, 3), name="picture"), keras.Input((6,), name="a sensor")
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(picture))
    x = layers.Concatenate()([x, layers.Dense(8, activation="relu")(sensors)])
    kind, angle = layers.Dense(3, activation="softmax", name="kind")(x), layers.Dense(1, name="angle")(x)
    return keras.Model([picture, sensors], [kind, angle])


def segmentation() -> Any:
    """U-Net: concatenations, a transposed convolution, upsampling; two channels in and out."""
    keras = tensorflow().keras
    layers = keras.layers
    image = keras.Input((16, 16, 2), name="bands")
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    b = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
    c = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(b))
    d = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(c), b])
    e = layers.Concatenate()([layers.Conv2DTranspose(4, 2, strides=2)(d), a])
    return keras.Model(image, layers.Conv2D(2, 1, activation="sigmoid")(e))


def residual() -> Any:
    """A skip connection around two convolutions."""
    keras = tensorflow().keras
    layers = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(image)
    y = layers.Conv2D(8, 3, padding="same", activation="relu", name="inner")(x)
    y = layers.Conv2D(8, 3, padding="same", name="second")(y)
    x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(image, layers.Dense(5, name="classes")(layers.GlobalAveragePooling2D()(x)))


def sensor_window() -> Any:
    """Convolutions along time over three axes of a sensor."""
    keras = tensorflow().keras
    layers = keras.layers
    window = keras.Input((64, 3), name="window")
    x = layers.MaxPooling1D()(layers.Conv1D(8, 5, strides=2, padding="same", activation="relu")(window))
    x = layers.Flatten()(layers.Conv1D(8, 3, activation="relu")(x))
    return keras.Model(window, layers.Dense(4, activation="softmax")(x))


def recurrent() -> Any:
    """An LSTM over six steps."""
    keras = tensorflow().keras
    return keras.Sequential([keras.Input((6, 4), name="steps"), keras.layers.LSTM(4), keras.layers.Dense(2)])


NETWORKS: dict[str, Callable[[], Any]] = {
    function.__name__: function
    for function in (keywords, two_by_two, segmentation, residual, sensor_window, recurrent)
}


def made_samples(inputs: Sequence[NetworkInput], count: int = 20) -> Samples:
    """Noise for any inputs, half of it held out."""
    rng = np.random.default_rng(5)
    made = tuple(tuple(rng.random(i.shape).astype(i.dtype) for i in inputs) for _ in range(2 * count))
    return Samples("noise", made[:count], made[count:], 0, (), "as it is")


def saved(name: str, folder: Any) -> Any:
    """The file ``NAME.keras`` in ``folder``."""
    tensorflow().keras.utils.set_random_seed(3)
    path = folder / f"{name}.keras"
    NETWORKS[name]().save(path)
    return path
