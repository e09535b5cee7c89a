"""Every kernel, three ways: the C on this computer (sanitizers on) and on the emulated Cortex-M7, NumPy
integers, and TFLM. All equal to the bit, over random shapes, quantizations and attributes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nn.checks import (
    EMULATOR,
    HOST,
    Inputs,
    Make,
    activations,
    check_model,
    random_inputs,
    seeds,
    zero_points,
)
from tests.support import models
from tests.support.kernel_bench import KernelBench, cases_of


@st.composite
def convolutions(draw: st.DrawFn, *, depthwise: bool) -> Make:
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    dilation = (draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 1, 3])))
    height = draw(st.integers((kernel[0] - 1) * dilation[0] + 1, 12))
    width = draw(st.integers((kernel[1] - 1) * dilation[1] + 1, 12))
    channels = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 12]))
    filters = channels * draw(st.integers(1, 3)) if depthwise else draw(st.integers(1, 7))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    same, per_channel, bias = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    activation, points = draw(activations), (draw(zero_points), draw(zero_points))
    # From scales that only shift right to ones that multiply by more than 1 and saturate.
    output_scale = draw(st.sampled_from([0.00002, 0.004, 0.05, 0.5]))

    def make(rng: np.random.Generator) -> bytes:
        return models.convolution(
            rng,
            depthwise=depthwise,
            height=height,
            width=width,
            channels=channels,
            filters=filters,
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            same=same,
            activation=activation,
            per_channel=per_channel,
            bias=bias,
            zero_points=points,
            output_scale=output_scale,
        )

    return make


@st.composite
def planes(draw: st.DrawFn) -> Make:
    """Depthwise convolutions of the kinds that networks have, up to several strips of rows."""
    kernel = draw(st.sampled_from([(3, 3), (3, 3), (3, 3), (5, 5), (1, 5), (10, 1), (2, 3)]))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (2, 1), (1, 2), (3, 3)]))
    height, width = draw(st.integers(kernel[0], 34)), draw(st.integers(kernel[1], 34))
    channels = draw(st.integers(1, 9))
    multiplier = draw(st.sampled_from([1, 1, 1, 2]))
    dilation = (draw(st.sampled_from([1, 1, 2])), 1) if kernel[0] * 2 - 1 <= height else (1, 1)
    same, activation = draw(st.booleans()), draw(activations)
    points = (draw(zero_points), draw(zero_points))
    output_scale = draw(st.sampled_from([0.004, 0.05, 0.5]))
    return lambda rng: models.convolution(
        rng,
        depthwise=True,
        height=height,
        width=width,
        channels=channels,
        filters=channels * multiplier,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        same=same,
        activation=activation,
        zero_points=points,
        input_scale=0.002,
        output_scale=output_scale,
    )


@st.composite
def pooled_convolutions(draw: st.DrawFn) -> Make:
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    pool = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    same, per_channel = draw(st.booleans()), draw(st.booleans())
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    # At least one window; rows and columns that none covers happen.
    height = draw(st.integers(stride[0] * pool[0] + kernel[0], 14))
    width = draw(st.integers(stride[1] * pool[1] + kernel[1], 14))
    channels, filters = draw(st.sampled_from([1, 3, 4, 8])), draw(st.integers(1, 7))
    activation, pool_activation = draw(activations), draw(activations)
    points = (draw(zero_points), draw(zero_points))
    output_scale = draw(st.sampled_from([0.00002, 0.05]))
    return lambda rng: models.convolution(
        rng,
        depthwise=False,
        height=height,
        width=width,
        channels=channels,
        filters=filters,
        kernel=kernel,
        stride=stride,
        same=same,
        activation=activation,
        per_channel=per_channel,
        zero_points=points,
        output_scale=output_scale,
        pool=pool,
        pool_activation=pool_activation,
    )


@st.composite
def winograds(draw: st.DrawFn) -> Make:
    """Convolutions that Winograd's kernel takes: all ways its loops are unrolled, borders, tiles and blocks
    of channels that stick out, a clamp that is not int8's.
    """
    pooled, same = draw(st.booleans()), draw(st.booleans())
    smallest = (2 if pooled else 1) + (0 if same else 2)
    height, width = draw(st.integers(smallest, 13)), draw(st.integers(smallest, 13))
    channels, filters = draw(st.sampled_from([4, 8, 16, 20, 32, 48, 64, 128])), draw(st.integers(1, 9))
    activation, pool_activation = draw(activations), draw(activations)
    per_channel, bias = draw(st.booleans()), draw(st.booleans())
    points = (draw(zero_points), draw(zero_points))
    output_scale = draw(st.sampled_from([0.05, 0.5]))
    return lambda rng: models.convolution(
        rng,
        depthwise=False,
        height=height,
        width=width,
        channels=channels,
        filters=filters,
        kernel=(3, 3),
        same=same,
        activation=activation,
        per_channel=per_channel,
        bias=bias,
        zero_points=points,
        output_scale=output_scale,
        pool=(2, 2) if pooled else None,
        pool_activation=pool_activation,
    )


@st.composite
def fully_connecteds(draw: st.DrawFn) -> Make:
    rows, depth, units = draw(st.integers(1, 3)), draw(st.integers(1, 70)), draw(st.integers(1, 27))
    activation, per_channel, bias = draw(activations), draw(st.booleans()), draw(st.booleans())
    points = (draw(zero_points), draw(zero_points))
    output_scale = draw(st.sampled_from([0.00002, 0.004, 0.05]))
    return lambda rng: models.fully_connected(
        rng,
        rows=rows,
        depth=depth,
        units=units,
        activation=activation,
        per_channel=per_channel,
        bias=bias,
        zero_points=points,
        output_scale=output_scale,
    )


@st.composite
def pools(draw: st.DrawFn) -> Make:
    kind = draw(st.sampled_from(["MAX", "AVERAGE"]))
    window = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    model = models.pool(
        kind=kind,
        height=draw(st.integers(window[0], 11)),
        width=draw(st.integers(window[1], 11)),
        channels=draw(st.integers(1, 9)),
        window=window,
        stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        same=draw(st.booleans()),
        activation=draw(activations),
        zero_point=draw(zero_points),
    )
    return lambda _rng: model


@st.composite
def adds(draw: st.DrawFn) -> Make:
    scale = st.floats(0.0005, 2.0)
    model = models.add(
        draw(st.integers(1, 50)),
        (draw(scale), draw(scale), draw(scale)),
        (draw(zero_points), draw(zero_points), draw(zero_points)),
        draw(activations),
    )
    return lambda _rng: model


@st.composite
def softmaxes(draw: st.DrawFn) -> Make:
    model = models.softmax(
        draw(st.integers(1, 3)),
        draw(st.integers(1, 40)),
        draw(st.floats(0.001, 1.0)),
        draw(zero_points),
        draw(st.sampled_from([1.0, 0.5, 2.0])),
    )
    return lambda _rng: model


@st.composite
def logistics(draw: st.DrawFn) -> Make:
    model = models.logistic(draw(st.integers(1, 300)), draw(st.floats(0.001, 1.0)), draw(zero_points))
    return lambda _rng: model


@st.composite
def conversions(draw: st.DrawFn) -> Make:
    scale = st.floats(0.0005, 2.0)
    byte = {"int8": zero_points, "uint8": st.sampled_from([0, 1, 100, 128, 255])}
    source, result = draw(
        st.sampled_from(
            [
                ("float32", "int8"),
                ("int8", "int8"),
                ("uint8", "int8"),
                ("int8", "uint8"),
                ("int8", "float32"),
                ("uint8", "float32"),
            ]
        )
    )
    model = models.convert(
        "DEQUANTIZE" if result == "float32" else "QUANTIZE",
        draw(st.integers(1, 300)),
        source,
        result,
        None if source == "float32" else (draw(scale), draw(byte[source])),
        None if result == "float32" else (draw(scale), draw(byte[result])),
    )
    return lambda _rng: model


OPERATORS = {
    "CONV_2D": convolutions(depthwise=False),
    "CONV_2D+MAX_POOL_2D": pooled_convolutions(),
    "CONV_2D by Winograd": winograds(),
    "DEPTHWISE_CONV_2D": convolutions(depthwise=True),
    "DEPTHWISE_CONV_2D in planes": planes(),
    "FULLY_CONNECTED": fully_connecteds(),
    "POOL_2D": pools(),
    "ADD": adds(),
    "SOFTMAX": softmaxes(),
    "LOGISTIC": logistics(),
    "QUANTIZE": conversions(),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_kernels_equal_numpy_and_tflm(operator: str, where: str, bench: KernelBench) -> None:
    @(HOST if where == "host" else EMULATOR)
    @given(make=OPERATORS[operator], seed=seeds)
    def check(make: Make, seed: int) -> None:
        rng = np.random.default_rng(seed)
        check_model(make(rng), random_inputs, rng, where, bench)

    check()


def constant(value: int) -> Inputs:
    return lambda tensor, _rng: np.full(tensor.shape, value, np.int8)  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("weight", [-127, 127])
def test_accumulators_near_overflow(value: int, weight: int, where: str, bench: KernelBench) -> None:
    """Sums beyond 2**30, where the short form of scaling does not hold and must not be chosen."""
    rng = np.random.default_rng(1)
    weights = np.full((2, 1, 1, 34_000), weight, np.int8)
    model = models.convolution(
        rng,
        depthwise=False,
        height=1,
        width=1,
        channels=34_000,
        filters=2,
        kernel=(1, 1),
        zero_points=(-128 if value > 0 else 127, 3),
        input_scale=0.001,
        output_scale=16.0,
        weight_scales=[0.001, 0.002],
        bias_range=100_000_000,
        weights=weights,
    )
    _, cases = cases_of(model, [])
    for case in cases:  # no faster kernel
        assert dict(case.candidate.params)["scale_down"] == "false"
    check_model(model, constant(value), rng, where, bench)


@pytest.mark.parametrize("weight", [-127, 127])
@pytest.mark.parametrize(("bias", "mixed"), [(892, True), (893, False)])
def test_sums_at_the_bound_of_mixed_channels(
    weight: int, bias: int, mixed: bool, where: str, bench: KernelBench
) -> None:
    """259 products of 127 * 255 and 892 are 2**23 - 1, the most that a pair's second channel may reach."""
    rng = np.random.default_rng(6)
    model = models.convolution(
        rng,
        depthwise=False,
        height=1,
        width=5,
        channels=259,
        filters=2,
        kernel=(1, 1),
        zero_points=(-128, 3),
        input_scale=0.001,
        output_scale=0.05,
        weight_scales=[0.001, 0.002],
        weights=np.full((2, 1, 1, 259), weight, np.int8),
        biases=[bias if weight > 0 else -bias] * 2,
    )
    _, cases = cases_of(model, [])
    assert any("tiles" in case.candidate.name for case in cases) is mixed
    check_model(model, constant(127), rng, where, bench)


