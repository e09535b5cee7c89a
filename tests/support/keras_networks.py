"""Small networks of the kinds that people bring, in Keras with random weights, and quantized to int8."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from generator.learn.architectures import architecture
from generator.quantize.keras import quiet, tensorflow


def _block(layers: Any, x: Any, channels: int, stride: int = 1) -> Any:
    y = layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(channels, 3, padding="same")(y)
    if stride != 1 or x.shape[-1] != channels:
        x = layers.Conv2D(channels, 1, strides=stride)(x)
    return layers.ReLU()(layers.Add()([x, y]))


def resnet(layers: Any) -> tuple[Any, Any]:
    image = layers.Input((24, 24, 3), batch_size=1)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = _block(layers, x, 8)
    x = _block(layers, x, 16, 2)
    x = layers.GlobalAveragePooling2D()(x)
    return image, layers.Dense(5, activation="softmax")(x)


def _inverted(layers: Any, x: Any, channels: int, stride: int, expand: int) -> Any:
    y = layers.Conv2D(x.shape[-1] * expand, 1, use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.ReLU(6.0)(y)
    if stride == 2:  # as keras.applications pads
        y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
    y = layers.DepthwiseConv2D(3, strides=stride, padding="same" if stride == 1 else "valid")(y)
    y = layers.ReLU(6.0)(y)
    y = layers.Conv2D(channels, 1)(y)
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == channels else y


def mobilenet_v2(layers: Any) -> tuple[Any, Any]:
    image = layers.Input((32, 32, 3), batch_size=1)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6")(image)
    x = _inverted(layers, x, 8, 1, 2)
    x = _inverted(layers, x, 12, 2, 3)
    x = _inverted(layers, x, 12, 1, 3)
    x = layers.Conv2D(32, 1, activation="relu6")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(10, 1)(x)
    return image, layers.Softmax()(layers.Flatten()(x))


def mobilenet_v3(layers: Any) -> tuple[Any, Any]:
    """Squeeze and excitation, hard swish and hard sigmoid."""
    image = layers.Input((20, 20, 3), batch_size=1)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(image)
    x = layers.Activation("hard_swish")(x)
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = layers.Conv2D(4, 1, activation="relu")(s)
    s = layers.Conv2D(8, 1)(s)
    s = layers.Activation("hard_sigmoid")(s)
    x = layers.Multiply()([x, s])
    x = layers.DepthwiseConv2D(5, padding="same")(x)
    x = layers.Activation("hard_swish")(x)
    return image, layers.Dense(4)(layers.GlobalMaxPooling2D()(x))


def _fire(layers: Any, x: Any, squeeze: int, expand: int) -> Any:
    s = layers.Conv2D(squeeze, 1, activation="relu")(x)
    return layers.Concatenate()(
        [
            layers.Conv2D(expand, 1, activation="relu")(s),
            layers.Conv2D(expand, 3, padding="same", activation="relu")(s),
        ]
    )


def squeezenet(layers: Any) -> tuple[Any, Any]:
    image = layers.Input((32, 32, 3), batch_size=1)
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(image)
    x = layers.MaxPooling2D(3, 2)(x)
    x = _fire(layers, x, 4, 8)
    x = _fire(layers, x, 4, 8)
    x = layers.Dropout(0.5)(x)
    x = layers.Conv2D(2, 1, activation="relu")(x)
    return image, layers.Softmax()(layers.GlobalAveragePooling2D()(x))


def paper_squeezenet(layers: Any) -> tuple[Any, Any]:
    """As `train squeezenet` trains it."""
    return _trained_here(layers, "squeezenet")


def paper_squeezenet_modified(layers: Any) -> tuple[Any, Any]:
    return _trained_here(layers, "squeezenet_modified")


def _trained_here(layers: Any, name: str) -> tuple[Any, Any]:
    model = architecture(name).build()
    image = layers.Input(model.inputs[0].shape[1:], batch_size=1)
    return image, model(image)


def unet(layers: Any) -> tuple[Any, Any]:
    image = layers.Input((16, 16, 1), batch_size=1)
    a = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    b = layers.Conv2D(12, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
    c = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(b))
    x = layers.UpSampling2D(interpolation="nearest")(c)
    x = layers.Conv2D(12, 3, padding="same", activation="relu")(layers.Concatenate()([x, b]))
    x = layers.UpSampling2D(interpolation="nearest")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Concatenate()([x, a]))
    return image, layers.Conv2D(1, 1, activation="sigmoid")(x)


def unet_transposed(layers: Any) -> tuple[Any, Any]:
    image = layers.Input((16, 16, 1), batch_size=1)
    a = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    b = layers.Conv2D(12, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
    x = layers.Conv2DTranspose(8, 2, strides=2, padding="same")(b)
    x = layers.Concatenate()([x, a])
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    return image, layers.Conv2D(2, 3, padding="same")(x)


def detector(layers: Any) -> tuple[Any, Any]:
    """Two scales, boxes and scores of each reshaped, scores through a sigmoid: several outputs."""
    image = layers.Input((32, 32, 3), batch_size=1)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(image)
    near = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    far = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(near)
    boxes = [layers.Reshape((-1, 4))(layers.Conv2D(8, 3, padding="same")(y)) for y in (near, far)]
    scores = [layers.Reshape((-1, 3))(layers.Conv2D(6, 3, padding="same")(y)) for y in (near, far)]
    return image, [
        layers.Concatenate(axis=1)(boxes),
        layers.Activation("sigmoid")(layers.Concatenate(axis=1)(scores)),
        layers.Conv2D(3, 1)(far),
    ]


def ds_cnn(layers: Any) -> tuple[Any, Any]:
    sound = layers.Input((49, 10, 1), batch_size=1)
    x = layers.Conv2D(16, (10, 4), strides=2, padding="same", activation="relu")(sound)
    for _ in range(2):
        x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        x = layers.Conv2D(16, 1, activation="relu")(x)
    x = layers.AveragePooling2D((25, 5))(x)
    return sound, layers.Dense(12, activation="softmax")(layers.Flatten()(x))


def sensors(layers: Any) -> tuple[Any, Any]:
    """One dimension, dilated, two inputs."""
    motion = layers.Input((64, 3), batch_size=1, name="motion")
    extra = layers.Input((4,), batch_size=1, name="extra")
    x = layers.Conv1D(8, 5, dilation_rate=2, padding="same", activation="relu")(motion)
    x = layers.MaxPooling1D(2)(x)
    x = layers.Conv1D(8, 3, dilation_rate=4, padding="causal", activation="tanh")(x)
    x = layers.Flatten()(x)
    x = layers.Concatenate()([x, layers.Dense(4, activation="elu")(extra)])
    return [motion, extra], layers.Dense(3)(layers.LeakyReLU()(x))


NETWORKS: Mapping[str, Callable[[Any], tuple[Any, Any]]] = {
    f.__name__: f
    for f in (
        resnet,
        mobilenet_v2,
        mobilenet_v3,
        squeezenet,
        paper_squeezenet,
        paper_squeezenet_modified,
        unet,
        unet_transposed,
        detector,
        ds_cnn,
        sensors,
    )
}


def quantized(name: str, io: str = "int8", *, seed: int = 0) -> bytes:
    """The network as a full-integer ``.tflite``, calibrated on noise; ``io`` int16: all activations are."""
    tf = tensorflow()
    tf.keras.utils.set_random_seed(seed)
    tf.keras.backend.clear_session()
    model = tf.keras.Model(*NETWORKS[name](tf.keras.layers))
    rng = np.random.default_rng(seed)

    def noise() -> Iterator[list[np.ndarray]]:
        for _ in range(16):
            yield [rng.random(i.shape, np.float32) for i in model.inputs]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = noise
    sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [
        sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        if io == "int16"
        else sets.TFLITE_BUILTINS_INT8
    ]
    converter.inference_input_type = converter.inference_output_type = tf.as_dtype(io)
    with quiet():
        return bytes(converter.convert())
