/* From 64 MHz HSI to the clock that board.h names. The order is the silicon's: first the voltage, then the
 * flash's wait states, then the speed. */
#include <stddef.h>

#include "board.h"
#include "machine.h"
#include "registers.h"

/* Polls of a ready bit before giving up. The slowest wait is a crystal's start-up, 2 ms typically
 * (DS12110 6.3.9) and never 100 ms; a poll takes more than 10 cycles of the 64 MHz that run until the switch.
 */
#define PATIENCE 1000000u

/* Dividers as register codes, RM0433 8.7.7: 1, 2, 4, 8, 16 are 0, 8, 9, 10, 11 ... */
#define AHB_CODE(divider)                                                                                    \
    ((divider) == 1u ? 0u : (divider) == 2u ? 8u : (divider) == 4u ? 9u : (divider) == 8u ? 10u : 11u)
/* ... and, for the peripheral buses, 0, 4, 5, 6, 7. */
#define APB_CODE(divider)                                                                                    \
    ((divider) == 1u ? 0u : (divider) == 2u ? 4u : (divider) == 4u ? 5u : (divider) == 8u ? 6u : 7u)

/* NULL once the masked bits have the value; `otherwise` if they never get it. */
static const char *wait_for(volatile uint32_t *reg, uint32_t mask, uint32_t value, const char *otherwise)
{
    for (uint32_t polls = 0; (*reg & mask) != value; polls++) {
        if (polls >= PATIENCE) {
            return otherwise;
        }
    }
    return NULL;
}

/* RM0433 6.4.1: the supply is configured once after power-on, before the voltage may change; the register
 * keeps its value until the next power-on and ignores later writes. */
static const char *supply(void)
{
    PWR_CR3 = (PWR_CR3 & ~(PWR_CR3_SCUEN | PWR_CR3_BYPASS)) | PWR_CR3_LDOEN;
    return wait_for(&PWR_CSR1, PWR_CSR1_ACTVOSRDY, PWR_CSR1_ACTVOSRDY,
                    "the core supply did not become ready (PWR_CSR1)");
}

static const char *voltage(void)
{
    /* RM0433 6.6.2. */
    PWR_D3CR = (PWR_D3CR & ~(3u << PWR_D3CR_VOS_SHIFT)) | (FC_VOS_CODE << PWR_D3CR_VOS_SHIFT);
    const char *problem =
        wait_for(&PWR_D3CR, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY, "the core voltage did not settle (PWR_D3CR)");
    if (problem == NULL && FC_OVERDRIVE) {
        /* VOS0 came with silicon revision V; older parts would take the write and then compute wrong. */
        const uint32_t revision = DBGMCU_IDC >> DBGMCU_IDC_REV_SHIFT;
        if (revision != 0u && revision <= DBGMCU_REV_X) {
            return "this part is older than revision V and reaches 400 MHz only: build with --clock-mhz 400";
        }
        RCC_APB4ENR |= RCC_APB4ENR_SYSCFGEN;
        (void)RCC_APB4ENR;
        SYSCFG_PWRCR |= SYSCFG_PWRCR_ODEN;
        problem = wait_for(&PWR_D3CR, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY,
                           "the core voltage did not rise to VOS0 (PWR_D3CR)");
    }
    return problem;
}

static const char *external_clock(void)
{
    /* RM0433 8.5.2: the bypass is chosen while HSE is off. */
    if (FC_HSE_BYPASS) {
        RCC_CR |= RCC_CR_HSEBYP;
    }
    RCC_CR |= RCC_CR_HSEON;
    return wait_for(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY,
                    FC_HSE_BYPASS ? "the external clock did not come (HSE, bypass)"
                                  : "the crystal did not start (HSE)");
}

