"""Writes a small ONNX classifier with random weights: quantized by onnxruntime, or float with --float.

python docs/examples/small_classifier.py door.onnx [--float]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

SHAPE = (1, 3, 32, 32)


class Noise(CalibrationDataReader):
    """Stands in for real samples."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.samples = iter([{"image": rng.random(SHAPE, np.float32)} for _ in range(16)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next sample."""
        return next(self.samples, None)


def classifier() -> onnx.ModelProto:
    """Three convolutions, a mean, two classes."""
    rng = np.random.default_rng(0)
    shapes = {"first": (8, 3, 3, 3), "second": (8, 1, 3, 3), "third": (16, 8, 1, 1), "last": (2, 16)}
    values = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    weights = [numpy_helper.from_array(array, name) for name, array in values.items()]
    nodes = [
        helper.make_node("Conv", ["image", "first"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "third"], ["e"]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("Gemm", ["g", "last"], ["h"], transB=1),
        helper.make_node("Softmax", ["h"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 2))],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main(path: Path, *, quantized: bool) -> None:
    """Write the model."""
    if not quantized:
        onnx.save(classifier(), path)
        return
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(classifier(), Path(folder) / "float.onnx")
        quantize_static(
            Path(folder) / "float.onnx",
            path,
            Noise(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), quantized="--float" not in sys.argv)
