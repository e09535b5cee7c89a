"""Fixed-point arithmetic against its definitions in whole numbers and fractions, and the firmware's C."""

from __future__ import annotations

import math
import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.arithmetic.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    Multiplier,
    exp_of_negative,
    high_mul,
    input_radius,
    logistic,
    one_over_one_plus,
    quantize_multiplier,
    round_half_away,
    rounding_shift_right,
    scale_by,
    wrap_int32,
)
from generator.assets import firmware_dir

EDGES = sorted(
    {v for p in range(32) for d in (-1, 0, 1) for v in (2**p + d, -(2**p) + d) if INT32_MIN <= v <= INT32_MAX}
)
STRICT = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
int32s = st.integers(INT32_MIN, INT32_MAX)
quick = settings(max_examples=300, deadline=None, derandomize=True)


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def half_away(value: Fraction) -> int:
    return half_up(value) if value >= 0 else -half_up(-value)


def defined_scale(value: int, multiplier: Multiplier) -> int:
    """The rule of the module's first lines, word by word."""
    shifted = value * 2 ** max(multiplier.shift, 0)
    shifted = (shifted + 2**31) % 2**32 - 2**31
    first = min(half_up(Fraction(shifted * multiplier.mantissa, 2**31)), INT32_MAX)
    return half_away(Fraction(first, 2 ** max(-multiplier.shift, 0)))


def test_high_mul_at_all_edges() -> None:
    for a in EDGES:
        for b in EDGES:
            expected = min(half_up(Fraction(a * b, 2**31)), INT32_MAX)
            assert high_mul(a, b) == expected
    assert high_mul(INT32_MIN, INT32_MIN) == INT32_MAX


def test_rounding_shift_at_all_edges() -> None:
    for exponent in range(32):
        for value in EDGES:
            assert rounding_shift_right(value, exponent) == half_away(Fraction(value, 2**exponent))
    assert [rounding_shift_right(v, 1) for v in (-3, -1, 1, 3)] == [-2, -1, 1, 2]


def test_round_half_away_is_c_s_round() -> None:
    for value, expected in ((0.5, 1), (-0.5, -1), (1.5, 2), (2.5, 3), (-2.5, -3), (0.49999, 0), (-0.0, 0)):
        assert round_half_away(value) == expected


@quick
@given(value=st.integers(-(2**62), 2**62))
def test_wrapping_is_two_s_complement(value: int) -> None:
    assert wrap_int32(value) == struct.unpack("<i", (value % 2**32).to_bytes(4, "little"))[0]


@quick
@given(
    value=st.one_of(st.sampled_from(EDGES), int32s),
    mantissa=st.one_of(st.just(0), st.integers(2**30, INT32_MAX)),
    shift=st.integers(-31, 30),
)
def test_scaling_follows_its_definition(value: int, mantissa: int, shift: int) -> None:
    multiplier = Multiplier(mantissa, shift)
    expected = defined_scale(value, multiplier)
    assert scale_by(value, multiplier) == expected
    assert scale_by(np.array([value], np.int64), multiplier).tolist() == [expected]


@quick
@given(real=st.floats(1e-12, 1e12))
def test_multipliers_are_the_nearest(real: float) -> None:
    multiplier = quantize_multiplier(real)
    if multiplier == Multiplier(0, 0):
        assert real < 2.0**-31
    elif multiplier == Multiplier(INT32_MAX, 30):
        assert real >= 2.0**29
    else:
        assert 2**30 <= multiplier.mantissa <= INT32_MAX
        unit = Fraction(2) ** (multiplier.shift - 31)
        assert abs(multiplier.mantissa * unit - Fraction(real)) <= unit / 2


def test_multipliers_at_the_ends() -> None:
    assert quantize_multiplier(0.0) == Multiplier(0, 0)
    assert quantize_multiplier(1.0) == Multiplier(2**30, 1)
    # Rounds up to the next power of two, whose mantissa is the smallest.
    assert quantize_multiplier(1.0 - 2.0**-40) == Multiplier(2**30, 1)
    assert quantize_multiplier(2.0**-32) == Multiplier(2**30, -31)
    assert quantize_multiplier(2.0**-33) == Multiplier(0, 0)
    assert quantize_multiplier(2.0**29) == Multiplier(2**30, 30)
    assert quantize_multiplier(2.0**30) == Multiplier(INT32_MAX, 30)
    assert quantize_multiplier(1e30) == Multiplier(INT32_MAX, 30)


@pytest.mark.parametrize("bits", [4, 5])
def test_exponential_is_close_to_the_real_one(bits: int) -> None:
    one = 1 << (31 - bits)
    for step in range(2000):
        value = -(step * one * ((1 << bits) - 1)) // 2000
        assert exp_of_negative(value, bits) / 2**31 == pytest.approx(math.exp(value / one), abs=3e-7)
    assert exp_of_negative(0, bits) == INT32_MAX


