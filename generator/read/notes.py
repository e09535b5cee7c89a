"""What the table of supported operators says beside each name; without a note, no limits are to be told."""

from __future__ import annotations

from collections.abc import Mapping

from generator.graph import UnaryKind

_TABLE = "a table of 256 outputs; joins others before and behind it"
_FLOAT = (
    f"{_TABLE}; TFLM has no int8 kernel: float32 rounded to the nearest is the rule, as in LiteRT's tables"
)

NOTES: Mapping[str, str] = {
    **{kind.value: _FLOAT for kind in UnaryKind},
    **dict.fromkeys(
        ("RELU", "LEAKY_RELU", "ELU", "HARD_SWISH", "LOGISTIC", "TANH", "ABS", "RSQRT"),
        f"{_TABLE}; float32 likewise between DEQUANTIZE and QUANTIZE",
    ),
    "RELU6": f"{_TABLE}; input and output of one scale and zero point, as TFLM takes for granted",
    **dict.fromkeys(
        ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"),
        "any shapes that fit by repeating axes; one operand may be constant",
    ),
    **dict.fromkeys(
        ("MAXIMUM", "MINIMUM"), "as ADD; one scale and zero point for all, as TFLM takes for granted"
    ),
    "DIV": "as ADD; by 0 is as by 1, and what TFLM would shift too far is 0",
    "PRELU": "slopes constant, one for each channel or otherwise",
    "CONV_2D": "any stride, dilation, padding; groups; constant int8 or int4 weights, per tensor or channel",
    "TRANSPOSE_CONV": "any stride; output shape and weights constant, per tensor or per channel; batch of 1",
    "DEPTHWISE_CONV_2D": "any stride, dilation, padding and multiplier; weights as CONV_2D",
    "FULLY_CONNECTED": "any number of rows; constant int8 or int4 weights, per tensor or unit; bias or none",
    "MAX_POOL_2D": "alone, or within the convolution before it",
    "SPACE_TO_BATCH_ND": "as dilation: around one convolution",
    "BATCH_TO_SPACE_ND": "as dilation: behind one convolution",
    "PAD": "constant paddings; goes into a convolution behind it where it can",
    "PADV2": "constant paddings and value",
    "MIRROR_PAD": "constant paddings; axis by axis",
    "GATHER": "constant indices, no batch dimensions",
    "CONCATENATION": "one scale and zero point for all",
    "RESHAPE": "costs nothing",
    "SQUEEZE": "costs nothing",
    "EXPAND_DIMS": "costs nothing",
    "STRIDED_SLICE": "constant indices; no ellipsis, no new axes",
    "SLICE": "constant begin and size",
    "SPLIT": "each part a slice",
    "SPLIT_V": "each part a slice",
    "UNPACK": "each part a slice",
    "PACK": "as CONCATENATION",
    "TRANSPOSE": "constant permutation; merges with other movements, back and forth costs nothing",
    "TILE": "constant; TFLM has none, NumPy is the reference",
    "BROADCAST_TO": "constant shape",
    "REVERSE_V2": "constant axes",
    "RESIZE_NEAREST_NEIGHBOR": "constant size",
    "RESIZE_BILINEAR": "constant size; aligned corners or half-pixel centers",
    "BATCH_MATMUL": "any batches that fit by repeating axes; the second operand may be constant",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "int16 cells; no peephole, projection or layer normalization, as in "
    "TFLM; keeps state from run to run",
    "SVDF": "features int8 or int16; keeps state from run to run",
    "LOG_SOFTMAX": "rows of at most 4095",
    "MEAN": "any axes",
    "SUM": "any axes",
    "REDUCE_MAX": "any axes",
    "REDUCE_MIN": "any axes",
    "ARG_MAX": "output int32",
    "ARG_MIN": "output int32",
    "QUANTIZE": "float32, int8, uint8 or int16 to int8; float32, int8 or int16 to int16; int8 to uint8; "
    "several of bytes in a row are one",
    "DEQUANTIZE": "int8, uint8 or int16 to float32",
}
