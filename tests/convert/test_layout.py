"""NCHW costs nothing: only what has to move moves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.convert.onnx.layout import (
    as_is,
    channels_last,
    held_shape,
    merged,
    regrouped,
    same_bytes,
    transposed,
    without,
)
from generator.read import read_tflite_bytes
from tests.convert.networks import Network, compare


@st.composite
def _reshapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """An order, the shape that is held so, and another shape of as many elements."""
    factors = draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=5))

    def split(values: list[int]) -> tuple[int, ...]:
        cuts = sorted(draw(st.lists(st.integers(0, len(values)), max_size=3)))
        return tuple(math.prod(values[a:b]) for a, b in zip([0, *cuts], [*cuts, len(values)], strict=True))

    old, new = split(factors), split(factors)
    return tuple(draw(st.permutations(range(len(old))))), old, new


@given(_reshapes())
@settings(max_examples=300, deadline=None)
def test_a_reshape_keeps_every_element(
    case: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
) -> None:
    order, old, new = case
    before, after = regrouped(order, old, new)
    values = np.arange(math.prod(old)).reshape(old)
    held = values.transpose(before).reshape(held_shape(after, new))
    np.testing.assert_array_equal(held, values.reshape(new).transpose(after))
    if same_bytes(order, before, old):
        np.testing.assert_array_equal(values.transpose(order).reshape(-1), held.reshape(-1))


@given(_reshapes(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_fewer_axes_move_the_same(case: tuple[tuple[int, ...], ...], random: object) -> None:
    first, shape, _ = case
    second = list(first)
    random.shuffle(second)  # type: ignore[attr-defined]
    small, held, wanted = merged(first, tuple(second), shape)
    values = np.arange(math.prod(shape)).reshape(shape)
    moved = (
        values.transpose(first).reshape(held_shape(held, small)).transpose([held.index(a) for a in wanted])
    )
    np.testing.assert_array_equal(moved.reshape(-1), values.transpose(second).reshape(-1))


def test_orders_follow_transpositions_and_reductions() -> None:
    assert transposed(channels_last(4), (0, 2, 3, 1)) == as_is(4)
    assert transposed(as_is(4), (0, 3, 1, 2)) == channels_last(4)
    assert without(channels_last(4), [2, 3]) == (0, 1)
    assert without(channels_last(4), [3]) == (0, 2, 1)


def _features(network: Network, *, raw: bool = False) -> str:
    weights = network.weights(6, 3, 3, 3)
    return str(network.op("Conv", "x", weights, raw=raw, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))


def _network() -> Network:
    return Network({"x": (1, 3, 4, 6)})


def test_flattened_image_into_gemm_moves_weights_instead() -> None:
    network = _network()
    flat = network.op("Flatten", network.op("Relu", _features(network, raw=True), raw=True))
    result = network.op("Gemm", flat, network.weights(5, 6 * 4 * 6), transB=1)
    compared = compare(network, network.quantized(result))
    assert compared.operators == ("CONV_2D", "FULLY_CONNECTED")
    assert compared.steps <= 2.01


def test_flattened_image_between_functions_still_moves_weights() -> None:
    network = _network()
    flat = network.op("Reshape", _features(network), network.ints(1, -1))
    result = network.op("Gemm", network.op("LeakyRelu", flat, alpha=0.5), network.weights(5, 144), transB=1)
    compared = compare(network, network.quantized(result))
    assert "TRANSPOSE" not in compared.operators
    assert compared.steps <= 2.01


def test_flattened_image_that_others_read_is_transposed_once() -> None:
    network = _network()
    flat = network.op("Flatten", _features(network))
    result = network.op("Add", flat, network.weights(1, 144))
    compared = compare(network, network.quantized(result))
    assert [op for op in compared.operators if op != "QUANTIZE"] == ["CONV_2D", "TRANSPOSE", "RESHAPE", "ADD"]
    assert compared.steps <= 2.01


def test_pooled_features_are_rows_already() -> None:
    network = _network()
    flat = network.op("Flatten", network.op("GlobalAveragePool", _features(network)))
    result = network.op("Gemm", flat, network.weights(6, 5))
    compared = compare(network, network.quantized(result))
    assert "TRANSPOSE" not in compared.operators
    assert compared.steps <= 2.01


def test_shuffled_channels_move_once() -> None:
    network = _network()
    split = network.op("Reshape", _features(network), network.ints(1, 2, 3, 4, 6))
    turned = network.op("Transpose", split, perm=[0, 2, 1, 3, 4])
    joined = network.op("Reshape", turned, network.ints(1, 6, 4, 6))
    result = network.op("Conv", joined, network.weights(4, 6, 1, 1), kernel_shape=[1, 1])
    compared = compare(network, network.quantized(result))
    assert compared.operators.count("TRANSPOSE") == 1
    assert compared.steps <= 3.01


def test_blocks_become_channels_in_one_movement() -> None:
    """As PyTorch exports pixel_unshuffle."""
    network = _network()
    split = network.op("Reshape", _features(network), network.ints(1, 6, 2, 2, 3, 2))
    turned = network.op("Transpose", split, perm=[0, 1, 3, 5, 2, 4])
    joined = network.op("Reshape", turned, network.ints(1, 24, 2, 3))
    compared = compare(network, network.quantized(joined))
    assert compared.operators.count("TRANSPOSE") == 1
    assert compared.steps <= 1.01


def test_a_model_that_begins_with_nhwc_stays_as_it_is() -> None:
    network = Network({"x": (1, 4, 6, 3)})
    turned = network.op("Transpose", "x", perm=[0, 3, 1, 2])
    features = network.op("Conv", turned, network.weights(6, 3, 3, 3), kernel_shape=[3, 3])
    result = network.op("Transpose", features, perm=[0, 2, 3, 1])
    compared = compare(network, network.quantized(result))
    assert compared.operators == ("CONV_2D",)
    assert compared.steps <= 1.01


@pytest.mark.parametrize("across", [False, True], ids=["as it is", "transposed"])
def test_a_product_of_two_tensors_reads_one_across_instead_of_moving_it(across: bool) -> None:
    network = Network({"x": (1, 5, 8), "y": (1, 6, 8) if across else (1, 8, 6)})
    second = network.op("Transpose", "y", perm=[0, 2, 1]) if across else "y"
    compared = compare(network, network.quantized(network.op("MatMul", "x", second)))
    assert compared.operators == ("BATCH_MATMUL",)
    assert compared.steps <= 1.01


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_parts_of_any_axis_are_split_and_joined(axis: int) -> None:
    network = Network({"x": (1, 6, 4, 6)})
    first, second = network.op(
        "Split", network.op("Relu", "x"), network.ints(*{2: (1, 3)}.get(axis, (2, 4))), outputs=2, axis=axis
    )
    joined = network.op("Concat", second, network.op("Tanh", first), axis=axis)
    compared = compare(network, network.quantized(joined))
    assert "TRANSPOSE" not in compared.operators
    assert compared.steps <= 2.01


def test_inputs_and_outputs_are_images_with_channels_last() -> None:
    network = _network()
    compared = compare(network, network.quantized(_features(network)))
    graph = read_tflite_bytes(compared.tflite, "m", "m")
    assert graph.tensors[graph.inputs[0]].shape == (1, 4, 6, 3)
    assert graph.tensors[graph.outputs[0]].shape == (1, 4, 6, 6)


def test_several_inputs_and_outputs() -> None:
    network = Network({"x": (1, 3, 4, 6), "y": (1, 3, 1, 1)})
    scaled = network.op("Mul", "x", "y")
    means = network.op("ReduceMean", scaled, axes=[2, 3], keepdims=0)
    compared = compare(network, network.quantized(network.op("Add", scaled, "x"), means))
    assert "TRANSPOSE" not in compared.operators
    assert compared.steps <= 2.01