def _kernels(model: bytes) -> set[str]:
    return {case.candidate.name for case in cases_of(model, [])[1]}


@pytest.mark.parametrize("values", [range(-8, 8), (-1, 1)], ids=["nibbles", "signs"])
@pytest.mark.parametrize("bias", [True, False])
def test_units_of_small_weights(values: Sequence[int], bias: bool, where: str, bench: KernelBench) -> None:
    """Whole blocks, pairs and units that are left, any depth, rows; int8 in the file."""
    rng = np.random.default_rng(10)
    for rows, depth, units in ((1, 512, 16), (2, 7, 21), (3, 12, 9), (1, 1, 1), (1, 64, 8), (2, 33, 7)):
        model = models.fully_connected(
            rng,
            rows=rows,
            depth=depth,
            units=units,
            bias=bias,
            zero_points=(-128, 3),
            output_scale=0.5,
            weights=rng.choice(values, (units, depth)).astype(np.int8),
        )
        assert "fully_connected_blocks_s4" in _kernels(model)
        check_model(model, random_inputs, rng, where, bench)


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3)])
@pytest.mark.parametrize("pool", [None, (2, 2)])
def test_convolutions_of_small_weights(
    kernel: tuple[int, int], pool: tuple[int, int] | None, where: str, bench: KernelBench
) -> None:
    rng = np.random.default_rng(11)
    for channels, filters in ((4, 6), (3, 5), (20, 9), (72, 4)):
        model = models.convolution(
            rng,
            depthwise=False,
            height=7,
            width=6,
            channels=channels,
            filters=filters,
            kernel=kernel,
            same=True,
            pool=pool,
            bias=channels != 3,
            zero_points=(-128, -128),
            activation=1,
            output_scale=0.5,
            weights=rng.integers(-8, 8, (filters, *kernel, channels)).astype(np.int8),
        )
        kernels = _kernels(model)
        assert any(name.endswith("tiles_s4") for name in kernels)
        by_winograd = any("winograd" in name and name.endswith("s4") for name in kernels)
        assert by_winograd is (kernel == (3, 3) and channels % 4 == 0)
        check_model(model, random_inputs, rng, where, bench)


