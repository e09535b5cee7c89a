"""Pooling within convolutions."""

from __future__ import annotations

from dataclasses import replace

from generator.fuse.reshapes import drop_unread
from generator.graph import (
    Activation,
    Attributes,
    Conv2D,
    DType,
    Graph,
    Operator,
    Pool2D,
    PooledConv2D,
    PoolKind,
    Reshape,
)


def drop_single_pixel_pools(graph: Graph) -> Graph:
    """A pooling of windows of one pixel, as at the end of networks made for larger images, does nothing.

    It stays where it alone computes what it gives: a network has at least one step.
    """
    computed = {op.outputs[0] for op in graph.operators if not isinstance(op.attributes, Reshape)}
    operators = tuple(
        replace(op, attributes=Reshape())
        if _pools_nothing(op.attributes) and graph.operand(op, 0).index in computed
        else op
        for op in graph.operators
    )
    return replace(graph, operators=operators)


def _pools_nothing(attributes: Attributes) -> bool:
    return (
        isinstance(attributes, Pool2D)
        and attributes.window == attributes.stride == (1, 1)
        and attributes.activation is Activation.NONE
    )


def pool_in_convolutions(graph: Graph) -> Graph:
    """A convolution that only a maximum pooling reads becomes one operator with it.

    Its full result then never exists. The windows must tile: no padding, strides equal to the window.
    """
    pools: dict[int, Operator] = {}
    for operator in graph.operators:
        pool = _pool_that_alone_reads(graph, operator)
        if pool is not None:
            pools[operator.outputs[0]] = pool
    absorbed = {pool.outputs[0] for pool in pools.values()}
    operators = tuple(
        _pooled(graph, operator, pools[operator.outputs[0]]) if operator.outputs[0] in pools else operator
        for operator in graph.operators
        if operator.outputs[0] not in absorbed
    )
    return drop_unread(replace(graph, operators=operators))


def _pool_that_alone_reads(graph: Graph, operator: Operator) -> Operator | None:
    if not isinstance(operator.attributes, Conv2D) or graph.result(operator).dtype is not DType.INT8:
        return None
    reader = graph.only_reader(operator.outputs[0])
    pool = reader.attributes if reader else None
    tiles = (
        isinstance(pool, Pool2D)
        and pool.kind is PoolKind.MAX
        and pool.padding.is_none
        and pool.stride == pool.window
    )
    return reader if tiles else None


def _pooled(graph: Graph, operator: Operator, reader: Operator) -> Operator:
    convolution, pool = operator.attributes, reader.attributes
    if not isinstance(convolution, Conv2D) or not isinstance(pool, Pool2D):
        raise TypeError(f"{operator} and {reader} are no convolution and pooling")
    _, height, width, _ = graph.result(operator).shape
    return replace(
        operator,
        attributes=PooledConv2D(convolution, pool, (height, width)),
        outputs=reader.outputs,
    )
