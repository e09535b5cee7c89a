"""Keras models of every shape become integer networks with a batch of one, the same bytes each time."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import tflite

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")

from generator.errors import ModelError, UsageError
from generator.quantize.full_integer import quantize
from generator.quantize.keras import tensorflow
from generator.quantize.keras_network import keras_network, load_network
from generator.quantize.tflite_file import parse
from tests.support.cli import ROOT
from tests.support.float_networks import NETWORKS, made_samples, saved

OPERATORS = {
    "keywords": {"CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"},
    "two_by_two": {"CONV_2D", "RESHAPE", "FULLY_CONNECTED", "CONCATENATION", "SOFTMAX"},
    "segmentation": {
        "CONV_2D", "MAX_POOL_2D", "RESIZE_BILINEAR", "CONCATENATION", "TRANSPOSE_CONV", "LOGISTIC",
    },
    "residual": {"CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED"},
    "sensor_window": {"RESHAPE", "CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED", "SOFTMAX"},
    "recurrent": {
        "UNPACK", "FULLY_CONNECTED", "SPLIT", "LOGISTIC", "TANH", "MUL", "ADD", "RESHAPE",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    return {name: saved(name, folder) for name in NETWORKS}


def quantized(path, out, **options):
    network = load_network(path)
    return network, quantize(network, made_samples(network.inputs), out, **options)


def edges(path):
    file = parse(path.read_bytes())
    parts = (file.inputs, file.outputs)
    return [[(file.tensors[i].shape, file.tensors[i].dtype) for i in part] for part in parts]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_value_is_int8_and_the_same_bytes_come_twice(name, files, tmp_path):
    network, first = quantized(files[name], tmp_path / "first.tflite")
    _, second = quantized(files[name], tmp_path / "second.tflite")
    assert first.sha256 == second.sha256
    assert set(first.operators) == OPERATORS[name]
    assert first.left_in_float == ()
    file = parse(first.model_path.read_bytes())
    computed = {file.tensors[i].dtype for operator in file.operators for i in operator.outputs}
    assert computed == {"INT8"}
    assert {file.tensors[i].shape[0] for i in (*file.inputs, *file.outputs)} == {1}
    assert [file.tensors[i].shape for i in file.inputs] == [given.shape for given in network.inputs]


@pytest.mark.parametrize("name", ["residual", "segmentation"])
def test_files_are_aligned_and_their_names_short_and_distinct(name, files, tmp_path):
    _, made = quantized(files[name], tmp_path / "made.tflite")
    content = made.model_path.read_bytes()
    model = tflite.Model.GetRootAs(content)
    begin = np.frombuffer(content, np.uint8).ctypes.data
    held = [
        model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength()) if model.Buffers(i).DataLength()
    ]
    assert {(values.ctypes.data - begin) % 16 for values in held} == {0}
    names = [tensor.name for tensor in parse(content).tensors]
    assert len(set(names)) == len(names)
    assert all(name.count(";") <= name.endswith(";constant") for name in names)


def test_another_process_writes_the_same_bytes(files, tmp_path):
    _, here = quantized(files["keywords"], tmp_path / "here.tflite")
    program = (
        "import sys; from pathlib import Path\n"
        "from generator.quantize.keras_network import load_network\n"
        "network = load_network(Path(sys.argv[1]))\n"
        "from tests.support.float_networks import made_samples\n"
        "samples = made_samples(network.inputs)\n"
        "sys.stdout.buffer.write(network.quantized_tflite(samples.calibration))\n"
    )
    there = subprocess.run(
        [sys.executable, "-c", program, files["keywords"]], cwd=ROOT, capture_output=True, check=True
    )
    assert hashlib.sha256(there.stdout).hexdigest() == here.sha256


def test_inputs_and_outputs_keep_the_models_order(files, tmp_path):
    network, result = quantized(files["two_by_two"], tmp_path / "x.tflite")
    assert [given.name for given in network.inputs] == ["picture", "a_sensor"]
    assert edges(result.model_path) == [
        [((1, 8, 8, 3), "INT8"), ((1, 6), "INT8")],
        [((1, 3), "INT8"), ((1, 1), "INT8")],
    ]


def test_many_inputs_and_outputs_keep_their_order():
    """TensorFlow orders them by name or at random; more than ten show a sort by text."""
    keras = tensorflow().keras
    inputs = [keras.Input((size,), name=f"{'zyx'[size % 3]}{size}") for size in range(2, 6)]
    joined = keras.layers.Concatenate()(inputs)
    model = keras.Model(inputs, [keras.layers.Dense(size)(joined) for size in range(1, 13)])
    file = parse(keras_network(model, "many").float_tflite)
    assert [file.tensors[i].shape for i in file.inputs] == [(1, size) for size in range(2, 6)]
    assert [file.tensors[i].shape for i in file.outputs] == [(1, size) for size in range(1, 13)]


@pytest.mark.parametrize("name", ["keywords", "two_by_two", "recurrent"])
def test_activations_of_16_bits(name, files, tmp_path):
    _, result = quantized(files[name], tmp_path / "x.tflite", activations="int16")
    assert result.io == "int16"
    file = parse(result.model_path.read_bytes())
    assert {file.tensors[i].dtype for operator in file.operators for i in operator.outputs} == {"INT16"}
    weights = [
        file.tensors[operator.inputs[1]].dtype
        for operator in file.operators
        if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    ]
    assert set(weights) == {"INT8"}


@pytest.mark.parametrize(
    ("activations", "io"), [("int8", "uint8"), ("int8", "float32"), ("int16", "float32")]
)
def test_types_of_inputs_and_outputs(activations, io, files, tmp_path):
    _, result = quantized(files["two_by_two"], tmp_path / "x.tflite", activations=activations, io=io)
    assert {dtype for part in edges(result.model_path) for _, dtype in part} == {io.upper()}


def test_types_that_do_not_go_together(files, tmp_path):
    for activations, io in (("int16", "int8"), ("int16", "uint8"), ("int8", "int16")):
        with pytest.raises(UsageError, match=f"{activations} activations go with .* not {io}"):
            quantized(files["sensor_window"], tmp_path / "x.tflite", activations=activations, io=io)
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_keras_models(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        load_network(tmp_path / "absent.keras")
    (tmp_path / "broken.keras").write_bytes(b"no zip")
    with pytest.raises(UsageError, match=r"broken\.keras: is not a Keras model"):
        load_network(tmp_path / "broken.keras")
    (tmp_path / "float.tflite").write_bytes(b"TFL3")
    with pytest.raises(UsageError, match=r"float\.tflite.*give the Keras model that it was converted from"):
        load_network(tmp_path / "float.tflite")


def test_sizes_that_are_not_fixed_are_named():
    keras = tensorflow().keras
    loose, fixed = keras.Input((None, None, 3), name="camera"), keras.Input((4,), name="sensors")
    joined = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(loose), fixed])
    with pytest.raises(ModelError) as caught:
        keras_network(keras.Model([loose, fixed], joined), "model")
    assert caught.value.problems == (
        "input camera has shape ? x ? x ? x 3: every size but the batch must be fixed; build the model with"
        " keras.Input of the firmware's sizes and give it the weights of this one",
    )
    eight = keras.Input(batch_shape=(8, 4), name="sensors")
    with pytest.raises(ModelError, match="input sensors has shape 8 x 4: the batch must be 1 or open"):
        keras_network(keras.Model(eight, keras.layers.Dense(2)(eight)), "model")


def test_what_tensorflow_cannot_convert_is_the_models_fault():
    keras = tensorflow().keras
    given = keras.Input((4,))
    model = keras.Model(given, keras.ops.erfinv(given))
    with pytest.raises(ModelError, match=r"TensorFlow cannot convert it.*Erfinv"):
        _ = keras_network(model, "model").float_tflite


def test_what_stays_in_floating_point_is_named(tmp_path):
    keras = tensorflow().keras
    given = keras.Input((4,), name="sensors")
    x = keras.layers.Dense(4)(given)
    network = keras_network(keras.Model(given, keras.layers.Dense(2)(keras.ops.sin(x))), "model")
    result = quantize(network, made_samples(network.inputs), tmp_path / "x.tflite")
    assert [name.split()[1] for name in result.left_in_float] == ["SIN"]


def test_a_layer_of_token_numbers_keeps_integers(tmp_path):
    keras = tensorflow().keras
    tokens = keras.Input((10,), dtype="int32", name="tokens")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 4)(tokens))
    network = keras_network(keras.Model(tokens, keras.layers.Dense(2)(x)), "tokens")
    assert network.inputs[0].dtype == np.int32
    result = quantize(network, made_samples(network.inputs), tmp_path / "x.tflite")
    assert edges(result.model_path) == [[((1, 10), "INT32")], [((1, 2), "INT8")]]
