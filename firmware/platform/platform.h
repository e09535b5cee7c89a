/* What the application sees of a machine. One implementation is linked: platform/stm32h7 or platform/host. */
#ifndef FC_PLATFORM_H
#define FC_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts console, cycle counter and door; clocks, caches and memories already run. Call once, first. */
void fc_platform_init(void);

/* Next received byte, 0..255; -1 when none waits; -2 when no byte can come any more (host program only). */
int fc_console_read(void);

/* Queues all `count` bytes; returns once the hardware has taken them. */
void fc_console_write(const uint8_t *bytes, size_t count);

/* Free-running counter of CPU cycles, wraps at 2^32. */
uint32_t fc_cycles(void);

/* CPU cycles per second. */
uint32_t fc_clock_hz(void);

/* The door's actuator; on the boards at hand an LED. */
void fc_door_set(bool open);

/* Bytes of stack reserved, and the most that was ever used (painted at reset); 0 where unknown. */
size_t fc_stack_size(void);
size_t fc_stack_used(void);

#ifdef __cplusplus
}
#endif

#endif
