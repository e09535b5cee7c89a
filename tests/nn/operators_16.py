"""Random models of one operator each with int16 activations, and int8 weights where there are any."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.nn.checks import Make, activations
from tests.nn.operators import images, moving, options, shapes
from tests.support.models import ModelBuilder, output_size, pool_options, random_scales

scales = st.floats(0.00002, 0.002)
_BIASES = [("int32", 1 << 20), ("int64", 2000), ("int64", 1 << 34)]


@st.composite
def layers(draw: st.DrawFn, name: str) -> Make:
    """CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV."""
    depthwise, transposed = name == "DEPTHWISE_CONV_2D", name == "TRANSPOSE_CONV"
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    dilation = (1, 1) if transposed else (draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 1, 2])))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    channels = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 12]))
    filters = channels * draw(st.integers(1, 2)) if depthwise else draw(st.integers(1, 7))
    window = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    same, per_channel, bias = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    size = [draw(st.integers(w, 9)) for w in window]
    result = [output_size(n, w, s, same) for n, w, s in zip(size, window, stride, strict=True)]
    if transposed:
        size, result = result, size
    table = options(
        {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D"}.get(name, "TransposeConv"),
        padding=schema.Padding.SAME if same else schema.Padding.VALID,
        strideH=stride[0],
        strideW=stride[1],
        fusedActivationFunction=draw(activations),
    )
    if not transposed:
        table.dilationHFactor, table.dilationWFactor = dilation
    if depthwise:
        table.depthMultiplier = filters // channels
    output_scale = draw(st.sampled_from([0.00002, 0.0002, 0.01]))
    # Sums that 32 bits hold, and ones that they do not.
    bias_type, largest = draw(st.sampled_from(_BIASES if name == "CONV_2D" else _BIASES[1:]))
    extremes = draw(st.booleans())

    def make(rng: np.random.Generator) -> bytes:
        model = ModelBuilder()
        source = model.tensor((1, *size, channels), "int16", scale=0.001)
        shape = (1, *kernel, filters) if depthwise else (filters, *kernel, channels)
        values = rng.integers(-127, 128, shape)
        values = (np.sign(values) * 127 if extremes else values).astype(np.int8)
        axis = 3 if depthwise else 0
        weight_scales = random_scales(rng, filters if per_channel else 1)
        inputs = [source, model.tensor(shape, scale=weight_scales, axis=axis, data=values)]
        if bias:
            biases = rng.integers(-largest, largest + 1, filters).astype(bias_type)
            inputs.append(
                model.tensor((filters,), bias_type, scale=[0.001 * s for s in weight_scales], data=biases)
            )
        if transposed:
            given = model.tensor((4,), "int32", data=np.array((1, *result, filters), np.int32))
            inputs = [given, inputs[1], inputs[0], *inputs[2:]]
        output = model.tensor((1, *result, filters), "int16", scale=output_scale)
        model.operator(name, inputs, [output], table)
        return model.finish([source], [output])

    return make


@st.composite
def dense(draw: st.DrawFn) -> Make:
    rows, depth, units = draw(st.integers(1, 3)), draw(st.integers(1, 40)), draw(st.integers(1, 9))
    bias, activation = draw(st.booleans()), draw(activations)
    output_scale = draw(st.sampled_from([0.00002, 0.0002, 0.01]))
    bias_type, largest = draw(st.sampled_from(_BIASES))

    def make(rng: np.random.Generator) -> bytes:
        model = ModelBuilder()
        source = model.tensor((rows, depth), "int16", scale=0.001)
        scale = random_scales(rng, 1)
        values = rng.integers(-127, 128, (units, depth)).astype(np.int8)
        inputs = [source, model.tensor((units, depth), scale=scale, data=values)]
        if bias:
            biases = rng.integers(-largest, largest + 1, units).astype(bias_type)
            inputs.append(model.tensor((units,), bias_type, scale=[0.001 * scale[0]], data=biases))
        else:
            inputs.append(-1)
        output = model.tensor((rows, units), "int16", scale=output_scale)
        table = options("FullyConnected", fusedActivationFunction=activation)
        model.operator("FULLY_CONNECTED", inputs, [output], table)
        return model.finish([source], [output])

    return make


@st.composite
def pools(draw: st.DrawFn, name: str) -> Make:
    shape = draw(images)
    window = (draw(st.integers(1, shape[1])), draw(st.integers(1, shape[2])))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    same = draw(st.booleans())
    size = [output_size(n, w, s, same) for n, w, s in zip(shape[1:3], window, stride, strict=True)]
    return one(
        name,
        [(shape, "int16", 0.001, 0)],
        ((1, *size, shape[3]), "int16", 0.001, 0),
        pool_options(window, stride, same, draw(activations)),
    )


Described = tuple[Any, str, float | None, int]
"""Shape, type, scale and zero point."""


def one(name: str, inputs: list[Described], output: Described, table: Any = None) -> Make:
    """An operator of activations alone."""

    def make(_: np.random.Generator) -> bytes:
        model = ModelBuilder()
        *given, result = (model.tensor(s, t, scale=q, zero_point=z) for s, t, q, z in (*inputs, output))
        model.operator(name, given, [result], table)
        return model.finish(given, [result])

    return make


@st.composite
def unaries(draw: st.DrawFn, name: str) -> Make:
    shape, scale = draw(shapes), draw(scales)
    if name in ("LOGISTIC", "TANH"):
        scale = draw(st.sampled_from([2.0**-12, 2.0**-11, 2.0**-13, scale, 0.5]))
        return one(name, [(shape, "int16", scale, 0)], (shape, "int16", 1 / 32768, 0))
    table = (
        options("LeakyRelu", alpha=draw(st.sampled_from([0.1, 0.3, 1.5, -0.2])))
        if name == "LEAKY_RELU"
        else None
    )
    scale = max(scale, 6.1 / 32767) if name == "RELU6" else scale
    result = scale if name == "RELU6" else draw(scales)
    return one(name, [(shape, "int16", scale, 0)], (shape, "int16", result, 0), table)


@st.composite
def binaries(draw: st.DrawFn, name: str) -> Make:
    shape = draw(shapes)
    other = draw(st.sampled_from([shape, (*(1,) * (len(shape) - 1), shape[-1]), (1,)]))
    quantizations = [draw(scales) for _ in range(3)]
    if name in ("MAXIMUM", "MINIMUM"):
        quantizations = quantizations[:1] * 3
    constant, swap = draw(st.booleans()), draw(st.booleans())
    kind = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul"}.get(name)
    table = options(kind, fusedActivationFunction=draw(activations)) if kind else None

    def make(rng: np.random.Generator) -> bytes:
        model = ModelBuilder()
        data = rng.integers(-32768, 32768, other).astype(np.int16) if constant else None
        first = model.tensor(shape, "int16", scale=quantizations[0])
        second = model.tensor(other, "int16", scale=quantizations[1], data=data)
        output = model.tensor(shape, "int16", scale=quantizations[2])
        model.operator(name, [second, first] if swap else [first, second], [output], table)
        return model.finish([first] if constant else [first, second], [output])

    return make


@st.composite
def softmaxes(draw: st.DrawFn) -> Make:
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 20)))
    table = options("Softmax", beta=draw(st.sampled_from([1.0, 0.5, 3.0])))
    return one("SOFTMAX", [(shape, "int16", draw(scales), 0)], (shape, "int16", 1 / 32768, 0), table)


@st.composite
def reductions(draw: st.DrawFn, name: str) -> Make:
    shape = draw(shapes)
    axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape), unique=True))
    keep = draw(st.booleans())
    result = [1 if a in axes else n for a, n in enumerate(shape) if keep or a not in axes]
    scale, result_scale = draw(scales), draw(scales)

    def make(_: np.random.Generator) -> bytes:
        model = ModelBuilder()
        given = model.tensor(shape, "int16", scale=scale)
        axis = model.tensor((len(axes),), "int32", data=np.array(axes, np.int32))
        output = model.tensor(result, "int16", scale=result_scale)
        model.operator(name, [given, axis], [output], options("Reducer", keepDims=keep))
        return model.finish([given], [output])

    return make


@st.composite
def conversions(draw: st.DrawFn, source: str, result: str) -> Make:
    shape = draw(shapes)

    def described(kind: str) -> Described:
        if kind == "float32":
            return shape, kind, None, 0
        scale = draw(scales) if kind == "int16" else draw(st.floats(0.01, 0.5))
        return shape, kind, scale, 0 if kind == "int16" else draw(st.sampled_from([-128, 0, 5]))

    name = "DEQUANTIZE" if result == "float32" else "QUANTIZE"
    return one(name, [described(source)], described(result), options(name.capitalize()))


@st.composite
def movements(draw: st.DrawFn, name: str) -> Make:
    """Some of those that copy bytes; the value of PADV2 is two."""
    shape = list(draw(shapes))
    axis = draw(st.integers(0, len(shape) - 1))
    if name == "TRANSPOSE":
        order = draw(st.permutations(range(len(shape))))
        return moving(name, [shape], [[shape[a] for a in order]], [order], dtype="int16")
    if name == "CONCATENATION":
        parts = [
            [*shape[:axis], n, *shape[axis + 1 :]]
            for n in draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
        ]
        whole = [*shape[:axis], sum(part[axis] for part in parts), *shape[axis + 1 :]]
        return moving(name, parts, [whole], (), options("Concatenation", axis=axis), dtype="int16")
    around = [(draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in shape]
    result = [n + b + a for n, (b, a) in zip(shape, around, strict=True)]
    value = np.array([draw(st.integers(-32768, 32767))], np.int16)
    return moving(name, [shape], [result], [around, value] if name == "PADV2" else [around], dtype="int16")


OPERATORS_16 = {
    **{name: layers(name) for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")},
    "FULLY_CONNECTED": dense(),
    **{name: pools(name) for name in ("MAX_POOL_2D", "AVERAGE_POOL_2D")},
    **{name: binaries(name) for name in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")},
    **{name: unaries(name) for name in ("RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH")},
    "SOFTMAX": softmaxes(),
    **{name: movements(name) for name in ("PAD", "PADV2", "CONCATENATION", "TRANSPOSE")},
    **{name: reductions(name) for name in ("MEAN", "SUM")},
    **{
        f"{source} to {result}": conversions(source, result)
        for source, result in (
            ("int16", "int16"),
            ("int16", "int8"),
            ("int8", "int16"),
            ("float32", "int16"),
            ("int16", "float32"),
        )
    },
}
"""By TFLite name."""
