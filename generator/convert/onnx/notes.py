"""What the documentation says of each operator: what it becomes, and its limits."""

from __future__ import annotations

from collections.abc import Mapping

from generator.convert.onnx.operators import REAL_FUNCTIONS

_PAIR = "either operand may be constant; axes of length 1 repeat"
_NOTHING = ("nothing", "")
_SHAPE = ("RESHAPE", "a TRANSPOSE before it only where elements have to move")

NOTES: Mapping[str, tuple[str, str]] = {
    "Conv": (
        "CONV_2D, DEPTHWISE_CONV_2D",
        "1-D and 2-D, groups, dilations; pads that are not TFLite's SAME become a PAD before it",
    ),
    "ConvTranspose": ("TRANSPOSE_CONV", "1-D and 2-D, one group, no dilation; a SLICE cuts pads"),
    "Gemm": ("FULLY_CONNECTED", "constant weights; those behind a flattened image follow its order"),
    "MatMul": ("FULLY_CONNECTED, BATCH_MATMUL", "a constant second operand is 2-D"),
    "BatchNormalization": (
        "nothing, DEPTHWISE_CONV_2D",
        "folded into the layer before it, or alone",
    ),
    "MaxPool": ("MAX_POOL_2D", "1-D and 2-D, any pads, ceil_mode; no dilations, no indices"),
    "AveragePool": ("AVERAGE_POOL_2D", "pads with count_include_pad=1, or those of SAME_UPPER"),
    "GlobalAveragePool": ("MEAN", ""),
    "GlobalMaxPool": ("REDUCE_MAX", ""),
    "Relu": ("nothing, RELU", "part of the layer before it if that alone feeds it"),
    "Clip": ("nothing, MAXIMUM, MINIMUM", "as Relu for 0 to 6 and -1 to 1; constant bounds"),
    "LeakyRelu": ("LEAKY_RELU", ""),
    "PRelu": ("PRELU", "constant slopes"),
    "Elu": ("ELU", "alpha of 1"),
    "HardSigmoid": ("DEPTHWISE_CONV_2D", "output quantized with the lowest value as zero point"),
    "HardSwish": ("HARD_SWISH", ""),
    "Sigmoid": ("LOGISTIC", "output in steps of 1/256, whatever the model asks for"),
    "Tanh": ("TANH", "output in steps of 1/128, whatever the model asks for"),
    "Softmax": ("SOFTMAX", "output in steps of 1/256, whatever the model asks for"),
    "LogSoftmax": ("LOG_SOFTMAX", "output in steps of 1/16, whatever the model asks for"),
    "Abs": ("ABS", ""),
    **{name: (f"DEQUANTIZE, {name.upper()}, QUANTIZE", "a table of 256 outputs") for name in REAL_FUNCTIONS},
    **{name: (name.upper(), _PAIR) for name in ("Add", "Sub", "Mul", "Div")},
    "Max": ("MAXIMUM", "operands take the output's steps"),
    "Min": ("MINIMUM", "operands take the output's steps"),
    "ReduceMean": ("MEAN", "constant axes"),
    "ReduceSum": ("SUM", "constant axes"),
    "ReduceMax": ("REDUCE_MAX", "constant axes"),
    "ReduceMin": ("REDUCE_MIN", "constant axes"),
    "ArgMax": ("ARG_MAX", "keepdims=0; gives int32"),
    "ArgMin": ("ARG_MIN", "keepdims=0; gives int32"),
    "Reshape": _SHAPE,
    "Flatten": _SHAPE,
    "Squeeze": _SHAPE,
    "Unsqueeze": _SHAPE,
    "Transpose": ("nothing, TRANSPOSE", "where a later operator needs elements elsewhere"),
    "Slice": ("SLICE, STRIDED_SLICE", "constant bounds, any steps"),
    "Split": ("SLICE", ""),
    "Concat": ("CONCATENATION", "inputs take the output's steps"),
    "Gather": ("GATHER, SLICE", "a constant index, or a list of them"),
    "Pad": ("PAD, PADV2, MIRROR_PAD", "constant and reflect; constant counts from 0 on"),
    "Resize": (
        "RESIZE_NEAREST_NEIGHBOR, GATHER, RESIZE_BILINEAR",
        "height and width; nearest, linear",
    ),
    "DepthToSpace": ("DEPTH_TO_SPACE, TRANSPOSE", "DCR and CRD"),
    "SpaceToDepth": ("SPACE_TO_DEPTH", ""),
    "QuantizeLinear": ("nothing, QUANTIZE", "int8 and uint8, one scale; of weights one per channel too"),
    "DequantizeLinear": _NOTHING,
    "Identity": _NOTHING,
    "Dropout": _NOTHING,
    "Cast": _NOTHING,
    "Constant": _NOTHING,
    "Shape": _NOTHING,
}
