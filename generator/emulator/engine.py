"""unicorn, as untyped as it is: the one place that imports it."""

from __future__ import annotations

from typing import Any

import unicorn as _unicorn
from unicorn import arm_const as _arm
from unicorn.unicorn_py3.unicorn import uclib as _library

unicorn: Any = _unicorn
arm: Any = _arm
library: Any = _library
"""The C interface, for what the Python one has not."""
