"""Each rule alone, on networks small enough to follow by hand."""

from __future__ import annotations

import numpy as np
import pytest

from generator.graph import Graph
from generator.reference import run_graph
from generator.simplify import simplify
from generator.simplify.intervals import analyse
from tests.simplify.networks import Plain, extreme_inputs

ONES = np.ones((3, 3, 3), int)


def _channels(graph: Graph, tensor: int) -> int:
    return graph.tensors[tensor].shape[-1]


def _check(graph: Graph, simplified: Graph) -> None:
    for values in extreme_inputs(graph, 0):
        before, after = run_graph(graph, values), run_graph(simplified, values)
        for index in graph.outputs:
            np.testing.assert_array_equal(before[index], after[index])


def _constant_then_convolution(
    *, constant: int, zero_point: int, same: bool, weights: np.ndarray, bias: int = 0
) -> tuple[Graph, int]:
    """Channel 1 of 3 of an image is ``constant`` and read by a convolution with ``weights`` (3, 3) for it."""
    net = Plain()
    source = net.image(1, 5, 5, 1)
    image = net.layer(
        source,
        np.array([1, 0, 2]).reshape(3, 1, 1, 1),
        [0, constant - zero_point, 0],
        zero_point=zero_point,
    )
    kernel = ONES.copy()
    kernel[:, :, 1] = weights
    return net.read(source, net.layer(image, kernel[None], [bias], same=same)), image


@pytest.mark.parametrize(
    ("constant", "zero_point", "same", "weights", "stays"),
    [
        (9, 4, False, ONES[0], False),  # unpadded: the bias has it
        (4, 4, True, ONES[0], False),  # at the zero point it adds nothing, inside or outside
        (9, 4, True, ONES[0], True),  # less of it at the borders
        (9, 4, True, np.diag([0, 3, 0]), False),  # the middle tap never leaves the image
        (9, 4, True, np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]]), True),
        (9, 4, True, np.zeros((3, 3)), False),  # nobody reads it
    ],
)
def test_constants_go_where_borders_allow(
    constant: int, zero_point: int, same: bool, weights: np.ndarray, stays: bool
) -> None:
    graph, image = _constant_then_convolution(
        constant=constant, zero_point=zero_point, same=same, weights=weights
    )
    simplified = simplify(graph, multiple=1)
    assert _channels(simplified.graph, image) == (3 if stays else 2)
    assert simplified.removal.layers[0].constant == (0 if stays else 1)
    _check(graph, simplified.graph)


@pytest.mark.parametrize(("bias", "stays"), [(2**31 - 46, False), (2**31 - 45, True)])
def test_biases_stay_within_int32(bias: int, stays: bool) -> None:
    """9 taps times 9 - 4 make 45."""
    graph, image = _constant_then_convolution(
        constant=9, zero_point=4, same=False, weights=ONES[0], bias=bias
    )
    simplified = simplify(graph, multiple=1).graph
    assert _channels(simplified, image) == (3 if stays else 2)
    _check(graph, simplified)


def test_depthwise_layers_turn_constants_into_constants() -> None:
    """Padded, 9 taps see the middle channel or 4: sums of 13500 or 11000, at some scales one value."""
    for scale, stays in ((10_000.0, False), (1000.0, True)):
        net = Plain()
        source = net.image(1, 5, 5, 1)
        image = net.layer(source, np.array([1, 0, 2]).reshape(3, 1, 1, 1), [0, 5, 0], zero_point=4)
        spread = net.layer(
            image, np.full((1, 3, 3, 3), 100), [9000] * 3, depthwise=True, same=True, scale=scale
        )
        graph = net.read(source, net.layer(spread, [[[[1, 1, 1]]]]))
        simplified = simplify(graph, multiple=1).graph
        assert _channels(simplified, image) == _channels(simplified, spread) == (3 if stays else 2)
        _check(graph, simplified)


def test_what_a_constant_unit_reads_is_not_needed() -> None:
    """The second layer's unit always saturates: no channel of the first matters; one stays, empty."""
    net = Plain()
    source = net.image(1, 3, 3, 2)
    image = net.layer(source, np.ones((5, 1, 1, 2), int))
    graph = net.read(source, net.layer(image, np.ones((1, 1, 1, 5), int), [100_000]))
    simplified = simplify(graph, multiple=1)
    assert simplified.graph.tensors[image].origin == (None,)
    assert (simplified.removal.layers[0].constant, simplified.removal.layers[0].unread) == (0, 4)
    _check(graph, simplified.graph)


def test_what_only_an_unread_unit_reads_is_unread_too() -> None:
    net = Plain()
    source = net.image(1, 3, 3, 1)
    first = net.layer(source, np.array([1, 2, 3]).reshape(3, 1, 1, 1))
    second = net.layer(first, np.array([[1, 2, 0], [1, 2, 3]]).reshape(2, 1, 1, 3))
    graph = net.read(source, net.layer(second, [[[[4, 0]]]]))
    simplified = simplify(graph, multiple=1)
    assert simplified.graph.tensors[second].origin == (0,)
    assert simplified.graph.tensors[first].origin == (0, 1)
    assert [layer.unread for layer in simplified.removal.layers] == [1, 1, 0]
    _check(graph, simplified.graph)


