"""Rewrites of the graph that keep every output bit for bit."""

from __future__ import annotations

from generator.fuse.lookups import compose_lookups
from generator.fuse.movements import merge_views
from generator.fuse.padding import pad_in_convolutions
from generator.fuse.pooling import drop_single_pixel_pools, pool_in_convolutions
from generator.fuse.quantizing import quantize_early
from generator.fuse.reshapes import drop_unread, merge_reshapes
from generator.fuse.taps import crop_kernels
from generator.graph import Graph

__all__ = [
    "compose_lookups",
    "crop_kernels",
    "drop_single_pixel_pools",
    "drop_unread",
    "fuse",
    "merge_reshapes",
    "merge_views",
    "pad_in_convolutions",
    "pool_in_convolutions",
    "quantize_early",
]


def fuse(graph: Graph) -> Graph:
    """All passes, in order."""
    for rewrite in (
        drop_single_pixel_pools,
        quantize_early,
        merge_views,
        merge_reshapes,
        compose_lookups,
        pad_in_convolutions,
        crop_kernels,
        pool_in_convolutions,
    ):
        graph = drop_unread(rewrite(graph))
    return graph
