"""From a board and a wanted core clock to every divider on the way.

Sources: RM0433 rev 8 section 8 (RCC), table 17 (flash wait states), section 48.5.4 (baud rate);
DS12110 rev 10 table 24 (frequencies per voltage scale) and section 6.3.11 (PLL).
"""

from __future__ import annotations

from dataclasses import dataclass

from generator.errors import UsageError
from generator.targets.types import Board, ClockLimits, FlashTiming, VoltageScale

_MAX_BAUD_ERROR = 0.02
_PLL_M_MAX = 63
_PLL_P_MAX = 128
# Wanted clocks that are offered when the wanted one cannot be made.
_USUAL_MHZ = (64, 100, 200, 240, 300, 400, 480)
# RCC_PLLCFGR.PLL1RGE: upper ends of the four reference ranges (RM0433 8.7.11).
_REF_RANGES_HZ = (2_000_000, 4_000_000, 8_000_000, 16_000_000)


@dataclass(frozen=True)
class ClockTree:
    """Every divider and derived clock of one configuration. Frequencies in hertz."""

    sysclk_hz: int
    hse_hz: int
    pll_m: int
    pll_n: int
    pll_p: int
    pll_q: int
    pll_r: int
    pll_ref_hz: int
    pll_ref_range: int
    """RCC_PLLCFGR.PLL1RGE."""
    vco_hz: int
    vco_wide: bool
    """Whether the wide range (RCC_PLLCFGR.PLL1VCOSEL = 0) is used; the medium one never is."""
    vos: str
    """``VOS0`` .. ``VOS3``."""
    vos_code: int
    """PWR_D3CR.VOS, before overdrive."""
    overdrive: bool
    """SYSCFG_PWRCR.ODEN: VOS0."""
    flash_wait_states: int
    flash_wrhighfreq: int
    d1cpre: int
    """Dividers as numbers, not register codes: 1, 2, 4, ..."""
    hpre: int
    d1ppre: int
    d2ppre1: int
    d2ppre2: int
    d3ppre: int
    cpu_hz: int
    hclk_hz: int
    """AXI, AHB and flash clock."""
    pclk1_hz: int
    pclk2_hz: int
    pclk3_hz: int
    pclk4_hz: int
    usart_clock_hz: int
    """Clock of the console's baud generator."""
    usart_brr: int
    """USART_BRR at 16 times oversampling."""
    baud_hz: int
    """The baud rate that ``usart_brr`` really makes, rounded."""


def clock_tree(board: Board, clock_mhz: int) -> ClockTree:
    """Clock tree of ``board`` at a core clock of ``clock_mhz``.

    UsageError, naming clocks that can be made, if this one cannot, or if the console's
    baud rate cannot be met within 2 %.
    """
    limits = board.part.clocks
    if limits is None:
        raise UsageError(
            f"{board.part.name} is known by its memory sizes only: no firmware can be built for it"
        )
    tree = _try_clock_tree(board, limits, clock_mhz)
    if tree is None:
        possible = [mhz for mhz in _USUAL_MHZ if _try_clock_tree(board, limits, mhz) is not None]
        raise UsageError(
            f"{board.name} cannot run its core at {clock_mhz} MHz from its {board.hse_hz / 1e6:g} MHz clock; "
            f"possible are for example {', '.join(map(str, possible))} MHz"
        )
    error = tree.usart_clock_hz / tree.usart_brr / board.console.baud - 1
    if tree.usart_brr < 16 or abs(error) > _MAX_BAUD_ERROR:
        raise UsageError(
            f"{board.name}: {board.console.usart} cannot make {board.console.baud} baud from "
            f"{tree.usart_clock_hz / 1e6:g} MHz (nearest is {tree.baud_hz}); choose another console.baud"
        )
    return tree


def _try_clock_tree(board: Board, limits: ClockLimits, clock_mhz: int) -> ClockTree | None:
    sysclk_hz = clock_mhz * 1_000_000
    scale = next((s for s in limits.voltage_scales if 0 < sysclk_hz <= s.sysclk_max_hz), None)
    pll = _pll(limits, board.hse_hz, sysclk_hz)
    if scale is None or pll is None:
        return None
    m, n, p = pll
    ref_hz = board.hse_hz // m
    hpre = _divider(sysclk_hz, scale.hclk_max_hz)
    hclk_hz = sysclk_hz // hpre
    ppre = _divider(hclk_hz, scale.pclk_max_hz)
    pclk_hz = hclk_hz // ppre
    flash = _flash_timing(scale, hclk_hz)
    # Both buses run alike, so it does not matter which of the two feeds the console.
    brr = max(1, (2 * pclk_hz + board.console.baud) // (2 * board.console.baud))
    return ClockTree(
        sysclk_hz=sysclk_hz,
        hse_hz=board.hse_hz,
        pll_m=m,
        pll_n=n,
        pll_p=p,
        pll_q=p,
        pll_r=p,
        pll_ref_hz=ref_hz,
        pll_ref_range=next(code for code, top in enumerate(_REF_RANGES_HZ) if ref_hz <= top),
        vco_hz=ref_hz * n,
        vco_wide=True,
        vos=scale.name,
        vos_code=scale.code,
        overdrive=scale.overdrive,
        flash_wait_states=flash.wait_states,
        flash_wrhighfreq=flash.wrhighfreq,
        d1cpre=1,
        hpre=hpre,
        d1ppre=ppre,
        d2ppre1=ppre,
        d2ppre2=ppre,
        d3ppre=ppre,
        cpu_hz=sysclk_hz,
        hclk_hz=hclk_hz,
        pclk1_hz=pclk_hz,
        pclk2_hz=pclk_hz,
        pclk3_hz=pclk_hz,
        pclk4_hz=pclk_hz,
        usart_clock_hz=pclk_hz,
        usart_brr=brr,
        baud_hz=round(pclk_hz / brr),
    )


def _pll(limits: ClockLimits, hse_hz: int, sysclk_hz: int) -> tuple[int, int, int] | None:
    """(m, n, p) with the fastest reference, which jitters least, then the slowest VCO."""
    for m in range(1, _PLL_M_MAX + 1):
        if hse_hz % m or not limits.pll_ref_min_hz <= hse_hz // m <= limits.pll_ref_max_hz:
            continue
        # DIVP1 takes even divisors; dividing by one is new in silicon revision V (RM0433 8.7.13).
        for p in range(2, _PLL_P_MAX + 1, 2):
            vco_hz = sysclk_hz * p
            n = vco_hz // (hse_hz // m)
            exact = n * (hse_hz // m) == vco_hz
            in_range = limits.vco_min_hz <= vco_hz <= limits.vco_max_hz
            if exact and in_range and limits.pll_n_min <= n <= limits.pll_n_max:
                return m, n, p
    return None


def _divider(clock_hz: int, max_hz: int) -> int:
    """Smallest power of two that brings the clock into its range."""
    divider = 1
    while clock_hz > max_hz * divider:
        divider *= 2
    return divider


def _flash_timing(scale: VoltageScale, hclk_hz: int) -> FlashTiming:
    for timing in scale.flash:
        if hclk_hz <= timing.up_to_hz:
            return timing
    raise UsageError(f"{scale.name}: no flash wait states are given for {hclk_hz / 1e6:g} MHz")
