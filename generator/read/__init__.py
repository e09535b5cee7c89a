"""Model files into a :class:`~generator.graph.Graph`, or into the list of everything in the way."""

from generator.read.codes import operator_names
from generator.read.tflite_file import read_tflite, read_tflite_bytes, supported_operators

__all__ = ["operator_names", "read_tflite", "read_tflite_bytes", "supported_operators"]
