/* The end of a firmware that cannot go on: a report in plain text on the console, the fault LED, a halt.
 *
 * The report stands between a line that begins with "FAULT" and the line "HALTED", so a host program can find
 * it. */
#include <string.h>

#include "board.h"
#include "machine.h"
#include "platform.h"
#include "registers.h"
#include "sections.h"

/* Registers that the core pushes when it takes an exception, DDI0403E B1.5.6. */
struct frame {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
};

#define FRAME_IS_BASIC FC_BIT(4) /* of exc_return: no floating-point registers follow */
#define BASIC_FRAME_BYTES 32u
#define EXTENDED_FRAME_BYTES 104u
#define FRAME_IS_PADDED FC_BIT(9) /* of the pushed xpsr: one more word, for alignment */

/* A push that crosses the bottom of the stack touches at most 16 core and 32 floating-point registers below
 * it. */
#define PUSH_REACH 192u

/* Registers that it does not push. fc_fault_entry stores them; its offsets are checked below. */
struct saved {
    uint32_t r4, r5, r6, r7, r8, r9, r10, r11, sp, exc_return;
};
_Static_assert(offsetof(struct saved, sp) == 32 && offsetof(struct saved, exc_return) == 36,
               "fc_fault_entry knows");

struct cause {
    uint32_t mask;
    const char *text;
};

/* PM0253 4.3.11 and 4.3.12, one line a bit. */
static const struct cause configurable_causes[] = {
    {FC_BIT(0), "instruction fetch from a protected address"},
    {FC_BIT(1), "data access to a protected address"},
    {FC_BIT(3), "protected address while returning from an exception"},
    {FC_BIT(4), "protected address while entering an exception"},
    {FC_BIT(5), "protected address while saving floating-point registers"},
    {FC_BIT(8), "bus error at an instruction fetch"},
    {FC_BIT(9), "bus error at a data access"},
    {FC_BIT(10), "bus error at an earlier data access, whose address is not known"},
    {FC_BIT(11), "bus error while returning from an exception"},
    {FC_BIT(12), "bus error while entering an exception"},
    {FC_BIT(13), "bus error while saving floating-point registers"},
    {FC_BIT(16), "undefined instruction"},
    {FC_BIT(17), "switch to a state that the core does not have (Thumb bit missing)"},
    {FC_BIT(18), "wrong value for the program counter at an exception's return"},
    {FC_BIT(19), "coprocessor or FPU is not available"},
    {FC_BIT(24), "unaligned access"},
    {FC_BIT(25), "division by zero"},
};
static const struct cause hard_causes[] = {
    {FC_BIT(1), "vector table could not be read"},
    {FC_BIT(31), "debug event without a debugger"},
};

/* The faulty stack cannot be trusted, and an overflown one cannot be written. A report takes 200 bytes. */
FC_DTCM_BSS static uint64_t emergency_stack[128];
FC_DTCM_BSS static struct saved saved_registers;
static bool reporting;

/* Called by the assembly below alone. */
_Noreturn void fc_fault_report(const struct saved *saved);

/* Stores what a C function would spoil, leaves the faulty stack, and goes on in C. */
__attribute__((naked)) void fc_fault_entry(void)
{
    __asm volatile("ldr r0, =%c[saved]      \n"
                   "stmia r0, {r4-r11}      \n"
                   "tst lr, #4              \n" /* which stack was in use: DDI0403E B1.5.8 */
                   "ite eq                  \n"
                   "mrseq r1, msp           \n"
                   "mrsne r1, psp           \n"
                   "str r1, [r0, #32]       \n"
                   "str lr, [r0, #36]       \n"
                   "ldr r1, =%c[top]        \n"
                   "msr msp, r1             \n"
                   "b fc_fault_report       \n" ::[saved] "i"(&saved_registers),
                   [top] "i"(&emergency_stack[128]));
}

static void print(const char *text) { fc_console_write((const uint8_t *)text, strlen(text)); }

static void print_register(const char *name, uint32_t value)
{
    uint8_t digits[8];
    for (uint32_t i = 0; i < 8u; i++) {
        digits[i] = (uint8_t)"0123456789abcdef"[(value >> (28u - 4u * i)) & 15u];
    }
    print("  ");
    print(name);
    print(" 0x");
    fc_console_write(digits, sizeof digits);
}

static void print_number(uint32_t value)
{
    uint8_t digits[10];
    size_t first = sizeof digits;
    do {
        digits[--first] = (uint8_t)('0' + value % 10u);
        value /= 10u;
    } while (value != 0u);
    fc_console_write(&digits[first], sizeof digits - first);
}

static void print_causes(const struct cause *causes, size_t count, uint32_t status)
{
    for (size_t i = 0; i < count; i++) {
        if ((status & causes[i].mask) != 0u) {
            print(": ");
            print(causes[i].text);
        }
    }
}

