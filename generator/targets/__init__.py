"""Parts, boards and clock trees: what the rest of Firmcast may know of a machine, as data.

Parts and boards are TOML files beside this package; a board may also be a file of the
user's. Nothing here knows of models, and nothing asks a name what only the data can say.
"""

from generator.targets.clock import ClockTree, clock_tree
from generator.targets.load import board_names, load_board, load_part, part_names
from generator.targets.types import (
    Board,
    ClockEnable,
    ClockLimits,
    Console,
    FlashTiming,
    GpioPort,
    Led,
    Memory,
    MemoryKind,
    Part,
    Pin,
    Usart,
    VoltageScale,
)

__all__ = [
    "Board",
    "ClockEnable",
    "ClockLimits",
    "ClockTree",
    "Console",
    "FlashTiming",
    "GpioPort",
    "Led",
    "Memory",
    "MemoryKind",
    "Part",
    "Pin",
    "Usart",
    "VoltageScale",
    "board_names",
    "clock_tree",
    "load_board",
    "load_part",
    "part_names",
]
