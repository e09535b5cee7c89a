"""What the right answer is: integer arithmetic in NumPy, and TensorFlow Lite for Microcontrollers."""

from generator.reference.integer import run_graph
from generator.reference.stand_in import StandIn, open_reference
from generator.reference.tflm import Oracle

__all__ = ["Oracle", "StandIn", "open_reference", "run_graph"]