static uint32_t exception_number(void)
{
    uint32_t ipsr;
    __asm volatile("mrs %0, ipsr" : "=r"(ipsr));
    return ipsr & 0x1FFu;
}

static const char *exception_name(uint32_t number)
{
    static const char *const names[] = {
        [2] = "NMI", [3] = "HardFault", [4] = "MemManage", [5] = "BusFault", [6] = "UsageFault",
    };
    const bool named = number < sizeof names / sizeof names[0] && names[number] != NULL;
    return named ? names[number] : "exception";
}

/* Leaves an empty line behind whatever was being printed. */
static void begin(void)
{
    fc_leds_start();
    fc_fault_led_on();
    if ((USART_CR1(FC_CONSOLE_BASE) & USART_CR1_UE) == 0u) {
        fc_console_start();
    }
    print("\r\nFAULT ");
}

static _Noreturn void end(void)
{
    print("HALTED\r\n");
    while ((USART_ISR(FC_CONSOLE_BASE) & USART_ISR_TC) == 0u) {
    }
    fc_halt();
}

_Noreturn __attribute__((noinline)) void fc_halt(void)
{
    for (;;) {
        __asm volatile("");
    }
}

static bool is_overflow(uint32_t sp, uint32_t cfsr)
{
    const uintptr_t bottom = (uintptr_t)_stack_bottom;
    const bool below =
        (cfsr & SCB_CFSR_MMARVALID) != 0u && SCB_MMFAR < bottom && SCB_MMFAR >= bottom - PUSH_REACH;
    return sp < bottom || below || (cfsr & (SCB_CFSR_MSTKERR | SCB_CFSR_STKERR)) != 0u;
}

_Noreturn void fc_fault_report(const struct saved *saved)
{
    if (reporting) {
        fc_halt();
    }
    reporting = true;
    const uint32_t cfsr = SCB_CFSR;
    const uint32_t hfsr = SCB_HFSR;
    const uint32_t number = exception_number();
    const bool overflow = is_overflow(saved->sp, cfsr);

    begin();
    print(exception_name(number));
    print_causes(configurable_causes, sizeof configurable_causes / sizeof configurable_causes[0], cfsr);
    print_causes(hard_causes, sizeof hard_causes / sizeof hard_causes[0], hfsr);
    if (overflow) {
        print(": stack overflow, all ");
        print_number((uint32_t)fc_stack_size());
        print(" bytes are used");
    }
    print("\r\n");

    /* A frame that could not be written, or lies outside the stack, holds nothing. */
    uint32_t sp = saved->sp;
    const uintptr_t top = (uintptr_t)_stack_top;
    if (!overflow && saved->sp % 4u == 0u && saved->sp <= top - sizeof(struct frame)) {
        const struct frame *frame = (const struct frame *)(uintptr_t)saved->sp;
        sp += (saved->exc_return & FRAME_IS_BASIC) != 0u ? BASIC_FRAME_BYTES : EXTENDED_FRAME_BYTES;
        sp += (frame->xpsr & FRAME_IS_PADDED) != 0u ? 4u : 0u;
        print_register("pc", frame->pc);
        print_register("lr", frame->lr);
        print_register("xpsr", frame->xpsr);
        print("\r\n");
        print_register("r0", frame->r0);
        print_register("r1", frame->r1);
        print_register("r2", frame->r2);
        print_register("r3", frame->r3);
        print_register("r12", frame->r12);
        print("\r\n");
    } else {
        print("  pc, lr, r0..r3 and r12 are lost: the core could not push them\r\n");
    }
    print_register("r4", saved->r4);
    print_register("r5", saved->r5);
    print_register("r6", saved->r6);
    print_register("r7", saved->r7);
    print("\r\n");
    print_register("r8", saved->r8);
    print_register("r9", saved->r9);
    print_register("r10", saved->r10);
    print_register("r11", saved->r11);
    print("\r\n");
    print_register("sp", sp);
    print_register("exc_return", saved->exc_return);
    print("\r\n");
    print_register("cfsr", cfsr);
    print_register("hfsr", hfsr);
    if ((cfsr & SCB_CFSR_MMARVALID) != 0u) {
        print_register("mmfar", SCB_MMFAR);
    }
    if ((cfsr & SCB_CFSR_BFARVALID) != 0u) {
        print_register("bfar", SCB_BFAR);
    }
    print("\r\n");
    end();
}

_Noreturn void fc_stop(const char *reason)
{
    if (!fc_clock_is_fast()) {
        /* The dividers may be set for a clock that never came. */
        fc_clock_fall_back();
        fc_console_start();
    }
    begin();
    print(reason);
    print("\r\n");
    end();
}

void fc_unexpected_interrupt(void)
{
    const uint32_t number = exception_number();
    begin();
    if (number >= 16u) {
        print("interrupt ");
        print_number(number - 16u);
    } else {
        print(exception_name(number));
        print(" ");
        print_number(number);
    }
    print(" has no handler\r\n");
    end();
}
