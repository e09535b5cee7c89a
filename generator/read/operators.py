"""Which operators can be read, and what reads them: the schema's options into typed attributes, with every
rule that the kernels need.

A reader returns the operators of the graph that do what the file's does, usually one; none after it has added
what is wrong to ``Node.problems``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import tflite

from generator.graph import BinaryKind, PoolKind, ReduceKind, UnaryKind
from generator.read import (
    dilation,
    elementwise,
    layers,
    matmul,
    movement,
    recurrent,
    reductions,
    resizing,
)
from generator.read.node import Node, Piece

Reader = Callable[[Node], list[Piece]]

_CODES = tflite.BuiltinOperator

READERS: Mapping[int, Reader] = {
    _CODES.CONV_2D: partial(layers.convolution, depthwise=False),
    _CODES.DEPTHWISE_CONV_2D: partial(layers.convolution, depthwise=True),
    _CODES.TRANSPOSE_CONV: layers.transpose_convolution,
    _CODES.FULLY_CONNECTED: layers.fully_connected,
    **{getattr(_CODES, kind.value): partial(layers.pool, kind=kind) for kind in PoolKind},
    _CODES.BATCH_MATMUL: matmul.batch_matmul,
    _CODES.UNIDIRECTIONAL_SEQUENCE_LSTM: recurrent.lstm,
    _CODES.SVDF: recurrent.svdf,
    _CODES.ADD: elementwise.add,
    **{getattr(_CODES, kind.value): partial(elementwise.binary, kind=kind) for kind in BinaryKind},
    **{getattr(_CODES, kind.value): partial(elementwise.unary, kind=kind) for kind in UnaryKind},
    _CODES.SOFTMAX: elementwise.softmax,
    _CODES.LOG_SOFTMAX: elementwise.log_softmax,
    _CODES.QUANTIZE: elementwise.quantize,
    _CODES.DEQUANTIZE: elementwise.dequantize,
    **{
        getattr(_CODES, kind.value): partial(reductions.reduce, kind=kind)
        for kind in (ReduceKind.MEAN, ReduceKind.SUM, ReduceKind.MAX, ReduceKind.MIN)
    },
    _CODES.ARG_MAX: partial(reductions.arg, kind=ReduceKind.ARG_MAX),
    _CODES.ARG_MIN: partial(reductions.arg, kind=ReduceKind.ARG_MIN),
    _CODES.RESHAPE: movement.reshape,
    _CODES.SQUEEZE: movement.reshape,
    _CODES.EXPAND_DIMS: movement.reshape,
    _CODES.TRANSPOSE: movement.transpose,
    _CODES.SLICE: movement.slice_,
    _CODES.STRIDED_SLICE: movement.strided_slice,
    _CODES.SPLIT: movement.split,
    _CODES.SPLIT_V: movement.split_v,
    _CODES.PACK: movement.pack,
    _CODES.UNPACK: movement.unpack,
    _CODES.CONCATENATION: movement.concatenate,
    _CODES.GATHER: movement.gather,
    _CODES.TILE: movement.tile,
    _CODES.BROADCAST_TO: movement.broadcast_to,
    _CODES.REVERSE_V2: movement.reverse,
    _CODES.SPACE_TO_DEPTH: movement.space_to_depth,
    _CODES.DEPTH_TO_SPACE: movement.depth_to_space,
    _CODES.SPACE_TO_BATCH_ND: partial(dilation.blocks, kind=dilation.SpaceToBatch),
    _CODES.BATCH_TO_SPACE_ND: partial(dilation.blocks, kind=dilation.BatchToSpace),
    _CODES.PAD: partial(movement.pad, name="PAD"),
    _CODES.PADV2: partial(movement.pad, name="PADV2"),
    _CODES.MIRROR_PAD: movement.mirror_pad,
    _CODES.RESIZE_NEAREST_NEIGHBOR: resizing.nearest,
    _CODES.RESIZE_BILINEAR: resizing.bilinear,
}

OPERATOR_NAMES: Mapping[int, str] = {
    number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)
}
