"""Firmcast: casts a trained int8 network into bare-metal STM32H7 firmware."""

__version__ = "0.1.0"
