"""Fits the plan's cost coefficients to the emulator's cycles, and shows how far the plan's estimates are off.

    python benchmarks/estimates.py [MODEL...]          # the plan's estimates against emulation
    python benchmarks/estimates.py --every [MODEL...]  # those of all kernels, chosen or not
    python benchmarks/estimates.py --fit [MODEL...]    # coefficients for generator/plan/cost.py

Without arguments: the shipped models, the MLPerf Tiny models where they lie beside the checkout, and for
``--every`` and ``--fit`` networks of other sizes, some minutes. ``--fit`` needs the package scipy.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.networks import networks
from generator.commands import attach, road
from generator.commands.output import Output
from generator.graph import Graph, Operator
from generator.plan import Step, make_plan
from generator.plan.kernels import KERNELS, Candidate
from generator.targets import memory_costs
from tests.plan.networks import Network, other_operators

BOARD = "nucleo_h743zi2"


@dataclass(frozen=True)
class Sample:
    """One step of one model, emulated."""

    model: str
    step: Step
    cycles: float
    waiting: float
    """Cycles of them for memory."""


def measure(planned: road.Planned, target: road.Target) -> list[Sample]:
    """Each step of an inference that follows another."""
    output = Output(as_json=False, quiet=True, verbose=False)
    symbols = road.step_symbols(planned.plan)
    with tempfile.TemporaryDirectory() as folder:
        road.render_to(planned, target, Path(folder))
        result = road.build_project(Path(folder), target, output)
        with attach.on_emulator(result.elf, target.board, symbols, output) as (machine, client):
            for _ in range(2):
                for index, endpoint in enumerate(planned.plan.inputs):
                    rng = np.random.default_rng(index)
                    values = rng.integers(0, 256, endpoint.tensor.size_bytes).astype(np.uint8)
                    client.write_input(values, index)
                machine.clear_profile()
                client.run()
            causes = machine.profile().causes_by_phase
    return [
        Sample(planned.plan.name, step, causes[symbol].total, causes[symbol].memory)
        for step, symbol in zip(planned.plan.steps, symbols, strict=True)
    ]


def plans(model: str, target: road.Target, *, every: bool) -> Iterator[road.Planned]:
    """The plan of ``model``; or plans that together hold all candidates of each of its operators."""
    planned = road.plan_model(model, None, target)
    if not every:
        yield planned
        return
    graph = planned.graph
    counts = [
        len(KERNELS[type(o.attributes)](graph, o)) for o in graph.operators if type(o.attributes) in KERNELS
    ]
    costs = memory_costs(target.board.part, target.clock)
    for number in range(max(counts)):
        kernels = {kind: partial(_one_of, make, number) for kind, make in KERNELS.items()}
        plan = make_plan(graph, target.board.part, costs=costs, kernels=kernels)
        yield replace(planned, plan=plan)


def _one_of(make: object, number: int, graph: Graph, operator: Operator) -> list[Candidate]:
    candidates = make(graph, operator)
    return [candidates[number % len(candidates)]]


def samples_of(model: str, every: bool) -> list[Sample]:
    """Each step, or each step with each kernel that can run it, once."""
    target = road.choose_target(BOARD, None)
    found = {}
    for planned in plans(model, target, every=every):
        for sample in measure(planned, target):
            kernel = sample.step.kernel
            found.setdefault((sample.step.index, kernel.name, kernel.why), sample)
    return list(found.values())


def other_sizes() -> dict[str, bytes]:
    """Networks of the layers and sizes that the others lack, weights of eight bits and of four."""
    found = {}
    sizes = ((36, 3, 4), (24, 8, 12), (20, 3, 5), (12, 16, 24), (6, 32, 32), (9, 7, 15))
    for (side, channels, filters), bits in itertools.product(sizes, (8, 4)):
        net = Network(side, largest=(1 << (bits - 1)) - 1)
        source = net.activation(1, side, side, channels)
        x = net.pool(net.conv(source, filters, 3))
        x = net.conv(net.conv(x, filters, 3), filters, 3, depthwise=True)
        x = net.conv(x, 2 * filters, 1)
        x = net.add(net.conv(x, 2 * filters, 5, depthwise=True), x)
        x = net.pool(net.pool(x, "MAX", 2, 1), "AVERAGE", 2, 1)
        x = net.conv(net.conv(x, filters, 3, 2), 2 * filters, 3, depthwise=True)
        x = net.pool(net.conv(x, filters, 1), "MAX", 3, 1, same=True)
        x = net.pool(net.conv(x, filters, 5, 2, depthwise=True), "AVERAGE", 3, 1, same=True)
        x = net.quantize(net.dequantize(net.logistic(net.quantize(x))))
        flat = net.reshape(x, 1, int(np.prod(net.shape(x))))
        x = net.dense(net.dense(net.dense(flat, 3 * filters), side), filters)
        found[f"sizes_{side}_{bits}_bits"] = net.finish([source], [net.softmax(x)])
    return found


def main(arguments: list[str]) -> None:
    """Measure, then fit or compare."""
    fit, every = "--fit" in arguments, "--every" in arguments or "--fit" in arguments
    models = [a for a in arguments if not a.startswith("--")]
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(os.cpu_count()) as pool:
        if not models:
            models = networks()
            for name, content in {**other_sizes(), **other_operators()}.items() if every else ():
                file = Path(folder) / f"{name}.tflite"
                file.write_bytes(content)
                models.append(str(file))
        samples = [s for found in pool.map(samples_of, models, repeat(every)) for s in found]
    if fit:
        _fit(samples)
    else:
        _compare(samples, whole=not every)


# Which kernels share a coefficient: what of their names does not matter for it.
_SHARED = {
    "products": "_words|_bytes|_max_pool",
    "gathered": "_max_pool",
    "outputs": "_words|_bytes",
    "step": "_words|_bytes|_max_pool",
    "calls": "_words|_bytes",
    "rows": "_max_pool",
    "singly": "_max_pool",
}
_FIRST = "conv_2d_"  # others have no kernels that differ so little


def _shared(kernel: str, coefficient: str) -> tuple[str, str]:
    ignored = _SHARED[coefficient] if kernel.startswith(_FIRST) else "^$"
    return coefficient, re.sub(ignored, "", kernel)


def _fit(samples: list[Sample]) -> None:
    """Non-negative least squares of the relative error, per family of kernels."""
    from scipy.optimize import nnls

    families: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        families[_shared(sample.step.kernel.name, "products")[1]].append(sample)
    for _, group in sorted(families.items()):
        kernels = sorted({s.step.kernel.name for s in group})
        columns = sorted({_shared(kernel, c) for kernel in kernels for c in _SHARED})
        rows = np.zeros((len(group), len(columns)))
        for row, sample in zip(rows, group, strict=True):
            for coefficient in _SHARED:
                amount = 1 if coefficient == "step" else getattr(sample.step.kernel.work, coefficient)
                row[columns.index(_shared(sample.step.kernel.name, coefficient))] = amount
        cycles = np.array([_computing(s) for s in group])
        solution, _ = nnls(rows / cycles[:, None], np.ones(len(group)))
        errors = rows @ solution / cycles - 1
        spread = float(np.sqrt(np.mean(errors**2)))
        print(f"    # {len(group)} samples, off by {spread:.1%}, at most {abs(errors).max():.1%}")
        for kernel in kernels:
            found = [f"{solution[columns.index(_shared(kernel, c))]:.4g}" for c in _SHARED]
            while found[-1] == "0":
                found.pop()
            print(f'    "{kernel}": Cost({", ".join(found)}),')


def _computing(sample: Sample) -> float:
    """Cycles without waiting for constants. What waits for none, as bytes stored one after the other in the
    tightly coupled memory do, belongs to the kernel, unless its arena lies behind the bus.
    """
    foreseen = sample.step.kernel.estimated_stall_cycles
    return sample.cycles - (min(sample.waiting, foreseen) if sample.step.memory == "DTCM" else sample.waiting)


def _compare(samples: list[Sample], *, whole: bool) -> None:
    print(
        f"{'model':22}{'step':32}{'kernel':34}{'estimated':>12}{'waiting':>9}{'emulated':>12}{'waiting':>9}{'off':>8}"
    )
    totals: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for s in samples:
        kernel = s.step.kernel
        figures = kernel.estimated_cycles, kernel.estimated_stall_cycles, s.cycles, s.waiting
        _row(s.model, s.step.name, kernel.name, figures)
        totals[s.model] = [sum(pair) for pair in zip(totals[s.model], figures, strict=True)]
    for model, figures in totals.items() if whole else ():
        _row(model, "all", "", figures)


def _row(model: str, step: str, kernel: str, figures: object) -> None:
    estimated, stall, cycles, waiting = figures
    print(
        f"{model:22}{step[:31]:32}{kernel:34}{estimated:12,.0f}{stall:9,.0f}{cycles:12,.0f}{waiting:9,.0f}"
        f"{estimated / cycles - 1:+8.1%}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
