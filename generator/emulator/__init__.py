"""The emulated STM32H743: an ELF in, a console, faults, an exact profile and modelled cycles out.

The only package that imports unicorn.
"""

from generator.emulator.causes import CAUSES, Causes
from generator.emulator.faults import FaultReport, TargetFault
from generator.emulator.machine import Machine, StopReason
from generator.emulator.memory_model import CacheCounts
from generator.emulator.profile import Edge, Profile
from generator.emulator.serial import EmulatedSerial, serve_pty
from generator.emulator.timing import Block, TimingModel

__all__ = [
    "CAUSES",
    "Block",
    "CacheCounts",
    "Causes",
    "Edge",
    "EmulatedSerial",
    "FaultReport",
    "Machine",
    "Profile",
    "StopReason",
    "TargetFault",
    "TimingModel",
    "serve_pty",
]
