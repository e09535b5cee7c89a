"""The registry of rounding rules tells the truth: each rule is a formula that equals its engine."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generator.arithmetic.fixedpoint import Multiplier, high_mul, quantize_multiplier, scale_by, wrap_int32
from generator.graph import DType, Graph, Operator
from generator.read import read_tflite_bytes
from generator.reference import Oracle, layers, run_graph
from generator.validate import implementations, make_inputs, rules
from generator.validate.implementations import Implementation
from generator.validate.inputs import TestInput
from generator.validate.rules import NOT_DESCRIBED, RULES, Engine, Rule, rules_of
from tests.plan.networks import every_operator
from tests.support import models

Array = np.ndarray
F = np.float32


def _upward(value: Array, m: Multiplier) -> Array:
    right = max(-m.shift, 0)
    product = high_mul(wrap_int32(value << max(m.shift, 0)), m.mantissa)
    return (product + ((1 << right) >> 1)) >> right


def _float32(value: Array, m: Multiplier) -> Array:
    return np.rint(value.astype(F) * F(m.mantissa * 2.0 ** (m.shift - 31))).astype(np.int64)


def _float64(value: Array, m: Multiplier) -> Array:
    exact = value * (m.mantissa * 2.0 ** (m.shift - 31))
    return (np.sign(exact) * np.floor(np.abs(exact) + 0.5)).astype(np.int64)


SCALING: dict[Rule, Callable[[Any, Multiplier], Any]] = {
    rules.DOUBLE_AWAY: scale_by,
    rules.DOUBLE_UP: _upward,
    rules.FLOAT32_EVEN: _float32,
    rules.FLOAT64_AWAY: _float64,
}


def _int8(values: Array, zero_point: int = 0) -> Array:
    return np.clip(values + zero_point, -128, 127).astype(np.int8)


def _sum_once(graph: Graph, op: Operator, a: Array, b: Array) -> Array:
    first, second = graph.operand(op, 0).quant, graph.operand(op, 1).quant
    result = graph.result(op).quant
    ratios = [F(q.scale) / F(result.scale) for q in (first, second)]
    shift = 20 - (math.frexp(float(max(ratios)))[1] - 1)
    factors = [int(np.rint(ratio * F(2.0**shift))) for ratio in ratios]
    total = (a.astype(np.int64) - first.zero_point) * factors[0]
    total += (b.astype(np.int64) - second.zero_point) * factors[1]
    return _int8((total + (1 << (shift - 1))) >> shift, result.zero_point)


def _table_softmax(graph: Graph, op: Operator, values: Array) -> Array:
    scale = F(graph.operand(op, 0).quant.scale)
    table = np.exp(-scale * np.arange(256).astype(F)).astype(F)
    exponentials = table[values.max(-1, keepdims=True).astype(int) - values]
    total = np.zeros(len(values), F)
    for column in exponentials.T:  # one after the other, as the kernel adds
        total += column
    inverse = F(1) / (total * F(1 / 256))
    return _int8(np.floor(exponentials * inverse[:, None] + F(0.5)).astype(np.int64), -128)


def _table_logistic(graph: Graph, op: Operator, values: Array) -> Array:
    quant = graph.operand(op, 0).quant
    real = F(quant.scale) * (values.astype(np.int64) - quant.zero_point).astype(F)
    return _int8(np.rint(F(256) / (F(1) + np.exp(-real))).astype(np.int64), -128)


def _reciprocal_even(graph: Graph, op: Operator, values: Array) -> Array:
    quant = graph.result(op).quant
    return _int8(np.rint(values * (F(1) / F(quant.scale))).astype(np.int64), quant.zero_point)


def _eight_bits(graph: Graph, op: Operator, values: Array) -> Array:
    source, result = graph.operand(op, 0).quant, graph.result(op).quant
    factor = int(np.rint(F(256) * (F(source.scale) / F(result.scale))))
    return _int8(((values.astype(np.int64) - source.zero_point) * factor + 128) >> 8, result.zero_point)


def _product_and_offset(graph: Graph, op: Operator, values: Array) -> Array:
    quant = graph.operand(op, 0).quant
    return values.astype(F) * F(quant.scale) + F(-quant.zero_point) * F(quant.scale)


FORMULAS: dict[Rule, Callable[..., Array]] = {
    rules.SUM_ONCE: _sum_once,
    rules.TABLE_SOFTMAX: _table_softmax,
    rules.TABLE_LOGISTIC: _table_logistic,
    rules.RECIPROCAL_EVEN: _reciprocal_even,
    rules.EIGHT_BIT_FACTOR: _eight_bits,
    rules.PRODUCT_AND_OFFSET: _product_and_offset,
}
# These are what the NumPy reference computes.
TFLM_RULES = {entry[Engine.TFLM] for entry in RULES.values()}


def _models(name: str, dtype: DType) -> Iterator[bytes]:
    rng = np.random.default_rng(5)

    def scale() -> float:
        return float(rng.uniform(0.01, 0.2))

    def zero() -> int:
        return int(rng.integers(-60, 60))

    for turn in range(12):
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            yield models.convolution(
                rng,
                depthwise=name != "CONV_2D",
                height=9,
                width=9,
                channels=8,
                filters=16,
                kernel=(3, 3),
                per_channel=bool(turn % 2),
                zero_points=(zero(), zero()),
            )
        elif name == "FULLY_CONNECTED":
            yield models.fully_connected(
                rng, rows=16, depth=100, units=40, per_channel=bool(turn % 2), zero_points=(zero(), zero())
            )
        elif name == "ADD":
            yield models.add(8000, (scale(), scale(), scale()), (zero(), zero(), zero()))
        elif name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
            yield models.pool(
                kind=name.split("_", maxsplit=1)[0],
                height=12,
                width=12,
                channels=16,
                window=(int(rng.integers(1, 6)), int(rng.integers(1, 6))),
                stride=(1, 2),
                same=bool(turn % 2),
                zero_point=zero(),
            )
        elif name == "SOFTMAX":
            yield models.softmax(200, 12, scale(), zero())
        elif name == "LOGISTIC":
            yield models.logistic(4000, scale(), zero())
        elif name == "QUANTIZE" and dtype is DType.FLOAT32:
            yield models.convert(name, 8000, "float32", "int8", None, (scale() / 10, zero()))
        elif name == "QUANTIZE":
            wide = scale()
            narrow = scale() if turn else wide / 4  # many ties in the second rounding
            yield models.convert(name, 4000, "int8", "int8", (narrow, zero()), (wide, zero()))
        elif name == "DEQUANTIZE":
            yield models.convert(name, 4000, "int8", "float32", (scale(), zero()), None)
        else:
            raise AssertionError(f"no model of {name}")


def _engine(model: bytes, graph: Graph, engine: Engine) -> Implementation:
    if engine is Engine.TFLM:
        return implementations.tflm(model, graph)
    found = next(i for i in implementations.litert(model, graph) if i.key == engine.value)
    assert isinstance(found, Implementation), found
    return found


def _by_formula(graph: Graph, rule: Rule, given: TestInput, monkeypatch: pytest.MonkeyPatch) -> Array:
    (operator,) = graph.operators
    if rule in FORMULAS:
        return FORMULAS[rule](graph, operator, *given.values)
    assert rule in SCALING or rule in TFLM_RULES, rule.name
    with monkeypatch.context() as patch:
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            patch.setattr(layers, "scale_by", SCALING[rule])
        elif rule in SCALING:
            return _requantized(graph, operator, SCALING[rule], given.values[0])
        return np.asarray(run_graph(graph, given.values)[operator.outputs[0]])


def _requantized(
    graph: Graph, op: Operator, scaling: Callable[[Any, Multiplier], Any], values: Array
) -> Array:
    source, result = graph.operand(op, 0).quant, graph.result(op).quant
    multiplier = quantize_multiplier(source.scale / result.scale)
    return _int8(scaling(values.astype(np.int64) - source.zero_point, multiplier), result.zero_point)


ENTRIES = [key for key in RULES if key[0] != "RESHAPE"]


@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize(("name", "dtype"), ENTRIES, ids=[f"{n}-{d.value}" for n, d in ENTRIES])
def test_engine_follows_its_rule(
    name: str, dtype: DType, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine is not Engine.TFLM:
        pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
        if platform.machine() != "x86_64":
            pytest.skip("the registry tells LiteRT's rules on x86-64")
    rule = RULES[name, dtype][engine]
    apart_from_tflm = 0
    for model in _models(name, dtype):
        graph = read_tflite_bytes(model, "net", "net")
        implementation = _engine(model, graph, engine)
        index = graph.outputs[0]
        for given in make_inputs(graph, Path("nowhere"), None, realistic=0, noise=2, seed=1):
            have = implementation.run(given)[index]
            np.testing.assert_array_equal(have, _by_formula(graph, rule, given, monkeypatch), rule.name)
            apart_from_tflm += int(np.count_nonzero(have != Oracle(model).run(given.values)[0]))
    if rule == RULES[name, dtype][Engine.TFLM]:
        assert apart_from_tflm == 0
    elif name != "LOGISTIC":  # whose two ways to the sigmoid agree on every input tried
        assert apart_from_tflm > 0


def test_every_layer_has_a_rule_or_says_that_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = read_tflite_bytes(every_operator(), "net", "net")
    assert all(NOT_DESCRIBED not in rules_of(graph, operator).values() for operator in graph.operators)
    monkeypatch.delitem(RULES, ("ADD", DType.INT8))
    for operator in graph.operators:
        undescribed = set(rules_of(graph, operator).values()) == {NOT_DESCRIBED}
        assert undescribed == (operator.name == "ADD")


def test_every_rule_that_computes_names_its_source() -> None:
    used = {rule for entry in RULES.values() for rule in entry.values()}
    assert {rule.name for rule in used if not rule.source} == {"no rounding"}
    assert len({rule.name for rule in used}) == len(used)