def test_reciprocal_and_logistic_are_close_to_the_real_ones() -> None:
    for step in range(1001):
        value = min(step * 2**31 // 1000, INT32_MAX)
        assert one_over_one_plus(value) / 2**31 == pytest.approx(1 / (1 + value / 2**31), abs=1e-7)
    for step in range(-1000, 1001):
        value = step * (INT32_MAX // 1000)
        real = 1 / (1 + math.exp(-value / 2**27))
        assert logistic(value, 4) / 2**31 == pytest.approx(real, abs=3e-7)
    assert logistic(0, 4) == 1 << 30


def test_input_radius() -> None:
    assert input_radius(5, 0) == 31 << 26
    assert input_radius(4, 27) == 15
    assert input_radius(4, 30) == 1  # 1.875, cut off


# The same in C: values in, results out, so that one compilation serves every case.

_PROGRAM = """
#include <stdio.h>
#include "fc_fixed.h"
int main(void)
{
    int32_t in[3];
    while (fread(in, sizeof in, 1, stdin) == 1) {
        const struct fc_scale scale = {in[1], in[2]};
        const bool down = in[0] > -(1 << 30) && in[0] < (1 << 30) && scale.shift >= -31 && scale.shift <= -1;
        const int32_t any = fc_scale_any(in[0], scale);
        static const int32_t offsets[] = {-256, -128, -1, 3, 127, 256};
        const int32_t out[2] = {any, down ? fc_scale_down(in[0], scale, 0) : any};
        for (int i = 0; down && i < 6; i++) {
            if (fc_scale_down(in[0], scale, offsets[i]) != out[1] + offsets[i]) {
                return 1;
            }
        }
        fwrite(out, sizeof out, 1, stdout);
    }
    return 0;
}
"""

Scale = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def scale_in_c(tmp_path_factory: pytest.TempPathFactory) -> Scale:
    """(count, 3) of value, mantissa, shift to (count, 2) of fc_scale_any and fc_scale_down where it holds."""
    folder: Path = tmp_path_factory.mktemp("fixed")
    (folder / "scale.c").write_text(_PROGRAM)
    command = ["cc", *STRICT, *SANITIZE, "-I", str(firmware_dir() / "nn"), "scale.c", "-o", "scale"]
    subprocess.run(command, cwd=folder, check=True)

    def run(cases: np.ndarray) -> np.ndarray:
        done = subprocess.run(
            [folder / "scale"], input=cases.astype("<i4").tobytes(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return np.frombuffer(done.stdout, "<i4").reshape(-1, 2)

    return run


def test_c_equals_python_on_edges_and_at_random(scale_in_c: Scale) -> None:
    rng = np.random.default_rng(1)
    mantissas = [0, 2**30, 2**30 + 1, INT32_MAX - 1, INT32_MAX]
    edges = [(v, m, s) for v in EDGES for m in mantissas for s in range(-31, 31)]
    random = np.stack(
        [
            rng.integers(INT32_MIN, INT32_MAX, 20_000, endpoint=True),
            rng.integers(2**30, INT32_MAX, 20_000, endpoint=True),
            rng.integers(-31, 31, 20_000),
        ],
        axis=1,
    )
    cases = np.concatenate([np.array(edges, np.int64), random])
    # By multiplier, so that NumPy takes whole columns.
    expected = np.empty(len(cases), np.int64)
    for index, (value, mantissa, shift) in enumerate(cases.tolist()):
        expected[index] = scale_by(value, Multiplier(mantissa, shift))
    np.testing.assert_array_equal(scale_in_c(cases)[:, 0], expected)


def test_short_form_equals_the_long_one_in_its_whole_domain(scale_in_c: Scale) -> None:
    """fc_scale_down's identity: |value| < 2**30 and a shift of -31..-1."""
    rng = np.random.default_rng(2)
    limit = 2**30 - 1
    extremes = [v for v in EDGES if abs(v) <= limit] + [limit, -limit]
    mantissas = [0, 2**30, 2**30 + 1, 1431655765, INT32_MAX - 1, INT32_MAX]
    edges = np.array([(v, m, s) for v in extremes for m in mantissas for s in range(-31, 0)])
    count = 400_000
    random = np.stack(
        [
            rng.integers(-limit, limit, count, endpoint=True) >> rng.integers(0, 30, count),
            rng.integers(2**30, INT32_MAX, count, endpoint=True),
            rng.integers(-31, 0, count),
        ],
        axis=1,
    )
    # Ties of the second rounding: the first gives exactly an odd multiple of half the divisor.
    ties = np.array(
        [(sign * k * 2 ** (-s), 2**30, s) for s in range(-25, 0) for k in range(1, 32) for sign in (-1, 1)]
    )
    cases = np.concatenate([edges, random, ties])
    cases = cases[np.abs(cases[:, 0]) <= limit]
    results = scale_in_c(cases)
    np.testing.assert_array_equal(results[:, 1], results[:, 0])
    # The domain is no smaller than claimed by chance: beyond it the two do differ.
    assert (np.abs(cases[:, 0]) == limit).any()
