"""What is fuzzed: one entry per kind of model file."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from generator.convert import convert_onnx
from generator.graph import Graph
from generator.read import read_tflite_bytes
from tests.fuzz import mutants, onnx_mutants, seeds


@dataclass(frozen=True)
class Importer:
    """How bytes become a Graph, as what TFLM can run them, how they are mutated, and where that starts."""

    read: Callable[[bytes], Graph]
    as_tflite: Callable[[bytes], bytes]
    mutated: Callable[[bytes, random.Random], bytes]
    seeds: Callable[[], Mapping[str, bytes]]


IMPORTERS = {
    "tflite": Importer(
        read=lambda data: read_tflite_bytes(data, "model", "model.tflite"),
        as_tflite=lambda data: data,
        mutated=mutants.mutated,
        seeds=seeds.tflite_models,
    ),
    "onnx": Importer(
        read=lambda data: read_tflite_bytes(convert_onnx(data, "model.onnx"), "model", "model.onnx"),
        as_tflite=lambda data: convert_onnx(data, "model.onnx"),
        mutated=onnx_mutants.mutated,
        seeds=onnx_mutants.onnx_models,
    ),
}
