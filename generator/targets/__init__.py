"""Parts, boards and clock trees: what the rest of Firmcast may know of a machine, as data.

Parts and boards are TOML files beside this package; a board may also be a file of the
user's. Nothing here knows of models, and nothing asks a name what only the data can say.
"""

from generator.targets.clock import ClockTree, clock_tree
from generator.targets.load import board_names, load_board, load_part, part_names
from generator.targets.memory_cost import MemoryCost, memory_cost, memory_costs
from generator.targets.types import (
    Board,
    BusAccess,
    Cache,
    ClockEnable,
    ClockLimits,
    Console,
    FlashTiming,
    GpioPort,
    Led,
    Memory,
    MemoryKind,
    MemorySystem,
    Part,
    Pin,
    Usart,
    VoltageScale,
)

__all__ = [
    "Board",
    "BusAccess",
    "Cache",
    "ClockEnable",
    "ClockLimits",
    "ClockTree",
    "Console",
    "FlashTiming",
    "GpioPort",
    "Led",
    "Memory",
    "MemoryCost",
    "MemoryKind",
    "MemorySystem",
    "Part",
    "Pin",
    "Usart",
    "VoltageScale",
    "board_names",
    "clock_tree",
    "load_board",
    "load_part",
    "memory_cost",
    "memory_costs",
    "part_names",
]
