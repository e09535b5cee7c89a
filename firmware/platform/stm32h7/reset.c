/* From reset to main. */
#include <stddef.h>

#include "board.h"
#include "machine.h"
#include "registers.h"

struct copy_entry {
    const uint32_t *from;
    uint32_t *to;
    uint32_t bytes;
};
struct zero_entry {
    uint32_t *to;
    uint32_t bytes;
};

/* From linker.ld. */
extern const struct copy_entry _copy_table[], _copy_table_end[];
extern const struct zero_entry _zero_table[], _zero_table_end[];
extern void (*const __init_array_start[])(void);
extern void (*const __init_array_end[])(void);

int main(void);

/* Called by fc_reset alone: the first C, on a painted stack and with the FPU on, but without variables. */
_Noreturn void fc_start(void);

/* Before any C: a C function may touch the stack, or vector registers of an FPU that is still off.
 * The stack pointer is set here because a debugger or an emulator may jump in without a reset. */
__attribute__((naked)) void fc_reset(void)
{
    __asm volatile("cpsid i                  \n"
                   "ldr r0, =_stack_top      \n"
                   "msr msp, r0              \n"
                   "ldr r1, =_stack_bottom   \n"
                   "ldr r2, =%c[paint]       \n"
                   "1:                       \n"
                   "cmp r1, r0               \n"
                   "itt lo                   \n"
                   "strlo r2, [r1], #4       \n"
                   "blo 1b                   \n"
                   "ldr r0, =0xE000ED88      \n" /* CPACR: full access to CP10 and CP11, the FPU */
                   "ldr r1, [r0]             \n"
                   "orr r1, r1, #0x00F00000  \n"
                   "str r1, [r0]             \n"
                   "dsb                      \n"
                   "isb                      \n"
                   "b fc_start               \n" ::[paint] "i"(FC_STACK_PAINT));
}

/* RM0433 8.7.41, 8.7.42: some memories have no clock after reset. The read back makes the next access wait.
 */
static void clock_memories(void)
{
#define ENABLE(offset, bit)                                                                                  \
    FC_REG(RCC_BASE + (offset)) |= FC_BIT(bit);                                                              \
    (void)FC_REG(RCC_BASE + (offset));
    FC_MEMORY_CLOCKS(ENABLE)
#undef ENABLE
}

/* ES0392 "Reading from AXI SRAM may lead to data read corruption": silicon before revision X issues one read
 * at a time. */
static void mend_old_silicon(void)
{
    const uint32_t revision = DBGMCU_IDC >> DBGMCU_IDC_REV_SHIFT;
    if (revision != 0u && revision < DBGMCU_REV_X) {
        AXI_TARG7_FN_MOD = AXI_TARG7_FN_MOD_READ_ISS_OVERRIDE;
    }
}

static void fill_memories(void)
{
    for (const struct copy_entry *entry = _copy_table; entry < _copy_table_end; entry++) {
        for (uint32_t i = 0; i < entry->bytes / 4u; i++) {
            entry->to[i] = entry->from[i];
        }
    }
    for (const struct zero_entry *entry = _zero_table; entry < _zero_table_end; entry++) {
        for (uint32_t i = 0; i < entry->bytes / 4u; i++) {
            entry->to[i] = 0;
        }
    }
}

_Noreturn void fc_start(void)
{
    SCB_VTOR = (uintptr_t)fc_vectors;
    /* A fault of its own kind each, instead of HardFault for all; and dividing by zero is one. */
    SCB_SHCSR |= SCB_SHCSR_MEMFAULTENA | SCB_SHCSR_BUSFAULTENA | SCB_SHCSR_USGFAULTENA;
    SCB_CCR |= SCB_CCR_DIV_0_TRP;
    /* A mask of interrupts would turn every one of those back into HardFault. */
    __asm volatile("cpsie i");
    clock_memories();
    mend_old_silicon();
    fill_memories();
    const char *problem = fc_clock_start();
    if (problem != NULL) {
        fc_stop(problem);
    }
    fc_memory_protect();
    for (void (*const *constructor)(void) = __init_array_start; constructor < __init_array_end;
         constructor++) {
        (*constructor)();
    }
    (void)main();
    fc_stop("main returned");
}
