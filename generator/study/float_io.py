"""The paper's remark on an FPU: an int8 body with other types at its input and output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

import numpy as np

from generator.evaluate import answers
from generator.learn.scoring import THRESHOLD
from generator.quantize.calibration import image_set_samples
from generator.quantize.full_integer import quantize
from generator.quantize.keras_network import IO_TYPES, TensorIo, load_network
from generator.study.bench import OWN, Bench, Made, Section
from generator.study.markdown import percent, table


def float_io(bench: Bench) -> Section:
    """float32, uint8 and int8 input and output around one int8 body."""
    study = bench.study
    made = bench.trained(study.recipe)
    types: tuple[TensorIo, ...] = tuple(io for io in get_args(TensorIo) if io in IO_TYPES["int8"])
    found = {io: _measure(bench, made, io) for io in types}
    plain = found["int8"]
    names = [judged.name for judged in study.judged]
    rows = [
        [
            io,
            *(percent(one["accuracies"][name]) for name in names),
            f"{_unlike(one['answers'], plain['answers']):,}",
            f"{one['bytes']:,}",
            f"{one['on_target']['flash_bytes']:,}",
            f"{one['on_target']['ram_bytes']:,}",
            f"{one['on_target']['ms']:.3f}",
        ]
        for io, one in found.items()
    ]
    counted = sum(len(judged.split) for judged in study.judged)
    clock = plain["on_target"]["clock_mhz"]
    latencies = {io: one["on_target"]["ms"] for io, one in found.items()}
    fastest = min(latencies, key=lambda io: latencies[io])
    headings = [
        "input and output",
        *(f"accuracy, {name}" for name in names),
        "answers unlike int8's",
        ".tflite B",
        "flash B",
        "RAM B",
        "latency ms",
    ]
    text = f"""
{OWN}, recipe `{study.recipe.name}`, seed {study.seeds[0]}: the same weights, quantized with the same samples.
Latency is modelled at {clock:g} MHz, flash and RAM are those of the whole firmware; answers are compared on
all {counted:,} pictures.

{table(headings, rows)}

The paper finds float32 input and output best where there is an FPU. Here the first operator rounds float32
pixels to the same int8 grid that int8 pixels are given on, so accuracy can differ by rounding alone; the
fastest is {fastest}, and float32 is {latencies["float32"] - latencies["int8"]:+.3f} ms from int8.
"""
    facts: dict[str, Any] = {
        io: {k: v for k, v in one.items() if k != "answers"} for io, one in found.items()
    }
    return Section("Types of input and output", text, facts)


def _unlike(first: Mapping[str, list[int]], second: Mapping[str, list[int]]) -> int:
    return sum(a != b for name in first for a, b in zip(first[name], second[name], strict=True))


def _measure(bench: Bench, made: Made, io: TensorIo) -> Mapping[str, Any]:
    study = bench.study

    def measure() -> object:
        bench.progress(f"{made.folder.name} with {io} input and output")
        network = load_network(made.keras)
        samples = image_set_samples(study.data, network.inputs, seed=study.seeds[0])
        file = quantize(network, samples, study.work / "float_io" / f"{made.name}-{io}.tflite", io=io)
        given = {one.name: answers(bench.scores(file.model_path, one), THRESHOLD) for one in study.judged}
        return {
            "bytes": file.size_bytes,
            "operators": file.operators,
            "on_target": asdict(bench.on_target(file.model_path)),
            "answers": {name: each.tolist() for name, each in given.items()},
            "accuracies": {
                one.name: float(np.mean(given[one.name] == one.split.labels)) for one in study.judged
            },
        }

    settings = {
        "model": made.card["tflite"]["sha256"],
        "pictures": [one.identity for one in study.judged],
        "learned_from": study.data.content_sha256,
        "seed": study.seeds[0],
        "target": study.cast.target,
    }
    result: Mapping[str, Any] = bench.once(f"float_io-{io}", settings, measure)
    return result
