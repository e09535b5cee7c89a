"""Operators with state in models made in memory, and an LSTM as TensorFlow's converter quantizes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.support.models import ModelBuilder

Quantized = tuple[float, int]
"""Scale and zero point."""
ABSENT = -1


def add_lstm(
    model: ModelBuilder,
    rng: np.random.Generator,
    source: int,
    units: int,
    *,
    scale: float,
    hidden: Quantized = (1 / 128, 0),
    cell_scale: float = 2.0**-11,
    weight_scales: Sequence[float] = (0.01,) * 8,
    cell_clip: float = 10.0,
    time_major: bool = False,
) -> int:
    """UNIDIRECTIONAL_SEQUENCE_LSTM of random weights; ``scale`` is that of ``source``. Its output."""
    first, second, depth = model.tensors[source].shape
    state_shape = (second if time_major else first, units)
    weights = [
        model.tensor((units, n), scale=s, data=rng.integers(-127, 128, (units, n)).astype(np.int8))
        for s, n in zip(weight_scales, (depth,) * 4 + (units,) * 4, strict=True)
    ]
    biases = [
        model.tensor(
            (units,), "int32", scale=scale * s, data=rng.integers(-2000, 2000, units).astype(np.int32)
        )
        for s in weight_scales[:4]
    ]
    state = model.tensor(state_shape, scale=hidden[0], zero_point=hidden[1], variable=True)
    cells = model.tensor(state_shape, "int16", scale=cell_scale, variable=True)
    output = model.tensor((first, second, units), scale=hidden[0], zero_point=hidden[1])
    table = schema.UnidirectionalSequenceLSTMOptionsT()
    table.fusedActivationFunction = schema.ActivationFunctionType.TANH
    table.cellClip, table.timeMajor = cell_clip, time_major
    inputs = [source, *weights, *(ABSENT,) * 3, *biases, *(ABSENT,) * 2, state, cells, *(ABSENT,) * 4]
    model.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [output], table)
    return output


def add_svdf(
    model: ModelBuilder,
    rng: np.random.Generator,
    source: int,
    units: int,
    *,
    rank: int = 1,
    memory: int = 4,
    kind: str = "int16",
    scales: tuple[float, float] = (0.01, 0.001),
    state: Quantized = (0.01, 0),
    result: Quantized = (0.1, -3),
    activation: int = 0,
) -> int:
    """SVDF of random weights; ``scales`` are those of feature and time weights. Its output."""
    batches, depth = model.tensors[source].shape
    filters = units * rank
    data = rng.integers(-127, 128, (filters, depth)).astype(np.int8)
    features = model.tensor((filters, depth), scale=scales[0], data=data)
    most = 127 if kind == "int8" else 3000
    data = rng.integers(-most, most + 1, (filters, memory)).astype(kind)
    time = model.tensor((filters, memory), kind, scale=scales[1], data=data)
    data = rng.integers(-5000, 5000, units).astype(np.int32)
    bias = model.tensor((units,), "int32", scale=state[0] * scales[1], data=data)
    kept = model.tensor((batches, filters * memory), kind, scale=state[0], zero_point=state[1], variable=True)
    output = model.tensor((batches, units), scale=result[0], zero_point=result[1])
    table = schema.SVDFOptionsT()
    table.rank, table.fusedActivationFunction = rank, activation
    model.operator("SVDF", [source, features, time, bias, kept], [output], table)
    return output


def recurrent_network(seed: int = 0) -> bytes:
    """LSTM, products of matrices, SVDF and LOG_SOFTMAX, one behind the other."""
    model, rng = ModelBuilder(), np.random.default_rng(seed)
    source = model.tensor((1, 4, 5), scale=0.03, zero_point=3)
    sequence = add_lstm(model, rng, source, 6, scale=0.03)
    scores = model.tensor((1, 4, 4), scale=0.05, zero_point=-4)
    adjoint = schema.BatchMatMulOptionsT()
    adjoint.adjY = True
    model.operator("BATCH_MATMUL", [sequence, sequence], [scores], adjoint)
    flat = model.tensor((1, 16), scale=0.05, zero_point=-4)
    model.operator("RESHAPE", [scores], [flat], schema.ReshapeOptionsT())
    filtered = add_svdf(model, rng, flat, 5, rank=2)
    output = model.tensor((1, 5), scale=1 / 16, zero_point=127)
    model.operator("LOG_SOFTMAX", [filtered], [output], schema.LogSoftmaxOptionsT())
    return model.finish([source], [output])


def converted_lstm(folder: Path, *, steps: int, depth: int, units: int, classes: int) -> bytes:
    """An LSTM layer of Keras, with a dense one behind it, as int8.

    The converter makes one operator of an LSTM that is a function with the attributes that Keras 2 (tf_keras)
    gives it. Keras 3 gives none and ends up as a loop: so its layer lends its weights only. The function
    is for the converter to recognise; what it computes is what calibration sees.
    """
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    layer = tf.keras.layers.LSTM(units, return_sequences=True)
    layer.build((1, steps, depth))
    kernel, recurrent, bias = (tf.constant(w.numpy()) for w in layer.weights)
    rng = np.random.default_rng(2)
    dense = tf.constant(rng.normal(size=(steps * units, classes)).astype(np.float32))

    def lstm(x: Any, hidden: Any, cell: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        outputs = []
        for step in tf.unstack(x, axis=1):
            entering, forgetting, candidate, leaving = tf.split(
                step @ kernel + hidden @ recurrent + bias, 4, axis=1
            )
            cell = tf.sigmoid(forgetting) * cell + tf.sigmoid(entering) * tf.tanh(candidate)
            hidden = tf.sigmoid(leaving) * tf.tanh(cell)
            outputs.append(hidden)
        return hidden, tf.stack(outputs, axis=1), hidden, cell, tf.constant(0.0)

    known = {"api_implements": "lstm_1", "time_major": False, "go_backwards": False}
    function = tf.function(lstm, experimental_attributes=known)
    zeros = tf.zeros((1, units))

    def network(x: Any) -> Any:
        sequence = function(x, zeros, zeros, kernel, recurrent, bias)[1]
        return tf.reshape(sequence, (1, steps * units)) @ dense

    module, shape = tf.Module(), (1, steps, depth)
    example = rng.normal(size=shape).astype(np.float32)
    np.testing.assert_allclose(
        function(example, zeros, zeros, kernel, recurrent, bias)[1], layer(example), atol=1e-6
    )
    module.serve = tf.function(network, input_signature=[tf.TensorSpec(shape, tf.float32)])
    tf.saved_model.save(module, str(folder), signatures=module.serve.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.normal(size=shape).astype(np.float32)] for _ in range(20)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())
