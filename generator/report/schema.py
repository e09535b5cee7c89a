"""``report.json``. Sizes in bytes, times in milliseconds; a figure that was not obtained is null, never 0."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Count = int


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFacts(_Part):
    """The network as it was read; of it the firmware stores ``weights_bytes``."""

    name: str
    sha256: str
    macs: Count
    parameters: Count
    weights_bytes: Count = Field(description="constants as stored in flash, tables included")


class SimplifiedLayer(_Part):
    """A layer that lost channels or products. Output channels go because they always have one value
    (``constant``) or because nothing that matters reads them (``unread``).
    """

    operator_index: int
    op: str
    tensor: str
    channels: Count
    constant: Count
    unread: Count
    macs: Count
    macs_left: Count
    parameter_bytes: Count
    parameter_bytes_left: Count


class Simplification(_Part):
    """What cannot matter to any output and was removed before planning; bytes are of weights and biases."""

    channels: Count
    macs: Count
    parameter_bytes: Count
    layers: tuple[SimplifiedLayer, ...]


class Toolchain(_Part):
    """What compiled the firmware."""

    compiler: str
    flags: str


class MemoryTotal(_Part):
    """Flash, or all RAM together."""

    used: Count
    budget: Count | None
    total: Count


class Region(_Part):
    """One memory of the part."""

    used: Count
    total: Count


class Stack(_Part):
    """Worst case by analysis of the machine code beside what a painted stack showed.

    Under the engine tflm nothing is ``computed``: the library calls its operators through pointers.
    """

    computed: Count | None
    painted: Count | None
    reserved: Count
    deepest: tuple[str, ...]


class Memory(_Part):
    """From the ELF."""

    flash: MemoryTotal
    ram: MemoryTotal
    activations_bytes: Count
    stack_bytes: Count | None
    regions: dict[str, Region]
    stack: Stack


class CycleCauses(_Part):
    """Cycles by what they are spent on; their sum is the ``cycles`` beside them."""

    issue: Count = Field(description="two instructions a cycle and the order they come in")
    dependency: Count = Field(description="a result that is not there yet")
    mac: Count = Field(description="the one multiplier is taken")
    load_port: Count = Field(description="loads and stores that cannot issue together")
    memory: Count = Field(description="cache misses, wait states, full buffers; code and data")
    branch: Count = Field(description="the slot behind a taken jump, and wrong predictions")


class CacheUse(_Part):
    """What a cache did."""

    lookups: Count
    misses: Count
    write_backs: Count


class LayerLatency(_Part):
    """One step of the network."""

    index: int
    name: str
    op: str
    kernel: str
    macs: Count
    instructions: Count | None
    cycles: Count | None
    causes: CycleCauses | None
    memory: str


class FunctionLatency(_Part):
    """One function during an inference, the functions that it calls left out."""

    name: str
    instructions: Count
    cycles: Count
    causes: CycleCauses


class Latency(_Part):
    """One inference. ``silicon_ms_range`` is where silicon is expected; ``note`` says what that rests on."""

    source: Literal["emulator-model", "renode-instructions", "board"]
    clock_mhz: float
    instructions: Count | None
    cycles: Count | None
    causes: CycleCauses | None
    instruction_cache: CacheUse | None
    data_cache: CacheUse | None
    ms: float | None
    fps: float | None
    budget_ms: float | None
    silicon_ms_range: tuple[float, float] | None
    note: str
    layers: tuple[LayerLatency, ...]
    functions: tuple[FunctionLatency, ...]


class Validation(_Part):
    """Outputs of the target beside the reference's."""

    reference: str
    inputs: Count
    elements: Count
    mismatches: Count
    max_abs_diff: float
    bit_exact: bool
    first_difference: str | None


class Decision(_Part):
    """What the firmware made of one picture, sent over the host link."""

    image: str
    label: str
    score: float
    door_open: bool
    cycles: Count


class NetworkBeside(_Part):
    """A network of the firmware that the application does not run; flash and RAM above count it."""

    model: ModelFacts
    activations_bytes: Count
    stack_bytes: Count | None = Field(description="of one inference, computed; interrupts aside")


class BudgetVerdict(_Part):
    """``exceeded`` names flash, ram, latency or stack."""

    met: bool
    exceeded: tuple[str, ...]


class Report(_Part):
    """Everything that ``build`` found out."""

    model: ModelFacts
    simplification: Simplification
    engine: Literal["native", "tflm"]
    board: str
    part: str
    toolchain: Toolchain
    memory: Memory
    latency: Latency | None
    validation: Validation | None
    decisions: tuple[Decision, ...]
    beside: tuple[NetworkBeside, ...]
    budgets: BudgetVerdict
