"""Padding within convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from generator.graph import Conv2D, DepthwiseConv2D, Graph, Operator, Pad, Padding


def pad_in_convolutions(graph: Graph) -> Graph:
    """A convolution that reads a padded image pads it itself: the padded one never exists.

    Where padding is the input's zero point, around height and width alone, and narrower than the kernel.
    """
    pads = {op.outputs[0]: op for op in graph.operators if isinstance(op.attributes, Pad)}
    return replace(graph, operators=tuple(_padding(graph, op, pads) for op in graph.operators))


def _padding(graph: Graph, operator: Operator, pads: Mapping[int, Operator]) -> Operator:
    attributes = operator.attributes
    if not isinstance(attributes, (Conv2D, DepthwiseConv2D)):
        return operator
    before = pads.get(graph.operand(operator, 0).index)
    if before is None:
        return operator
    pad = before.attributes
    source = graph.operand(before, 0)
    if not isinstance(pad, Pad) or pad.value != source.quant.zero_point or len(pad.shape) != 4:
        return operator
    if pad.before[0] or pad.before[3] or pad.after[0] or pad.after[3]:
        return operator
    own, weights = attributes.padding, graph.operand(operator, 1)
    padding = Padding(
        own.top + pad.before[1],
        own.bottom + pad.after[1],
        own.left + pad.before[2],
        own.right + pad.after[2],
    )
    reach = [(weights.shape[1 + axis] - 1) * attributes.dilation[axis] for axis in (0, 1)]
    if max(padding.top, padding.bottom) > reach[0] or max(padding.left, padding.right) > reach[1]:
        return operator
    return replace(
        operator,
        attributes=replace(attributes, padding=padding),
        inputs=(before.inputs[0], *operator.inputs[1:]),
    )
