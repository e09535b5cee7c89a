/* Registers the firmware touches, written from RM0433 rev 8 (STM32H743) and PM0253 / DDI0403E (Cortex-M7). */
#ifndef FC_REGISTERS_H
#define FC_REGISTERS_H

#include <stdint.h>

#define FC_REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define FC_BIT(number) (1u << (number))

/* Flash interface, RM0433 4.9. */
#define FLASH_ACR FC_REG(0x52002000u) /* 4.9.1 */

/* Power control, RM0433 6.8. */
#define PWR_BASE 0x58024800u
#define PWR_CSR1 FC_REG(PWR_BASE + 0x04u) /* 6.8.2 */
#define PWR_CSR1_ACTVOSRDY FC_BIT(13)
#define PWR_CR3 FC_REG(PWR_BASE + 0x0Cu) /* 6.8.4 */
#define PWR_CR3_BYPASS FC_BIT(0)
#define PWR_CR3_LDOEN FC_BIT(1)
#define PWR_CR3_SCUEN FC_BIT(2)
#define PWR_D3CR FC_REG(PWR_BASE + 0x18u) /* 6.8.6 */
#define PWR_D3CR_VOSRDY FC_BIT(13)
#define PWR_D3CR_VOS_SHIFT 14

/* Reset and clock control, RM0433 8.7. */
#define RCC_BASE 0x58024400u
#define RCC_CR FC_REG(RCC_BASE + 0x00u) /* 8.7.2 */
#define RCC_CR_HSION FC_BIT(0)
#define RCC_CR_HSIRDY FC_BIT(2)
#define RCC_CR_HSEON FC_BIT(16)
#define RCC_CR_HSERDY FC_BIT(17)
#define RCC_CR_HSEBYP FC_BIT(18)
#define RCC_CR_PLL1ON FC_BIT(24)
#define RCC_CR_PLL1RDY FC_BIT(25)
#define RCC_CFGR FC_REG(RCC_BASE + 0x10u) /* 8.7.6 */
#define RCC_CFGR_SW_MASK 7u
#define RCC_CFGR_SW_HSI 0u
#define RCC_CFGR_SW_PLL1 3u
#define RCC_CFGR_SWS_SHIFT 3
#define RCC_D1CFGR FC_REG(RCC_BASE + 0x18u)    /* 8.7.7 */
#define RCC_D2CFGR FC_REG(RCC_BASE + 0x1Cu)    /* 8.7.8 */
#define RCC_D3CFGR FC_REG(RCC_BASE + 0x20u)    /* 8.7.9 */
#define RCC_PLLCKSELR FC_REG(RCC_BASE + 0x28u) /* 8.7.10 */
#define RCC_PLLCKSELR_PLLSRC_MASK 3u
#define RCC_PLLCKSELR_PLLSRC_HSE 2u
#define RCC_PLLCKSELR_DIVM1_SHIFT 4
#define RCC_PLLCKSELR_DIVM1_MASK (0x3Fu << RCC_PLLCKSELR_DIVM1_SHIFT)
#define RCC_PLLCFGR FC_REG(RCC_BASE + 0x2Cu) /* 8.7.11 */
#define RCC_PLLCFGR_PLL1FRACEN FC_BIT(0)
#define RCC_PLLCFGR_PLL1VCOSEL FC_BIT(1)
#define RCC_PLLCFGR_PLL1RGE_SHIFT 2
#define RCC_PLLCFGR_PLL1RGE_MASK (3u << RCC_PLLCFGR_PLL1RGE_SHIFT)
#define RCC_PLLCFGR_DIVP1EN FC_BIT(16)
#define RCC_PLLCFGR_DIVQ1EN FC_BIT(17)
#define RCC_PLLCFGR_DIVR1EN FC_BIT(18)
#define RCC_PLL1DIVR FC_REG(RCC_BASE + 0x30u) /* 8.7.12 */
#define RCC_APB4ENR FC_REG(RCC_BASE + 0xF4u)  /* 8.7.47 */
#define RCC_APB4ENR_SYSCFGEN FC_BIT(1)

/* System configuration, RM0433 12.3. */
#define SYSCFG_PWRCR FC_REG(0x5800042Cu) /* 12.3.10 */
#define SYSCFG_PWRCR_ODEN FC_BIT(0)

/* Identity of the silicon, RM0433 60.5.8. */
#define DBGMCU_IDC FC_REG(0x5C001000u)
#define DBGMCU_IDC_REV_SHIFT 16
#define DBGMCU_REV_X 0x2001u /* older ones are smaller: Z 0x1001, Y 0x1003; V is 0x2003 */

