"""Files that ask for much: ``python -m tests.read.heavy NAME`` reads and plans one of them with a gigabyte of
memory, and prints what came of it and the time that it took, in units of this machine.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from generator.errors import ModelError
from generator.fuse import fuse
from generator.plan import make_plan
from generator.read import read_tflite_bytes
from generator.simplify import simplify
from generator.targets import load_board
from tests.nn.operators import options
from tests.plan.networks import Network
from tests.support.models import convolution

MEMORY_BYTES = 1 << 30
Step = Callable[[Network, int], int]


def repeated(count: int, step: Step, *shape: int) -> bytes:
    """``step`` so many times, each on the result of the last."""
    net = Network()
    source = result = net.activation(*(shape or (1, 4, 4, 4)))
    for _ in range(count):
        result = step(net, result)
    return net.finish([source], [net.logistic(result)])


def folded(count: int, size: int, name: str) -> bytes:
    """One constant moved over and over, and none of it read."""
    net = Network()
    source = net.activation(1, 4)
    shape = (size // 16, 16)
    known = net.tensor(shape, scale=0.1, data=np.zeros(shape, np.int8))
    axis = net.tensor((1,), "int32", data=np.zeros(1, np.int32))
    for _ in range(count):
        if name == "CONCATENATION":
            joined = net.like(known, (shape[0] * 64, 16))
            net.operator(name, [known] * 64, [joined], options("Concatenation", axis=0))
        else:
            inputs = [known, axis] if name == "REVERSE_V2" else [known]
            net.operator(name, inputs, [net.like(known)])
    return net.finish([source], [net.logistic(source)])


def gathered(net: Network, source: int) -> int:
    """65,536 indices, the same constant each time."""
    known = [i for i, t in enumerate(net.tensors) if t.name == "indices"]
    indices = (
        known[0]
        if known
        else net.tensor((1 << 16,), "int32", data=np.zeros(1 << 16, np.int32), name="indices")
    )
    result = net.like(source, (1, 1 << 16))
    net.operator("GATHER", [source, indices], [result], options("Gather", axis=1))
    return result


def tiled() -> bytes:
    """2 elements become 16 million."""
    net = Network()
    source = net.activation(1, 2)
    times = net.tensor((2,), "int32", data=np.array([1 << 12, 1 << 11], np.int32))
    wide = net.like(source, (1 << 12, 1 << 12))
    net.operator("TILE", [source, times], [wide])
    return net.finish([source], [net.logistic(wide)])


def grouped(net: Network, source: int) -> int:
    """A 1x1 convolution in 256 groups."""
    weights = net.tensor((256, 1, 1, 1), scale=0.01, data=np.ones(256, np.int8))
    result = net.activation(1, 4, 4, 256)
    ones = dict.fromkeys(("strideH", "strideW", "dilationHFactor", "dilationWFactor"), 1)
    net.operator("CONV_2D", [source, weights, -1], [result], options("Conv2D", **ones))
    return result


def split_and_joined(net: Network, source: int) -> int:
    """256 parts and back."""
    axis = net.tensor((), "int32", data=np.array(1, np.int32))
    parts = [net.like(source, (1, 1)) for _ in range(256)]
    net.operator("SPLIT", [axis, source], parts, options("Split", numSplits=256))
    joined = net.like(source)
    net.operator("CONCATENATION", parts, [joined], options("Concatenation", axis=1))
    return joined


def turned(first: tuple[int, ...], second: tuple[int, ...]) -> Step:
    """Shapes whose channels have no common factor: each is linked to all."""
    return lambda net, source: net.logistic(net.reshape(net.logistic(net.reshape(source, *second)), *first))


def convolved(**how: object) -> bytes:
    return convolution(np.random.default_rng(0), depthwise=False, **how)  # type: ignore[arg-type]


HEAVY: dict[str, tuple[str, Callable[[], bytes]]] = {
    "500 sums": ("planned", lambda: repeated(500, lambda net, x: net.add(x, x))),
    "operators without end": ("refused", lambda: repeated(3000, lambda net, x: net.logistic(x), 1, 4)),
    "a hundred convolutions": ("planned", lambda: repeated(100, lambda net, x: net.conv(x, 4))),
    "8 MB of weights": ("planned", lambda: repeated(1, lambda net, x: net.dense(x, 2000), 1, 4096)),
    "16 MB of weights": ("refused", lambda: repeated(1, lambda net, x: net.dense(x, 3900), 1, 4096)),
    "a kernel of a thousand taps": (
        "planned",
        lambda: convolved(height=1, width=1_000_000, channels=1, filters=1, kernel=(1, 1000), same=True),
    ),
    "a kernel of 200x200": (
        "planned",
        lambda: convolved(height=300, width=300, channels=1, filters=1, kernel=(200, 200), same=True),
    ),
    "256 groups": ("planned", lambda: repeated(3, grouped, 1, 4, 4, 256)),
    "2048 groups": ("refused", lambda: repeated(8, grouped, 1, 4, 4, 256)),
    "256 parts": ("planned", lambda: repeated(4, split_and_joined, 1, 256)),
    "constants reversed": ("refused", lambda: folded(1000, 1 << 20, "REVERSE_V2")),
    "constants joined": ("refused", lambda: folded(100, 1 << 17, "CONCATENATION")),
    "constants reshaped": ("planned", lambda: folded(1000, 1 << 20, "RESHAPE")),
    "indices": ("planned", lambda: repeated(50, gathered, 1, 4)),
    "indices without end": ("refused", lambda: repeated(70, gathered, 1, 4)),
    "repeats": ("planned", tiled),
    "primes": ("planned", lambda: repeated(4, turned((1021, 1031), (1031, 1021)), 1021, 1031)),
    "a million channels": ("planned", lambda: repeated(1, turned((1, 1048573), (1048573, 1)), 1, 1048573)),
    "channels without end": ("refused", lambda: repeated(4, turned((1, 1048573), (1048573, 1)), 1, 1048573)),
}


def unit_s() -> float:
    """Processor seconds of a million steps of Python: what a busy machine slows down as it does the rest."""
    started = time.process_time()
    table = {}
    for step in range(1_000_000):
        table[step & 255] = max(step, 7)
    return time.process_time() - started


def main(name: str) -> None:
    """Time one of them."""
    model = HEAVY[name][1]()
    part = load_board("nucleo_h743zi2").part
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    before = unit_s()
    started = time.process_time()
    outcome = "planned"
    try:
        graph = read_tflite_bytes(model, "heavy", "heavy.tflite")
        make_plan(fuse(simplify(graph).graph), part)
    except ModelError as refused:
        outcome = f"refused {refused.problems}"
    seconds = time.process_time() - started
    print(f"{seconds / ((before + unit_s()) / 2):.2f} {outcome}")


if __name__ == "__main__":
    main(sys.argv[1])
