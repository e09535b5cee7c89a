"""Each operator: TFLM on the converted model against onnxruntime on the ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from generator.convert import convert_onnx
from generator.convert.onnx import NOTES
from generator.convert.onnx.operators import HANDLERS
from generator.read import read_tflite_bytes
from tests.convert.networks import Network, compare, converted_operators

IMAGE = (1, 8, 9, 10)
K3 = {"kernel_shape": [3, 3]}
S2 = {"strides": [2, 2]}
AROUND = {"pads": [1, 1, 1, 1]}

Extra = Callable[[Network], str]


def weights(*shape: int) -> Extra:
    return lambda network: network.weights(*shape)


def positive(count: int) -> Extra:
    return lambda network: network.constant(network.rng.uniform(0.5, 2, count), np.float32)


def reals(*values: float) -> Extra:
    return lambda network: network.constant(values, np.float32)


def real(value: float) -> Extra:
    return lambda network: network.constant(value, np.float32)


def ints(*values: int) -> Extra:
    return lambda network: network.ints(*values)


def index(value: int) -> Extra:
    return lambda network: network.constant(value, np.int64)


def absent(_: Network) -> str:
    return ""


class Case:
    """One operator on an input, and what it has to become; behind another if it moves elements alone."""

    def __init__(
        self,
        op: str,
        *extra: Extra,
        to: str,
        shape: Sequence[int] = IMAGE,
        steps: float = 1.01,
        axis: int | None = None,
        behind: str = "",
        attributes: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        self.op, self.extra, self.to, self.shape, self.steps = op, extra, to.split(), shape, steps
        self.axis, self.behind = axis, behind
        self.attributes = {**(attributes or {}), **more}

    def network(self) -> tuple[Network, str, dict[str, int]]:
        network = Network({"x": self.shape})
        source = network.op(self.behind, "x") if self.behind else "x"
        names = [make(network) for make in self.extra]
        axes = {} if self.axis is None else {names[0]: self.axis}
        return network, network.op(self.op, source, *names, **self.attributes), axes


MOVED = "TRANSPOSE"  # at the output, which is not an image and so in ONNX's order
CASES = {
    "conv": Case("Conv", weights(6, 8, 3, 3), weights(6), to="CONV_2D", **K3),
    "conv per channel": Case("Conv", weights(6, 8, 3, 3), weights(6), to="CONV_2D", axis=0, **K3),
    "conv same": Case("Conv", weights(6, 8, 3, 3), to="CONV_2D", **K3, **AROUND),
    "conv strided": Case("Conv", weights(6, 8, 3, 3), to="PAD CONV_2D", **K3, **AROUND, **S2),
    "conv upper": Case("Conv", weights(6, 8, 3, 3), to="CONV_2D", auto_pad="SAME_UPPER", **K3, **S2),
    "conv lower": Case("Conv", weights(6, 8, 3, 3), to="PAD CONV_2D", auto_pad="SAME_LOWER", **K3, **S2),
    "conv valid": Case("Conv", weights(6, 8, 3, 3), to="CONV_2D", auto_pad="VALID", **K3, **S2),
    "conv dilated": Case(
        "Conv", weights(6, 8, 3, 3), to="PAD CONV_2D", pads=[2, 0, 1, 3], dilations=[2, 2], **K3
    ),
    "conv grouped": Case("Conv", weights(6, 4, 3, 3), to="CONV_2D", axis=0, group=2, **K3),
    "depthwise": Case("Conv", weights(8, 1, 3, 3), weights(8), to="DEPTHWISE_CONV_2D", axis=0, group=8, **K3),
    "depthwise twice": Case("Conv", weights(16, 1, 3, 3), to="DEPTHWISE_CONV_2D", group=8, **K3),
    "conv of a row": Case(
        "Conv",
        weights(6, 8, 3),
        to=f"RESHAPE CONV_2D RESHAPE {MOVED}",
        shape=(1, 8, 20),
        pads=[1, 1],
        kernel_shape=[3],
    ),
    "transposed": Case("ConvTranspose", weights(8, 6, 3, 3), weights(6), to="TRANSPOSE_CONV", **K3, **S2),
    "transposed per channel": Case("ConvTranspose", weights(8, 6, 3, 3), to="TRANSPOSE_CONV", axis=1, **K3),
    "transposed cut": Case(
        "ConvTranspose",
        weights(8, 6, 3, 3),
        to="TRANSPOSE_CONV SLICE",
        output_padding=[1, 1],
        **K3,
        **S2,
        **AROUND,
    ),
    "transposed same": Case(
        "ConvTranspose", weights(8, 6, 4, 4), to="TRANSPOSE_CONV", kernel_shape=[4, 4], **S2, **AROUND
    ),
    "gemm": Case("Gemm", weights(20, 6), weights(6), to="FULLY_CONNECTED", shape=(1, 20)),
    "gemm turned": Case(
        "Gemm",
        weights(6, 20),
        weights(6),
        to="FULLY_CONNECTED",
        axis=0,
        shape=(1, 20),
        transB=1,
        alpha=0.5,
        beta=2.0,
    ),
    "gemm per channel": Case("Gemm", weights(20, 6), to="FULLY_CONNECTED", axis=1, shape=(1, 20)),
    "matmul": Case("MatMul", weights(20, 6), to="FULLY_CONNECTED", shape=(1, 5, 20)),
    "normalization": Case(
        "BatchNormalization", weights(8), weights(8), weights(8), positive(8), to="DEPTHWISE_CONV_2D"
    ),
    "normalization of a row": Case(
        "BatchNormalization",
        weights(8),
        weights(8),
        weights(8),
        positive(8),
        to="RESHAPE DEPTHWISE_CONV_2D RESHAPE",
        shape=(1, 8),
    ),
    "max pool": Case("MaxPool", to="PADV2 MAX_POOL_2D", **K3, **S2, **AROUND),
    "max pool up": Case("MaxPool", to="PADV2 MAX_POOL_2D", ceil_mode=1, **K3, **S2),
    # Averages have the steps of the input: two roundings where the output's are finer.
    "average pool": Case("AveragePool", to="AVERAGE_POOL_2D", steps=2.01, **K3, **S2),
    "average pool without pads": Case("AveragePool", to="AVERAGE_POOL_2D", steps=2.01, **K3, **AROUND),
    "average pool with pads": Case(
        "AveragePool", to="PAD AVERAGE_POOL_2D", steps=2.01, count_include_pad=1, **K3, **AROUND
    ),
    "global average": Case("GlobalAveragePool", to="MEAN"),
    "global maximum": Case("GlobalMaxPool", to="REDUCE_MAX"),
    "relu": Case("Relu", to="RELU"),
    "clip": Case("Clip", real(-0.5), real(1.5), to="MAXIMUM MINIMUM"),
    "leaky": Case("LeakyRelu", to="LEAKY_RELU", alpha=0.1),
    "elu": Case("Elu", to="ELU"),
    "hard sigmoid": Case("HardSigmoid", to="DEPTHWISE_CONV_2D", alpha=1 / 6, beta=0.5),
    "hard sigmoid of a row": Case(
        "HardSigmoid", to="RESHAPE DEPTHWISE_CONV_2D RESHAPE", shape=(1, 8), alpha=0.2, beta=0.4
    ),
    "hard swish": Case("HardSwish", to="HARD_SWISH"),
    "sigmoid": Case("Sigmoid", to="LOGISTIC"),
    "tanh": Case("Tanh", to="TANH"),
    "abs": Case("Abs", to="ABS"),
    "exponential": Case("Exp", to="DEQUANTIZE EXP"),
    "square root": Case("Sqrt", to="RELU DEQUANTIZE SQRT", behind="Relu"),
    "logarithm": Case("Log", to="LOGISTIC DEQUANTIZE LOG", steps=5, behind="Sigmoid"),
    "sine": Case("Sin", to="DEQUANTIZE SIN"),
    "cosine": Case("Cos", to="DEQUANTIZE COS"),
    "negative": Case("Neg", to="DEQUANTIZE NEG"),
    "floor": Case("Floor", to="DEQUANTIZE FLOOR"),
    "ceiling": Case("Ceil", to="DEQUANTIZE CEIL"),
    "round": Case("Round", to="DEQUANTIZE ROUND"),
    "prelu": Case("PRelu", weights(8, 1, 1), to="PRELU"),
    "add": Case("Add", weights(1, 8, 1, 1), to="ADD"),
    "add of the last axis": Case("Add", weights(10), to="ADD"),
    "multiply": Case("Mul", weights(*IMAGE), to="MUL"),
    "subtract": Case("Sub", real(0.7), to="SUB"),
    "divide": Case("Div", real(1.7), to="DIV"),
    "maximum": Case("Max", weights(8, 1, 1), to="MAXIMUM"),
    "minimum": Case("Min", real(0.7), to="MINIMUM"),
    "softmax": Case("Softmax", to="SOFTMAX", shape=(1, 8)),
    "softmax of channels": Case("Softmax", to="SOFTMAX", attributes={"axis": 1}),
    "softmax of columns": Case("Softmax", to="TRANSPOSE SOFTMAX TRANSPOSE", attributes={"axis": 2}),
    "log softmax": Case("LogSoftmax", to="LOG_SOFTMAX", shape=(1, 8)),
    "mean": Case("ReduceMean", to="MEAN", axes=[2, 3], keepdims=0),
    "sum": Case("ReduceSum", ints(1), to="SUM"),
    "greatest": Case("ReduceMax", to=f"REDUCE_MAX {MOVED}", axes=[3], keepdims=0),
    "least": Case("ReduceMin", to="REDUCE_MIN", axes=[2, -1]),
    "flatten": Case("Flatten", to=f"RELU {MOVED} RESHAPE", behind="Relu"),
    "reshape": Case("Reshape", ints(0, 4, 2, -1), to=f"RELU RESHAPE {MOVED}", behind="Relu"),
    "squeeze": Case("Squeeze", ints(2, 3), to="RELU RESHAPE", shape=(1, 8, 1, 1), behind="Relu"),
    "unsqueeze": Case("Unsqueeze", ints(0), to="RELU RESHAPE", shape=(1, 8), behind="Relu"),
    "transpose": Case("Transpose", to="RELU", perm=[0, 3, 1, 2], behind="Relu"),
    "slice": Case("Slice", ints(1, 2), ints(7, 9), ints(1, 3), to="SLICE"),
    "slice back": Case("Slice", ints(-1, 1), ints(-100, 9), ints(1, 3), ints(-2, 2), to="STRIDED_SLICE"),
    "pad": Case("Pad", ints(0, 0, 1, 2, 0, 0, 3, 4), to="PAD"),
    "pad with a value": Case("Pad", ints(0, 1, 1, 2, 0, 0, 3, 4), real(1.1), to="PADV2"),
    "pad mirrored": Case("Pad", ints(0, 0, 1, 2, 0, 0, 3, 4), to="MIRROR_PAD", mode="reflect"),
    "nearest": Case("Resize", absent, reals(1, 1, 2, 2), to="RESIZE_NEAREST_NEIGHBOR", mode="nearest"),
    "nearest smaller": Case("Resize", absent, absent, ints(1, 8, 5, 7), to="GATHER GATHER", mode="nearest"),
    "linear": Case("Resize", absent, reals(1, 1, 2, 3), to="RESIZE_BILINEAR", steps=2.01, mode="linear"),
    "linear to corners": Case(
        "Resize",
        absent,
        absent,
        ints(1, 8, 13, 7),
        to="RESIZE_BILINEAR",
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "depth to space": Case("DepthToSpace", to="DEPTH_TO_SPACE", blocksize=2),
    "depth to space by columns": Case(
        "DepthToSpace",
        to="RELU RESHAPE RESHAPE TRANSPOSE RESHAPE RESHAPE",
        blocksize=2,
        mode="CRD",
        behind="Relu",
    ),
    "space to depth": Case("SpaceToDepth", to="SPACE_TO_DEPTH", shape=(1, 3, 4, 6), blocksize=2),
    "gather": Case("Gather", ints(3, 0, -1), to="GATHER", attributes={"axis": 1}),
    "gather one": Case(
        "Gather", index(2), to=f"RELU SLICE RESHAPE {MOVED}", attributes={"axis": 2}, behind="Relu"
    ),
    "where the greatest is": Case("ArgMax", to="ARG_MAX", attributes={"axis": 1, "keepdims": 0}),
}


@pytest.mark.parametrize("unsigned", [False, True], ids=["int8", "uint8"])
@pytest.mark.parametrize("name", CASES)
def test_operator(name: str, unsigned: bool) -> None:
    case = CASES[name]
    network, output, axes = case.network()
    compared = compare(network, network.quantized(output, unsigned=unsigned, weight_axis=axes))
    # A QUANTIZE is there where the ranges of input and output differ.
    assert _without_quantize(compared.operators) == _without_quantize(case.to)
    assert compared.steps <= case.steps


def _without_quantize(operators: Sequence[str]) -> list[str]:
    return [op for op in operators if op != "QUANTIZE"]


def test_every_operator_is_tested() -> None:
    elsewhere = {"Constant", "Shape", "QuantizeLinear", "DequantizeLinear", "Identity", "Dropout", "Cast"}
    elsewhere |= {"Split", "Concat", "ArgMin", "Gelu"}
    assert set(HANDLERS) == {case.op for case in CASES.values()} | elsewhere
    assert set(NOTES) == set(HANDLERS)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_is_tabulated(approximate: str) -> None:
    """TFLM has none: the reference of the table is NumPy's."""
    network = Network({"x": IMAGE}, opset=20)
    model = network.quantized(network.op("Gelu", network.op("Relu", "x"), approximate=approximate))
    data = convert_onnx(model.SerializeToString(), "gelu.onnx")
    assert _without_quantize(converted_operators(data)) == ["RELU", "DEQUANTIZE", "GELU"]
    assert [o.attributes.op_name for o in read_tflite_bytes(data, "gelu", "gelu").operators][-1] == "QUANTIZE"