@pytest.mark.parametrize("value", [-128, 127])
def test_largest_sums_of_four_bits(value: int, where: str, bench: KernelBench) -> None:
    """Each sign of a pair's two weights, at the ends of inputs and of weights."""
    ends = np.array([[7, 7], [7, -8], [-8, 7], [-8, -8]]).reshape(8, 1, 1, 1)
    model = models.convolution(
        np.random.default_rng(13),
        depthwise=False,
        height=1,
        width=6,
        channels=600,
        filters=8,
        kernel=(1, 1),
        zero_points=(-1 - value, 3),
        output_scale=8.0,
        weights=np.broadcast_to(ends, (8, 1, 1, 600)).astype(np.int8),
    )
    assert "conv_2d_words_tiles_s4" in _kernels(model)
    check_model(model, constant(value), np.random.default_rng(13), where, bench)


@pytest.mark.parametrize("weight", [-9, 8])
def test_weights_beyond_four_bits_stay_bytes(weight: int) -> None:
    rng = np.random.default_rng(12)
    weights = rng.integers(-8, 8, (9, 16)).astype(np.int8)
    weights[8, 15] = weight
    model = models.fully_connected(rng, rows=1, depth=16, units=9, output_scale=0.5, weights=weights)
    assert not any(name.endswith("_s4") for name in _kernels(model))


