"""Writing a firmware into a board through its ST-Link."""

from generator.flash.tools import TOOLS, FlashResult, flash

__all__ = ["TOOLS", "FlashResult", "flash"]
