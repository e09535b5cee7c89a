/* Counts executed block edges while unicorn runs, and what memory adds to their cycles; see counter.py, whose
 * structures mirror these. Called once per executed block and instruction, so it decides nothing that can be
 * decided once per new block. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { REG_LR = 10, REG_SP = 12 }; /* UC_ARM_REG_LR, UC_ARM_REG_SP */
enum { STOP_NONE, STOP_LIMIT, STOP_ENDLESS, STOP_FPU, STOP_STACK, STOP_ASKED };
enum { SELF_LOOP = 1, USES_FPU = 2, LOWERS_SP = 4 };
enum { NONE = -1, DEPTH = 64 };

typedef struct {
    uint32_t address;
    uint32_t size_bytes;
    uint32_t instructions;
    uint32_t flags;
    int32_t phase;     /* entered by this block, or NONE */
    int32_t last_edge; /* the edge that left this block last */
    int32_t first_access, access_count;
    uint32_t penalty;    /* cycles when its conditional branch goes another way than predicted; 0: has none */
    uint32_t prediction; /* 0 to 3, from 2 on: taken */
    uint32_t first_prediction;
} block_t;

/* A load or store instruction: how its address comes from the registers, and what it moves. */
typedef struct {
    uint32_t pc;
    int32_t base, index; /* of unicorn, or NONE */
    int32_t displacement;
    uint32_t shift; /* of the index */
    uint32_t size_bytes;
    uint32_t unit; /* bytes of one element */
    uint32_t kind; /* ACCESS_LOAD and so on */
    double offset;   /* cycles from the start of the block until it issues */
    double conflict; /* cycles that it adds when it meets the load before it in a bank */
} access_t;

typedef struct {
    int32_t phase;
    int32_t predecessor;
    int32_t block;
    int32_t reserved;
    uint64_t count;
    double cost;      /* cycles of one passage, memory and load ports left out */
    double memory;    /* cycles of all passages that memory adds */
    double load_port; /* and unaligned loads, and loads that meet in a bank */
    double branch;    /* and wrong predictions */
} edge_t;

typedef struct {
    int32_t phase;
    uint32_t return_address;
    uint32_t sp;
} frame_t;

typedef struct {
    /* set by counter.py */
    int (*emu_stop)(void *engine);
    int (*reg_read)(void *engine, int reg, void *value);
    /* Fills in instructions, flags and phase of a new block, and adds its accesses. */
    void (*describe)(uint32_t address, uint32_t size_bytes, block_t *block);
    /* Cycles of one passage over a new edge. */
    double (*price)(int32_t predecessor, int32_t block);
    /* Brings the regions of memory up to date. */
    void (*refresh)(void);
    memory_t *memory;
    uint64_t limit; /* stop before a block once so many instructions are done */
    uint32_t stack_low;
    uint32_t stack_high; /* 0: do not watch */
    uint32_t stop_flags;
    uint32_t ask_stop;
    uint32_t memory_stale; /* refresh before the next access */
    /* set here */
    uint32_t stop_reason;
    int32_t current;   /* block that runs or ran last */
    int32_t last_edge; /* that led into it */
    int32_t depth;
    uint64_t instructions;
    double cycles;
    double power_on; /* when that was */
    double redirected; /* when the last jump was taken */
    block_t *blocks;
    edge_t *edges;
    access_t *accesses;
    int32_t block_count;
    int32_t edge_count;
    int32_t access_count;
    int32_t access_capacity;
    int32_t next_access, last_access; /* of the block that runs; the one before, or NONE */
    uint32_t last_address;
    double passage_memory, passage_port, passage_branch; /* what was added to the edges since the block was entered */
    int32_t out_of_memory;
    int32_t *block_slots, *edge_slots; /* open addressing, a power of two, NONE where free */
    uint32_t block_capacity, edge_capacity;
    frame_t frames[DEPTH];
} counter_t;

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c) {
    uint64_t h = a * 0x9E3779B97F4A7C15u ^ b * 0xC2B2AE3D27D4EB4Fu ^ c * 0x165667B19E3779F9u;
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    return (uint32_t)(h >> 32);
}