/* Interconnect, RM0433 2.2.4. */
#define AXI_TARG7_FN_MOD FC_REG(0x51008108u)
#define AXI_TARG7_FN_MOD_READ_ISS_OVERRIDE FC_BIT(0)

/* A bank of pins, RM0433 11.4. */
#define GPIO_MODER(base) FC_REG((base) + 0x00u)
#define GPIO_MODE_OUTPUT 1u
#define GPIO_MODE_ALTERNATE 2u
#define GPIO_OSPEEDR(base) FC_REG((base) + 0x08u)
#define GPIO_SPEED_MEDIUM 1u
#define GPIO_PUPDR(base) FC_REG((base) + 0x0Cu)
#define GPIO_PULL_UP 1u
#define GPIO_BSRR(base) FC_REG((base) + 0x18u)
#define GPIO_AFR(base, pin) FC_REG((base) + 0x20u + 4u * ((pin) / 8u))

/* A serial port, RM0433 48.7. */
#define USART_CR1(base) FC_REG((base) + 0x00u) /* 48.7.1 */
#define USART_CR1_UE FC_BIT(0)
#define USART_CR1_RE FC_BIT(2)
#define USART_CR1_TE FC_BIT(3)
#define USART_CR1_FIFOEN FC_BIT(29)
#define USART_CR2(base) FC_REG((base) + 0x04u) /* 48.7.2 */
#define USART_CR3(base) FC_REG((base) + 0x08u) /* 48.7.3 */
#define USART_BRR(base) FC_REG((base) + 0x0Cu) /* 48.7.4 */
#define USART_ISR(base) FC_REG((base) + 0x1Cu) /* 48.7.8 */
#define USART_ISR_ERRORS 0xFu                  /* parity, framing, noise, overrun: bits 0..3 */
#define USART_ISR_RXFNE FC_BIT(5)
#define USART_ISR_TC FC_BIT(6)
#define USART_ISR_TXFNF FC_BIT(7)
#define USART_ICR(base) FC_REG((base) + 0x20u)   /* 48.7.9; same bits as ISR */
#define USART_RDR(base) FC_REG((base) + 0x24u)   /* 48.7.10 */
#define USART_TDR(base) FC_REG((base) + 0x28u)   /* 48.7.11 */
#define USART_PRESC(base) FC_REG((base) + 0x2Cu) /* 48.7.12 */

/* System control block, PM0253 4.3 and DDI0403E B3.2. */
#define SCB_VTOR FC_REG(0xE000ED08u)
#define SCB_CCR FC_REG(0xE000ED14u)
#define SCB_CCR_DIV_0_TRP FC_BIT(4)
#define SCB_CCR_DC FC_BIT(16)
#define SCB_CCR_IC FC_BIT(17)
#define SCB_SHCSR FC_REG(0xE000ED24u)
#define SCB_SHCSR_MEMFAULTENA FC_BIT(16)
#define SCB_SHCSR_BUSFAULTENA FC_BIT(17)
#define SCB_SHCSR_USGFAULTENA FC_BIT(18)
#define SCB_CFSR FC_REG(0xE000ED28u)
#define SCB_CFSR_MSTKERR FC_BIT(4)
#define SCB_CFSR_MMARVALID FC_BIT(7)
#define SCB_CFSR_STKERR FC_BIT(12)
#define SCB_CFSR_BFARVALID FC_BIT(15)
#define SCB_HFSR FC_REG(0xE000ED2Cu)
#define SCB_MMFAR FC_REG(0xE000ED34u)
#define SCB_BFAR FC_REG(0xE000ED38u)
#define SCB_CPACR FC_REG(0xE000ED88u)
#define SCB_ICIALLU FC_REG(0xE000EF50u)
#define SCB_DCISW FC_REG(0xE000EF60u)

/* Memory protection unit, PM0253 4.6. */
#define MPU_CTRL FC_REG(0xE000ED94u)
#define MPU_CTRL_ENABLE FC_BIT(0)
#define MPU_RBAR FC_REG(0xE000ED9Cu)
#define MPU_RBAR_VALID FC_BIT(4)
#define MPU_RASR FC_REG(0xE000EDA0u)

/* Debug and trace, DDI0403E C1.6.5 and C1.8. */
#define DEMCR FC_REG(0xE000EDFCu)
#define DEMCR_TRCENA FC_BIT(24)
#define DWT_CTRL FC_REG(0xE0001000u)
#define DWT_CTRL_CYCCNTENA FC_BIT(0)
#define DWT_CYCCNT FC_REG(0xE0001004u)
#define DWT_LAR FC_REG(0xE0001FB0u)
#define DWT_LAR_KEY 0xC5ACCE55u

#endif
