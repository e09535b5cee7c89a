"""What the memories cost at the clocks that the firmware uses."""

from __future__ import annotations

import pytest

from generator.targets import clock_tree, load_board, load_part, memory_costs

BOARD = load_board("nucleo_h743zi2")


def test_tightly_coupled_memories_cost_nothing() -> None:
    costs = memory_costs(BOARD.part, clock_tree(BOARD, 480))
    for name in ("ITCM", "DTCM"):
        assert costs[name].first_word_cycles == costs[name].read_line_cycles == 0


def test_a_line_comes_in_four_transfers_over_the_bus_at_half_the_clock() -> None:
    costs = memory_costs(BOARD.part, clock_tree(BOARD, 480))
    sram = costs["AXI_SRAM"]
    # Lookup 1, half a cycle to the bus clock's edge, three bus clocks; then a transfer every bus clock.
    assert sram.first_word_cycles == 1 + 0.5 + 2 * 3
    assert sram.read_line_cycles == sram.first_word_cycles + 3 * 2
    # Four wait states, RM0433 table 17 at 240 MHz.
    assert costs["FLASH"].first_word_cycles - sram.first_word_cycles == 2 * 4


def test_slower_clocks_cost_fewer_core_cycles() -> None:
    slow, fast = (memory_costs(BOARD.part, clock_tree(BOARD, mhz)) for mhz in (64, 480))
    for name in ("FLASH", "AXI_SRAM", "SRAM1"):
        assert slow[name].read_line_cycles < fast[name].read_line_cycles
    assert fast["AXI_SRAM"].read_line_cycles < fast["FLASH"].read_line_cycles < fast["SRAM1"].read_line_cycles


def test_caches_are_those_of_the_data_sheet() -> None:
    system = load_part("stm32h743").memory_system
    assert system is not None
    assert (system.instruction_cache.sets, system.instruction_cache.ways) == (256, 2)
    assert (system.data_cache.sets, system.data_cache.ways) == (128, 4)


def test_a_part_known_by_its_sizes_only_has_no_costs() -> None:
    with pytest.raises(KeyError, match="stm32h723"):
        memory_costs(load_part("stm32h723"), clock_tree(BOARD, 480))
