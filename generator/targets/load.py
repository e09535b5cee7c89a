"""TOML to parts and boards. Every complaint names the file and the key."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from generator.errors import UsageError
from generator.targets.types import (
    Board,
    BusAccess,
    Cache,
    ClockEnable,
    ClockLimits,
    Console,
    FlashTiming,
    GpioPort,
    Led,
    Memory,
    MemoryKind,
    MemorySystem,
    Part,
    Pin,
    Usart,
    VoltageScale,
)

# Part of the language since 3.11, a package before.
_toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

_HERE = Path(__file__).resolve().parent
_PIN = re.compile(r"P([A-K])([0-9]|1[0-5])")
_REQUIRED: Any = object()


def part_names() -> tuple[str, ...]:
    """Known parts, sorted."""
    return _names("parts")


def board_names() -> tuple[str, ...]:
    """Shipped boards, sorted."""
    return _names("boards")


def load_part(name: str) -> Part:
    """Part by name; UsageError if it is unknown or its file is wrong."""
    if name not in part_names():
        raise UsageError(f"unknown part {name!r}; known are {', '.join(part_names())}")
    return _load_part(_HERE / "parts" / f"{name}.toml")


def load_board(name: str) -> Board:
    """Board by name, or by the path of a board file of your own (it ends in ``.toml``).

    UsageError names the file and the key if something is unknown, missing or contradictory.
    """
    if name in board_names():
        return _load_board(_HERE / "boards" / f"{name}.toml")
    if name.endswith(".toml"):
        return _load_board(Path(name))
    raise UsageError(
        f"unknown board {name!r}; known are {', '.join(board_names())}; "
        "a board of your own is named by the path of its .toml file"
    )


def _names(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (_HERE / folder).glob("*.toml")))


@dataclass
class _Table:
    """A TOML table that knows where it stands and which of its keys were asked for."""

    where: str
    values: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.asked: set[str] = set()

    def error(self, key: str, message: str) -> UsageError:
        return UsageError(f"{self.where}{key}: {message}")

    def _get(self, key: str, kind: type, default: Any) -> Any:
        self.asked.add(key)
        if key not in self.values:
            if default is _REQUIRED:
                raise self.error(key, "is missing")
            return default
        value = self.values[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(key, f"must be {_KIND_NAMES[kind]}, not {value!r}")
        return value

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        return str(self._get(key, str, default))

    def flag(self, key: str, default: Any = _REQUIRED) -> bool:
        return bool(self._get(key, bool, default))

    def number(self, key: str, low: int = 0, high: int = 0xFFFFFFFF) -> int:
        value = int(self._get(key, int, _REQUIRED))
        if not low <= value <= high:
            raise self.error(key, f"must be {low}..{high}, not {value}")
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> Any:
        value = self.text(key)
        if value not in choices:
            raise self.error(key, f"must be one of {', '.join(choices)}, not {value!r}")
        return value

    def pin(self, key: str) -> Pin:
        match = _PIN.fullmatch(self.text(key))
        if match is None:
            raise self.error(key, f"must be a pin such as PD8, not {self.values[key]!r}")
        return Pin(match.group(1), int(match.group(2)))

    def table(self, key: str) -> _Table:
        return _Table(f"{self.where}{key}.", self._get(key, dict, _REQUIRED))

    def tables(self, key: str, default: Any = _REQUIRED) -> list[_Table]:
        entries = self._get(key, list, default)
        for entry in entries:
            if not isinstance(entry, dict):
                raise self.error(key, "must be an array of tables")
        return [_Table(f"{self.where}{key}[{index}].", entry) for index, entry in enumerate(entries)]

    def finish(self) -> None:
        unknown = sorted(set(self.values) - self.asked)
        if unknown:
            known = ", ".join(sorted(self.asked))
            raise self.error(unknown[0], f"is not a known key; known here are {known}")


_KIND_NAMES = {str: "a string", bool: "true or false", int: "an integer", dict: "a table", list: "an array"}


def _read(path: Path) -> _Table:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    try:
        return _Table(f"{path}: ", _toml.loads(text))
    except _toml.TOMLDecodeError as error:
        raise UsageError(f"{path}: is not TOML: {error}") from error


@cache
def _load_part(path: Path) -> Part:
    table = _read(path)
    buildable = table.flag("buildable")
    part = Part(
        name=table.text("name"),
        description=table.text("description"),
        core=table.choice("core", ("cortex-m7", "cortex-m4")),
        buildable=buildable,
        max_clock_hz=table.number("max_clock_hz", low=1),
        source=table.text("source"),
        memories=tuple(_memory(entry) for entry in table.tables("memory")),
        clocks=_clock_limits(table.table("clocks")) if buildable else None,
        memory_system=_memory_system(table.table("memory_system")) if buildable else None,
        usarts=tuple(_usart(entry) for entry in table.tables("usart", [] if not buildable else _REQUIRED)),
        gpio_ports=tuple(_gpio(entry) for entry in table.tables("gpio", [] if not buildable else _REQUIRED)),
    )
    table.finish()
    _check_memories(table, part.memories)
    return part


def _memory(table: _Table) -> Memory:
    memory = Memory(
        name=table.text("name"),
        origin=table.number("origin"),
        size_bytes=table.number("size_bytes", low=1),
        kind=table.choice("kind", get_args(MemoryKind)),
        description=table.text("description", ""),
        bus=table.choice("bus", ("tcm", "axi", "ahb", "ahb_d2", "ahb_d3")),
        cacheable=table.flag("cacheable"),
        dma=table.flag("dma"),
        enable=_clock_enable(table.table("enable")) if "enable" in table.values else None,
        access=_bus_access(table.table("access")) if "access" in table.values else None,
    )
    table.asked |= {"enable", "access"}
    table.finish()
    return memory


def _bus_access(table: _Table) -> BusAccess:
    access = BusAccess(
        first_clocks=table.number("first_clocks", low=1, high=100),
        next_clocks=table.number("next_clocks", low=1, high=100),
        wait_states=table.flag("wait_states", False),
    )
    table.finish()
    return access


def _memory_system(table: _Table) -> MemorySystem:
    system = MemorySystem(
        instruction_cache=_cache_of(table.table("instruction_cache")),
        data_cache=_cache_of(table.table("data_cache")),
        linefill_buffers=table.number("linefill_buffers", low=1, high=8),
        store_buffer_entries=table.number("store_buffer_entries", low=1, high=8),
        prefetch_bytes=table.number("prefetch_bytes", high=256),
        miss_cycles=table.number("miss_cycles", high=100),
        peripheral=_bus_access(table.table("peripheral")),
    )
    table.finish()
    return system


def _cache_of(table: _Table) -> Cache:
    cache = Cache(
        size_bytes=table.number("size_bytes", low=1),
        ways=table.number("ways", low=1, high=16),
        line_bytes=table.number("line_bytes", low=8),
    )
    if cache.line_bytes & cache.line_bytes - 1 or cache.size_bytes % (cache.ways * cache.line_bytes):
        raise table.error("size_bytes", "must be a multiple of ways lines, whose size is a power of two")
    table.finish()
    return cache


def _check_memories(table: _Table, memories: tuple[Memory, ...]) -> None:
    ordered = sorted(memories, key=lambda memory: memory.origin)
    for left, right in pairwise(ordered):
        if left.end > right.origin:
            raise table.error("memory", f"{left.name} and {right.name} overlap at 0x{right.origin:08X}")
    if len({memory.name for memory in memories}) != len(memories):
        raise table.error("memory", "two memories have the same name")


def _clock_enable(table: _Table) -> ClockEnable:
    enable = ClockEnable(
        table.text("register"), table.number("offset", high=0x3FF), table.number("bit", high=31)
    )
    table.finish()
    return enable


def _usart(table: _Table) -> Usart:
    usart = Usart(
        name=table.text("name"),
        base=table.number("base"),
        bus=table.choice("bus", ("apb1", "apb2")),
        enable=_clock_enable(table.table("enable")),
    )
    table.finish()
    return usart


def _gpio(table: _Table) -> GpioPort:
    port = GpioPort(table.text("name"), table.number("base"), _clock_enable(table.table("enable")))
    table.finish()
    return port


def _clock_limits(table: _Table) -> ClockLimits:
    limits = ClockLimits(
        pll_ref_min_hz=table.number("pll_ref_min_hz"),
        pll_ref_max_hz=table.number("pll_ref_max_hz"),
        vco_min_hz=table.number("vco_min_hz"),
        vco_max_hz=table.number("vco_max_hz"),
        pll_n_min=table.number("pll_n_min", low=1),
        pll_n_max=table.number("pll_n_max", low=1),
        voltage_scales=tuple(_voltage_scale(entry) for entry in table.tables("voltage_scale")),
    )
    table.finish()
    maxima = [scale.sysclk_max_hz for scale in limits.voltage_scales]
    if not maxima or maxima != sorted(maxima):
        raise table.error("voltage_scale", "must be given, ascending by sysclk_max_hz")
    return limits


def _voltage_scale(table: _Table) -> VoltageScale:
    scale = VoltageScale(
        name=table.choice("name", ("VOS0", "VOS1", "VOS2", "VOS3")),
        code=table.number("code", high=3),
        overdrive=table.flag("overdrive"),
        sysclk_max_hz=table.number("sysclk_max_hz"),
        hclk_max_hz=table.number("hclk_max_hz"),
        pclk_max_hz=table.number("pclk_max_hz"),
        flash=tuple(_flash_timing(entry) for entry in table.tables("flash")),
    )
    table.finish()
    tops = [timing.up_to_hz for timing in scale.flash]
    if tops != sorted(tops) or not tops or tops[-1] < scale.hclk_max_hz:
        raise table.error("flash", "must ascend by up_to_hz and reach hclk_max_hz")
    return scale


def _flash_timing(table: _Table) -> FlashTiming:
    timing = FlashTiming(
        table.number("up_to_hz", low=1),
        table.number("wait_states", high=15),
        table.number("wrhighfreq", high=3),
    )
    table.finish()
    return timing


# Not cached: a user edits their own file between two calls.
def _load_board(path: Path) -> Board:
    table = _read(path)
    part_name = table.text("part")
    if part_name not in part_names():
        raise table.error("part", f"unknown part {part_name!r}; known are {', '.join(part_names())}")
    part = load_part(part_name)
    if not part.buildable:
        raise table.error(
            "part", f"{part.name} is known by its memory sizes only: no firmware can be built for it"
        )
    hse = table.table("hse")
    leds = tuple(_led(entry) for entry in table.tables("led"))
    board = Board(
        name=table.text("name"),
        description=table.text("description"),
        part=part,
        hse_hz=hse.number("hz", low=4_000_000, high=50_000_000),
        hse_bypass=hse.flag("bypass"),
        supply=table.choice("supply", ("ldo",)),
        clock_mhz=table.number("clock_mhz", low=1),
        console=_console(table.table("console"), part),
        leds=leds,
        door=_named_led(table, "door", leds),
        fault_led=_named_led(table, "fault_led", leds),
        source=table.text("source"),
    )
    hse.finish()
    table.finish()
    if re.fullmatch(r"[a-z][a-z0-9_]*", board.name) is None:
        raise table.error("name", f"must be lower case letters, digits and underscores, not {board.name!r}")
    _check_ports(table, board)
    return board


def _led(table: _Table) -> Led:
    led = Led(table.text("name"), table.pin("pin"), table.flag("active_high"))
    table.finish()
    return led


def _named_led(table: _Table, key: str, leds: tuple[Led, ...]) -> Led:
    name = table.text(key)
    for led in leds:
        if led.name == name:
            return led
    raise table.error(
        key, f"no led is named {name!r}; there are {', '.join(led.name for led in leds) or 'none'}"
    )


def _console(table: _Table, part: Part) -> Console:
    console = Console(
        usart=table.choice("usart", tuple(usart.name for usart in part.usarts)),
        tx=table.pin("tx"),
        rx=table.pin("rx"),
        alternate_function=table.number("alternate_function", high=15),
        baud=table.number("baud", low=9600, high=10_000_000),
    )
    table.finish()
    return console


def _check_ports(table: _Table, board: Board) -> None:
    ports = {port.name for port in board.part.gpio_ports}
    pins = [board.console.tx, board.console.rx, *(led.pin for led in board.leds)]
    for pin in pins:
        if pin.port not in ports:
            raise table.error("console" if pin in pins[:2] else "led", f"{board.part.name} has no pin {pin}")
    if len(set(pins)) != len(pins):
        raise table.error("led", "two functions share one pin")
