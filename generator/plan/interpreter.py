"""What TensorFlow Lite for Microcontrollers needs to run a model file: operators, and an arena by estimate.

The interpreter knows nothing of this project's fused steps and overlapping results: it keeps every tensor of
the file whole, from the operator that writes it to the last that reads it, and packs them when it starts: the
largest first, each at the lowest free offset. That is done here in the same order, with the working memory of
CMSIS-NN's kernels. What is allocated once and kept is estimated from tensors, operators and channels, with a
margin of 2 to 5 KiB on the networks whose need is on record (benchmarks/peers.toml). The firmware prints what
was used of the arena; ``tflm_arena_bytes`` in firmcast.toml replaces the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generator.graph import (
    Conv2D,
    DepthwiseConv2D,
    Graph,
    Lstm,
    Operator,
    Pool2D,
    Reduce,
    Svdf,
    TransposeConv,
    operator_parameters,
)
from generator.plan.arena import Request, Segment, first_fit_bytes
from generator.plan.planner import arena_region
from generator.targets import Part

_ALIGNMENT_BYTES = 16  # MicroArenaBufferAlignment
# The interpreter itself, its allocators and planner: 0.5 KiB, and room for versions to come.
_FIXED_BYTES = 2048
# TfLiteEvalTensor with its share of alignment.
_TENSOR_BYTES = 16
# TfLiteNode with its registration, parsed options, and the kernel's own data: 125 as recorded.
_OPERATOR_BYTES = 176
# Multiplier and shift of an output channel.
_CHANNEL_BYTES = 8
# TfLiteTensor with its quantization.
_ENDPOINT_BYTES = 128
# While the arena is planned, each tensor and each scratch buffer: requirements and order.
_PLANNING_BYTES = 64

# What generator/read takes and the library does not have; the native engine runs it.
ABSENT = frozenset({"GELU", "RELU_N1_TO_1", "TILE"})
# Where the name of a method of MicroMutableOpResolver does not follow from the operator's.
_METHODS = {
    "PADV2": "PadV2",
    "CUMSUM": "CumSum",
    "BATCH_MATMUL": "BatchMatMul",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}


@dataclass(frozen=True)
class Interpreter:
    """A model file under TFLM. ``operators`` are methods of the resolver, each once, in order of first use.

    ``arena_bytes`` is for a core with 32-bit pointers, ``persistent_bytes`` the part of it that grows with
    their size.
    """

    operators: tuple[str, ...]
    missing: tuple[str, ...]
    """Operators of the file that the library does not have; it cannot run the model if there are any."""
    persistent_bytes: int
    arena_bytes: int
    arena_region: str
    arena_why: str
    arena_fits: bool


def plan_interpreter(
    graph: Graph,
    used: Sequence[str],
    part: Part,
    *,
    reserve_bytes: int,
    arena_bytes: int | None = None,
) -> Interpreter:
    """Lay the model as it was read (not simplified, not fused) out for TFLM on ``part``.

    ``used`` are the schema's names of the file's operators, once each. ``reserve_bytes`` of its memory
    stay free beside the arena; ``arena_bytes`` replaces the estimate.
    """
    activations = _activations(graph)
    persistent = _persistent(graph)
    if arena_bytes is not None:
        activations, persistent = arena_bytes, 0
    size = -(-(activations + persistent) // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
    region, why, fits = arena_region(part, size, reserve_bytes)
    methods = tuple(resolver_method(name) for name in used if name not in ABSENT)
    missing = tuple(name for name in used if name in ABSENT)
    return Interpreter(methods, missing, persistent, size, region, why, fits)


def resolver_method(operator_name: str) -> str:
    """What adds an operator of the schema to a MicroMutableOpResolver, without ``Add``."""
    words = operator_name.split("_")
    return _METHODS.get(operator_name) or "".join(
        word.upper() if word[0].isdigit() else word.capitalize() for word in words
    )


def _activations(graph: Graph) -> int:
    """Tensors and scratch, packed; at least what planning them takes, which lies there first."""
    last = len(graph.operators)
    born = {index: position for position, op in enumerate(graph.operators) for index in op.outputs}
    requests = []
    for tensor in graph.tensors.values():
        readers = [i for i, op in enumerate(graph.operators) if tensor.index in op.inputs]
        is_output = tensor.index in graph.outputs
        if tensor.is_constant or not (readers or tensor.index in born or is_output):
            continue
        first = born.get(tensor.index, 0)
        end = last if is_output else max(readers, default=first)
        requests.append(Request(str(tensor.index), (Segment(tensor.size_bytes, first, end),)))
    for position, operator in enumerate(graph.operators):
        if scratch := _scratch(graph, operator):
            requests.append(Request(f"scratch {position}", (Segment(scratch, position, position),)))
    # Among equals TFLM takes the last one first.
    requests.reverse()
    by_size = sorted(requests, key=lambda request: -request.size_bytes)
    planning = _PLANNING_BYTES * (len(graph.tensors) + len(requests))
    return max(first_fit_bytes(by_size, _ALIGNMENT_BYTES), planning)


def _scratch(graph: Graph, operator: Operator) -> int:
    """Working memory of CMSIS-NN's kernel on a core with DSP extension; reference kernels need none."""
    attributes, scratch = operator.attributes, 0
    if isinstance(attributes, Conv2D):
        _, height, width, depth = graph.operand(operator, 1).shape
        columns = -(-height * width * depth // 4) * 4
        scratch = 0 if height == width == 1 else 2 * 2 * columns
    elif isinstance(attributes, DepthwiseConv2D):
        _, height, width, channels = graph.operand(operator, 1).shape
        scratch = 2 * height * width * channels
    elif isinstance(attributes, TransposeConv):  # sums of all outputs, of int16 in 64 bits
        scratch = 4 * graph.result(operator).dtype.size_bytes * graph.result(operator).element_count
    elif isinstance(attributes, Pool2D):
        scratch = 4 * graph.result(operator).shape[-1]
    elif isinstance(attributes, Lstm):  # four gates
        scratch = 4 * 2 * attributes.batches * graph.result(operator).shape[-1]
    elif isinstance(attributes, Svdf):
        scratch = 4 * (graph.operand(operator, 2).shape[0] + graph.result(operator).shape[-1])
    elif isinstance(attributes, Reduce):
        scratch = 4 * graph.result(operator).element_count + 64
    return scratch


def _persistent(graph: Graph) -> int:
    channels = sum(
        graph.result(operator).shape[-1]
        for operator in graph.operators
        if any(t.quantization and t.quantization.is_per_channel for t in operator_parameters(graph, operator))
    )
    return (
        _FIXED_BYTES
        + _TENSOR_BYTES * len(graph.tensors)
        + _OPERATOR_BYTES * len(graph.operators)
        + _CHANNEL_BYTES * channels
        + sum(-(-t.size_bytes // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES for t in graph.variables())
        + _ENDPOINT_BYTES * (len(graph.inputs) + len(graph.outputs))
    )