@pytest.mark.parametrize(("largest", "kernel"), [(127, "tiles"), (7, "tiles_s4")])
@pytest.mark.parametrize("pool", [None, (2, 2)])
def test_tiles_of_every_depth(
    pool: tuple[int, int] | None, largest: int, kernel: str, where: str, bench: KernelBench
) -> None:
    """Code for groups of products is entered in its middle: each number of groups, and several passages."""
    rng = np.random.default_rng(8)
    for groups in (*range(1, 20), 31, 32, 33, 48, 49):
        model = models.convolution(
            rng,
            depthwise=False,
            height=2,
            width=4,
            channels=4 * groups,
            filters=3,
            kernel=(1, 1),
            output_scale=0.5,
            pool=pool,
            weights=rng.integers(-largest, largest + 1, (3, 1, 1, 4 * groups)).astype(np.int8),
        )
        assert any(name.endswith(kernel) for name in _kernels(model))
        check_model(model, random_inputs, rng, where, bench)


def test_channels_too_small_to_matter(where: str, bench: KernelBench) -> None:
    """Scales so small that every output is the zero point, as dead channels of trained networks have."""
    rng = np.random.default_rng(7)
    model = models.convolution(
        rng,
        depthwise=False,
        height=3,
        width=3,
        channels=4,
        filters=3,
        kernel=(1, 1),
        weight_scales=[1e-12, 0.01, 1e-9],
    )
    assert any("tiles" in case.candidate.name for case in cases_of(model, [])[1])
    check_model(model, random_inputs, rng, where, bench)


