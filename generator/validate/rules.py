"""Which rounding rule each layer follows, in Firmcast and TFLM and in the engines of LiteRT.

Every rule here is a formula that tests/validate/test_rules.py computes in NumPy and holds against the engine
itself, element by element, with TensorFlow 2.21 and ai-edge-litert 2.3 on x86-64. Files are those of
tensorflow/tflite-micro and, behind ``tflite/``, of google-ai-edge/LiteRT (``tensorflow/lite/`` in
TensorFlow); XNNPACK and ruy are google's repositories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from generator.graph import DType, Graph, Operator


class Engine(Enum):
    """Who computes. The native engine equals TFLM bit for bit, so they are one here."""

    TFLM = "tflm"
    XNNPACK = "litert"
    """What LiteRT's interpreter takes by default; what XNNPACK leaves falls to the builtin kernels."""
    BUILTIN = "litert_builtin"
    """LiteRT's optimized kernels, without a delegate."""
    REFERENCE = "litert_reference"


@dataclass(frozen=True)
class Rule:
    """How results become integers. ``source`` is the file that says so."""

    name: str
    meaning: str
    source: str


NOT_DESCRIBED = Rule("not described", "the registry has no entry for this operator and type", "")

DOUBLE_AWAY = Rule(
    "double rounding, ties away",
    "sum times a 31-bit factor, rounded to 32 bits, ties up; shifted right, rounded again, ties away from 0",
    "tensorflow/lite/kernels/internal/common.cc, MultiplyByQuantizedMultiplier",
)
DOUBLE_UP = Rule(
    "double rounding, ties up",
    "sum times a 31-bit factor, rounded to 32 bits; shifted right, rounded again, ties up both times",
    "ruy/apply_multiplier.cc as these versions have it; later ones round once",
)
FLOAT32_EVEN = Rule(
    "float32 factor, ties to even",
    "sum as float32 times a float32 factor, rounded once, ties to even; so on x86-64",
    "XNNPACK src/qs8-qc8w-gemm (fp32 requantization)",
)
FLOAT64_AWAY = Rule(
    "float64 factor, ties away",
    "sum as float64 times a float64 factor, rounded once, ties away from zero; since TensorFlow 2.20",
    "tflite/kernels/internal/reference/integer_ops/fully_connected.h",
)
SELECTS = Rule("no rounding", "values are picked or kept, nothing is computed", "")
QUOTIENT_AWAY = Rule(
    "quotient, ties away",
    "sum divided by the number of values within the picture, ties away from zero",
    "tensorflow/lite/kernels/internal/reference/integer_ops/pooling.h",
)
SUM_OF_DOUBLE = Rule(
    "three double roundings, ties away",
    "each input to a common scale with 20 more bits, then the sum to the output's, each by double rounding",
    "tensorflow/lite/kernels/internal/reference/add.h",
)
SUM_ONCE = Rule(
    "one rounding, 21-bit factors",
    "inputs times integer factors of at most 21 bits, the sum rounded once, ties up",
    "XNNPACK src/microparams-init.c, xnn_init_qs8_add_minmax_scalar_params",
)
FIXED_SOFTMAX = Rule(
    "fixed-point exponential",
    "exponential and reciprocal in 32-bit fixed point, rounded at each step",
    "tensorflow/lite/kernels/internal/reference/softmax.h",
)
TABLE_SOFTMAX = Rule(
    "table of float32 exponentials",
    "256 float32 exponentials, their float32 sum, quotients rounded once",
    "tflite/kernels/internal/optimized/optimized_ops.h",
)
FIXED_LOGISTIC = Rule(
    "fixed-point sigmoid",
    "exponential and reciprocal in 32-bit fixed point, rounded at each step",
    "tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h",
)
TABLE_LOGISTIC = Rule(
    "table of float32 sigmoids",
    "256 float32 sigmoids, each rounded once",
    "tflite/kernels/activations.cc",
)
DIVIDED_AWAY = Rule(
    "float32 quotient, ties away",
    "value divided by the scale in float32, rounded once, ties away from zero",
    "tensorflow/lite/kernels/internal/reference/quantize.h",
)
RECIPROCAL_EVEN = Rule(
    "float32 reciprocal, ties to even",
    "value times the float32 reciprocal of the scale, rounded once, ties to even",
    "XNNPACK src/f32-qs8-vcvt; tflite/kernels/internal/optimized/optimized_ops.h",
)
EIGHT_BIT_FACTOR = Rule(
    "factor in 256ths, ties up",
    "the quotient of the scales is rounded to 1/256 before the product is rounded once, ties up",
    "XNNPACK src/qs8-vcvt",
)
PRODUCT = Rule(
    "float32 product",
    "difference from the zero point, exact, times the scale in float32",
    "tensorflow/lite/kernels/internal/reference/dequantize.h",
)
PRODUCT_AND_OFFSET = Rule(
    "float32 product, then sum",
    "value times scale and zero point times scale, each rounded to float32, then their difference",
    "tflite/kernels/internal/optimized/optimized_ops.h",
)


