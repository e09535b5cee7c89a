from __future__ import annotations

import dataclasses

import pytest

from generator.errors import UsageError
from generator.targets import ClockTree, board_names, clock_tree, load_board


def possible() -> list[tuple[str, int]]:
    found = []
    for name in board_names():
        board = load_board(name)
        for mhz in range(1, 500):
            try:
                clock_tree(board, mhz)
            except UsageError:
                continue
            found.append((name, mhz))
    return found


@pytest.mark.parametrize("board", board_names())
def test_480_mhz_is_what_the_data_sheet_allows(board: str) -> None:
    tree = clock_tree(load_board(board), 480)
    assert (tree.sysclk_hz, tree.vco_hz, tree.vos, tree.overdrive) == (480_000_000, 960_000_000, "VOS0", True)
    assert (tree.hclk_hz, tree.pclk1_hz, tree.pclk2_hz) == (240_000_000, 120_000_000, 120_000_000)
    assert (tree.flash_wait_states, tree.flash_wrhighfreq) == (4, 2)


@pytest.mark.parametrize("board", board_names())
def test_400_mhz_needs_no_overdrive(board: str) -> None:
    tree = clock_tree(load_board(board), 400)
    assert (tree.sysclk_hz, tree.vos, tree.overdrive) == (400_000_000, "VOS1", False)
    assert (tree.hclk_hz, tree.pclk1_hz) == (200_000_000, 100_000_000)
    assert (tree.flash_wait_states, tree.flash_wrhighfreq) == (2, 2)
    # Silicon before revision V stops at 836 MHz (DS12110).
    assert tree.vco_hz <= 836_000_000


def test_every_clock_that_is_offered_keeps_every_limit() -> None:
    trees = [(name, mhz, clock_tree(load_board(name), mhz)) for name, mhz in possible()]
    assert len(trees) > 100
    for name, mhz, tree in trees:
        check_limits(name, mhz, tree)


def check_limits(name: str, mhz: int, tree: ClockTree) -> None:
    board = load_board(name)
    limits = board.part.clocks
    assert limits is not None
    scale = next(s for s in limits.voltage_scales if s.name == tree.vos)
    assert board.hse_hz * tree.pll_n == tree.sysclk_hz * tree.pll_m * tree.pll_p
    assert tree.sysclk_hz == mhz * 1_000_000 <= scale.sysclk_max_hz
    assert tree.pll_ref_hz == board.hse_hz / tree.pll_m
    assert 2_000_000 <= tree.pll_ref_hz <= 16_000_000
    low, high = [(1, 2), (2, 4), (4, 8), (8, 16)][tree.pll_ref_range]
    assert low * 1_000_000 <= tree.pll_ref_hz <= high * 1_000_000
    assert 192_000_000 <= tree.vco_hz <= 960_000_000
    assert 4 <= tree.pll_n <= 512
    assert tree.pll_p % 2 == 0
    assert tree.hclk_hz == tree.sysclk_hz // tree.hpre <= scale.hclk_max_hz
    for pclk_hz, divider in (
        (tree.pclk1_hz, tree.d2ppre1),
        (tree.pclk2_hz, tree.d2ppre2),
        (tree.pclk3_hz, tree.d1ppre),
        (tree.pclk4_hz, tree.d3ppre),
    ):
        assert pclk_hz == tree.hclk_hz // divider <= scale.pclk_max_hz
    faster = [t for t in scale.flash if t.up_to_hz >= tree.hclk_hz]
    assert (tree.flash_wait_states, tree.flash_wrhighfreq) == (faster[0].wait_states, faster[0].wrhighfreq)
    assert abs(tree.usart_clock_hz / tree.usart_brr / board.console.baud - 1) <= 0.02


@pytest.mark.parametrize("mhz", [481, 500, 0, -400, 1])
def test_an_impossible_clock_names_possible_ones(mhz: int) -> None:
    with pytest.raises(UsageError, match=f"cannot run its core at {mhz} MHz .*400, 480 MHz"):
        clock_tree(load_board("nucleo_h743zi2"), mhz)


def test_a_baud_rate_that_the_clock_cannot_make_is_refused() -> None:
    board = load_board("nucleo_h743zi2")
    fast = dataclasses.replace(board, console=dataclasses.replace(board.console, baud=9_000_000))
    with pytest.raises(UsageError, match=r"USART3 cannot make 9000000 baud from 120 MHz"):
        clock_tree(fast, 480)


def test_the_second_bus_feeds_the_serial_ports_on_it() -> None:
    board = load_board("nucleo_h743zi2")
    tree = clock_tree(
        dataclasses.replace(board, console=dataclasses.replace(board.console, usart="USART1")), 480
    )
    assert tree.usart_clock_hz == tree.pclk2_hz
