"""Networks with channels that cannot matter."""

from __future__ import annotations

from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from generator.graph import Graph
from generator.read import read_tflite_bytes
from tests.plan.networks import Network, edited, random_network

Array = np.ndarray[Any, Any]
LAYERS = (schema.Conv2DOptionsT, schema.DepthwiseConv2DOptionsT, schema.FullyConnectedOptionsT)


def sparse_network(seed: int) -> bytes:
    """A random network whose layers have zero filters and columns, clamps, dilations and biases that drive
    outputs into them, some almost to the ends of int32.
    """
    rng = np.random.default_rng(seed)

    def change(tree: Any) -> None:
        graph = tree.subgraphs[0]
        for operator in graph.operators:
            options = operator.builtinOptions
            if not isinstance(options, LAYERS):
                continue
            options.fusedActivationFunction = int(rng.choice([0, 1, 1, 3]))
            if not isinstance(options, schema.FullyConnectedOptionsT):
                options.dilationHFactor, options.dilationWFactor = (int(rng.choice([1, 1, 2])) for _ in "hw")
            depthwise = isinstance(options, schema.DepthwiseConv2DOptionsT)
            weights = graph.tensors[operator.inputs[1]]
            values = _values(tree, weights, np.int8)
            units = np.moveaxis(values, -1 if depthwise else 0, 0)
            units[rng.random(len(units)) < rng.choice([0.0, 0.3, 0.8])] = 0
            if not depthwise:
                values[..., rng.random(values.shape[-1]) < rng.choice([0.0, 0.4])] = 0
            if rng.random() < 0.2:  # only the middle of windows
                values[rng.random(values.shape) < 0.7] = 0
            _store(tree, weights, values)
            if operator.inputs[2] >= 0:
                bias = graph.tensors[operator.inputs[2]]
                biases = _values(tree, bias, np.int32)
                driven = rng.random(biases.shape) < rng.choice([0.0, 0.5])
                size = int(rng.choice([20_000, 200_000, 2**31 - 50]))
                biases[driven] = rng.integers(-size, size + 1, int(driven.sum()))
                _store(tree, bias, biases)

    return edited(random_network(seed), change)


def _values(tree: Any, tensor: Any, dtype: type[np.generic]) -> Array:
    data = np.array(tree.buffers[tensor.buffer].data, np.uint8)
    return data.view(dtype).reshape(tensor.shape).copy()


def _store(tree: Any, tensor: Any, values: Array) -> None:
    tree.buffers[tensor.buffer].data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)


class Plain(Network):
    """Layers with given numbers; with scales of 1 an output is the accumulator and its zero point."""

    def image(self, *shape: int, zero_point: int = 0) -> int:
        return self.tensor(shape, scale=1.0, zero_point=zero_point)

    def layer(
        self,
        source: int,
        weights: Any,
        bias: Any = None,
        *,
        depthwise: bool = False,
        same: bool = False,
        zero_point: int = 0,
        scale: float = 1.0,
    ) -> int:
        """A convolution with weights OHWI, 1HWC if depthwise."""
        values = np.array(weights, np.int8)
        _, height, width, channels = self.shape(source)
        units = values.shape[3] if depthwise else len(values)
        inputs = [source, self.tensor(values.shape, scale=1.0, data=values), -1]
        if bias is not None:
            inputs[2] = self.tensor((units,), "int32", scale=1.0, data=np.array(bias, np.int32))
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME if same else schema.Padding.VALID
        options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
        if depthwise:
            options.depthMultiplier = units // channels
        lost = (0, 0) if same else (values.shape[1] - 1, values.shape[2] - 1)
        result = self.tensor(
            (1, height - lost[0], width - lost[1], units), scale=scale, zero_point=zero_point
        )
        self.operator("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", inputs, [result], options)
        return result

    def linear(self, source: int, weights: Any, shape: tuple[int, ...], *, per_unit: bool = False) -> int:
        """A fully connected layer with weights OI and a result of any shape."""
        values = np.array(weights, np.int8)
        scales = [0.3 + 0.1 * unit for unit in range(len(values))] if per_unit else 0.3
        tensor = self.tensor(values.shape, scale=scales, data=values)
        result = self.tensor(shape, scale=1.0)
        self.operator("FULLY_CONNECTED", [source, tensor, -1], [result], schema.FullyConnectedOptionsT())
        return result

    def read(self, source: int, *results: int) -> Graph:
        return read_tflite_bytes(self.finish([source], results), "net", "net")


def extreme_inputs(graph: Graph, seed: int) -> list[list[Array]]:
    """Noise, the ends of the range alone and mixed, zero points: where bounds would break first."""
    rng = np.random.default_rng(seed)
    tensors = graph.input_tensors()
    infos = [np.iinfo(t.dtype.value) for t in tensors]

    def each(make: Any) -> list[Array]:
        return [
            np.asarray(make(t, i), t.dtype.numpy).reshape(t.shape)
            for t, i in zip(tensors, infos, strict=True)
        ]

    return [
        each(lambda t, i: rng.integers(i.min, i.max, t.shape, endpoint=True)),
        each(lambda t, i: np.full(t.shape, i.min)),
        each(lambda t, i: np.full(t.shape, i.max)),
        each(lambda t, i: rng.choice([i.min, i.max], t.shape)),
        each(lambda t, i: np.full(t.shape, t.quant.zero_point)),
    ]
