"""The paper's whole study on other pictures: trainings, tables and figures, made by one call.

Each part is a module with a function of its own name; :mod:`~generator.study.bench` is what they share.
TensorFlow, OpenCV and Matplotlib are imported inside functions only.
"""

from __future__ import annotations

from generator.study.bench import Study
from generator.study.run import PARTS, run_study

__all__ = ["PARTS", "Study", "run_study"]