/* RM0433 8.5.5: everything is set before PLL1 is on. The wide VCO range (VCOSEL 0) is the only one used. */
static const char *multiply(void)
{
    RCC_PLLCKSELR = (RCC_PLLCKSELR & ~(RCC_PLLCKSELR_DIVM1_MASK | RCC_PLLCKSELR_PLLSRC_MASK)) |
                    (FC_PLL_M << RCC_PLLCKSELR_DIVM1_SHIFT) | RCC_PLLCKSELR_PLLSRC_HSE;
    RCC_PLLCFGR = (RCC_PLLCFGR & ~(RCC_PLLCFGR_PLL1FRACEN | RCC_PLLCFGR_PLL1VCOSEL |
                                   RCC_PLLCFGR_PLL1RGE_MASK | RCC_PLLCFGR_DIVQ1EN | RCC_PLLCFGR_DIVR1EN)) |
                  (FC_PLL_REF_RANGE << RCC_PLLCFGR_PLL1RGE_SHIFT) | RCC_PLLCFGR_DIVP1EN;
    RCC_PLL1DIVR =
        (FC_PLL_N - 1u) | ((FC_PLL_P - 1u) << 9) | ((FC_PLL_Q - 1u) << 16) | ((FC_PLL_R - 1u) << 24);
    RCC_CR |= RCC_CR_PLL1ON;
    return wait_for(&RCC_CR, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY, "PLL1 did not lock");
}

static const char *flash_wait(void)
{
    /* RM0433 4.3.8: more wait states before the clock rises; what was written is read back before going on.
     */
    const uint32_t acr = FC_FLASH_WAIT_STATES | (FC_FLASH_WRHIGHFREQ << 4);
    FLASH_ACR = acr;
    return wait_for(&FLASH_ACR, 0x3Fu, acr, "the flash did not take its wait states (FLASH_ACR)");
}

static const char *divide_and_switch(void)
{
    /* The buses are divided before the core speeds up, or they would exceed their limits for a moment. */
    RCC_D1CFGR = AHB_CODE(FC_HPRE) | (APB_CODE(FC_D1PPRE) << 4) | (AHB_CODE(FC_D1CPRE) << 8);
    RCC_D2CFGR = (APB_CODE(FC_D2PPRE1) << 4) | (APB_CODE(FC_D2PPRE2) << 8);
    RCC_D3CFGR = APB_CODE(FC_D3PPRE) << 4;
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW_MASK) | RCC_CFGR_SW_PLL1;
    return wait_for(&RCC_CFGR, RCC_CFGR_SW_MASK << RCC_CFGR_SWS_SHIFT, RCC_CFGR_SW_PLL1 << RCC_CFGR_SWS_SHIFT,
                    "the core did not switch to PLL1");
}

const char *fc_clock_start(void)
{
    /* A debugger may start the program without a reset, from a running PLL. */
    fc_clock_fall_back();
    const char *problem = supply();
    problem = problem == NULL ? voltage() : problem;
    problem = problem == NULL ? external_clock() : problem;
    problem = problem == NULL ? multiply() : problem;
    problem = problem == NULL ? flash_wait() : problem;
    return problem == NULL ? divide_and_switch() : problem;
}

bool fc_clock_is_fast(void)
{
    return ((RCC_CFGR >> RCC_CFGR_SWS_SHIFT) & RCC_CFGR_SW_MASK) == RCC_CFGR_SW_PLL1;
}

void fc_clock_fall_back(void)
{
    /* HSI runs since reset and nothing but a dead part keeps it from being ready. */
    RCC_CR |= RCC_CR_HSION;
    for (uint32_t polls = 0; (RCC_CR & RCC_CR_HSIRDY) == 0u && polls < PATIENCE; polls++) {
    }
    RCC_CFGR &= ~RCC_CFGR_SW_MASK; /* HSI is 0 */
    for (uint32_t polls = 0; fc_clock_is_fast() && polls < PATIENCE; polls++) {
    }
    RCC_D1CFGR = 0;
    RCC_D2CFGR = 0;
    RCC_D3CFGR = 0;
    RCC_CR &= ~(RCC_CR_PLL1ON | RCC_CR_HSEON);
    for (uint32_t polls = 0; (RCC_CR & (RCC_CR_PLL1RDY | RCC_CR_HSERDY)) != 0u && polls < PATIENCE; polls++) {
    }
}
