"""Random models of one operator each, over shapes, quantizations and attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.nn.checks import Make, activations, zero_points
from tests.support.models import ModelBuilder, random_scales
from tests.support.recurrent import add_lstm, add_svdf

scales = st.floats(0.002, 0.5)
shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)
images = st.tuples(st.just(1), st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 2, 3, 4, 5, 8]))


def options(kind: str, **members: Any) -> Any:
    table = getattr(schema, f"{kind}OptionsT")()
    for name, value in members.items():
        assert hasattr(table, name), name
        setattr(table, name, value)
    return table


@st.composite
def unaries(draw: st.DrawFn, name: str) -> Make:
    shape, scale, zero_point = draw(shapes), draw(scales), draw(zero_points)
    result = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0), "RELU6": (scale, zero_point)}.get(
        name, (draw(scales), draw(zero_points))
    )
    if name == "HARD_SWISH":  # TFLM refuses to scale up
        result = (max(result[0], scale), result[1])
    if name == "RELU6":  # and a 6 that lies outside
        scale = max(scale, 6 / (127 - min(zero_point, 126)) + 0.001)
        result = (scale, zero_point := min(zero_point, 126))
    alpha = draw(st.sampled_from([0.1, 0.3, 0.01, 1.5, -0.2]))
    table = options("LeakyRelu", alpha=alpha) if name == "LEAKY_RELU" else None
    if name == "RSQRT":  # TFLM fails on what lies below 0
        zero_point = -128

    def make(_: np.random.Generator) -> bytes:
        model = ModelBuilder()
        source = model.tensor(shape, scale=scale, zero_point=zero_point)
        output = model.tensor(shape, scale=result[0], zero_point=result[1])
        model.operator(name, [source], [output], table)
        return model.finish([source], [output])

    return make


@st.composite
def binaries(draw: st.DrawFn, name: str) -> Make:
    shape = draw(shapes)
    how = draw(st.sampled_from(["equal", "equal", "channel", "axes", "scalar", "shorter"]))
    other = {
        "equal": shape,
        "channel": (*(1,) * (len(shape) - 1), shape[-1]),
        "axes": tuple(n if draw(st.booleans()) else 1 for n in shape),
        "scalar": (1,),
        "shorter": shape[1:] or shape,
    }[how]
    first = tuple(n if draw(st.booleans()) else 1 for n in shape) if how == "axes" else shape
    result_shape = tuple(np.broadcast_shapes(first, other))
    scale = draw(scales)
    quantizations = [(draw(scales), draw(zero_points)) for _ in range(3)]
    if name in ("MAXIMUM", "MINIMUM"):
        quantizations = [(scale, quantizations[0][1])] * 3
    if name == "DIV":  # TFLM shifts too far, which C leaves undefined, unless it multiplies by 64 or more
        quantizations[1] = (quantizations[1][0], -128)
        product = quantizations[0][0] / quantizations[1][0]
        quantizations[2] = (product / draw(st.floats(65, 1000)), quantizations[2][1])
    # By 0 is nothing that TFLM defines: divisors are constants here.
    constant = 1 if name in ("PRELU", "DIV") else draw(st.sampled_from([None, 1, 1, 0]))
    swap = name != "PRELU" and draw(st.booleans()) and name != "DIV"
    operands = [(first, quantizations[0]), (other, quantizations[1])]
    kind = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div"}.get(name)
    table = options(kind, fusedActivationFunction=draw(activations)) if kind else None

    def make(rng: np.random.Generator) -> bytes:
        model = ModelBuilder()
        tensors = []
        for position, (dims, (s, z)) in enumerate(reversed(operands) if swap else operands):
            data = None
            if position == constant:
                data = rng.integers(-128 + (name == "DIV"), 128, dims).astype(np.int8)
            tensors.append(model.tensor(dims, scale=s, zero_point=z, data=data))
        output = model.tensor(result_shape, scale=quantizations[2][0], zero_point=quantizations[2][1])
        model.operator(name, tensors, [output], table)
        return model.finish([t for i, t in enumerate(tensors) if i != constant], [output])

    return make


@st.composite
def reductions(draw: st.DrawFn, name: str) -> Make:
    shape = draw(shapes)
    axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape), unique=True))
    keep = draw(st.booleans())
    arg = name.startswith("ARG")
    axes = axes[:1] if arg else axes
    keep = keep and not arg
    result_shape = [1 if a in axes else n for a, n in enumerate(shape) if keep or a not in axes]
    source = (draw(scales), draw(zero_points))
    result = (draw(scales), draw(zero_points)) if name in ("MEAN", "SUM") and draw(st.booleans()) else source
    signs = [a - len(shape) if draw(st.booleans()) else a for a in axes]
    table = (
        options("Reducer", keepDims=keep)
        if not arg
        else options("ArgMax" if name == "ARG_MAX" else "ArgMin", outputType=schema.TensorType.INT32)
    )

    def make(_: np.random.Generator) -> bytes:
        model = ModelBuilder()
        given = model.tensor(shape, scale=source[0], zero_point=source[1])
        axis = model.tensor((len(axes),), "int32", data=np.array(signs, np.int32))
        if arg:
            output = model.tensor(result_shape, "int32")
        else:
            output = model.tensor(result_shape, scale=result[0], zero_point=result[1])
        model.operator(name, [given, axis], [output], table)
        return model.finish([given], [output])

    return make


@st.composite
def log_softmaxes(draw: st.DrawFn) -> Make:
    shape, zero_point = draw(shapes), draw(zero_points)
    shape = (*shape[:-1], draw(st.sampled_from([1, 2, 5, 40, 300])))
    scale = draw(st.sampled_from([1e-5, 0.004, 0.02, 0.1, 0.37, 1.3, 16.0, 40.0]))

    def make(_: np.random.Generator) -> bytes:
        model = ModelBuilder()
        source = model.tensor(shape, scale=scale, zero_point=zero_point)
        output = model.tensor(shape, scale=1 / 16, zero_point=127)
        model.operator("LOG_SOFTMAX", [source], [output], options("LogSoftmax"))
        return model.finish([source], [output])

    return make


@st.composite
def batch_matmuls(draw: st.DrawFn) -> Make:
    rows, columns, depth = (draw(st.integers(1, 9)) for _ in range(3))
    depth = draw(st.sampled_from([depth, 16, 37]))
    batch = draw(st.lists(st.integers(1, 3), max_size=3).map(tuple))
    adjoint = draw(st.booleans()), draw(st.booleans())
    matrices = [(depth, rows) if adjoint[0] else (rows, depth)]
    matrices.append((columns, depth) if adjoint[1] else (depth, columns))
    how = draw(st.sampled_from(["equal", "second", "shorter", "axes", "axes"]))
    batches = {
        "equal": (batch, batch),
        "second": (batch, (1,) * len(batch)),
        "shorter": (batch, batch[1:]),
        "axes": tuple(tuple(n if draw(st.booleans()) else 1 for n in batch) for _ in range(2)),
    }[how]
    constant = draw(st.booleans())
    quantizations = [(draw(scales), draw(zero_points)) for _ in range(2)]
    if constant and draw(st.booleans()):
        quantizations[1] = (quantizations[1][0], 0)
    product = quantizations[0][0] * quantizations[1][0]
    quantizations.append((product * draw(st.sampled_from([0.7, 50.0, 900.0])), draw(zero_points)))
    table = options("BatchMatMul", adjX=adjoint[0], adjY=adjoint[1])

    def make(rng: np.random.Generator) -> bytes:
        model = ModelBuilder()
        operands = []
        for i, (scale, zero_point) in enumerate(quantizations[:2]):
            shape = (*batches[i], *matrices[i])
            data = rng.integers(-128, 128, shape).astype(np.int8) if i == 1 and constant else None
            operands.append(model.tensor(shape, scale=scale, zero_point=zero_point, data=data))
        shape = (*np.broadcast_shapes(*batches), rows, columns)
        output = model.tensor(shape, scale=quantizations[2][0], zero_point=quantizations[2][1])
        model.operator("BATCH_MATMUL", operands, [output], table)
        return model.finish(operands[:1] if constant else operands, [output])

    return make


@st.composite
def lstms(draw: st.DrawFn) -> Make:
    batches, steps, depth, units = (draw(st.integers(1, n)) for n in (3, 4, 9, 7))
    time_major = draw(st.booleans())
    scale, zero_point = draw(st.floats(0.005, 0.1)), draw(zero_points)
    hidden = (draw(st.floats(0.002, 1 / 127)), draw(zero_points))
    cell_scale = 2.0 ** draw(st.integers(-15, -9))
    weight_scales = [draw(st.floats(0.001, 0.05)) for _ in range(8)]
    cell_clip = draw(st.sampled_from([0.0, 10.0, 1.3]))

    def make(rng: np.random.Generator) -> bytes:
        model = ModelBuilder()
        shape = (steps, batches, depth) if time_major else (batches, steps, depth)
        given = model.tensor(shape, scale=scale, zero_point=zero_point)
        output = add_lstm(
            model,
            rng,
            given,
            units,
            scale=scale,
            hidden=hidden,
            cell_scale=cell_scale,
            weight_scales=weight_scales,
            cell_clip=cell_clip,
            time_major=time_major,
        )
        return model.finish([given], [output])

    return make


@st.composite
def svdfs(draw: st.DrawFn) -> Make:
    batches, depth, units, rank, memory = (draw(st.integers(1, n)) for n in (2, 9, 5, 3, 9))
    kind = draw(st.sampled_from(["int8", "int16"]))
    scale, zero_point = draw(st.floats(0.005, 0.1)), draw(zero_points)
    state = (draw(st.floats(0.0005, 0.2)), draw(zero_points) if kind == "int8" else 0)
    result = (draw(st.floats(0.005, 0.5)), draw(zero_points))
    weight_scales = draw(st.floats(0.001, 0.05)), draw(st.floats(0.0001, 0.05))
    activation = draw(st.sampled_from([0, 1]))

    def make(rng: np.random.Generator) -> bytes:
        model = ModelBuilder()
        given = model.tensor((batches, depth), scale=scale, zero_point=zero_point)
        output = add_svdf(
            model,
            rng,
            given,
            units,
            rank=rank,
            memory=memory,
            kind=kind,
            scales=weight_scales,
            state=state,
            result=result,
            activation=activation,
        )
        return model.finish([given], [output])

    return make


def moving(
    name: str,
    inputs: Sequence[Sequence[int]],
    results: Sequence[Sequence[int]],
    constants: Sequence[Sequence[int] | np.ndarray] = (),
    table: Any = None,
    *,
    constants_first: bool = False,
    dtype: str = "int8",
) -> Make:
    """Tensors of one quantization, and what decides about their shapes."""
    quantization = {"scale": 0.1, "zero_point": 3 if dtype == "int8" else 0}

    def make(_: np.random.Generator) -> bytes:
        model = ModelBuilder()
        given = [model.tensor(shape, dtype, **quantization) for shape in inputs]
        decide = []
        for values in constants:
            array = np.asarray(values, None if isinstance(values, np.ndarray) else np.int32)
            quantized = quantization if array.dtype == dtype else {}
            decide.append(model.tensor(array.shape, array.dtype.name, data=array, **quantized))
        moved, outputs = ([model.tensor(s, dtype, **quantization) for s in results] for _ in range(2))
        model.operator(name, [*decide, *given] if constants_first else [*given, *decide], moved, table)
        for first, second in zip(moved, outputs, strict=True):  # so that something is computed
            model.operator("ABS" if dtype == "int8" else "RELU", [first], [second])
        return model.finish(given, outputs)

    return make


@st.composite
def transposes(draw: st.DrawFn) -> Make:
    shape = draw(shapes)
    order = draw(st.permutations(range(len(shape))))
    return moving("TRANSPOSE", [shape], [[shape[a] for a in order]], [order])


@st.composite
def slices(draw: st.DrawFn) -> Make:
    shape = draw(shapes)
    begin = [draw(st.integers(0, n - 1)) for n in shape]
    size = [draw(st.integers(1, n - b)) for n, b in zip(shape, begin, strict=True)]
    given = [
        -1 if b + s == n and draw(st.booleans()) else s for n, b, s in zip(shape, begin, size, strict=True)
    ]
    return moving("SLICE", [shape], [size], [begin, given])


@st.composite
def strided_slices(draw: st.DrawFn) -> Make:
    shape = draw(shapes)
    masks = {"begin": 0, "end": 0, "shrink": 0}
    begins, ends, steps, result = [], [], [], []
    for axis, n in enumerate(shape):
        step = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        low = draw(st.integers(0, n - 1))
        high = draw(st.integers(low, n - 1))
        begin, end = (low, high + 1) if step > 0 else (high, low - 1 if low else -n - 1)
        if draw(st.booleans()):
            masks["begin"] |= 1 << axis
            begin_used = None
        else:
            begin_used = begin
        if draw(st.booleans()):
            masks["end"] |= 1 << axis
        shrink = step > 0 and axis > 0 and draw(st.booleans())
        if shrink:
            masks["shrink"] |= 1 << axis
            masks["begin"] &= ~(1 << axis)
            step = 1
        else:
            end_used = None if masks["end"] >> axis & 1 else end
            result.append(len(range(n)[slice(begin_used, end_used, step)]))
        begins.append(begin - n if draw(st.booleans()) else begin)
        ends.append(end)
        steps.append(step)
    table = options(
        "StridedSlice", beginMask=masks["begin"], endMask=masks["end"], shrinkAxisMask=masks["shrink"]
    )
    return moving("STRIDED_SLICE", [shape], [result], [begins, ends, steps], table)


@st.composite
def splits(draw: st.DrawFn) -> Make:
    shape = list(draw(shapes))
    axis, count = draw(st.integers(0, len(shape) - 1)), draw(st.integers(1, 3))
    part = shape[axis]
    whole = [*shape[:axis], part * count, *shape[axis + 1 :]]
    table = options("Split", numSplits=count)
    return moving(
        "SPLIT", [whole], [shape] * count, [np.int32(axis).reshape(())], table, constants_first=True
    )


@st.composite
def splits_v(draw: st.DrawFn) -> Make:
    shape = list(draw(shapes))
    axis = draw(st.integers(0, len(shape) - 1))
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    parts = [[*shape[:axis], n, *shape[axis + 1 :]] for n in lengths]
    whole = [*shape[:axis], sum(lengths), *shape[axis + 1 :]]
    table = options("SplitV", numSplits=len(lengths))
    return moving("SPLIT_V", [whole], parts, [lengths, np.int32(axis).reshape(())], table)


@st.composite
def packs(draw: st.DrawFn) -> Make:
    shape = list(draw(shapes))[:3]
    axis, count = draw(st.integers(0, len(shape))), draw(st.integers(1, 4))
    result = [*shape[:axis], count, *shape[axis:]]
    return moving("PACK", [shape] * count, [result], (), options("Pack", valuesCount=count, axis=axis))


@st.composite
def unpacks(draw: st.DrawFn) -> Make:
    shape = list(draw(shapes))
    axis = draw(st.integers(0, len(shape) - 1))
    part = [*shape[:axis], *shape[axis + 1 :]]
    count = shape[axis]
    return moving("UNPACK", [shape], [part] * count, (), options("Unpack", num=count, axis=axis))


@st.composite
def concatenations(draw: st.DrawFn) -> Make:
    shape = list(draw(shapes))
    axis = draw(st.integers(0, len(shape) - 1))
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    parts = [[*shape[:axis], n, *shape[axis + 1 :]] for n in lengths]
    whole = [*shape[:axis], sum(lengths), *shape[axis + 1 :]]
    signed = axis - len(shape) if draw(st.booleans()) else axis
    return moving("CONCATENATION", parts, [whole], (), options("Concatenation", axis=signed))


@st.composite
def pads(draw: st.DrawFn, name: str) -> Make:
    shape = draw(shapes)
    around = [(draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in shape]
    constants: list[Any] = [around]
    if name == "PADV2":
        constants.append(np.array([draw(st.integers(-128, 127))], np.int8))
    result = [n + b + a for n, (b, a) in zip(shape, around, strict=True)]
    return moving(name, [shape], [result], constants)


@st.composite
def mirror_pads(draw: st.DrawFn) -> Make:
    shape = draw(st.lists(st.integers(2, 5), min_size=1, max_size=4))
    around = [(draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))) for n in shape]
    result = [n + b + a for n, (b, a) in zip(shape, around, strict=True)]
    table = options("MirrorPad", mode=draw(st.sampled_from([0, 1])))
    return moving("MIRROR_PAD", [shape], [result], [around], table)


@st.composite
def gathers(draw: st.DrawFn) -> Make:
    shape = list(draw(shapes))
    axis = draw(st.integers(0, len(shape) - 1))
    indices = draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=6))
    result = [*shape[:axis], len(indices), *shape[axis + 1 :]]
    return moving("GATHER", [shape], [result], [indices], options("Gather", axis=axis))


@st.composite
def tiles(draw: st.DrawFn) -> Make:
    shape = draw(shapes)
    wanted = [draw(st.integers(1, 3)) if n == 1 else n for n in shape]
    return moving("BROADCAST_TO", [shape], [wanted], [wanted])


@st.composite
def reverses(draw: st.DrawFn) -> Make:
    shape = draw(shapes)
    axis = draw(st.integers(0, len(shape) - 1))
    return moving("REVERSE_V2", [shape], [shape], [[axis]])


@st.composite
def blocks(draw: st.DrawFn, name: str) -> Make:
    block = draw(st.integers(1, 3))
    height, width, channels = (draw(st.integers(1, 4)) for _ in range(3))
    space = (1, height * block, width * block, channels)
    depth = (1, height, width, channels * block * block)
    kind = "SpaceToDepth" if name == "SPACE_TO_DEPTH" else "DepthToSpace"
    both = (space, depth) if name == "SPACE_TO_DEPTH" else (depth, space)
    return moving(name, [both[0]], [both[1]], (), options(kind, blockSize=block))


@st.composite
def resizes(draw: st.DrawFn, name: str, table: str) -> Make:
    shape = draw(images)
    size = [draw(st.integers(1, 12)), draw(st.integers(1, 12))]
    align = draw(st.booleans())
    half = not align and draw(st.booleans())
    choices = options(table, alignCorners=align, halfPixelCenters=half)
    return moving(name, [shape], [(1, *size, shape[3])], [size], choices)


@st.composite
def transpose_convs(draw: st.DrawFn) -> Make:
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    same, per_channel, bias = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    channels, filters = draw(st.sampled_from([1, 2, 3, 4, 5, 8])), draw(st.integers(1, 7))
    size = [draw(st.integers(1, 6)) for _ in range(2)]
    result = [
        n * s - draw(st.integers(0, s - 1)) if same else (n - 1) * s + k + draw(st.integers(0, s - 1))
        for n, s, k in zip(size, stride, kernel, strict=True)
    ]
    points = (draw(zero_points), draw(zero_points))
    output_scale = draw(st.sampled_from([0.00002, 0.004, 0.05, 0.5]))
    table = options(
        "TransposeConv",
        padding=schema.Padding.SAME if same else schema.Padding.VALID,
        strideH=stride[0],
        strideW=stride[1],
        fusedActivationFunction=draw(activations),
    )

    def make(rng: np.random.Generator) -> bytes:
        model = ModelBuilder()
        shape = (1, *result, filters)
        source = model.tensor((1, *size, channels), scale=0.02, zero_point=points[0])
        scales = random_scales(rng, filters if per_channel else 1)
        values = rng.integers(-127, 128, (filters, *kernel, channels)).astype(np.int8)
        weights = model.tensor(values.shape, scale=scales, data=values)
        inputs = [model.tensor((4,), "int32", data=np.array(shape, np.int32)), weights, source]
        if bias:
            biases = rng.integers(-2000, 2001, filters).astype(np.int32)
            inputs.append(model.tensor((filters,), "int32", scale=[0.02 * s for s in scales], data=biases))
        output = model.tensor(shape, scale=output_scale, zero_point=points[1])
        model.operator("TRANSPOSE_CONV", inputs, [output], table)
        return model.finish([source], [output])

    return make


def _packed(values: np.ndarray) -> np.ndarray:
    """int4, two to a byte, the first one low."""
    flat = np.append(values.reshape(-1), np.zeros(values.size % 2, np.int8)).astype(np.uint8) & 0xF
    return flat[::2] | flat[1::2] << 4


@st.composite
def weights_of_4_bits(draw: st.DrawFn, name: str) -> Make:
    dense, depthwise = name == "FULLY_CONNECTED", name == "DEPTHWISE_CONV_2D"
    channels = draw(st.integers(1, 70) if dense else st.sampled_from([1, 3, 4, 8, 12, 20]))
    filters = channels if depthwise else draw(st.integers(1, 27 if dense else 9))
    rows = draw(st.integers(1, 3)) if dense else 1
    kernel = () if dense else (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    size = () if dense else (draw(st.integers(3, 6)), draw(st.integers(3, 6)))
    biased = draw(st.booleans())
    per_channel = not dense and draw(st.booleans())  # TFLM refuses it for FULLY_CONNECTED
    points, activation = (draw(zero_points), draw(zero_points)), draw(activations)
    output_scale = draw(st.sampled_from([0.0004, 0.005, 0.05]))

    def make(rng: np.random.Generator) -> bytes:
        model = ModelBuilder()
        source = model.tensor((rows, *size, channels), scale=0.02, zero_point=points[0])
        shape = (1, *kernel, filters) if depthwise else (filters, *kernel, channels)
        values = rng.integers(-8, 8, shape).astype(np.int8)
        scales = random_scales(rng, filters if per_channel else 1)
        weights = model.tensor(shape, "int4", scale=scales, axis=3 if depthwise else 0, data=_packed(values))
        inputs = [source, weights]
        if biased:
            biases = rng.integers(-2000, 2001, filters).astype(np.int32)
            inputs.append(model.tensor((filters,), "int32", scale=[0.02 * s for s in scales], data=biases))
        result = [n - k + 1 for n, k in zip(size, kernel, strict=True)]
        output = model.tensor((rows, *result, filters), scale=output_scale, zero_point=points[1])
        kind = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D"}.get(name, "FullyConnected")
        table = options(kind, fusedActivationFunction=activation)
        if not dense:
            table.padding = schema.Padding.VALID
            table.strideH = table.strideW = table.dilationHFactor = table.dilationWFactor = 1
        if depthwise:
            table.depthMultiplier = 1
        model.operator(name, inputs, [output], table)
        return model.finish([source], [output])

    return make


@st.composite
def reshapes(draw: st.DrawFn, name: str) -> Make:
    shape = [n for n in draw(shapes) if n > 1] or [1]
    position = draw(st.integers(0, len(shape)))
    longer = [*shape[:position], 1, *shape[position:]]
    if name == "SQUEEZE":
        return moving(name, [longer], [shape], (), options("Squeeze", squeezeDims=[position]))
    return moving(name, [shape], [longer], [np.array([position], np.int32)])


UNARY = ("RELU", "RELU6", "LEAKY_RELU", "ELU", "HARD_SWISH", "LOGISTIC", "TANH", "ABS", "RSQRT")
BINARY = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "PRELU")
REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "ARG_MAX", "ARG_MIN")

OPERATORS = {
    **{name: unaries(name) for name in UNARY},
    **{name: binaries(name) for name in BINARY},
    **{name: reductions(name) for name in REDUCTIONS},
    "LOG_SOFTMAX": log_softmaxes(),
    "BATCH_MATMUL": batch_matmuls(),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstms(),
    "SVDF": svdfs(),
    "TRANSPOSE": transposes(),
    "SLICE": slices(),
    "STRIDED_SLICE": strided_slices(),
    "SPLIT": splits(),
    "SPLIT_V": splits_v(),
    "PACK": packs(),
    "UNPACK": unpacks(),
    "CONCATENATION": concatenations(),
    "PAD": pads("PAD"),
    "PADV2": pads("PADV2"),
    "MIRROR_PAD": mirror_pads(),
    "GATHER": gathers(),
    "BROADCAST_TO": tiles(),
    "REVERSE_V2": reverses(),
    "SPACE_TO_DEPTH": blocks("SPACE_TO_DEPTH"),
    "DEPTH_TO_SPACE": blocks("DEPTH_TO_SPACE"),
    "RESIZE_NEAREST_NEIGHBOR": resizes("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighbor"),
    "TRANSPOSE_CONV": transpose_convs(),
    **{
        f"{name} int4": weights_of_4_bits(name)
        for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    },
    "RESIZE_BILINEAR": resizes("RESIZE_BILINEAR", "ResizeBilinear"),
    "SQUEEZE": reshapes("SQUEEZE"),
    "EXPAND_DIMS": reshapes("EXPAND_DIMS"),
}
"""By TFLite name."""
