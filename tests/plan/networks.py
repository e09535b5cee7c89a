"""Small networks of many kinds, made in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.support.models import ModelBuilder, output_size, random_scales

SCORE = {"scale": 1 / 256, "zero_point": -128}


class Network(ModelBuilder):
    """A ModelBuilder that knows layers; each takes a tensor and gives the result's. Values are random."""

    def __init__(self, seed: int = 0, largest: int = 127) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)
        self.largest = largest  # that a weight is

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self.tensors[tensor].shape)

    def like(self, tensor: int, shape: tuple[int, ...] | None = None, **how: Any) -> int:
        """An activation with the quantization of ``tensor``."""
        quantization = self.tensors[tensor].quantization
        how = {"scale": quantization.scale[0], "zero_point": quantization.zeroPoint[0], **how}
        return self.tensor(shape or self.shape(tensor), **how)

    def activation(self, *shape: int) -> int:
        return self.tensor(
            shape, scale=float(self.rng.uniform(0.01, 0.1)), zero_point=int(self.rng.integers(-20, 20))
        )

    def conv(
        self,
        source: int,
        filters: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        depthwise: bool = False,
        same: bool = True,
        name: str | None = None,
    ) -> int:
        _, height, width, channels = self.shape(source)
        shape = (1, kernel, kernel, filters) if depthwise else (filters, kernel, kernel, channels)
        weights = self.tensor(
            shape,
            scale=random_scales(self.rng, filters),
            axis=3 if depthwise else 0,
            data=self.rng.integers(-self.largest, self.largest + 1, shape).astype(np.int8),
            name=name,
        )
        bias = self.tensor(
            (filters,), "int32", scale=0.001, data=self.rng.integers(-900, 900, filters).astype(np.int32)
        )
        result = self.activation(
            1, output_size(height, kernel, stride, same), output_size(width, kernel, stride, same), filters
        )
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME if same else schema.Padding.VALID
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        if depthwise:
            options.depthMultiplier = filters // channels
        self.operator(
            "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [source, weights, bias], [result], options
        )
        return result

    def pool(
        self, source: int, kind: str = "MAX", window: int = 2, stride: int = 2, same: bool = False
    ) -> int:
        _, height, width, channels = self.shape(source)
        shape = (
            1,
            output_size(height, window, stride, same),
            output_size(width, window, stride, same),
            channels,
        )
        result = self.like(source, shape)
        options = schema.Pool2DOptionsT()
        options.padding = schema.Padding.SAME if same else schema.Padding.VALID
        options.filterHeight = options.filterWidth = window
        options.strideH = options.strideW = stride
        self.operator(f"{kind}_POOL_2D", [source], [result], options)
        return result

    def add(self, first: int, second: int) -> int:
        result = self.activation(*self.shape(first))
        self.operator("ADD", [first, second], [result], schema.AddOptionsT())
        return result

    def operate(
        self,
        name: str,
        sources: list[int],
        shape: tuple[int, ...],
        constants: list[Any] | None = None,
        axis: int | None = None,
    ) -> int:
        """Any operator whose result has the first source's quantization."""
        decide = [
            self.tensor(np.shape(values), "int32", data=np.array(values, np.int32))
            for values in constants or ()
        ]
        result = self.like(sources[0], shape)
        table = None
        if name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"):
            table = schema.ReducerOptionsT()
        elif name in ("SUB", "MUL", "DIV", "CONCATENATION", "GATHER"):
            table = getattr(schema, f"{name.capitalize()}OptionsT")()
        if axis is not None:
            table.axis = axis
        self.operator(name, [*sources, *decide], [result], table)
        return result

    def index(self, name: str, source: int, shape: tuple[int, ...], axis: int) -> int:
        """ARG_MAX or ARG_MIN."""
        result = self.tensor(shape, "int32")
        options = schema.ArgMaxOptionsT() if name == "ARG_MAX" else schema.ArgMinOptionsT()
        options.outputType = schema.TensorType.INT32
        self.operator(name, [source, self.tensor((), "int32", data=np.int32(axis))], [result], options)
        return result

    def slopes(self, channels: int) -> int:
        """A constant for each channel, none of them the zero point."""
        values = self.rng.integers(1, 128, (1, 1, channels)).astype(np.int8)
        return self.tensor(values.shape, scale=0.02, data=values)

    def reshape(self, source: int, *shape: int) -> int:
        result = self.like(source, shape)
        self.operator("RESHAPE", [source], [result], schema.ReshapeOptionsT())
        return result

    def dense(self, source: int, units: int) -> int:
        depth = int(np.prod(self.shape(source)))
        values = self.rng.integers(-self.largest, self.largest + 1, (units, depth)).astype(np.int8)
        weights = self.tensor((units, depth), scale=float(self.rng.uniform(0.001, 0.02)), data=values)
        result = self.activation(1, units)
        self.operator("FULLY_CONNECTED", [source, weights, -1], [result], schema.FullyConnectedOptionsT())
        return result

    def logistic(self, source: int) -> int:
        result = self.tensor(self.shape(source), **SCORE)
        self.operator("LOGISTIC", [source], [result])
        return result

    def softmax(self, source: int) -> int:
        result = self.tensor(self.shape(source), **SCORE)
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        self.operator("SOFTMAX", [source], [result], options)
        return result

    def quantize(self, source: int, dtype: str = "int8", zero_point: int = 3) -> int:
        result = self.tensor(self.shape(source), dtype, scale=0.05, zero_point=zero_point)
        self.operator("QUANTIZE", [source], [result], schema.QuantizeOptionsT())
        return result

    def dequantize(self, source: int) -> int:
        result = self.tensor(self.shape(source), "float32")
        self.operator("DEQUANTIZE", [source], [result], schema.DequantizeOptionsT())
        return result


