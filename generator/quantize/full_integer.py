"""From a network and samples to a fully quantized ``.tflite`` with a fixed batch of one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from generator.quantize.calibration import Samples
from generator.quantize.keras_network import Activations, KerasNetwork, TensorIo, edge_type
from generator.quantize.onnx_network import OnnxNetwork
from generator.quantize.tflite_file import parse
from generator.records import write_whole


@dataclass(frozen=True)
class Quantization:
    """A quantized model and what it was calibrated with.

    Attributes:
        model_path: the ``.tflite`` file.
        io: type of its input and output tensors.
        activations: type of all values between them; weights are int8.
        size_bytes: of the file.
        sha256: of the file.
        operators: names of the operators, in order.
        left_in_float: position and name of those that TensorFlow has no integer form of.
        calibration_samples: how many samples set the ranges.
        seed: that chose them.
    """

    model_path: Path
    io: TensorIo
    activations: Activations
    size_bytes: int
    sha256: str
    operators: tuple[str, ...]
    left_in_float: tuple[str, ...]
    calibration_samples: int
    seed: int


def quantize(
    network: KerasNetwork | OnnxNetwork,
    samples: Samples,
    out_path: Path,
    *,
    io: TensorIo | None = None,
    activations: Activations = "int8",
) -> Quantization:
    """Quantize a trained network, all weights to int8 and all activations to ``activations``; write it.

    Args:
        network: from :func:`~generator.quantize.keras_network.load_network`, or
            :func:`~generator.quantize.onnx_network.load_onnx_network`.
        samples: from :func:`~generator.quantize.calibration.open_samples`; ``calibration`` sets ranges.
        out_path: the ``.tflite`` file.
        io: type of inputs and outputs; that of the activations by default.
        activations: int8, or int16 for twice the bytes and more precision.

    Raises:
        UsageError: ``io`` does not go with ``activations``.
        ModelError: the model cannot be a static integer graph; what is in the way is named.
    """
    content = network.quantized_tflite(samples.calibration, activations=activations, io=io)
    return write_quantized(content, samples, out_path, io=edge_type(activations, io), activations=activations)


def write_quantized(
    content: bytes, samples: Samples, out_path: Path, *, io: TensorIo, activations: Activations = "int8"
) -> Quantization:
    """Write a quantized file and describe it."""
    write_whole(out_path, content)
    file = parse(content)
    return Quantization(
        model_path=out_path,
        io=io,
        activations=activations,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        operators=file.kinds,
        left_in_float=file.left_in_float,
        calibration_samples=len(samples.calibration),
        seed=samples.seed,
    )
