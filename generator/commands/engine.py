"""Which engine runs the network, and what follows from that for the road."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.errors import MissingToolError
from generator.graph import Operator
from generator.render import Engine

ENGINES: tuple[Engine, ...] = ("native", "tflm")
TFLM_DIR_VARIABLE = "TFLM_DIR"
NO_STEP: Mapping[Engine, str] = {
    "native": "every step alone agrees",
    "tflm": "an interpreter shows no steps",
}
"""Why no first difference is named."""


@dataclass(frozen=True)
class EngineChoice:
    """An engine; ``tflm_dir`` is the library's tree, None if nobody named one."""

    name: Engine = "native"
    tflm_dir: Path | None = None

    @property
    def is_native(self) -> bool:
        """True for generated code."""
        return self.name == "native"

    @property
    def definitions(self) -> Mapping[str, str]:
        """What CMake is told. Raises MissingToolError where a library is needed and was not named."""
        if self.is_native:
            return {"ENGINE": "native"}
        if self.tflm_dir is None:
            raise MissingToolError(
                "the engine tflm needs TensorFlow Lite for Microcontrollers, which no package brings: name "
                f"its tree by --tflm-dir or the environment variable {TFLM_DIR_VARIABLE} (docs/engines.md "
                "says how to get one)"
            )
        return {"ENGINE": "tflm", TFLM_DIR_VARIABLE: str(self.tflm_dir.resolve())}


NATIVE = EngineChoice()


def operator_label(operator: Operator) -> str:
    """Name of an operator of the file in tables and reports, where the plan has no step of it."""
    return f"operator_{operator.index:02}_{operator.name.lower()}"