/* Room for one more: the array holds half as many entries as the table has slots. */
static bool grow(void **array, size_t entry_size, int32_t **slots, uint32_t *capacity, int32_t count) {
    if ((uint32_t)count * 2 < *capacity) {
        return false;
    }
    uint32_t larger = *capacity ? *capacity * 2 : 8192;
    void *moved = realloc(*array, larger / 2 * entry_size);
    int32_t *fresh = malloc(larger * sizeof *fresh);
    if (moved) {
        *array = moved;
    }
    if (!moved || !fresh) {
        free(fresh);
        return false;
    }
    free(*slots);
    *slots = fresh;
    *capacity = larger;
    memset(fresh, 0xFF, larger * sizeof *fresh); /* NONE */
    return true;
}

/* Called while a block is described. */
void counter_add_access(counter_t *c, const access_t *access) {
    if (c->access_count == c->access_capacity) {
        int32_t larger = c->access_capacity ? c->access_capacity * 2 : 8192;
        access_t *moved = realloc(c->accesses, (size_t)larger * sizeof *moved);
        if (!moved) {
            c->out_of_memory = 1;
            return;
        }
        c->accesses = moved;
        c->access_capacity = larger;
    }
    c->accesses[c->access_count++] = *access;
}

static int32_t find_block(counter_t *c, uint32_t address, uint32_t size_bytes) {
    if (grow((void **)&c->blocks, sizeof(block_t), &c->block_slots, &c->block_capacity, c->block_count)) {
        for (int32_t i = 0; i < c->block_count; i++) {
            uint32_t s = mix(c->blocks[i].address, c->blocks[i].size_bytes, 0);
            while (c->block_slots[s & (c->block_capacity - 1)] != NONE) s++;
            c->block_slots[s & (c->block_capacity - 1)] = i;
        }
    }
    if ((uint32_t)c->block_count * 2 >= c->block_capacity) {
        return NONE;
    }
    uint32_t slot = mix(address, size_bytes, 0);
    for (int32_t i; (i = c->block_slots[slot & (c->block_capacity - 1)]) != NONE; slot++) {
        if (c->blocks[i].address == address && c->blocks[i].size_bytes == size_bytes) {
            return i;
        }
    }
    block_t *block = &c->blocks[c->block_count];
    *block = (block_t){address, size_bytes, 0, 0, NONE, NONE, c->access_count, 0, 0, 0, 0};
    c->describe(address, size_bytes, block);
    block->access_count = c->access_count - block->first_access;
    block->first_prediction = block->prediction;
    return c->block_slots[slot & (c->block_capacity - 1)] = c->block_count++;
}

static int32_t find_edge(counter_t *c, int32_t phase, int32_t predecessor, int32_t block) {
    if (grow((void **)&c->edges, sizeof(edge_t), &c->edge_slots, &c->edge_capacity, c->edge_count)) {
        for (int32_t i = 0; i < c->edge_count; i++) {
            const edge_t *e = &c->edges[i];
            uint32_t s = mix((uint32_t)e->phase, (uint32_t)e->predecessor, (uint32_t)e->block);
            while (c->edge_slots[s & (c->edge_capacity - 1)] != NONE) s++;
            c->edge_slots[s & (c->edge_capacity - 1)] = i;
        }
    }
    if ((uint32_t)c->edge_count * 2 >= c->edge_capacity) {
        return NONE;
    }
    uint32_t slot = mix((uint32_t)phase, (uint32_t)predecessor, (uint32_t)block);
    for (int32_t i; (i = c->edge_slots[slot & (c->edge_capacity - 1)]) != NONE; slot++) {
        const edge_t *e = &c->edges[i];
        if (e->block == block && e->predecessor == predecessor && e->phase == phase) {
            return i;
        }
    }
    c->edges[c->edge_count] = (edge_t){phase, predecessor, block, 0, 0, 0.0, 0.0, 0.0, 0.0};
    c->edges[c->edge_count].cost = c->price(predecessor, block);
    return c->edge_slots[slot & (c->edge_capacity - 1)] = c->edge_count++;
}

static int32_t phase_of(const counter_t *c) {
    return c->depth ? c->frames[c->depth - 1].phase : NONE;
}

static uint32_t read_register(counter_t *c, void *engine, int reg) {
    uint32_t value = 0;
    c->reg_read(engine, reg, &value);
    return value;
}

