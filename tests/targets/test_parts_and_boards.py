from __future__ import annotations

from pathlib import Path

import pytest

from generator.errors import UsageError
from generator.targets import Part, board_names, load_board, load_part, part_names
from generator.targets import load as load_module

SHIPPED = Path(load_module.__file__).parent
NUCLEO = (SHIPPED / "boards" / "nucleo_h743zi2.toml").read_text()

# Kibibytes of flash and of all RAM as ST's product pages count them.
SIZES = {
    "stm32f407": (1024, 192 + 4),
    "stm32f411": (512, 128),
    "stm32f429": (2048, 256 + 4),
    "stm32f446": (512, 128 + 4),
    "stm32f722": (512, 256 + 16 + 4),
    "stm32f746": (1024, 320 + 16 + 4),
    "stm32f767": (2048, 512 + 16 + 4),
    "stm32g474": (512, 128),
    "stm32h723": (1024, 564),
    "stm32h730": (128, 564),
    "stm32h743": (2048, 1060),
    "stm32h750": (128, 1060),
    "stm32h7a3": (2048, 1380),
    "stm32l476": (1024, 128),
    "stm32l4r5": (2048, 640),
}


def all_parts() -> list[Part]:
    return [load_part(name) for name in part_names()]


def test_sizes_are_those_of_the_data_sheets() -> None:
    sizes = {part.name: (part.flash_bytes // 1024, part.ram_bytes // 1024) for part in all_parts()}
    assert sizes == SIZES


@pytest.mark.parametrize("part", all_parts(), ids=lambda part: part.name)
def test_every_part_has_flash_and_ram(part: Part) -> None:
    assert part.memory("FLASH").origin == 0x08000000
    assert not part.memory("FLASH").is_ram
    assert any(memory.is_ram for memory in part.memories)
    assert part.source


def test_the_h743_is_laid_out_as_in_its_reference_manual() -> None:
    part = load_part("stm32h743")
    layout = {memory.name: (memory.origin, memory.size_bytes) for memory in part.memories}
    assert layout == {
        "FLASH": (0x08000000, 0x200000),
        "ITCM": (0x00000000, 0x10000),
        "DTCM": (0x20000000, 0x20000),
        "AXI_SRAM": (0x24000000, 0x80000),
        "SRAM1": (0x30000000, 0x20000),
        "SRAM2": (0x30020000, 0x20000),
        "SRAM3": (0x30040000, 0x8000),
        "SRAM4": (0x38000000, 0x10000),
        "BACKUP_SRAM": (0x38800000, 0x1000),
    }
    enabled = {memory.name: memory.enable.bit for memory in part.memories if memory.enable}
    assert enabled == {"SRAM1": 29, "SRAM2": 30, "SRAM3": 31, "BACKUP_SRAM": 28}
    with pytest.raises(KeyError, match="CCM"):
        part.memory("CCM")


def test_only_parts_with_clocks_and_pins_are_buildable() -> None:
    assert [part.name for part in all_parts() if part.buildable] == ["stm32h743"]
    for part in all_parts():
        assert part.buildable == bool(part.clocks and part.usarts and part.gpio_ports)


def test_boards_are_wired_as_their_schematics_say() -> None:
    assert board_names() == ("nucleo_h743zi2", "openmv_cam_h7")
    nucleo = load_board("nucleo_h743zi2")
    assert (nucleo.hse_hz, nucleo.hse_bypass) == (8_000_000, True)
    assert (nucleo.console.usart, str(nucleo.console.tx), str(nucleo.console.rx)) == ("USART3", "PD8", "PD9")
    assert {led.name: str(led.pin) for led in nucleo.leds} == {"green": "PB0", "yellow": "PE1", "red": "PB14"}
    openmv = load_board("openmv_cam_h7")
    assert (openmv.hse_hz, openmv.hse_bypass) == (12_000_000, False)
    assert (openmv.console.usart, str(openmv.console.tx), str(openmv.console.rx)) == (
        "USART3",
        "PB10",
        "PB11",
    )
    assert not any(led.active_high for led in openmv.leds)
    for board in (nucleo, openmv):
        assert board.door != board.fault_led


def test_a_board_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(NUCLEO.replace('name = "nucleo_h743zi2"', 'name = "mine"').replace("PB0", "PG7"))
    board = load_board(str(path))
    assert board.name == "mine"
    assert str(board.door.pin) == "PG7"
    assert [port.name for port in board.ports] == ["B", "D", "E", "G"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("hz = 8_000_000", "", r"hse\.hz: is missing"),
        ("hz = 8_000_000", 'hz = "8 MHz"', r"hse\.hz: must be an integer, not '8 MHz'"),
        ("hz = 8_000_000", "hz = true", r"hse\.hz: must be an integer"),
        ("hz = 8_000_000", "hz = 8", r"hse\.hz: must be 4000000\.\.50000000"),
        ("bypass = true", "bypas = true", r"hse\.bypass: is missing"),
        (
            "bypass = true",
            "bypass = true\ncrystal = 1",
            r"hse\.crystal: is not a known key; known here are bypass, hz",
        ),
        ('"USART3"', '"USART9"', r"console\.usart: must be one of USART1, .*not 'USART9'"),
        ('"PD8"', '"PD16"', r"console\.tx: must be a pin such as PD8, not 'PD16'"),
        ('"PD8"', '"PD9"', r"two functions share one pin"),
        ('part = "stm32h743"', 'part = "stm32h999"', r"part: unknown part 'stm32h999'; known are stm32f407"),
        ('part = "stm32h743"', 'part = "stm32f746"', r"part: stm32f746 is known by its memory sizes only"),
        ('door = "green"', 'door = "white"', r"door: no led is named 'white'; there are green, yellow, red"),
        ('name = "nucleo_h743zi2"', 'name = "Mine!"', r"name: must be lower case"),
        ("[hse]", "[hse", r"is not TOML"),
        ("[[led]]\nname", "[led]\nname", r"is not TOML|led: must be an array"),
    ],
)
def test_a_wrong_board_file_is_refused_by_file_and_key(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in NUCLEO
    path = tmp_path / "mine.toml"
    path.write_text(NUCLEO.replace(before, after))
    with pytest.raises(UsageError, match=message) as caught:
        load_board(str(path))
    assert str(path) in str(caught.value)


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="known are nucleo_h743zi2, openmv_cam_h7"):
        load_board("discovery")
    with pytest.raises(UsageError, match="known are stm32f407"):
        load_part("../boards/nucleo_h743zi2")
    with pytest.raises(UsageError, match=r"absent\.toml: cannot be read"):
        load_board(str(tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("origin = 0x3002_0000", "origin = 0x3001_FFFF", "SRAM1 and SRAM2 overlap at 0x3001FFFF"),
        ('name = "SRAM2"', 'name = "SRAM1"', "two memories have the same name"),
        ('kind = "dtcm"', 'kind = "ram"', r"memory\[2\]\.kind: must be one of flash, itcm, dtcm, sram"),
        ("size_bytes = 65_536", "size_bytes = 0", r"memory\[1\]\.size_bytes: must be 1"),
        ("bit = 29", "bit = 32", r"memory\[4\]\.enable\.bit: must be 0\.\.31"),
        ("up_to_hz = 240_000_000", "up_to_hz = 230_000_000", "reach hclk_max_hz"),
        ("sysclk_max_hz = 200_000_000", "sysclk_max_hz = 450_000_000", "ascending by sysclk_max_hz"),
        ("pll_n_max = 512", "", r"clocks\.pll_n_max: is missing"),
    ],
)
def test_a_wrong_part_file_is_refused_by_key(tmp_path: Path, before: str, after: str, message: str) -> None:
    text = (SHIPPED / "parts" / "stm32h743.toml").read_text()
    assert before in text
    path = tmp_path / "part.toml"
    path.write_text(text.replace(before, after))
    with pytest.raises(UsageError, match=message):
        load_module._load_part(path)
