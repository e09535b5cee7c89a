"""Model files of other formats into .tflite files, so that one road goes on from there: reader, reference and
engines know one format.
"""

from generator.convert.onnx import convert_onnx

__all__ = ["convert_onnx"]