/* The block is the entry of a phase. Looping back to it is no second entry. */
static void enter_phase(counter_t *c, void *engine, int32_t phase) {
    frame_t frame = {phase, read_register(c, engine, REG_LR) & ~1u, read_register(c, engine, REG_SP)};
    if (c->depth && !memcmp(&c->frames[c->depth - 1], &frame, sizeof frame)) {
        return;
    }
    if (c->depth == DEPTH) {
        memmove(c->frames, c->frames + 1, (DEPTH - 1) * sizeof *c->frames);
        c->depth--;
    }
    c->frames[c->depth++] = frame;
}

/* Control is where the innermost phase returns to: it is over, and those that ended in a tail call to it. */
static void leave_phases(counter_t *c, void *engine, uint32_t address) {
    uint32_t sp = read_register(c, engine, REG_SP);
    while (c->depth && c->frames[c->depth - 1].return_address == address && sp >= c->frames[c->depth - 1].sp) {
        c->depth--;
    }
}

static void stop(counter_t *c, void *engine, uint32_t reason) {
    c->stop_reason = reason;
    c->emu_stop(engine);
}

static void count_edge(counter_t *c, int32_t edge) {
    edge_t *e = &c->edges[edge];
    e->count++;
    c->cycles += e->cost;
    c->next_access = c->blocks[e->block].first_access;
    c->last_access = NONE;
    c->passage_memory = c->passage_port = c->passage_branch = 0;
    c->instructions += c->blocks[e->block].instructions;
    if (e->predecessor != NONE) {
        c->blocks[e->predecessor].last_edge = edge;
    }
    c->current = e->block;
    c->last_edge = edge;
}

/* The passage that was counted last takes longer. */
static void hold_up(counter_t *c, double memory, double load_port, double branch) {
    edge_t *e = &c->edges[c->last_edge];
    e->memory += memory;
    e->load_port += load_port;
    e->branch += branch;
    c->passage_memory += memory;
    c->passage_port += load_port;
    c->passage_branch += branch;
    c->cycles += memory + load_port + branch;
}

/* What a branch that goes this way costs, and what is remembered of it: the branch target cache holds the state
 * of a predictor for each branch (DDI0489F 1.2.3), here two bits. */
static double predict(block_t *block, bool taken) {
    bool wrong = taken != (block->prediction >= 2);
    if (taken) {
        block->prediction += block->prediction < 3;
    } else {
        block->prediction -= block->prediction > 0;
    }
    return wrong ? block->penalty : 0;
}

/* unicorn's UC_HOOK_BLOCK: a stop asked for here takes effect before the block runs, so it is not counted. */
void counter_on_block(void *engine, uint64_t address64, uint32_t size_bytes, void *user) {
    counter_t *c = user;
    uint32_t address = (uint32_t)address64;
    int32_t previous = c->current;
    int32_t edge = previous == NONE ? NONE : c->blocks[previous].last_edge;
    int32_t index = edge == NONE ? NONE : c->edges[edge].block;
    if (index == NONE || c->blocks[index].address != address || c->blocks[index].size_bytes != size_bytes) {
        edge = NONE;
        index = find_block(c, address, size_bytes);
        if (index == NONE) {
            c->out_of_memory = 1;
            c->emu_stop(engine);
            return;
        }
    }
    const block_t *block = &c->blocks[index];
    if (c->ask_stop) {
        stop(c, engine, STOP_ASKED);
        return;
    }
    if (c->instructions >= c->limit) {
        stop(c, engine, STOP_LIMIT);
        return;
    }
    if (block->flags & c->stop_flags) {
        stop(c, engine, block->flags & c->stop_flags & USES_FPU ? STOP_FPU : STOP_ENDLESS);
        return;
    }
    if (previous != NONE && c->blocks[previous].flags & LOWERS_SP && c->stack_high) {
        uint32_t sp = read_register(c, engine, REG_SP);
        if (sp < c->stack_low || sp > c->stack_high) {
            stop(c, engine, STOP_STACK);
            return;
        }
    }
    if (c->depth && c->frames[c->depth - 1].return_address == address) {
        leave_phases(c, engine, address);
    }
    if (block->phase != NONE) {
        enter_phase(c, engine, block->phase);
    }
    int32_t phase = phase_of(c);
    if (edge == NONE || c->edges[edge].phase != phase) {
        edge = find_edge(c, phase, previous, index);
        if (edge == NONE) {
            c->out_of_memory = 1;
            c->emu_stop(engine);
            return;
        }
    }
    double start = c->cycles;
    count_edge(c, edge);
    if (c->memory_stale) {
        c->memory_stale = 0;
        c->refresh();
    }
    bool jumped = previous == NONE || c->blocks[previous].address + c->blocks[previous].size_bytes != address;
    if (previous != NONE && c->blocks[previous].penalty) {
        hold_up(c, 0, 0, predict(&c->blocks[previous], jumped));
        start += c->passage_branch;
    }
    if (jumped || c->passage_branch > 0) {
        c->redirected = start;
    }
    double waited = memory_fetch(c->memory, address, size_bytes, start - c->power_on, c->edges[edge].cost,
                                 c->redirected - c->power_on);
    hold_up(c, waited, 0, 0);
}

