/* platform.h on standard input and output: the device as a program, for validation and sanitizers. POSIX.
 *
 * "Cycles" are ticks of 10 ns of the monotonic clock (they wrap after 43 s): good to see which step of a
 * network takes long on this computer, and no statement at all about the target. */
#define _POSIX_C_SOURCE 200809L

#include "../platform.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TICKS_PER_SECOND = 100000000, NANOSECONDS_PER_TICK = 10 };

static uint8_t output[4096];
static size_t output_count;

/* Without a reader there is nothing left to do, so a failed write ends the program. */
static void flush_output(void)
{
    size_t done = 0;
    while (done < output_count) {
        const ssize_t written = write(STDOUT_FILENO, &output[done], output_count - done);
        if (written > 0) {
            done += (size_t)written;
        } else if (errno != EINTR) {
            _Exit(EXIT_FAILURE);
        }
    }
    output_count = 0;
}

void fc_platform_init(void)
{
    if (atexit(flush_output) != 0) {
        abort();
    }
}

/* Blocks: a program that waits for its host has nothing else to do, so -1 is never returned. */
int fc_console_read(void)
{
    static uint8_t input[4096];
    static size_t next;
    static size_t count;
    if (next == count) {
        flush_output();
        ssize_t got;
        do {
            got = read(STDIN_FILENO, input, sizeof input);
        } while (got < 0 && errno == EINTR);
        if (got <= 0) {
            return -2;
        }
        next = 0;
        count = (size_t)got;
    }
    return input[next++];
}

/* Gathers the small pieces of a frame or line, and sends them when it ends: both end in a byte that is seldom
 * inside, and what it misses goes out before the next wait for input. */
void fc_console_write(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (output_count == sizeof output) {
            flush_output();
        }
        output[output_count++] = bytes[i];
    }
    if (count > 0 && (bytes[count - 1] == '\n' || bytes[count - 1] == 0)) {
        flush_output();
    }
}

uint32_t fc_cycles(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return 0;
    }
    const uint64_t seconds = (uint64_t)now.tv_sec;
    const uint64_t nanoseconds = (uint64_t)now.tv_nsec;
    return (uint32_t)(seconds * TICKS_PER_SECOND + nanoseconds / NANOSECONDS_PER_TICK);
}

uint32_t fc_clock_hz(void) { return TICKS_PER_SECOND; }

/* The decision is in the response and on the console; a computer has no door. */
void fc_door_set(bool open) { (void)open; }

size_t fc_stack_size(void) { return 0; }

size_t fc_stack_used(void) { return 0; }
