"""What the right answer is: integer arithmetic in NumPy, and TensorFlow Lite for Microcontrollers."""

from generator.reference.integer import run_graph
from generator.reference.tflm import Oracle

__all__ = ["Oracle", "run_graph"]
