"""The end of a firmware that cannot go on, told so that a person finds the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from generator.errors import TargetError


@dataclass(frozen=True)
class FaultReport:
    """Everything known of a fault; registers are those at the instruction that faulted."""

    cause: str
    """One sentence: kind of fault, what was tried, at which address."""
    exception: str | None
    """``HardFault``, ``MemManage``, ``BusFault``, ``UsageFault``; None if the silicon would raise none."""
    registers: Mapping[str, int]
    """``r0`` .. ``r12``, ``sp``, ``lr``, ``pc``, ``xpsr``, and after a fault ``cfsr`` and ``hfsr``."""
    function: str | None
    line: str | None
    """``file.c:120`` of ``pc``."""
    caller: str | None
    """Function, and line if known, that ``lr`` points into."""
    ending: str = ""
    """What became of the firmware's fault handler."""
    console: str = ""
    """The last the console said, the handler's own report included."""
    diagnostics: Sequence[str] = field(default=())

    def __str__(self) -> str:
        where = f"{self.function or 'unknown code'} ({self.line or 'no line known'})"
        lines = [
            f"the firmware stopped: {self.cause}",
            f"  at {where}, pc = {self.registers['pc']:#010x}"
            + (f"; lr points into {self.caller}" if self.caller else ""),
        ]
        if self.ending:
            lines.append(f"  {self.ending}")
        names = [*(f"r{i}" for i in range(13)), "sp", "lr", "pc", "xpsr"]
        names += [name for name in self.registers if name not in names]
        for start in range(0, len(names), 4):
            lines.append(
                "  " + "  ".join(f"{n:>4} {self.registers[n]:08x}" for n in names[start : start + 4])
            )
        lines += [f"  note: {remark}" for remark in self.diagnostics]
        if self.console:
            lines.append("  last on the console:")
            lines += [f"    {line}" for line in self.console.splitlines()]
        return "\n".join(lines)


class TargetFault(TargetError):  # noqa: N818 - the name that users of the package know
    """The emulated firmware faulted, hung, or did what the silicon refuses; ``report`` says everything."""

    def __init__(self, report: FaultReport) -> None:
        self.report = report
        super().__init__(str(report))

    @property
    def cause(self) -> str:
        """See :class:`FaultReport`."""
        return self.report.cause
