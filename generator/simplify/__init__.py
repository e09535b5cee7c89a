"""Channels that cannot matter leave the graph, before anything is planned; every output stays bit for bit.

Interval analysis finds channels that always have one value, a walk back from the outputs those that nothing
reads. Both go, with their weights and the products that they take part in; what constants add goes into
biases.
"""

from __future__ import annotations

from dataclasses import dataclass

from generator.graph import Graph
from generator.simplify.groups import Groups
from generator.simplify.intervals import Analysis, analyse
from generator.simplify.layers import len_of_links
from generator.simplify.liveness import find_needed
from generator.simplify.removal import LayerRemoval, Removal, describe_removal
from generator.simplify.rewrite import rewrite

__all__ = ["CHANNEL_MULTIPLE", "LayerRemoval", "Removal", "Simplified", "simplify"]

CHANNEL_MULTIPLE = 4
"""What channel counts are rounded up to where channels go: convolutions read channels by words of four.
MLPerf Tiny's vww01, modelled cycles and bytes of code: 4,205,369 and 25,156 with 1 here, 4,195,007 and
25,159 with 2, 4,202,911 and 23,939 with 4, 4,286,883 and 23,879 with 8.
"""

_MAX_LINKS = 1 << 22


@dataclass(frozen=True)
class Simplified:
    """A graph, and what went from the one as read."""

    graph: Graph
    removal: Removal


def simplify(graph: Graph, multiple: int = CHANNEL_MULTIPLE) -> Simplified:
    """``graph`` as read, before any fusing, without channels that cannot matter.

    Where a tensor has the channels, so many stay, filled with zero weights, that their count is a multiple of
    ``multiple``. A graph without removable channels comes back as it is, as one does whose shapes relate more
    channels to each other than those of a network for a microcontroller.
    """
    if sum(len_of_links(graph, operator) for operator in graph.operators) > _MAX_LINKS:
        return Simplified(graph, describe_removal(graph, graph, Analysis({}, {}), {}))
    analysis = analyse(graph)
    liveness = find_needed(graph, analysis)
    groups = Groups(graph, {index: bounds.layer for index, bounds in analysis.layers.items()})
    kept = groups.kept(liveness.needed, multiple)
    unchanged = all(mask.all() for mask in kept.values())
    simplified = graph if unchanged else rewrite(graph, analysis, liveness, kept)
    return Simplified(simplified, describe_removal(graph, simplified, analysis, kept))