def test_taps_that_never_see_the_image_read_nothing() -> None:
    """A padded window of 3x3 on one pixel: only its middle counts."""
    net = Plain()
    source = net.image(1, 1, 1, 2)
    image = net.layer(source, np.eye(2, dtype=int).reshape(2, 1, 1, 2))
    kernel = np.full((1, 3, 3, 2), 5)
    kernel[0, 1, 1, 1] = 0
    graph = net.read(source, net.layer(image, kernel, same=True))
    simplified = simplify(graph, multiple=1).graph
    assert simplified.tensors[image].origin == (0,)
    _check(graph, simplified)


def test_channels_are_rounded_up_with_empty_ones() -> None:
    net = Plain()
    source = net.image(1, 3, 3, 1)
    weights = np.array([1, 0, 2, 0, 0, 3, 4, 5, 0, 0])
    image = net.layer(source, weights.reshape(10, 1, 1, 1), [0, 7, 0, 0, 0, 0, 0, 0, 0, 0])
    graph = net.read(source, net.layer(image, np.ones((2, 1, 1, 10), int)))
    for multiple, origin in (
        (1, (0, 2, 5, 6, 7)),
        (2, (0, None, 2, 5, 6, 7)),
        (4, (0, None, 2, None, None, 5, 6, 7)),
        (16, (0, 2, 5, 6, 7)),  # there are no 16
    ):
        simplified = simplify(graph, multiple)
        assert simplified.graph.tensors[image].origin == origin
        _check(graph, simplified.graph)
        assert simplified.removal.channels == 10 - len(origin)


@pytest.mark.parametrize("shape", [(1, 12), (1, 6, 2), (1, 3, 4), (2, 6), (1, 1, 4, 3)])
def test_reshapes_carry_channels_along(shape: tuple[int, ...]) -> None:
    """A dead channel of three goes where the new last axis is made of whole pixels, and only there."""
    net = Plain()
    source = net.image(1, 2, 2, 1)
    image = net.layer(source, np.array([1, 0, 2]).reshape(3, 1, 1, 1), [0, 8, 0])
    flat = net.reshape(image, *shape)
    weights = np.arange(1, shape[-1] + 1)[None]
    rows = 12 // shape[-1]
    graph = net.read(source, net.linear(flat, weights, (rows, 1)))
    simplified = simplify(graph, multiple=1).graph
    assert _channels(simplified, image) == (2 if shape[-1] % 3 == 0 else 3)
    assert _channels(simplified, flat) * 3 == shape[-1] * _channels(simplified, image)
    _check(graph, simplified)


def test_rows_of_fully_connected_layers_without_reshape() -> None:
    """Depth 3 on an image of 2x2x3, and a depth that is half the units before."""
    net = Plain()
    source = net.image(1, 2, 2, 1)
    image = net.layer(source, np.array([1, 0, 2]).reshape(3, 1, 1, 1), [0, 8, 0])
    weights = np.array([[1, 2, 3], [0, 0, 0], [4, 5, 6], [0, 0, 0]])
    middle = net.linear(image, weights, (4, 4))
    graph = net.read(source, net.linear(middle, [[2, 3]], (8, 1)))
    simplified = simplify(graph, multiple=1).graph
    assert (_channels(simplified, image), _channels(simplified, middle)) == (2, 2)
    _check(graph, simplified)


def test_scales_per_unit_stay_such() -> None:
    """One unit left of three: TFLM scales it by other arithmetic if it has one scale."""
    net = Plain()
    source = net.image(1, 4)
    middle = net.linear(source, [[0] * 4, [3, -2, 5, 7], [0] * 4], (1, 3), per_unit=True)
    graph = net.read(source, net.linear(middle, [[1, 1, 1], [2, 3, 4]], (1, 2)))
    simplified = simplify(graph, multiple=1).graph
    assert _channels(simplified, middle) == 2
    _check(graph, simplified)


def test_accumulators_that_might_wrap_have_any_value() -> None:
    net = Plain()
    source = net.image(1, 2, 2, 1)
    result = net.layer(source, [[[[1]]], [[[1]]]], [2**31 - 127, 2**31 - 128], scale=2.0)
    intervals = analyse(net.read(source, result)).tensors[result]
    assert intervals.low.tolist() == [-128, 127]
    assert intervals.high.tolist() == [127, 127]


def test_shifts_to_the_left_that_might_wrap_have_any_value() -> None:
    """Scale 1 to 1/1024: accumulators are shifted by 11 bits first."""
    for bias, low in ((2**20, -128), (2**20 - 200, 127)):
        net = Plain()
        source = net.image(1, 2, 2, 1)
        result = net.layer(source, [[[[1]]]], [bias], scale=1 / 1024)
        assert analyse(net.read(source, result)).tensors[result].low.tolist() == [low]


def test_intervals_are_reached() -> None:
    """One output: inputs at the ends that its weights' signs ask for give exactly the interval."""
    rng = np.random.default_rng(3)
    weights = rng.integers(-20, 21, (2, 3, 3, 2))
    net = Plain()
    source = net.image(1, 3, 3, 2, zero_point=-5)
    result = net.layer(source, weights, [40, -70], scale=700.0, zero_point=3)
    graph = net.read(source, result)
    interval = analyse(graph).tensors[result]
    for unit in (0, 1):
        for sign, end in ((1, interval.high), (-1, interval.low)):
            values = np.where(sign * weights[unit] > 0, 127, -128).astype(np.int8)
            (computed,) = run_graph(graph, [values[None]])[result][..., unit].reshape(-1)
            assert computed == end[unit]
    assert (interval.low > -128).all()
    assert (interval.high < 127).all()
