"""What can go wrong for a user, one class and one exit code per kind.

A message names the thing and says what to do. The command line prints it without a
traceback; everything that is not a :class:`FirmcastError` is a bug and exits with 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class FirmcastError(Exception):
    """A foreseeable failure; ``exit_code`` is the contract's."""

    exit_code: ClassVar[int] = 1


class UsageError(FirmcastError):
    """A wrong argument, option, file or configuration."""

    exit_code = 2


class ModelError(FirmcastError):
    """A model that is malformed or unsupported; carries every problem found, not the first.

    Names in them are strangers': what cannot be printed becomes ``?``.
    """

    exit_code = 3

    def __init__(self, subject: str, problems: Sequence[str]) -> None:
        self.subject = subject
        self.problems = tuple("".join(c if c.isprintable() else "?" for c in p) for p in problems)
        super().__init__("\n".join([f"{subject} cannot be used:", *(f"  - {p}" for p in self.problems)]))


class OverBudgetError(FirmcastError):
    """The firmware is built but larger or slower than its budgets, or than a memory."""

    exit_code = 4


class MismatchError(FirmcastError):
    """The target and the reference computed different outputs."""

    exit_code = 5


class MissingToolError(FirmcastError):
    """A program or package is not installed; the message says how to get it."""

    exit_code = 6


class TargetError(FirmcastError):
    """The target faulted, hung or did not answer."""

    exit_code = 7
