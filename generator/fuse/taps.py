"""Weights of convolutions that only ever meet padding."""

from __future__ import annotations

from dataclasses import replace

from generator.graph import Conv2D, DepthwiseConv2D, Graph, Operator, Padding, Tensor


def crop_kernels(graph: Graph) -> Graph:
    """Kernels lose the rows and columns that lie in the padding wherever the kernel stands.

    They multiply zeros. A 3x3 kernel with padding on an image of one pixel is its middle: eight of nine
    weights go, as in the last layers of networks made for larger images.
    """
    tensors, operators = dict(graph.tensors), []
    for operator in graph.operators:
        kept, weights = _cropped(graph, operator, max(tensors, default=-1) + 1)
        if weights is not None:
            tensors[weights.index] = weights
        operators.append(kept)
    return replace(graph, tensors=tensors, operators=tuple(operators))


def _cropped(graph: Graph, operator: Operator, index: int) -> tuple[Operator, Tensor | None]:
    """The operator with smaller weights, which are tensor ``index``, if it does not need all that it has."""
    attributes = operator.attributes
    if not isinstance(attributes, (Conv2D, DepthwiseConv2D)):
        return operator, None
    weights, padding = graph.operand(operator, 1), attributes.padding
    source, result = graph.operand(operator, 0), graph.result(operator)
    pads = ((padding.top, padding.bottom), (padding.left, padding.right))
    spans, margins = [], []
    for axis, (before, after) in enumerate(pads):
        taps, dilation = weights.shape[1 + axis], attributes.dilation[axis]
        last_start = (result.shape[1 + axis] - 1) * attributes.stride[axis] - before
        # The first that the last position brings into the image, the last that the first position does.
        first = min(max(0, -(last_start // dilation)), before // dilation, taps - 1)
        end = max(min(taps, -(-(source.shape[1 + axis] + before) // dilation)), taps - after // dilation)
        spans.append(slice(first, max(end, first + 1)))
        margins.append((before - first * dilation, after - (taps - spans[-1].stop) * dilation))
    kept = weights.values[:, spans[0], spans[1], :]
    if kept.shape == weights.shape:
        return operator, None
    (top, bottom), (left, right) = margins
    return (
        replace(
            operator,
            attributes=replace(attributes, padding=Padding(top, bottom, left, right)),
            inputs=(operator.inputs[0], index, *operator.inputs[2:]),
        ),
        replace(weights, index=index, shape=kept.shape, data=kept.tobytes()),
    )
