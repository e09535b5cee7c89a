"""Weights of few bits: grids, gradients, and files that compute what the training twin computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'firmcast[train]'")

from generator.errors import ModelError
from generator.learn.fake_quant import BITS, STORED_BITS, best_steps, layers, levels, on_grid
from generator.learn.qat import fine_tune, to_tflite, training_twin
from generator.learn.recipes import PAPER
from generator.quantize.keras import seed_everything, tensorflow
from generator.quantize.tflite_file import parse
from generator.read import read_tflite_bytes
from generator.reference import Oracle
from tests.support.cli import ROOT, firmcast

TUNED = (4, 1)
BRIGHT_LEFT = "whether the left half is brighter"


def network():
    """A bit of everything: folded normalizations, a skip, a concatenation, poolings."""
    keras = tensorflow().keras
    layer = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = layer.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)
    x = layer.ReLU()(layer.BatchNormalization()(x))
    y = layer.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    y = layer.ReLU(6)(layer.BatchNormalization()(y))
    y = layer.Conv2D(8, 1)(y)
    x = layer.Activation("relu")(layer.Add()([x, y]))
    x = layer.Concatenate()([layer.Conv2D(4, 1, activation="relu")(x), layer.Conv2D(4, 3, padding="same")(x)])
    x = layer.Flatten()(layer.AveragePooling2D(2)(layer.MaxPooling2D(2)(x)))
    x = layer.Dropout(0.1)(layer.Dense(9, activation="relu")(x))
    return keras.Model(image, layer.Dense(1, activation="sigmoid", name=BRIGHT_LEFT.replace(" ", "_"))(x))


def pictures(count, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 16, 16, 3))
    labels = rng.integers(0, 2, count)
    images[labels == 0, :, :8] //= 3
    images[labels == 1, :, 8:] //= 3
    return images.astype(np.float32) / 255, labels.astype(np.float32)


@pytest.fixture(scope="module")
def trained():
    tf = tensorflow()
    seed_everything(tf, 4)
    model = network()
    model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    model.fit(*pictures(512, 0), epochs=6, batch_size=32, verbose=0)
    return model


@pytest.fixture(scope="module")
def tuned(trained):
    """Twins and their files by bits; those of 4 bits and 1 bit after an epoch."""
    made = {}
    for bits in BITS:
        twin = training_twin(trained, bits, pictures(128, 1)[0])
        figures = after_an_epoch(twin) if bits in TUNED else None
        made[bits] = twin, figures, to_tflite(twin)
    return made


def after_an_epoch(twin):
    seed_everything(tensorflow(), 1)
    return fine_tune(twin, Parts(), labelled(100, 2), replace(PAPER, epochs=1), seed=0)


def labelled(count, seed):
    images, labels = pictures(count, seed)
    return images, np.asarray(labels, np.float32).reshape(-1, 1)


class Parts:
    """Batches of the same pictures, in every epoch in the same order."""

    steps = 8

    def epoch(self, number):
        images, labels = labelled(256, 0)
        for start in range(0, 256, 32):
            yield images[start : start + 32], labels[start : start + 32]


kernels = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=4, max_dims=4, max_side=5),
    elements=st.floats(-8, 8, width=32, allow_subnormal=False),
)


@settings(max_examples=60, deadline=None)
@given(kernel=kernels, bits=st.sampled_from(BITS))
def test_weights_are_integers_of_the_grid_and_near(kernel, bits):
    steps = best_steps(kernel, (0, 1, 2), bits)
    assert steps.shape == (1, 1, 1, kernel.shape[-1])
    assert (steps > 0).all()
    integers = on_grid(kernel, steps, bits)
    assert np.isin(integers, np.arange(-levels(bits), levels(bits) + 1)).all()
    if bits == 1:
        assert (integers != 0).all()
    else:
        # Never worse than the widest grid, that loses half a step at most.
        widest = np.abs(kernel).max((0, 1, 2), keepdims=True) / levels(bits)
        error = ((integers * steps - kernel) ** 2).sum((0, 1, 2))
        assert (error <= (kernel[..., 0].size * (widest / 2 + 1e-6) ** 2).reshape(-1) + 1e-5).all()


@settings(max_examples=20, deadline=None)
@given(kernel=kernels, bits=st.sampled_from(BITS))
def test_training_rounds_to_the_weights_of_the_file(kernel, bits):
    layer = layers().FakeQuantWeights(
        lambda x, kernel: kernel, kernel, np.zeros(1, np.float32), (0, 1, 2), bits, "layer"
    )
    layer.set_mode("quantized")
    in_training = np.asarray(layer(np.zeros(1, np.float32)))
    steps = layer.steps()
    nearest = np.round(in_training / steps)
    np.testing.assert_allclose(in_training / steps, nearest, atol=1e-3)
    # Halves may go either way in the last bit of a division.
    assert (np.abs(nearest - layer.integers()) <= 1).all()
    assert np.mean(nearest != layer.integers()) <= 0.1 or kernel.size < 10


@pytest.mark.parametrize("bits", BITS)
def test_gradient_passes_the_rounding(bits):
    tf = tensorflow()
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)
    layer = layers().FakeQuantWeights(
        lambda x, kernel: kernel, kernel, np.zeros(4, np.float32), (0, 1, 2), bits, "layer"
    )
    layer.set_mode("quantized")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(3 * layer(np.zeros(1, np.float32)))
    gradient = np.asarray(tape.gradient(loss, layer.kernel.value))
    inside = np.abs(kernel) <= (levels(bits) * layer.steps() if bits != 1 else np.inf)
    np.testing.assert_allclose(gradient, np.where(inside, 3, 0), rtol=1e-5)


def test_activations_pass_gradients_within_their_range_alone():
    tf = tensorflow()
    layer = layers().FakeQuantActivations("range", (0.0, 1.0))
    layer.set_mode("quantized")
    x = tf.constant([-0.5, 0.25, 0.8, 1.5])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 1, 1, 0])
    np.testing.assert_allclose(y, [0, 64 / 255, 204 / 255, 1], atol=1e-6)


@pytest.mark.parametrize("bits", TUNED)
def test_fine_tuning_keeps_the_best_epoch(bits, trained, tuned):
    fresh = training_twin(trained, bits, pictures(128, 1)[0])
    twin, figures, _ = tuned[bits]
    (after,) = figures.accuracies
    assert max(figures.accuracy_before, after) >= 0.9
    moved = [
        np.abs(a - b).max() for a, b in zip(fresh.model.get_weights(), twin.model.get_weights(), strict=True)
    ]
    assert (max(moved) > 1e-4) == (figures.best_epoch == 1)
    assert figures.best_epoch == 1 or after <= figures.accuracy_before


@pytest.mark.parametrize("bits", BITS)
def test_the_file_holds_the_grid(bits, tuned):
    """Integers and scales of the file are those of the twin; first and last layer keep 8 bits."""
    twin, _, content = tuned[bits]
    constants = {
        tensor.shape: tensor
        for tensor in read_tflite_bytes(content, "x", "x").tensors.values()
        if tensor.is_constant and tensor.dtype.name == "INT8"
    }
    assert [grid.bits for grid in twin.grids] == [8, bits, bits, bits, bits, bits, 8]
    for grid in twin.grids:
        order = (3, 0, 1, 2) if grid.integers.ndim == 4 else (1, 0)
        kernel = grid.integers
        if "depthwise" in grid.name:
            order = (3, 0, 1, 2)
            found = constants[1, 3, 3, 8]
        else:
            found = constants[kernel.transpose(order).shape]
        np.testing.assert_array_equal(found.values, kernel.transpose(order), grid.name)
        np.testing.assert_allclose(found.quant.scales, grid.steps, rtol=1e-6)
    types = {tensor.dtype for tensor in parse(content).tensors if tensor.constant}
    assert ("INT4" in types) == (STORED_BITS[bits] == 4)


@pytest.mark.parametrize("bits", BITS)
def test_the_device_computes_what_training_computed(bits, tuned):
    twin, _, content = tuned[bits]
    images, _ = pictures(60, 5)
    wanted = twin.model.predict(images, verbose=0).reshape(-1)
    oracle = Oracle(content)
    given = np.round(images * 255).astype(np.int64) - 128
    edge = oracle.input_tensor().quant
    assert edge.scale == pytest.approx(1 / 255)
    assert edge.zero_point == -128
    found = np.array([int(oracle.run([x[None].astype(np.int8)])[0].item()) for x in given])
    difference = np.abs((found + 128) / 256 - wanted)
    # Rounding once more in each layer is all that tells them apart.
    assert difference.mean() < 1 / 256
    assert difference.max() < 0.05


def test_sizes_are_told_as_stored_and_as_packed(tuned):
    weights = {bits: tuned[bits][0].packed_weight_bytes for bits in BITS}
    assert weights[8] > weights[6] > weights[4] > weights[1]
    sizes = {bits: len(tuned[bits][2]) for bits in BITS}
    assert sizes[6] == pytest.approx(sizes[8], abs=64)  # TFLite has no type of 6 bits
    assert sizes[1] == pytest.approx(sizes[4], abs=64)
    assert sizes[4] < sizes[8]


def test_equal_seeds_give_equal_files(trained, tuned):
    twin = training_twin(trained, 4, pictures(128, 1)[0])
    after_an_epoch(twin)
    assert to_tflite(twin) == tuned[4][2]


@pytest.mark.parametrize("where", ["host", "emulator"])
def test_int4_runs_bit_exact_in_the_firmware(where, tuned, tmp_path):
    (tmp_path / "few_bits.tflite").write_bytes(tuned[4][2])
    done = firmcast("validate", "few_bits.tflite", "--on", where, "--inputs", "8", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "bit-exact" in done.out + done.err


def test_unpacked_weights_compute_the_same(tuned):
    twin, _, content = tuned[4]
    unpacked = to_tflite(twin, packed=False)
    assert "INT4" not in {tensor.dtype for tensor in parse(unpacked).tensors}
    rng = np.random.default_rng(0)
    first, second = Oracle(content), Oracle(unpacked)
    for _ in range(8):
        x = rng.integers(-128, 128, (1, 16, 16, 3)).astype(np.int8)
        np.testing.assert_array_equal(first.run([x])[0], second.run([x])[0])


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_other_types_at_the_edges(io, tuned):
    file = parse(to_tflite(tuned[4][0], io))
    assert {file.tensors[i].dtype for i in (*file.inputs, *file.outputs)} == {io.upper()}


def test_what_cannot_be_trained_is_named():
    keras = tensorflow().keras
    layer = keras.layers
    image = keras.Input((8, 8, 3))
    x = layer.BatchNormalization(name="early")(image)
    x = layer.Conv2DTranspose(2, 2, name="wider")(x)
    x = layer.Dense(2, activation="selu", name="odd")(layer.Flatten()(x))
    twice = layer.Dense(2, name="twice")
    with pytest.raises(ModelError) as caught:
        training_twin(
            keras.Model(image, twice(twice(x))), 4, np.zeros((1, 8, 8, 3), np.float32), subject="net"
        )
    message = str(caught.value)
    assert message.startswith("net cannot be used")
    for part in ("early (BatchNormalization)", "wider (Conv2DTranspose)", "odd (Dense)", "twice (Dense)"):
        assert part in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--activations", "int16"], "int8 activations, not int16"),
        (["--scale", "0.5"], "leave --scale and --offset out"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message, tmp_path):
    model = ROOT / "models" / "mask_cnn" / "mask_cnn.keras"
    done = firmcast("quantize", model, "--data", "synthetic", "--weights", "4", *options, cwd=tmp_path)
    assert done.code == 2
    assert message in done.err
    assert not list(tmp_path.iterdir())


def test_the_command_tells_bits_and_accuracy(trained, tmp_path):
    """On few pictures of its own: half of each is dark."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    trained.save(tmp_path / "halves.keras")
    for split, seed in (("Train", 0), ("Validation", 1), ("Test", 2)):
        for index, (image, label) in enumerate(zip(*pictures(16, seed), strict=True)):
            folder = tmp_path / "pictures" / split / ("right" if label else "left")
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{index}.png"), (image * 255).astype(np.uint8))
    done = firmcast(
        "quantize",
        "halves.keras",
        "--data",
        "pictures",
        "--weights",
        "1",
        "--epochs",
        "1",
        "--json",
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    facts = done.json()
    assert facts["weights"]["packed_bytes"] < facts["weights"]["stored_bytes"] < facts["size_bytes"]
    assert [layer["bits"] for layer in facts["weights"]["layers"]] == [8, 1, 1, 1, 1, 1, 8]
    assert len(facts["fine_tuning"]["accuracies"]) == 1
    assert facts["fine_tuning"]["validation"]["count"] == 16
    assert (tmp_path / "halves.tflite").stat().st_size == facts["size_bytes"]
