/* Caches, buses and buffers of the core, in time; see memory_model.py, whose structures mirror these.
 * Sources: DDI0489F chapter 5 (caches, linefill buffers, store buffer), the part's data for every number. */
#ifndef FIRMCAST_MEMORY_H
#define FIRMCAST_MEMORY_H

#include <stdint.h>

enum { MAX_REGIONS = 256, MAX_FILLS = 8, MAX_STORES = 8 };
enum { REGION_CACHEABLE = 1, REGION_WRITE_BACK = 2, REGION_WRITE_ALLOCATE = 4, REGION_TCM = 8 };
enum { LINE_VALID = 1, LINE_DIRTY = 2 };
enum { ACCESS_LOAD, ACCESS_STORE, ACCESS_PRELOAD };

/* Addresses with one kind of road and one set of attributes. Times are core cycles. */
typedef struct {
    uint32_t start;
    uint32_t end; /* the last address of it */
    uint32_t flags;
    uint32_t reserved;
    double first; /* from a request on the bus until its first data */
    double next;  /* between 64-bit transfers */
} region_t;

typedef struct {
    uint32_t on;
    uint32_t sets;
    uint32_t ways;
    uint32_t line_shift;
    uint32_t random; /* state of the replacement */
    uint32_t reserved;
    uint64_t lookups;
    uint64_t misses;
    uint64_t write_backs;
    uint32_t *tags; /* line numbers, sets x ways */
    uint8_t *states;
} cache_t;

/* A line on its way into a cache. */
typedef struct {
    uint32_t line;
    uint32_t written; /* bytes of it that stores have replaced so far */
    uint32_t first_word;
    uint32_t reserved;
    double arrival; /* of the wanted 64-bit word; the others follow, wrapping around */
    double next;
    double done;
} fill_t;

typedef struct {
    /* set by memory_model.py */
    region_t regions[MAX_REGIONS];
    uint32_t region_count;
    uint32_t fills;
    uint32_t stores;
    uint32_t prefetch_bytes;
    double miss_cycles;
    double ratio; /* core cycles of a bus clock */
    cache_t code, data;
    /* set here */
    fill_t code_fill;
    fill_t data_fills[MAX_FILLS];
    double read_free; /* the bus can bring something else from then on */
    double write_free;
    double stored[MAX_STORES]; /* when the entries of the store buffer drain */
    uint32_t store_slot;
    uint32_t last_store; /* 64-bit word of the newest entry */
    double tcm_stored[MAX_STORES];
    double bank_free[2];
    uint32_t tcm_slot;
    uint32_t full_lines; /* linefills in a row whose line was overwritten before it came */
    uint32_t streaming;  /* dynamic read allocate mode, DDI0489F 5.9.1 */
    uint32_t stream_line, stream_written;
    uint32_t last_region;
    uint32_t fetched_line; /* with the instruction cache off */
    uint64_t uncached;     /* accesses that no cache serves, but for those of TCMs */
} memory_t;

/* Empty caches, idle buses; time starts at 0. On silicon caches hold anything at all, and are off, until they are
 * invalidated. */
void memory_power_on(memory_t *m);

/* Cycles that the core waits for the instructions of a block. `start` is when it wants the first, `cycles` how
 * long it takes to run it, `redirected` when the way to it was last decided by a jump. */
double memory_fetch(memory_t *m, uint32_t address, uint32_t size_bytes, double start, double cycles,
                    double redirected);

/* Cycles that the core waits for a load or store at time `now`; `unit` is the size of one element. For a preload
 * it never waits: where no linefill buffer is free the hint is dropped (DDI0489F 5.9: it is a hint). */
double memory_access(memory_t *m, uint32_t address, uint32_t size_bytes, uint32_t unit, int kind, double now);

/* Cache maintenance (DDI0489F 3.3): what is written to the register at this offset of the system control space. */
void memory_maintain(memory_t *m, uint32_t offset, uint32_t value);

#endif
