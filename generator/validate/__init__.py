"""A target held against the reference over the host link, whatever the target is."""

from generator.validate.compare import Comparison, compare
from generator.validate.inputs import TestInput, make_inputs

__all__ = ["Comparison", "TestInput", "compare", "make_inputs"]
