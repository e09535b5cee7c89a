/* platform.h on the STM32H743. Everything is polled: no interrupt disturbs an inference. */
#include "platform.h"

#include "board.h"
#include "machine.h"
#include "registers.h"

#define HSI_HZ 64000000u

static void pin_mode(uint32_t gpio, uint32_t pin, uint32_t mode)
{
    GPIO_MODER(gpio) = (GPIO_MODER(gpio) & ~(3u << (2u * pin))) | (mode << (2u * pin)); /* RM0433 11.4.1 */
}

static void pin_set(uint32_t gpio, uint32_t pin, bool high)
{
    GPIO_BSRR(gpio) = high ? FC_BIT(pin) : FC_BIT(pin + 16u); /* RM0433 11.4.7 */
}

static void pin_alternate(uint32_t gpio, uint32_t pin, uint32_t function)
{
    const uint32_t shift = 4u * (pin % 8u);
    GPIO_AFR(gpio, pin) =
        (GPIO_AFR(gpio, pin) & ~(15u << shift)) | (function << shift); /* RM0433 11.4.9, 11.4.10 */
    GPIO_OSPEEDR(gpio) =
        (GPIO_OSPEEDR(gpio) & ~(3u << (2u * pin))) | (GPIO_SPEED_MEDIUM << (2u * pin)); /* RM0433 11.4.3 */
    /* An unconnected receiver must rest at the idle level. */
    GPIO_PUPDR(gpio) =
        (GPIO_PUPDR(gpio) & ~(3u << (2u * pin))) | (GPIO_PULL_UP << (2u * pin)); /* RM0433 11.4.4 */
    pin_mode(gpio, pin, GPIO_MODE_ALTERNATE);
}

static void clock_ports(void)
{
#define ENABLE(offset, bit)                                                                                  \
    FC_REG(RCC_BASE + (offset)) |= FC_BIT(bit); /* RM0433 8.7.42 */                                          \
    (void)FC_REG(RCC_BASE + (offset));
    FC_GPIO_PORTS(ENABLE)
#undef ENABLE
}

void fc_leds_start(void)
{
    clock_ports();
#define START(gpio, pin, active_high)                                                                        \
    pin_set(gpio, pin, !(active_high));                                                                      \
    pin_mode(gpio, pin, GPIO_MODE_OUTPUT);
    FC_LEDS(START)
#undef START
}

void fc_fault_led_on(void) { pin_set(FC_FAULT_GPIO, FC_FAULT_PIN, FC_FAULT_ACTIVE_HIGH); }

void fc_door_set(bool open) { pin_set(FC_DOOR_GPIO, FC_DOOR_PIN, open == (bool)FC_DOOR_ACTIVE_HIGH); }

void fc_console_start(void)
{
    clock_ports();
    pin_alternate(FC_CONSOLE_TX_GPIO, FC_CONSOLE_TX_PIN, FC_CONSOLE_AF);
    pin_alternate(FC_CONSOLE_RX_GPIO, FC_CONSOLE_RX_PIN, FC_CONSOLE_AF);
    FC_REG(RCC_BASE + FC_CONSOLE_ENABLE_OFFSET) |= FC_BIT(FC_CONSOLE_ENABLE_BIT); /* RM0433 8.7.44, 8.7.46 */
    (void)FC_REG(RCC_BASE + FC_CONSOLE_ENABLE_OFFSET);
    /* RM0433 48.5.1: settings are taken while the port is off. 8 data bits, no parity, 1 stop bit, no flow
     * control. */
    USART_CR1(FC_CONSOLE_BASE) = 0;
    USART_CR2(FC_CONSOLE_BASE) = 0;
    USART_CR3(FC_CONSOLE_BASE) = 0;
    USART_PRESC(FC_CONSOLE_BASE) = 0;
    USART_BRR(FC_CONSOLE_BASE) =
        fc_clock_is_fast() ? FC_CONSOLE_BRR : (HSI_HZ + FC_CONSOLE_BAUD / 2u) / FC_CONSOLE_BAUD;
    USART_CR1(FC_CONSOLE_BASE) = USART_CR1_FIFOEN;
    USART_CR1(FC_CONSOLE_BASE) = USART_CR1_FIFOEN | USART_CR1_TE | USART_CR1_RE | USART_CR1_UE;
}

int fc_console_read(void)
{
    const uint32_t status = USART_ISR(FC_CONSOLE_BASE);
    if ((status & USART_ISR_ERRORS) != 0u) {
        /* An overrun would otherwise block the receiver for good. The host link's CRC notices what was lost.
         */
        USART_ICR(FC_CONSOLE_BASE) = USART_ISR_ERRORS;
    }
    return (status & USART_ISR_RXFNE) != 0u ? (int)(USART_RDR(FC_CONSOLE_BASE) & 0xFFu) : -1;
}

void fc_console_write(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        while ((USART_ISR(FC_CONSOLE_BASE) & USART_ISR_TXFNF) == 0u) {
        }
        USART_TDR(FC_CONSOLE_BASE) = bytes[i];
    }
}

static void cycle_counter_start(void)
{
    DEMCR |= DEMCR_TRCENA;
    DWT_LAR = DWT_LAR_KEY; /* locked on the Cortex-M7 unless a debugger is attached */
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
}

uint32_t fc_cycles(void) { return DWT_CYCCNT; }

uint32_t fc_clock_hz(void) { return FC_CPU_HZ; }

size_t fc_stack_size(void) { return (size_t)((uintptr_t)_stack_top - (uintptr_t)_stack_bottom); }

size_t fc_stack_used(void)
{
    const volatile uint32_t *word = _stack_bottom;
    while (word < _stack_top && *word == FC_STACK_PAINT) {
        word++;
    }
    return (size_t)((uintptr_t)_stack_top - (uintptr_t)word);
}

void fc_platform_init(void)
{
    fc_leds_start();
    fc_console_start();
    cycle_counter_start();
    fc_door_set(false);
}
