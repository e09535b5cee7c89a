"""QDQ-quantized ONNX models into int8 .tflite files.

``parse`` believes nothing of the file; ``converter`` walks its nodes and knows what each tensor has become;
``operators`` lists what writes each of them as TFLite's; ``folding`` computes what is constant; ``layout``
says in which order axes are held, so that NCHW costs nothing on the device.
"""

from generator.convert.onnx.convert import convert_onnx
from generator.convert.onnx.inputs import input_order, readers_of
from generator.convert.onnx.notes import NOTES
from generator.convert.onnx.operators import supported_onnx_operators
from generator.convert.onnx.parse import onnx_package, parse_onnx

__all__ = [
    "NOTES",
    "convert_onnx",
    "input_order",
    "onnx_package",
    "parse_onnx",
    "readers_of",
    "supported_onnx_operators",
]
