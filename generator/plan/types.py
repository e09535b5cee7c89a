"""The Plan: everything that the templates and the reports need, decided."""

from __future__ import annotations

from dataclasses import dataclass

from generator.graph import Tensor
from generator.plan.cost import Work

ARENA_ALIGNMENT_BYTES = 16


@dataclass(frozen=True)
class Constant:
    """An array in flash, copied to ``region`` when the firmware starts if that is another memory.

    ``lines`` are its C initialisers, one source line each.
    """

    symbol: str
    c_type: str
    length: int
    size_bytes: int
    lines: tuple[str, ...]
    comment: str
    region: str
    saved_cycles: int = 0
    """What the copy saves in an inference, estimated."""
    why: str = ""


@dataclass(frozen=True)
class Buffer:
    """A stretch of the arena in use from the start of ``first_step`` to the end of ``last_step``.

    The network's inputs are alive before step 0 (``first_step`` -1), its outputs after the last step,
    variables all the time.
    A result that takes over its input's place, or overlaps it, starts in the step after its own.
    """

    name: str
    role: str  # "activation", "state" or "scratch"
    offset: int
    size_bytes: int
    first_step: int
    last_step: int
    shares_with: str | None = None
    """Name of the buffer whose bytes it takes over while they are read for the last time."""


@dataclass(frozen=True)
class BufferArgument:
    """Pointer into the arena, to be read only if ``constant``."""

    c_type: str
    offset: int
    constant: bool


@dataclass(frozen=True)
class ConstantArgument:
    """Name of a constant array."""

    symbol: str


@dataclass(frozen=True)
class ListArgument:
    """Array of pointers to buffers or constants of one type, to be read only."""

    c_type: str
    items: tuple[BufferArgument | ConstantArgument, ...]


Argument = BufferArgument | ConstantArgument | ListArgument


@dataclass(frozen=True)
class Alternative:
    """A kernel that was not chosen, and why."""

    kernel: str
    variant: str
    """What tells it from others of the same kernel."""
    estimated_cycles: int
    """Its constants read from flash."""
    why_not: str


@dataclass(frozen=True)
class KernelChoice:
    """The kernel of a step; ``estimated_cycles`` is an estimate from the plan alone (cost.py, memory.py)."""

    name: str
    variant: str
    """What tells it from others of the same name."""
    function: str
    why: str
    work: Work
    estimated_cycles: int
    estimated_stall_cycles: int
    """Waiting for constants (see memory.py)."""
    alternatives: tuple[Alternative, ...]
    """The nearest first: bytes priced in cycles (goal.py)."""


@dataclass(frozen=True)
class SharedKernel:
    """A kernel that several steps call with their shapes at run time, for the sake of flash."""

    name: str
    function: str
    params_type: str
    argument_types: tuple[str, ...]
    """C types, as in ``const int8_t *``."""
    common: tuple[tuple[str, str], ...]
    """Members of the parameter structure that are the same in all of them, and their literals."""
    varying: tuple[str, ...]
    """Integer members that each step brings."""


@dataclass(frozen=True)
class Step:
    """One call of the generated network, in order of execution."""

    index: int
    operator_index: int
    op: str
    name: str
    """C identifier, unique in the network."""
    kernel: KernelChoice
    params_type: str
    params: tuple[tuple[str, str], ...]
    """Members of the parameter structure and their C literals."""
    arguments: tuple[Argument, ...]
    inputs: tuple[Tensor, ...]
    state: tuple[Tensor, ...]
    """Variables that it reads and writes."""
    output: Tensor
    output_offset: int
    macs: int
    weights_bytes: int
    """Bytes of constants that the step reads."""
    memory: str
    """Where its activations are."""
    shared_kernel: SharedKernel | None = None
    """What it calls; None: the kernel is compiled into the step."""


@dataclass(frozen=True)
class Endpoint:
    """An input, output or variable of the network."""

    tensor: Tensor
    offset: int


@dataclass(frozen=True)
class Plan:
    """A network laid out for one part. Offsets and sizes are bytes."""

    name: str
    identifier: str
    """``name`` as a C identifier: prefix of every public symbol."""
    model_sha256: str
    part: str
    optimize: str
    """What the plan is to be good at (see goal.py)."""
    steps: tuple[Step, ...]
    shared_kernels: tuple[SharedKernel, ...]
    constants: tuple[Constant, ...]
    buffers: tuple[Buffer, ...]
    occupied_bytes: tuple[int, ...]
    """Bytes of the arena in use during each step; what overlaps counts once."""
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    variables: tuple[Endpoint, ...]
    """What is kept from one run to the next."""
    arena_bytes: int
    arena_lower_bound_bytes: int
    """Bytes alive at once in the fullest step: no packing of these buffers can do with less."""
    arena_region: str
    arena_why: str
    arena_fits: bool
    parameters: int
    """Weights and biases that the steps use."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(step.macs for step in self.steps)

    @property
    def weights_bytes(self) -> int:
        """Bytes of all constants as stored."""
        return sum(constant.size_bytes for constant in self.constants)

    @property
    def estimated_cycles(self) -> int:
        """Estimate of one inference."""
        return sum(step.kernel.estimated_cycles for step in self.steps)
