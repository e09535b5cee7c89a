/* Vector table, RM0433 19.1.2: 16 system exceptions and 150 interrupts. The firmware uses none of the
 * interrupts, so each of them is a defect worth a report. */
#include "machine.h"

__attribute__((section(".vectors"), used, aligned(1024))) const fc_vector fc_vectors[16 + 150] = {
    [0] = (fc_vector)(uintptr_t)_stack_top,
    [1] = fc_reset,
    [2] = fc_unexpected_interrupt, /* NMI */
    [3] = fc_fault_entry,          /* HardFault */
    [4] = fc_fault_entry,          /* MemManage */
    [5] = fc_fault_entry,          /* BusFault */
    [6] = fc_fault_entry,          /* UsageFault */
    [7 ... 10] = fc_unexpected_interrupt,
    [11 ... 165] = fc_unexpected_interrupt, /* SVCall, DebugMonitor, PendSV, SysTick, interrupts 0..149 */
};
