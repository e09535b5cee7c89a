"""What quantizing an ONNX model has done to its first output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generator.quantize.calibration import Samples
from generator.quantize.onnx_network import OnnxNetwork
from generator.reference.tflm import Oracle


@dataclass(frozen=True)
class Agreement:
    """The quantized network by TFLM beside the float one by onnxruntime.

    Attributes:
        samples: how many both ran on.
        held_out: whether those are others than the ones that set the ranges.
        mean_abs_error: in real units, over all values.
        max_abs_error: in real units.
        same_answers: samples whose greatest value is at the same place.
    """

    samples: int
    held_out: bool
    mean_abs_error: float
    max_abs_error: float
    same_answers: int


def measure_agreement(network: OnnxNetwork, quantized: bytes, samples: Samples) -> Agreement:
    """Run both on ``held_out``, or ``calibration`` if there is none. Raises MissingToolError without TFLM."""
    oracle = Oracle(quantized)
    used = samples.held_out or samples.calibration
    result = oracle.output_tensor()
    errors = []
    alike = 0
    for sample, wanted in zip(used, network.run(used), strict=True):
        steps = []
        for index, values in enumerate(sample):
            quant = oracle.input_tensor(index).quant
            steps.append((np.rint(values / quant.scale) + quant.zero_point).clip(-128, 127).astype(np.int8))
        found = oracle.run(steps)[0]
        real = found.astype(np.float64)
        if result.quantization is not None:
            real = (real - result.quant.zero_point) * result.quant.scale
        image = wanted.ndim == 4 and wanted.shape != found.shape
        held = np.moveaxis(wanted, 1, -1) if image else wanted.reshape(found.shape)
        errors.append(np.abs(real - held))
        alike += int(real.argmax() == held.argmax())
    return Agreement(
        samples=len(used),
        held_out=bool(samples.held_out),
        mean_abs_error=float(np.mean(errors)),
        max_abs_error=float(np.max(errors)),
        same_answers=alike,
    )