def _everywhere(rule: Rule) -> dict[Engine, Rule]:
    return dict.fromkeys(Engine, rule)


def _each(tflm: Rule, xnnpack: Rule, builtin: Rule, reference: Rule | None = None) -> dict[Engine, Rule]:
    return dict(zip(Engine, (tflm, xnnpack, builtin, reference or tflm), strict=True))


_SCALED = _each(DOUBLE_AWAY, FLOAT32_EVEN, DOUBLE_UP)

RULES: dict[tuple[str, DType], Mapping[Engine, Rule]] = {
    ("CONV_2D", DType.INT8): _SCALED,
    ("DEPTHWISE_CONV_2D", DType.INT8): _SCALED,
    ("FULLY_CONNECTED", DType.INT8): _each(DOUBLE_AWAY, FLOAT32_EVEN, DOUBLE_UP, FLOAT64_AWAY),
    ("ADD", DType.INT8): _each(SUM_OF_DOUBLE, SUM_ONCE, SUM_OF_DOUBLE),
    ("AVERAGE_POOL_2D", DType.INT8): _everywhere(QUOTIENT_AWAY),
    ("MAX_POOL_2D", DType.INT8): _everywhere(SELECTS),
    ("RESHAPE", DType.INT8): _everywhere(SELECTS),
    ("SOFTMAX", DType.INT8): _each(FIXED_SOFTMAX, TABLE_SOFTMAX, TABLE_SOFTMAX),
    ("LOGISTIC", DType.INT8): _each(FIXED_LOGISTIC, TABLE_LOGISTIC, TABLE_LOGISTIC),
    ("QUANTIZE", DType.FLOAT32): _each(DIVIDED_AWAY, RECIPROCAL_EVEN, RECIPROCAL_EVEN),
    ("QUANTIZE", DType.INT8): _each(DOUBLE_AWAY, EIGHT_BIT_FACTOR, DOUBLE_UP),
    ("DEQUANTIZE", DType.INT8): _each(PRODUCT, PRODUCT, PRODUCT_AND_OFFSET),
}
"""By operator and type of its first input; per tensor or per channel makes no difference to the rule."""


def rules_of(graph: Graph, operator: Operator) -> Mapping[Engine, Rule]:
    """The rules of a layer; NOT_DESCRIBED where the registry has none."""
    source = next(graph.activations_in(operator), None)
    entry = None if source is None else RULES.get((operator.name, source.dtype))
    return _everywhere(NOT_DESCRIBED) if entry is None else entry


def rules_table() -> str:
    """All entries as a Markdown table."""
    lines = [
        "| operator | Firmcast, TFLM | LiteRT: XNNPACK | LiteRT: builtin | LiteRT: reference |",
        "|---|---|---|---|---|",
    ]
    for (operator, dtype), rules in sorted(RULES.items(), key=lambda item: (item[0][0], item[0][1].value)):
        lines.append(f"| {operator}, {dtype.value} | {' | '.join(rules[e].name for e in Engine)} |")
    return "\n".join(lines)


def meanings_table() -> str:
    """What each rule does and which file says so, as a Markdown table."""
    used = {rule.name: rule for rules in RULES.values() for rule in rules.values()}
    rows = (f"| {r.name} | {r.meaning} | {f'`{r.source}`' if r.source else ''} |" for r in used.values())
    return "\n".join(["| rule | what is done | where |", "|---|---|---|", *rows])