@pytest.mark.parametrize("weight", [-128, 127])
@pytest.mark.parametrize("value", [-128, 127])
def test_winograd_s_largest_values(weight: int, value: int, where: str, bench: KernelBench) -> None:
    """Signs that make one position of the transforms as large as it can be, each in a channel of its own."""
    rng = np.random.default_rng(5)
    signs = np.sign(rng.uniform(-1, 1, (8, 3, 3, 16)))
    signs[0], signs[1] = 1, np.array([1, -1, 1])[:, None, None] * np.array([1, -1, 1])[:, None]
    weights = np.where(signs > 0, weight, -1 - weight).astype(np.int8)
    model = models.convolution(
        rng,
        depthwise=False,
        height=5,
        width=5,
        channels=16,
        filters=8,
        kernel=(3, 3),
        same=True,
        zero_points=(value, 3),
        output_scale=16.0,
        weights=weights,
    )

    def pattern(tensor: object, _rng: np.random.Generator) -> np.ndarray:
        y, x = np.indices((5, 5))
        odd = ((y // 2 + x // 2) % 2).reshape(1, 5, 5, 1)
        return np.broadcast_to(np.where(odd, -1 - value, value), tensor.shape).astype(np.int8)  # type: ignore[attr-defined]

    check_model(model, constant(value), rng, where, bench)
    check_model(model, pattern, rng, where, bench)


@pytest.mark.parametrize("depth", [13, 14, 15])
def test_nothing_is_read_behind_the_last_row(depth: int, where: str, bench: KernelBench) -> None:
    """Rows that are no whole words and fill their buffer to the last byte."""
    rng = np.random.default_rng(4)
    check_model(models.fully_connected(rng, rows=16, depth=depth, units=3), random_inputs, rng, where, bench)


@pytest.mark.parametrize("value", [-128, -1, 0, 127])
def test_one_pixel_one_channel(value: int, where: str, bench: KernelBench) -> None:
    rng = np.random.default_rng(2)
    for depthwise in (False, True):
        model = models.convolution(
            rng, depthwise=depthwise, height=1, width=1, channels=1, filters=1, kernel=(1, 1)
        )
        check_model(model, constant(value), rng, where, bench)


def _three_by_three(rng: np.random.Generator, **how: object) -> bytes:
    shape = {"height": 7, "width": 5, "channels": 5, "filters": 5, "kernel": (3, 3), "same": True}
    return models.convolution(rng, depthwise=True, **{**shape, "input_scale": 0.002, **how})  # type: ignore[arg-type]


@pytest.mark.parametrize("point", range(-128, 128, 17))
def test_planes_at_zero_points(point: int, where: str, bench: KernelBench) -> None:
    rng = np.random.default_rng(6)
    for stride in (1, 2):
        for other in (point, -128):
            model = _three_by_three(rng, zero_points=(point, other), stride=(stride, stride), activation=1)
            check_model(model, random_inputs, rng, where, bench)


@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("weight", [-127, 127])
def test_planes_up_to_their_largest_sums(value: int, weight: int, where: str, bench: KernelBench) -> None:
    """Accumulators next to 2**30, and none beyond: the planner must not choose planes there."""
    weights = np.full((1, 3, 3, 5), weight, np.int8)
    products = 9 * 127 * 255
    for bias, holds in ((2**30 - 1 - products, True), (2**30, False)):
        for sign in (-1, 1):
            model = _three_by_three(
                np.random.default_rng(7),
                weights=weights,
                biases=np.full(5, sign * bias, np.int32),
                zero_points=(-128 if value > 0 else 127, 3),
                input_scale=0.001,
                output_scale=8.0,
                weight_scales=[0.001 * (i + 1) for i in range(5)],
            )
            _, cases = cases_of(model, [])
            assert any("planes" in case.candidate.name for case in cases) is holds
            check_model(model, constant(value), np.random.default_rng(7), where, bench)


@pytest.mark.parametrize("value", [-128, 127, None])
@pytest.mark.parametrize("window", [(16, 16), (1, 255), (3, 256), (19, 21)])
def test_averages_of_many(value: int | None, window: tuple[int, int], where: str, bench: KernelBench) -> None:
    """More than sums of 16 bits hold."""
    model = models.pool(
        kind="AVERAGE",
        height=window[0],
        width=window[1],
        channels=6,
        window=window,
        stride=(1, 1),
        same=False,
    )
    inputs = random_inputs if value is None else constant(value)
    check_model(model, inputs, np.random.default_rng(8), where, bench)


@pytest.mark.parametrize("activation", [0, 1])
@pytest.mark.parametrize(
    "scales", [(0.0517, 0.0293, 0.0611), (0.1, 0.1, 0.2), (0.1, 0.1, 0.1), (0.05, 0.03, 0.06)]
)
def test_addition_of_every_pair(
    scales: tuple[float, float, float], activation: int, where: str, bench: KernelBench
) -> None:
    every = np.arange(-128, 128, dtype=np.int8)
    pairs = iter((np.repeat(every, 256), np.tile(every, 256)) * 2)
    model = models.add(65_536, scales, (-128, 4, -20), activation)
    check_model(
        model,
        lambda tensor, _rng: next(pairs).reshape(tensor.shape),  # type: ignore[attr-defined]
        np.random.default_rng(9),
        where,
        bench,
    )


@pytest.mark.parametrize("scale", [0.0005, 0.01, 0.05, 0.3])
def test_logistic_and_softmax_for_every_input(scale: float, where: str, bench: KernelBench) -> None:
    rng = np.random.default_rng(3)

    def every(tensor: object, _rng: np.random.Generator) -> np.ndarray:
        return np.arange(-128, 128, dtype=np.int8).reshape(tensor.shape)  # type: ignore[attr-defined]

    check_model(models.logistic(256, scale, 7), every, rng, where, bench)
    check_model(models.softmax(1, 256, scale, 7), every, rng, where, bench)


def test_quantize_saturates_and_takes_nan(bench: KernelBench) -> None:
    """TFLM leaves NaN undefined; here it becomes the zero point. Infinities saturate."""
    model = models.convert("QUANTIZE", 5, "float32", "int8", None, (0.5, 3))
    values = np.array([[np.inf, -np.inf, np.nan, 3e38, -0.0]], np.float32)
    _, cases = cases_of(model, [values])
    for case in cases:
        for run in (bench.run_on_host, bench.run_on_emulator):
            assert np.frombuffer(run(case), np.int8).tolist() == [127, -128, 3, 127, 3]
