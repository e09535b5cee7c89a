"""The issue logic: which instructions issue together, which wait, and for what."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from generator.emulator.causes import CAUSES, Causes
from generator.emulator.instruction_timing import FLAGS, UNITS, Operation, Register

_NO_OPERATIONS: tuple[int, ...] = ()
_MEMORY_UNITS = {"load", "store"}


@dataclass
class Pipeline:
    """Issue state: what has issued in ``cycle`` and when each register is ready."""

    measured: bool = False
    """Whether the early ALU and the limits of multiplications count, as measured on silicon."""
    cycle: int = -1
    issued: list[Operation] = field(default_factory=list)
    open: bool = False
    """Whether another instruction may issue in ``cycle``."""
    closed_by: str = "issue"
    """The cause, where not."""
    free_at: int = 0
    """First cycle after instructions that hold the pipeline."""
    ready: dict[Register, tuple[int, bool]] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0))
    """Cycles so far by cause; their sum is ``end``."""

    def run(self, operations: Sequence[Operation], apart: Container[int] = _NO_OPERATIONS) -> list[int]:
        """Issue them one after the other; the cycle of each.

        ``apart`` are positions of loads that meet the one before them in a bank and cannot pair with it.
        """
        return [self._issue(operation, position in apart) for position, operation in enumerate(operations)]

    def jump(self) -> None:
        """A taken branch ends the group; the next one starts in the next cycle."""
        if self.open:
            self.open, self.closed_by = False, "branch"

    @property
    def end(self) -> int:
        """First cycle after everything issued so far."""
        return max(self.cycle + 1, self.free_at)

    @property
    def causes(self) -> Causes:
        """Of all cycles so far."""
        return Causes(**self.spent)

    def relative_state(self) -> tuple[object, ...]:
        """What of the past can still make a difference, free of absolute time."""
        pending = ((str(r), at - self.cycle, m) for r, (at, m) in self.ready.items() if at >= self.cycle - 1)
        issued = tuple(self.issued) if self.open else ()
        return issued, self.open, max(self.free_at - self.cycle, 0), tuple(sorted(pending))

    def _issue(self, operation: Operation, apart: bool) -> int:
        before = self.end
        earliest = self._operands_ready(operation)
        obstacle = "load_port" if self.open and apart else self._obstacle(operation, earliest)
        if obstacle is None:
            self.issued.append(operation)
            self.open, self.closed_by = False, "issue"
        else:
            self.cycle = max(earliest, before)
            self.issued = [operation]
            self.open = not operation.alone
            self.closed_by = _port_or_issue(operation)
            self.spent["dependency"] += self.cycle - before
            self.spent[obstacle] += 1
            before = self.cycle + 1
        if operation.cycles > 1:
            self.free_at = self.cycle + operation.cycles
        self.spent[_port_or_issue(operation)] += self.end - before
        early = self.measured and operation.early and self._executes_early(operation, obstacle is None)
        for register, latency, from_memory in operation.writes:
            later = 0 if early and register != FLAGS else latency
            self.ready[register] = (self.cycle + later, from_memory)
        return self.cycle

    def _executes_early(self, operation: Operation, second: bool) -> bool:
        """Its operands are there a cycle early; the second of a pair can only if it is a shift."""
        if second and "shifter" not in operation.units:
            return False
        there = (self.ready[register][0] for register, _, _ in operation.reads if register in self.ready)
        return all(at < self.cycle for at in there)

    def _operands_ready(self, operation: Operation) -> int:
        earliest = 0
        for register, read_at, no_fast_load in operation.reads:
            if register in self.ready:
                at, from_memory = self.ready[register]
                slow_factor = self.measured and read_at == 0 and "mac" in operation.units
                early = -1 if from_memory and (no_fast_load or slow_factor) else read_at
                earliest = max(earliest, at - early)
        return earliest

    def _obstacle(self, operation: Operation, earliest: int) -> str | None:
        """Why an instruction cannot issue in the current cycle; None if it can."""
        if not self.open:
            return self.closed_by
        (first,) = self.issued
        units = first.units + operation.units
        taken = {unit for unit in operation.units if units.count(unit) > UNITS[unit]}
        written = {register for register, _, _ in first.writes}
        rewrites = any(register in written for register, _, _ in operation.writes if register != FLAGS)
        obstacles = (
            ("dependency", earliest > self.cycle or rewrites),
            ("mac", "mac" in taken or (self.measured and {"mac", "store"} <= set(units))),
            ("load_port", bool(_MEMORY_UNITS & taken)),
            (_port_or_issue(operation), operation.alone),
            ("issue", operation.first_only or bool(taken)),
        )
        return next((cause for cause, applies in obstacles if applies), None)


def _port_or_issue(operation: Operation) -> str:
    return "load_port" if _MEMORY_UNITS & set(operation.units) else "issue"
