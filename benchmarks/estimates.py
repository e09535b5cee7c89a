"""Fits the plan's cost coefficients to the emulator's cycles, and shows how far the plan's estimates are off.

    python benchmarks/estimates.py [MODEL...]          # table of estimate against emulation
    python benchmarks/estimates.py --fit [MODEL...]    # coefficients for generator/plan/cost.py

Without arguments: the shipped models, single operators of the kinds that those lack, and the MLPerf Tiny
models where they lie beside the checkout.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.networks import networks
from generator.commands import attach, road
from generator.commands.output import Output
from generator.plan import Step
from tests.support import models as make


@dataclass(frozen=True)
class Sample:
    """One step of one model."""

    model: str
    step: Step
    cycles: float


def measure(model: str, folder: Path) -> list[Sample]:
    """Emulated cycles of each step."""
    output = Output(as_json=False, quiet=True, verbose=False)
    target = road.choose_target("nucleo_h743zi2", None)
    planned = road.plan_model(model, None, target)
    road.render_to(planned, target, folder)
    result = road.build_project(folder, output)
    symbols = road.step_symbols(planned.plan)
    with attach.on_emulator(result.elf, target.board, symbols, output) as (machine, client):
        for index, endpoint in enumerate(planned.plan.inputs):
            rng = np.random.default_rng(0)
            client.write_input(rng.integers(0, 256, endpoint.tensor.size_bytes).astype(np.uint8), index)
        machine.clear_profile()
        client.run()
        cycles = machine.profile().cycles_by_phase
    return [
        Sample(planned.plan.name, step, cycles[symbol])
        for step, symbol in zip(planned.plan.steps, symbols, strict=True)
    ]


def single_operators() -> dict[str, bytes]:
    """Models of one operator, several sizes of each kernel that the shipped models do not use."""
    rng = np.random.default_rng(0)
    found = {}
    for size in (6, 12, 24):
        for kernel, strides in (((3, 3), (1, 2)), ((1, 5), (1,)), ((5, 5), (1, 2))):
            for stride in strides:
                found[f"depthwise_{kernel[0]}{kernel[1]}_{stride}_{size}"] = make.convolution(
                    rng,
                    depthwise=True,
                    height=size,
                    width=size,
                    channels=size,
                    filters=size,
                    kernel=kernel,
                    stride=(stride, stride),
                    same=True,
                    input_scale=0.002,
                )
        for channels in (size // 6 * 4, size // 6 * 4 + 1):  # in words or not
            for kernel in ((3, 3), (1, 5)):
                found[f"depthwise_up_{kernel[0]}{kernel[1]}_{channels}_{size}"] = make.convolution(
                    rng,
                    depthwise=True,
                    height=size,
                    width=size,
                    channels=channels,
                    filters=channels,
                    kernel=kernel,
                    same=True,
                    output_scale=0.00002,  # does not only shift right
                )
        found[f"linear_{size}"] = make.fully_connected(rng, rows=1, depth=10 * size + 1, units=size)
        for kernel in (1, 3):
            found[f"conv_{kernel}_{size}"] = make.convolution(
                rng,
                depthwise=False,
                height=size,
                width=size,
                channels=size // 2 + 1 - size // 2 % 2,
                filters=size + 1,
                kernel=(kernel, kernel),
            )
        for channels in (3, 8):
            found[f"pooled_{channels}_{size}"] = make.convolution(
                rng,
                depthwise=False,
                height=size,
                width=size,
                channels=channels,
                filters=size,
                kernel=(3, 3),
                same=True,
                pool=(2, 2),
            )
        for name, kinds in (("QUANTIZE", ("float32", "int8")), ("DEQUANTIZE", ("int8", "float32"))):
            quantizations = [None if kind == "float32" else (0.1, 3) for kind in kinds]
            found[f"{name.lower()}_{size}"] = make.convert(name, 20 * size, *kinds, *quantizations)
        found[f"logistic_{size}"] = make.logistic(30 * size, 0.05)
        # Ratios that no linear function gives as TFLM does, and such that one does.
        found[f"add_{size}"] = make.add(50 * size, (0.05, 0.03, 0.06), (-128, 3, 4))
        found[f"add_linear_{size}"] = make.add(50 * size, (0.0517, 0.0293, 0.0611), (-128, 3, 4))
        for kind in ("MAX", "AVERAGE"):
            for window in (2, 3):
                found[f"{kind.lower()}_{window}_{size}"] = make.pool(
                    kind=kind,
                    height=size,
                    width=size,
                    channels=size,
                    window=(window, window),
                    stride=(2, 2),
                    same=window == 3,
                )
    return found


def main(arguments: list[str]) -> None:
    """Measure, then fit or compare."""
    fit = "--fit" in arguments
    models = [a for a in arguments if a != "--fit"]
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        if not models:
            models = networks()
            for name, content in single_operators().items():
                file = Path(folder) / f"{name}.tflite"
                file.write_bytes(content)
                models.append(str(file))
        for number, model in enumerate(models):
            samples += measure(model, Path(folder) / f"project{number}")
    if fit:
        _fit(samples)
    else:
        _compare(samples)


def _family(kernel: str) -> str:
    """Kernels that differ only in how they gather share their other coefficients."""
    return re.sub("^conv_2d_(words|bytes)", "conv_2d", kernel)


def _fit(samples: list[Sample]) -> None:
    """Non-negative least squares of the relative error, per family of kernels."""
    families: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        families[_family(sample.step.kernel.name)].append(sample)
    for _, group in sorted(families.items()):
        kernels = sorted({s.step.kernel.name for s in group})
        rows = []
        for s in group:
            work = s.step.kernel.work
            gathered = [work.gathered if s.step.kernel.name == k else 0 for k in kernels]
            rows.append([work.products, work.outputs, 1, work.calls, *gathered])
        cycles = np.array([s.cycles for s in group])
        solution, _ = nnls(np.array(rows, float) / cycles[:, None], np.ones(len(group)))
        products, outputs, step, passes, *gathers = np.round(solution, 2).tolist()
        per_pass = f", {passes}" if any(s.step.kernel.work.calls for s in group) else ""
        for kernel, gather in zip(kernels, gathers, strict=True):
            print(f'    "{kernel}": Cost({products}, {gather}, {outputs}, {step:.0f}{per_pass}),')


def _compare(samples: list[Sample]) -> None:
    print(f"{'model':24} {'step':28} {'kernel':24} {'estimated':>12} {'emulated':>12} {'off':>7}")
    totals: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for s in samples:
        estimate = s.step.kernel.estimated_cycles
        print(
            f"{s.model:24} {s.step.name:28} {s.step.kernel.name:24} {estimate:12,} {s.cycles:12,.0f} "
            f"{estimate / s.cycles - 1:+7.1%}"
        )
        totals[s.model][0] += estimate
        totals[s.model][1] += s.cycles
    for model, (estimate, cycles) in totals.items():
        print(
            f"{model:24} {'all':28} {'':24} {estimate:12,.0f} {cycles:12,.0f} {estimate / cycles - 1:+7.1%}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
