"""How many cycles a Cortex-M7 takes for a block of instructions: a static model, not a measurement.

The core issues up to two instructions per cycle, in order. The model walks the instructions of a block after
those of the block it was entered from, so that results and units still busy there count. What memory adds
depends on addresses and is not static: see :mod:`generator.emulator.memory_model`.

Sources, in the order they decide:

* LLVM ``ARMScheduleM7.td`` (Apache-2.0 WITH LLVM-exception): units, latencies, the stage each operand is
  read in, what issues alone or only as the first of a pair. As there, a time is that of the late ALU (stage
  EX2): a result of latency 1 is usable in the next cycle; an address or a shifted operand is read one cycle
  earlier, an accumulator and the data of a store one later.
* J. Nk0le, *pipeline cycle test*, measured on an STM32H743 (github.com/jnk0le/random): division and square
  root of the FPU lock the pipeline for 16 and 14 cycles; load and store multiple take a cycle per two
  registers; a multiply-accumulate chains on its accumulator every cycle; a misprediction costs 8 cycles, or 6
  where the flags are set three cycles before the branch; two loads pair only in different banks (even and odd
  words). With ``measured``: a multiplication cannot use a load of the cycle before, nor issue with a store;
  additions, moves and shifts whose operands are there early have their result at once (the early ALU).
* A compare and the branch on it may issue together, which LLVM's model leaves out.

What is left out errs on the fast side, but for the last: the alignment of branch targets and of short
instructions before them, a store that is loaded again at once, what returns and other indirect jumps cost
when they are wrongly predicted; a taken branch that issues with the instruction at its target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from generator.emulator.causes import Causes
from generator.emulator.instruction_timing import FLAGS, Operation, decode
from generator.emulator.pipeline import Pipeline

MISPREDICTION_CYCLES = 8
"""Of a branch whose flags are set just before it."""
EARLY_MISPREDICTION_CYCLES = 6
"""Where they are set at least three cycles before."""


@dataclass(frozen=True)
class Block:
    """Instructions that run one after the other; only the last may jump."""

    address: int
    size_bytes: int

    @property
    def end(self) -> int:
        """Address that follows when nothing jumps."""
        return self.address + self.size_bytes


@dataclass(frozen=True)
class EdgeCost:
    """Cycles that one passage from a block into another adds, memory left out."""

    causes: Causes
    misprediction: float
    """The part of ``causes.branch`` that is a wrong prediction."""

    @property
    def total(self) -> float:
        """All causes together."""
        return self.causes.total


@dataclass(frozen=True)
class TimedOperation:
    """An instruction in the schedule of its block alone."""

    operation: Operation
    offset: float
    """Cycles from the start of the block until it issues."""
    conflict_cycles: float
    """Cycles that it costs the block when this load meets the one before it in a bank; 0 without a pair."""


@dataclass(frozen=True)
class Branch:
    """A conditional branch at the end of a block."""

    penalty_cycles: int
    """When it goes another way than predicted."""
    backward: bool


class TimingModel:
    """Cycles per passage between blocks; ``read_code(address, size_bytes)`` returns the instructions' bytes.

    Without ``measured`` it is LLVM's model, and a loop's exit counts as a wrong prediction; with it,
    predictions are up to whoever follows the branches (:meth:`branch`).
    Deterministic, and remembers what it has decoded: make a new one when the code changes.
    """

    def __init__(self, read_code: Callable[[int, int], bytes], *, measured: bool = False) -> None:
        self._read_code = read_code
        self._measured = measured
        self._operations: dict[Block, tuple[Operation, ...]] = {}
        self._costs: dict[tuple[Block | None, Block], EdgeCost] = {}

    def edge_cycles(self, predecessor: Block | None, block: Block) -> float:
        """Cycles that running ``block`` after ``predecessor`` adds; nothing is in flight after None.

        For a block after itself it is the steady state, a fraction where that alternates between iterations.
        """
        return self.edge_cost(predecessor, block).total

    def edge_cost(self, predecessor: Block | None, block: Block) -> EdgeCost:
        """The same by cause."""
        key = (predecessor, block)
        if key not in self._costs:
            wrong = 0
            if predecessor is None:
                causes = self._after(None, block)
            elif predecessor == block:
                causes = self._steady_state(block)
            else:
                wrong = 0 if self._measured else self._misprediction(predecessor, block)
                causes = self._after(predecessor, block)
                causes = replace(causes, branch=causes.branch + wrong)
            self._costs[key] = EdgeCost(causes, wrong)
        return self._costs[key]

    def schedule(self, block: Block) -> tuple[TimedOperation, ...]:
        """The instructions of a block in time, as if nothing were in flight before it."""
        operations = self._decode(block)
        cycles = Pipeline(self._measured).run(operations)
        loops = bool(operations) and operations[-1].target == block.address
        timed = []
        for position, operation in enumerate(operations):
            conflict = 0.0
            if _pairs_with_load(operations, cycles, position):
                apart = (position,)
                if loops:
                    conflict = self._steady_state(block, apart).total - self._steady_state(block).total
                else:
                    conflict = self._after(None, block, apart).total - self._after(None, block).total
            timed.append(TimedOperation(operation, cycles[position], max(conflict, 0.0)))
        return tuple(timed)

    def _after(self, predecessor: Block | None, block: Block, apart: tuple[int, ...] = ()) -> Causes:
        pipeline = Pipeline(self._measured)
        if predecessor is not None:
            pipeline.run(self._decode(predecessor))
            if predecessor.end != block.address:
                pipeline.jump()
        before = pipeline.causes
        pipeline.run(self._decode(block), apart)
        return Causes.sum((pipeline.causes, before.scaled(-1)))

    def _steady_state(self, block: Block, apart: tuple[int, ...] = ()) -> Causes:
        operations = self._decode(block)
        pipeline = Pipeline(self._measured)
        seen: dict[tuple[object, ...], tuple[int, Causes]] = {}
        iteration = 0
        while (state := pipeline.relative_state()) not in seen:
            seen[state] = (iteration, pipeline.causes)
            pipeline.run(operations, apart)
            pipeline.jump()
            iteration += 1
        first, before = seen[state]
        return Causes.sum((pipeline.causes, before.scaled(-1))).scaled(1 / (iteration - first))

    def _misprediction(self, predecessor: Block, block: Block) -> int:
        """The way out of a loop: a conditional branch backwards is predicted taken, and is not."""
        branch = self.branch(predecessor)
        leaves = branch is not None and branch.backward and block.address == predecessor.end
        return branch.penalty_cycles if branch is not None and leaves else 0

    def branch(self, block: Block) -> Branch | None:
        """The conditional branch that a block ends with, if it does."""
        operations = self._decode(block)
        if not operations or not operations[-1].branches:
            return None
        cycles = Pipeline(self._measured).run(operations)
        scheduled = zip(cycles, operations, strict=True)
        setters = (at for at, o in scheduled if any(register == FLAGS for register, _, _ in o.writes))
        early = cycles[-1] - max(setters, default=cycles[-1]) >= _EARLY_FLAGS_CYCLES
        penalty = EARLY_MISPREDICTION_CYCLES if early else MISPREDICTION_CYCLES
        return Branch(penalty, operations[-1].backward_target)

    def _decode(self, block: Block) -> tuple[Operation, ...]:
        if block not in self._operations:
            code = self._read_code(block.address, block.size_bytes)
            self._operations[block] = tuple(decode(code, block.address))
        return self._operations[block]


_EARLY_FLAGS_CYCLES = 3


def _pairs_with_load(operations: tuple[Operation, ...], cycles: list[int], position: int) -> bool:
    """Whether an instruction is a load that issues together with the load before it."""
    pair = operations[max(position - 1, 0) : position + 1]
    both_load = len(pair) == 2 and all(o.access is not None and not o.access.store for o in pair)
    return both_load and cycles[position] == cycles[position - 1]