def every_operator(seed: int = 0, channels: int = 3) -> bytes:
    """All kinds of operators, a residual, two reshapes in a row."""
    net = Network(seed)
    source = net.activation(1, 8, 8, channels)
    x = net.conv(source, 4)
    x = net.add(net.conv(x, 4, depthwise=True), x)
    x = net.pool(net.pool(x), "AVERAGE", 3, 1, same=True)
    x = net.quantize(x)
    x = net.reshape(net.reshape(x, 1, 4, 16), 1, 64)
    x = net.logistic(net.dense(x, 6))
    return net.finish([source], [net.softmax(x)])


def random_network(seed: int) -> bytes:
    """Branches, residuals, dead ends and reshapes at random; one to three outputs, one or two inputs."""
    net = Network(seed)
    rng = net.rng
    sides = (int(rng.integers(3, 9)), int(rng.integers(3, 9)), int(rng.integers(1, 6)))
    inputs = [net.activation(1, *sides) for _ in range(int(rng.integers(1, 3)))]
    images = list(inputs)
    for _ in range(int(rng.integers(4, 12))):
        # The last results most often, so that networks get deep.
        source = images[-1 - min(int(rng.exponential(1.0)), len(images) - 1)]
        _, height, width, channels = net.shape(source)
        kind = int(rng.integers(8))
        if kind == 0:
            result = net.conv(
                source, int(rng.integers(1, 7)), int(rng.choice([1, 3])), int(rng.choice([1, 1, 2]))
            )
        elif kind == 1:
            result = net.conv(source, channels * int(rng.choice([1, 1, 2])), depthwise=True)
        elif kind in (2, 3):
            window = int(rng.integers(1, min(height, width, 3) + 1))
            same = bool(rng.integers(2))
            result = net.pool(
                source, str(rng.choice(["MAX", "AVERAGE"])), window, int(rng.integers(1, 3)), same
            )
        elif kind == 4:
            result = net.logistic(source)
        elif kind == 5:
            flat = net.reshape(source, 1, height * width * channels)
            result = net.reshape(flat, 1, width, height, channels)
        else:
            partners = [i for i in images if net.shape(i) == net.shape(source)]
            result = net.add(source, int(rng.choice(partners)))
        images.append(result)
    produced = {int(o) for operator in net.operators for o in operator.outputs}
    last = net.dense(net.pool(images[-1], window=1, stride=1), int(rng.integers(1, 5)))
    others = [i for i in images if i in produced and _is_computed(net, i, inputs)]
    count = min(int(rng.integers(0, 3)), len(others))
    return net.finish(inputs, [last, *(int(i) for i in rng.choice(others, count, replace=False))])


def _is_computed(net: Network, tensor: int, inputs: list[int]) -> bool:
    """Whether more than reshapes lie between the inputs and ``tensor``."""
    reshapes = {
        op.outputs[0]: op.inputs[0]
        for op in net.operators
        if isinstance(op.builtinOptions, schema.ReshapeOptionsT)
    }
    while tensor in reshapes:
        tensor = reshapes[tensor]
    return tensor not in inputs


def edited(model: bytes, change: Callable[[Any], None]) -> bytes:
    """``model`` after ``change`` has worked on the schema's object tree."""
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    change(tree)
    builder = flatbuffers.Builder(len(model) + 1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def other_operators() -> dict[str, bytes]:
    """What elementwise operators, reductions and movements cost, at several sizes."""
    found = {}
    for side, channels in ((20, 3), (16, 8), (9, 16), (6, 33)):
        net = Network(side)
        source = net.activation(1, side, side, channels)
        area = (1, side, side, channels)
        x = net.operate("SUB", [source, net.operate("MAXIMUM", [source, source], area)], area)
        x = net.operate("MUL", [x, net.operate("MEAN", [source], (1, channels), [[1, 2]])], area)
        x = net.operate("MINIMUM", [x, net.operate("SQUARED_DIFFERENCE", [x, source], area)], area)
        x = net.operate("PRELU", [x, net.slopes(channels)], area)
        x = net.operate("DIV", [x, net.slopes(channels)], area)
        around = [[0, 0], [1, 2], [2, 1], [0, 0]]
        x = net.operate("PAD", [x], (1, side + 3, side + 3, channels), [around])
        x = net.operate("TRANSPOSE", [x], (1, channels, side + 3, side + 3), [[0, 3, 1, 2]])
        x = net.operate("TRANSPOSE", [x], (1, side + 3, channels, side + 3), [[0, 2, 1, 3]])
        x = net.operate("REDUCE_MAX", [x], (1, side + 3, side + 3), [[2]])
        y = net.operate("REDUCE_MIN", [source], (1, side, channels), [[1]])
        z = net.operate("GATHER", [y], (1, side, channels), [list(range(side))[::-1]], axis=1)
        z = net.operate("CONCATENATION", [y, z, y], (1, side, 3 * channels), axis=2)
        net.operate("SUM", [x], (1, side + 3), [[1]])
        ends = [
            len(net.tensors) - 1,
            net.index("ARG_MAX", z, (1, side), 2),
            net.index("ARG_MIN", y, (1, side), 2),
        ]
        found[f"operators_{side}"] = net.finish([source], ends)
    return found
