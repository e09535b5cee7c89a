"""Functions of one byte, one after the other, become one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from generator.arithmetic.lookup import byte_table, every_byte, float_values
from generator.arithmetic.requantize import quantize_values
from generator.errors import ModelError
from generator.graph import Dequantize, DType, Graph, Lookup, Operator, Quantize, Reshape, Unary


def compose_lookups(graph: Graph) -> Graph:
    """Chains of QUANTIZEs and activations, and what is done in float32 between DEQUANTIZE and QUANTIZE.

    Raises ModelError where float32 would be left for the device.
    """
    chains: dict[int, list[Operator]] = {}  # by result: from the first function to the one that gives it
    merged: set[int] = set()
    reshaped = {op.outputs[0]: op for op in graph.operators if isinstance(op.attributes, Reshape)}
    for operator in graph.operators:
        if not (_is_table(graph, operator) or _is_float(graph, operator)):
            continue
        source = graph.operand(operator, 0).index
        while source in reshaped and graph.only_reader(source):
            source = graph.operand(reshaped[source], 0).index
        before = chains.get(source, []) if graph.only_reader(source) else []
        chains[operator.outputs[0]] = [*before, operator]
        merged.update(o.outputs[0] for o in before)
    ends = {end: chain for end, chain in chains.items() if end not in merged}
    done = {}
    for end, chain in ends.items():
        table = _table(graph, chain) if len(chain) > 1 else None
        if table is not None:
            done[end] = table
    _refuse_float(graph, [op for end, chain in ends.items() if end not in done for op in chain])
    gone = {o.outputs[0] for end in done for o in chains[end][:-1]}
    return replace(
        graph,
        operators=tuple(
            _composed(chains[o.outputs[0]], done[o.outputs[0]]) if o.outputs[0] in done else o
            for o in graph.operators
            if o.outputs[0] not in gone
        ),
    )


def _refuse_float(graph: Graph, operators: Sequence[Operator]) -> None:
    left = [
        f"{op} computes in float32: only done between a DEQUANTIZE and a QUANTIZE where nothing else "
        "reads its tensors. Quantize the model to int8 (python -m generator quantize MODEL.keras --data DIR)"
        for op in operators
        if isinstance(op.attributes, Unary) and graph.operand(op, 0).dtype is DType.FLOAT32
    ]
    if left:
        raise ModelError(graph.name, left)


def _is_table(graph: Graph, operator: Operator) -> bool:
    bytes_only = graph.operand(operator, 0).dtype.size_bytes == graph.result(operator).dtype.size_bytes == 1
    return bytes_only and isinstance(operator.attributes, (Unary, Quantize, Lookup))


def _is_float(graph: Graph, operator: Operator) -> bool:
    types = (graph.operand(operator, 0).dtype, graph.result(operator).dtype)
    if isinstance(operator.attributes, Unary):
        return types[0] is DType.FLOAT32
    if isinstance(operator.attributes, Dequantize):
        return types[0].size_bytes == 1
    return isinstance(operator.attributes, Quantize) and types[0] is DType.FLOAT32


def _table(graph: Graph, chain: list[Operator]) -> bytes | None:
    """What the chain gives for every byte; None if it does not go from bytes to bytes."""
    source, result = graph.operand(chain[0], 0), graph.result(chain[-1])
    if source.dtype.size_bytes != 1 or result.dtype.size_bytes != 1:
        return None
    values: NDArray[np.generic] = every_byte(source)
    for operator in chain:  # each on all 256 values, whatever its shape
        values = _step(graph, operator, values)
    return values.tobytes()


def _step(graph: Graph, operator: Operator, values: NDArray[np.generic]) -> NDArray[np.generic]:
    attributes, source, result = operator.attributes, graph.operand(operator, 0), graph.result(operator)
    if isinstance(attributes, Dequantize):
        centred = (values.astype(np.int64) - source.quant.zero_point).astype(np.float32)
        return np.asarray(np.float32(source.quant.scale) * centred, np.float32)
    if isinstance(attributes, Unary) and source.dtype is DType.FLOAT32:
        return float_values(attributes, cast("NDArray[np.float32]", values))
    if isinstance(attributes, Quantize) and source.dtype is DType.FLOAT32:
        return quantize_values(values, None, result)
    table = byte_table(graph, operator)
    if table is None:
        raise TypeError(f"{operator} is no function of a byte")
    looked_up: NDArray[np.generic] = np.frombuffer(table, result.dtype.numpy)[values.view(np.uint8) ^ 0x80]
    return looked_up


def _composed(chain: list[Operator], table: bytes) -> Operator:
    name = "+".join(o.name for o in chain)
    return replace(chain[-1], attributes=Lookup(name, table), inputs=chain[0].inputs)