static uint32_t address_of(counter_t *c, void *engine, const access_t *a) {
    uint32_t address = (uint32_t)a->displacement;
    if (a->base != NONE) {
        address += read_register(c, engine, a->base);
    }
    if (a->index != NONE) {
        address += read_register(c, engine, a->index) << a->shift;
    }
    return address;
}

/* Measured by J. Nk0le, pipeline cycle test, on loads. */
static const double UNALIGNED_LOAD_CYCLES = 3.0;

/* unicorn's UC_HOOK_CODE: before each instruction that is executed; one that fails its condition is not. */
void counter_on_code(void *engine, uint64_t address64, uint32_t size_bytes, void *user) {
    counter_t *c = user;
    uint32_t pc = (uint32_t)address64;
    (void)size_bytes;
    if (c->last_edge == NONE) {
        return;
    }
    const edge_t *e = &c->edges[c->last_edge];
    const block_t *block = &c->blocks[e->block];
    int32_t end = block->first_access + block->access_count;
    int32_t i = c->next_access;
    while (i < end && c->accesses[i].pc < pc) i++;
    c->next_access = i;
    if (i == end || c->accesses[i].pc != pc) {
        return;
    }
    c->next_access = i + 1;
    const access_t *a = &c->accesses[i];
    uint32_t address = address_of(c, engine, a);
    double now = c->cycles - e->cost + a->offset - c->power_on;
    double port = 0;
    if (a->kind != ACCESS_STORE && address & (a->unit - 1)) {
        port += UNALIGNED_LOAD_CYCLES;
    }
    if (a->conflict > 0 && c->last_access == i - 1 && !((address ^ c->last_address) & 4)) {
        port += a->conflict;
    }
    c->last_access = i;
    c->last_address = address;
    hold_up(c, memory_access(c->memory, address, a->size_bytes, a->unit, (int)a->kind, now + port), port, 0);
}

/* The block that was counted last ran its first size_bytes only (a fault inside it). */
void counter_cut(counter_t *c, uint32_t size_bytes) {
    if (c->last_edge == NONE) {
        return;
    }
    edge_t whole = c->edges[c->last_edge];
    double memory = c->passage_memory, load_port = c->passage_port, branch = c->passage_branch;
    hold_up(c, -memory, -load_port, -branch);
    c->edges[c->last_edge].count--;
    c->cycles -= whole.cost;
    c->instructions -= c->blocks[whole.block].instructions;
    c->current = whole.predecessor;
    if (!size_bytes) {
        c->last_edge = NONE;
        return;
    }
    int32_t part = find_block(c, c->blocks[whole.block].address, size_bytes);
    int32_t edge = part == NONE ? NONE : find_edge(c, whole.phase, whole.predecessor, part);
    if (edge != NONE) {
        count_edge(c, edge);
        hold_up(c, memory, load_port, branch);
    }
}

/* Caches, buses and predictions as they are without a past. */
void counter_power_on(counter_t *c) {
    c->power_on = c->redirected = c->cycles;
    memory_power_on(c->memory);
    for (int32_t i = 0; i < c->block_count; i++) {
        c->blocks[i].prediction = c->blocks[i].first_prediction;
    }
}

/* Forgets what was counted, not the tables nor the totals. */
void counter_clear(counter_t *c) {
    for (int32_t i = 0; i < c->edge_count; i++) {
        c->edges[i].count = 0;
        c->edges[i].memory = c->edges[i].load_port = c->edges[i].branch = 0;
    }
}

void counter_free(counter_t *c) {
    free(c->blocks);
    free(c->edges);
    free(c->accesses);
    free(c->block_slots);
    free(c->edge_slots);
}
