"""What a plan is to be good at, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Optimize = Literal["balanced", "time", "ram", "flash"]
OPTIMIZE: tuple[Optimize, ...] = get_args(Optimize)

_DEAR = 1e6


@dataclass(frozen=True)
class Goal:
    """``balanced`` pays cycles for bytes at a rate, ``time`` hardly, ``ram`` and ``flash`` any number.

    ``time`` copies constants into any RAM, ``ram`` into none, the others into the tightly coupled memories,
    which no bus and no DMA would use. Budgets are of all RAM and all flash.
    """

    optimize: Optimize = "balanced"
    ram_bytes: int | None = None
    flash_bytes: int | None = None

    @property
    def cycles_per_arena_byte(self) -> float:
        """What a byte of activations or scratch is worth."""
        return {"balanced": 64.0, "time": 0.01, "ram": _DEAR, "flash": 64.0}[self.optimize]

    @property
    def cycles_per_flash_byte(self) -> float:
        """What a byte of constants is worth."""
        return {"balanced": 4.0, "time": 0.01, "ram": 4.0, "flash": _DEAR}[self.optimize]

    @property
    def least_saved_per_byte(self) -> float:
        """Cycles of an inference that a copy of a constant has to save; what is read once saves 0.5."""
        return {"balanced": 8.0, "time": 0.05, "ram": _DEAR, "flash": 8.0}[self.optimize]

    @property
    def copies_to(self) -> tuple[str, ...]:
        """Kinds of memories that constants may be copied to when the firmware starts."""
        return {
            "balanced": ("dtcm", "itcm"),
            "time": ("dtcm", "itcm", "sram"),
            "ram": (),
            "flash": ("dtcm", "itcm"),
        }[self.optimize]
