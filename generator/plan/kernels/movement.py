"""Operators that move elements: copies of runs of bytes."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from generator.graph import (
    COPY_LOOPS,
    Concatenation,
    DType,
    Graph,
    Operator,
    Pad,
    Select,
    View,
    merged_view,
    row_major,
)
from generator.plan.cost import Work
from generator.plan.kernels.candidate import Candidate, Params, fields, integer_table

_WORD = 4


def view(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for all views."""
    attributes, result = cast(View, operator.attributes), graph.result(operator)
    size = result.dtype.size_bytes
    to = row_major(attributes.counts)
    params, runs, run = _copy(attributes, to, 0, size)
    return [
        Candidate(
            name="copy",
            function="fc_copy_runs",
            params_type="fc_copy",
            params=params,
            why=f"{runs} runs of {run} B",
            work=_work(runs, run),
            input_types=("uint8_t",),
            output_type="uint8_t",
        )
    ]


def pad(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for PAD and PADV2."""
    attributes, result = cast(Pad, operator.attributes), graph.result(operator)
    size = result.dtype.size_bytes
    strides = row_major(result.shape)
    offset = sum(n * s for n, s in zip(attributes.before, strides, strict=True))
    # As the view that would take the input out of the output again, turned around.
    place = merged_view("", offset, attributes.shape, strides)
    source = View("", 0, place.counts, row_major(place.counts))
    params, runs, run = _copy(source, place.strides, offset, size)
    return [
        Candidate(
            name="pad",
            function="fc_pad_runs",
            params_type="fc_pad",
            params=(
                *fields(bytes=result.size_bytes, word=_repeated(attributes.value, result.dtype)),
                *((f"copy.{name}", value) for name, value in params),
            ),
            why=f"fills, then copies {runs} runs of {run} B",
            work=_work(runs, run, result.size_bytes),
            input_types=("uint8_t",),
            output_type="uint8_t",
        )
    ]


def concatenation(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for CONCATENATION and PACK."""
    attributes, size = cast(Concatenation, operator.attributes), graph.result(operator).dtype.size_bytes
    runs = tuple(run * size for run in attributes.runs)
    return [
        Candidate(
            name="concatenate",
            function="fc_concatenate_runs",
            params_type="fc_concatenate",
            params=fields(outer=attributes.outer, inputs=len(runs)),
            why=f"{attributes.outer} times {len(runs)} runs",
            work=_work(attributes.outer * len(runs), sum(runs) // len(runs)),
            tables=(integer_table("runs", runs, "bytes of each input"),),
            input_types=("uint8_t",) * len(runs),
            inputs_as_list=True,
            output_type="uint8_t",
        )
    ]


def select(graph: Graph, operator: Operator) -> list[Candidate]:
    """Kernels for GATHER, RESIZE_NEAREST_NEIGHBOR and MIRROR_PAD."""
    attributes, size = cast(Select, operator.attributes), graph.result(operator).dtype.size_bytes
    rows, columns = (tuple(n * size for n in table) for table in (attributes.rows, attributes.columns))
    run = attributes.run * size
    runs = attributes.outer * len(rows) * len(columns)
    return [
        Candidate(
            name="select",
            function="fc_select_runs",
            params_type="fc_select",
            params=fields(
                outer=attributes.outer,
                step=attributes.step * size,
                rows=len(rows),
                columns=len(columns),
                run=run,
            ),
            why=f"{runs} runs of {run} B",
            work=_work(runs, run),
            tables=(
                integer_table("rows", rows, "where rows of runs begin, bytes"),
                integer_table("columns", columns, "where runs begin within a row, bytes"),
            ),
            input_types=("uint8_t",),
            output_type="uint8_t",
        )
    ]


def _copy(source: View, to: tuple[int, ...], to_offset: int, size: int) -> tuple[Params, int, int]:
    """``struct fc_copy``, number of runs, and bytes of a run. ``to``: strides in the output."""
    counts, strides = list(source.counts), list(source.strides)
    to_strides = list(to)
    run = size
    if counts and strides[-1] == to_strides[-1] == 1:
        run *= counts.pop()
        strides.pop()
        to_strides.pop()
    missing = COPY_LOOPS - len(counts)
    if missing < 0:
        raise ValueError(f"{source.op_name} has more than {COPY_LOOPS} axes")
    axes = list(zip(counts, strides, to_strides, strict=True))
    axes = [(1, 0, 0)] * missing + axes
    members = {}
    for position, name in enumerate(("count", "from", "to")):
        for axis, values in enumerate(axes):
            members[f"{name}_{axis}"] = values[position] * (1 if name == "count" else size)
    members |= {"from": source.offset * size, "to": to_offset * size}
    return fields(**members, run=run), math.prod(counts), run


def _repeated(value: int, dtype: DType) -> int:
    """The word that holds an element as often as it can, as int32."""
    element = np.array(value, dtype.numpy).tobytes()
    return int.from_bytes((element * _WORD)[:_WORD], "little", signed=True)


def _work(runs: int, run: int, filled: int = 0) -> Work:
    words, rest = divmod(run, _WORD)
    return Work(outputs=filled, calls=runs, gathered=runs * words, singly=runs * rest)
