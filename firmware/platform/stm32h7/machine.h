/* What the files of this folder offer each other. */
#ifndef FC_MACHINE_H
#define FC_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pattern of stack words that were never written; reset.c paints, platform.c looks. */
#define FC_STACK_PAINT 0xC5C5C5C5u

/* From linker.ld. */
extern uint32_t _stack_bottom[], _stack_top[];

/* RM0433 19.1.2. */
typedef void (*fc_vector)(void);
extern const fc_vector fc_vectors[16 + 150];

/* Entry point and first code after reset; never returns. */
_Noreturn void fc_reset(void);

/* Runs the core and the buses at the speed that board.h names. NULL, or why the hardware will not. */
const char *fc_clock_start(void);

/* Whether the core runs from PLL1 yet; if not, it is HSI with every divider at 1 (see fc_clock_fall_back). */
bool fc_clock_is_fast(void);

/* Back to the state after reset as far as the console needs it. */
void fc_clock_fall_back(void);

/* Protects every memory, closes all other addresses, and switches both caches on. ITCM is read-only from then
 * on. */
void fc_memory_protect(void);

void fc_leds_start(void);
void fc_fault_led_on(void);

/* Sets the console up for the present clock; may be called again. */
void fc_console_start(void);

/* Says why the firmware cannot go on, in one line, and halts. For what is not a processor fault. */
_Noreturn void fc_stop(const char *reason);

/* Handlers of the vector table; the names tell the vector. */
void fc_fault_entry(void);
void fc_unexpected_interrupt(void);

/* The end of every road: an endless loop that a debugger or an emulator knows by its name. */
_Noreturn void fc_halt(void);

#endif
