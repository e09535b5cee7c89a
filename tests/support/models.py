"""Models made in memory with the schema's object API (it comes with the tflite-micro package)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

TYPES = {
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int4": schema.TensorType.INT4,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "float32": schema.TensorType.FLOAT32,
    "bool": schema.TensorType.BOOL,
}


@dataclass
class ModelBuilder:
    """Tensors are added first, operators refer to them by index."""

    tensors: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        axis: int = 0,
        data: np.ndarray | None = None,
        name: str | None = None,
        variable: bool = False,
    ) -> int:
        tensor = schema.TensorT()
        tensor.isVariable = variable
        tensor.name = name or f"t{len(self.tensors)}"
        tensor.shape = list(shape)
        tensor.type = TYPES[dtype]
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        if scale is not None:
            scales = [scale] if isinstance(scale, float) else list(scale)
            quantization = schema.QuantizationParametersT()
            quantization.scale = [float(np.float32(s)) for s in scales]
            quantization.zeroPoint = [zero_point] * len(scales)
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Any = None) -> int:
        code = getattr(schema.BuiltinOperator, name)
        if code not in self.codes:
            self.codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes.index(code)
        operator.inputs = list(inputs)
        operator.outputs = list(outputs)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
        self.operators.append(operator)
        return len(self.operators) - 1

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors = self.tensors
        graph.operators = self.operators
        graph.inputs = list(inputs)
        graph.outputs = list(outputs)
        graph.name = "main"
        model = schema.ModelT()
        model.version = 3
        model.description = "made by a test"
        model.subgraphs = [graph]
        model.buffers = self.buffers
        model.operatorCodes = []
        for number in self.codes:
            code = schema.OperatorCodeT()
            code.builtinCode = number
            code.deprecatedBuiltinCode = min(number, 127)
            code.version = 1
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _same(size: int, window: int, stride: int) -> int:
    return -(-size // stride)


def _valid(size: int, window: int, stride: int) -> int:
    return (size - window) // stride + 1


def output_size(size: int, window: int, stride: int, same: bool) -> int:
    return (_same if same else _valid)(size, window, stride)


def random_scales(rng: np.random.Generator, count: int) -> list[float]:
    return [float(s) for s in rng.uniform(0.001, 0.03, count)]


def convolution(
    rng: np.random.Generator,
    *,
    depthwise: bool,
    height: int,
    width: int,
    channels: int,
    filters: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    same: bool = False,
    activation: int = 0,
    per_channel: bool = True,
    bias: bool = True,
    zero_points: tuple[int, int] = (0, 0),
    input_scale: float = 0.02,
    output_scale: float = 0.05,
    weight_scales: Sequence[float] | None = None,
    bias_range: int = 2000,
    weights: np.ndarray | None = None,
    biases: Sequence[int] | np.ndarray | None = None,
    pool: tuple[int, int] | None = None,
    pool_activation: int = 0,
) -> bytes:
    """One CONV_2D, or DEPTHWISE_CONV_2D with ``filters`` outputs (a multiple of ``channels``).

    With ``pool`` a MAX_POOL_2D of such windows follows.
    """
    model = ModelBuilder()
    out_h = output_size(height, (kernel[0] - 1) * dilation[0] + 1, stride[0], same)
    out_w = output_size(width, (kernel[1] - 1) * dilation[1] + 1, stride[1], same)
    source = model.tensor((1, height, width, channels), scale=input_scale, zero_point=zero_points[0])
    shape = (1, *kernel, filters) if depthwise else (filters, *kernel, channels)
    if weights is None:
        weights = rng.integers(-127, 128, shape).astype(np.int8)
    scales = list(weight_scales or (random_scales(rng, filters) if per_channel else random_scales(rng, 1)))
    kernel_tensor = model.tensor(shape, scale=scales, axis=3 if depthwise else 0, data=weights)
    inputs = [source, kernel_tensor]
    if bias:
        values = rng.integers(-bias_range, bias_range + 1, filters) if biases is None else np.array(biases)
        values = values.astype(np.int32)
        bias_scales = [input_scale * s for s in scales]
        inputs.append(model.tensor((filters,), "int32", scale=bias_scales, data=values))
    else:
        inputs.append(-1)
    result = model.tensor((1, out_h, out_w, filters), scale=output_scale, zero_point=zero_points[1])
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.padding = schema.Padding.SAME if same else schema.Padding.VALID
    options.strideH, options.strideW = stride
    options.dilationHFactor, options.dilationWFactor = dilation
    options.fusedActivationFunction = activation
    if depthwise:
        options.depthMultiplier = filters // channels
    model.operator("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", inputs, [result], options)
    if pool is not None:
        shape = (1, out_h // pool[0], out_w // pool[1], filters)
        pooled = model.tensor(shape, scale=output_scale, zero_point=zero_points[1])
        model.operator("MAX_POOL_2D", [result], [pooled], pool_options(pool, pool, False, pool_activation))
        result = pooled
    return model.finish([source], [result])


def fully_connected(
    rng: np.random.Generator,
    *,
    rows: int,
    depth: int,
    units: int,
    activation: int = 0,
    per_channel: bool = False,
    bias: bool = True,
    zero_points: tuple[int, int] = (0, 0),
    input_scale: float = 0.02,
    output_scale: float = 0.05,
    bias_range: int = 2000,
    weights: np.ndarray | None = None,
) -> bytes:
    model = ModelBuilder()
    source = model.tensor((rows, depth), scale=input_scale, zero_point=zero_points[0])
    scales = random_scales(rng, units if per_channel else 1)
    if weights is None:
        weights = rng.integers(-127, 128, (units, depth)).astype(np.int8)
    inputs = [source, model.tensor((units, depth), scale=scales, data=weights)]
    if bias:
        values = rng.integers(-bias_range, bias_range + 1, units).astype(np.int32)
        inputs.append(model.tensor((units,), "int32", scale=[input_scale * s for s in scales], data=values))
    else:
        inputs.append(-1)
    result = model.tensor((rows, units), scale=output_scale, zero_point=zero_points[1])
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = activation
    model.operator("FULLY_CONNECTED", inputs, [result], options)
    return model.finish([source], [result])


def pool_options(window: tuple[int, int], stride: tuple[int, int], same: bool, activation: int) -> Any:
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.SAME if same else schema.Padding.VALID
    options.filterHeight, options.filterWidth = window
    options.strideH, options.strideW = stride
    options.fusedActivationFunction = activation
    return options


def pool(
    *,
    kind: str,
    height: int,
    width: int,
    channels: int,
    window: tuple[int, int],
    stride: tuple[int, int],
    same: bool,
    activation: int = 0,
    zero_point: int = 0,
    scale: float = 0.02,
) -> bytes:
    model = ModelBuilder()
    source = model.tensor((1, height, width, channels), scale=scale, zero_point=zero_point)
    shape = (
        1,
        output_size(height, window[0], stride[0], same),
        output_size(width, window[1], stride[1], same),
        channels,
    )
    result = model.tensor(shape, scale=scale, zero_point=zero_point)
    model.operator(f"{kind}_POOL_2D", [source], [result], pool_options(window, stride, same, activation))
    return model.finish([source], [result])


def add(
    count: int,
    scales: tuple[float, float, float],
    zero_points: tuple[int, int, int],
    activation: int = 0,
) -> bytes:
    model = ModelBuilder()
    tensors = [
        model.tensor((1, count), scale=s, zero_point=z) for s, z in zip(scales, zero_points, strict=True)
    ]
    options = schema.AddOptionsT()
    options.fusedActivationFunction = activation
    model.operator("ADD", tensors[:2], tensors[2:], options)
    return model.finish(tensors[:2], tensors[2:])


def softmax(rows: int, depth: int, scale: float, zero_point: int = 0, beta: float = 1.0) -> bytes:
    model = ModelBuilder()
    source = model.tensor((rows, depth), scale=scale, zero_point=zero_point)
    result = model.tensor((rows, depth), scale=1 / 256, zero_point=-128)
    options = schema.SoftmaxOptionsT()
    options.beta = beta
    model.operator("SOFTMAX", [source], [result], options)
    return model.finish([source], [result])


def logistic(count: int, scale: float, zero_point: int = 0) -> bytes:
    model = ModelBuilder()
    source = model.tensor((1, count), scale=scale, zero_point=zero_point)
    result = model.tensor((1, count), scale=1 / 256, zero_point=-128)
    model.operator("LOGISTIC", [source], [result])
    return model.finish([source], [result])


def convert(
    name: str,
    count: int,
    source_type: str,
    result_type: str,
    source: tuple[float, int] | None = None,
    result: tuple[float, int] | None = None,
) -> bytes:
    """QUANTIZE or DEQUANTIZE; quantizations are (scale, zero point)."""

    def tensor(dtype: str, quantization: tuple[float, int] | None) -> int:
        scale, zero_point = quantization or (None, 0)
        return model.tensor((1, count), dtype, scale=scale, zero_point=zero_point)

    model = ModelBuilder()
    first, second = tensor(source_type, source), tensor(result_type, result)
    options = schema.QuantizeOptionsT() if name == "QUANTIZE" else schema.DequantizeOptionsT()
    model.operator(name, [first], [second], options)
    return model.finish([first], [second])
