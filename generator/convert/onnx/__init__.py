"""QDQ-quantized ONNX models into int8 .tflite files.

``parse`` believes nothing of the file; ``converter`` walks its nodes and knows what each tensor has become;
``operators`` lists what writes each of them as TFLite's; ``folding`` computes what is constant; ``layout``
says in which order axes are held, so that NCHW costs nothing on the device.
"""

from generator.convert.onnx.convert import convert_onnx
from generator.convert.onnx.operators import supported_onnx_operators

__all__ = ["convert_onnx", "supported_onnx_operators"]
