#include "memory.h"

#include <stdbool.h>
#include <string.h>

enum { NO_LINE = 0xFFFFFFFFu, WORD_SHIFT = 3, WORD_BYTES = 8 };
/* A byte, a halfword or an unaligned word in a memory with ECC over 32 bits is read, changed and written:
 * measured, J. Nk0le, pipeline cycle test, on stores. */
static const double PARTIAL_STORE_CYCLES = 4.0;

static double later(double a, double b) { return a > b ? a : b; }

static const region_t *region_at(memory_t *m, uint32_t address) {
    const region_t *last = &m->regions[m->last_region];
    if (m->region_count && address >= last->start && address <= last->end) {
        return last;
    }
    for (uint32_t i = 0; i < m->region_count; i++) {
        if (address >= m->regions[i].start && address <= m->regions[i].end) {
            m->last_region = i;
            return &m->regions[i];
        }
    }
    return NULL;
}

static double next_edge(const memory_t *m, double now) {
    double clocks = (double)(uint64_t)(now / m->ratio);
    return clocks * m->ratio < now ? (clocks + 1) * m->ratio : clocks * m->ratio;
}

/* A read that is wanted at `now`: when its first data arrive. The bus brings one burst after the other. */
static double read(memory_t *m, const region_t *r, double now, uint32_t transfers) {
    double arrival = later(next_edge(m, now + m->miss_cycles) + r->first, m->read_free + r->next);
    m->read_free = arrival + (transfers - 1) * r->next;
    return arrival;
}

static void write(memory_t *m, const region_t *r, double now, uint32_t transfers) {
    m->write_free = later(next_edge(m, now), m->write_free) + transfers * r->next + m->ratio;
}

static int32_t way_of(cache_t *cache, uint32_t line) {
    uint32_t base = (line & (cache->sets - 1)) * cache->ways;
    for (uint32_t way = 0; way < cache->ways; way++) {
        if (cache->states[base + way] & LINE_VALID && cache->tags[base + way] == line) {
            return (int32_t)(base + way);
        }
    }
    return -1;
}

/* An empty way, or any: the rule is not published for this core, so this is an assumption. */
static uint32_t victim(cache_t *cache, uint32_t line) {
    uint32_t base = (line & (cache->sets - 1)) * cache->ways;
    for (uint32_t way = 0; way < cache->ways; way++) {
        if (!(cache->states[base + way] & LINE_VALID)) {
            return base + way;
        }
    }
    cache->random = cache->random >> 1 ^ (-(cache->random & 1u) & 0xB400u); /* 16-bit LFSR */
    return base + cache->random % cache->ways;
}

static uint32_t transfers_of(const cache_t *cache) { return 1u << (cache->line_shift - WORD_SHIFT); }

/* When a word of a line is there that may still be on its way. */
static double arrival(const fill_t *fill, const cache_t *cache, uint32_t line, uint32_t word, double now) {
    if (fill->line != line || fill->done <= now) {
        return now;
    }
    return later(now, fill->arrival + ((word - fill->first_word) & (transfers_of(cache) - 1)) * fill->next);
}

static void begin_fill(memory_t *m, cache_t *cache, fill_t *fill, const region_t *r, uint32_t line,
                       uint32_t word, double now) {
    uint32_t transfers = transfers_of(cache);
    uint32_t slot = victim(cache, line);
    if (cache->states[slot] & LINE_DIRTY) {
        cache->write_backs++;
        const region_t *home = region_at(m, cache->tags[slot] << cache->line_shift);
        now = later(now, m->write_free); /* the line before must have left its buffer */
        write(m, home ? home : r, now, transfers);
    }
    cache->tags[slot] = line;
    cache->states[slot] = LINE_VALID;
    cache->misses++;
    double first = read(m, r, now, transfers);
    *fill = (fill_t){line, 0, word, 0, first, r->next, m->read_free};
}

double memory_fetch(memory_t *m, uint32_t address, uint32_t size_bytes, double start, double cycles,
                    double redirected) {
    const region_t *r = region_at(m, address);
    if (!r || r->flags & REGION_TCM || !size_bytes) {
        return 0;
    }
    cache_t *cache = &m->code;
    bool cached = cache->on && r->flags & REGION_CACHEABLE;
    double per_word = WORD_BYTES * cycles / size_bytes;
    double lead = m->prefetch_bytes * cycles / size_bytes;
    double waited = 0;
    uint32_t last = (address + size_bytes - 1) >> cache->line_shift;
    for (uint32_t line = address >> cache->line_shift; line <= last; line++) {
        uint32_t from = line << cache->line_shift;
        uint32_t offset = from > address ? from - address : 0;
        double wanted = start + waited + cycles * offset / size_bytes;
        double asked = later(wanted - lead, redirected);
        asked = asked > wanted ? wanted : asked;
        uint32_t word = (address + offset - from) >> WORD_SHIFT;
        uint32_t end = line == last ? address + size_bytes - 1 - from : (1u << cache->line_shift) - 1;
        cache->lookups += cached;
        if (cached ? way_of(cache, line) < 0 : line != m->fetched_line || redirected >= start) {
            if (cached) {
                begin_fill(m, cache, &m->code_fill, r, line, word, asked);
            } else {
                double first = read(m, r, asked, transfers_of(cache));
                m->code_fill = (fill_t){line, 0, word, 0, first, r->next, m->read_free};
                m->uncached++;
            }
        }
        m->fetched_line = line;
        /* Either the first or the last word that is run is the one that comes too late. */
        double until = (double)((end >> WORD_SHIFT) - word);
        double late = arrival(&m->code_fill, cache, line, word, wanted) - wanted;
        double need = wanted + until * per_word;
        late = later(late, arrival(&m->code_fill, cache, line, end >> WORD_SHIFT, need) - need);
        waited += late;
    }
    return waited;
}

/* An entry of the store buffer: until there is room. A second store to the 64 bits of the newest joins it. */
static double post(memory_t *m, const region_t *r, uint32_t address, double now) {
    uint32_t newest = (m->store_slot + m->stores - 1) % m->stores;
    if (m->last_store == address >> WORD_SHIFT && m->stored[newest] > now) {
        return 0;
    }
    double room = later(now, m->stored[m->store_slot]);
    m->write_free = later(next_edge(m, room), m->write_free) + r->next;
    m->stored[m->store_slot] = m->write_free;
    m->store_slot = (m->store_slot + 1) % m->stores;
    m->last_store = address >> WORD_SHIFT;
    return room - now;
}

static double store_tcm(memory_t *m, uint32_t address, uint32_t size_bytes, uint32_t unit, double now) {
    double stall = 0;
    bool partial = unit < 4 || address & 3;
    for (uint32_t done = 0; done < size_bytes; done += 4) {
        uint32_t bank = (address + done) >> 2 & 1;
        double room = later(now + stall, m->tcm_stored[m->tcm_slot]);
        stall = room - now;
        m->bank_free[bank] = later(room, m->bank_free[bank]) + (partial ? PARTIAL_STORE_CYCLES : 1.0);
        m->tcm_stored[m->tcm_slot] = m->bank_free[bank];
        m->tcm_slot = (m->tcm_slot + 1) % m->stores;
        now += 0.5; /* two words a cycle */
    }
    return stall;
}

static uint32_t byte_mask(uint32_t offset, uint32_t count) {
    return (count >= 32 ? 0xFFFFFFFFu : (1u << count) - 1) << offset;
}

/* A free linefill buffer, and from when. */
static fill_t *free_fill(memory_t *m, double *now) {
    fill_t *fill = &m->data_fills[0];
    for (uint32_t i = 1; i < m->fills; i++) {
        if (m->data_fills[i].done < fill->done) {
            fill = &m->data_fills[i];
        }
    }
    *now = later(*now, fill->done);
    return fill;
}

static bool is_full(const cache_t *cache, uint32_t written) {
    return written == byte_mask(0, 1u << cache->line_shift);
}

/* A store into a line that may be on its way: remembers whether all of it gets overwritten before it comes. */
static void note_write(memory_t *m, uint32_t line, uint32_t mask, double now) {
    for (uint32_t i = 0; i < m->fills; i++) {
        fill_t *fill = &m->data_fills[i];
        if (fill->line == line && fill->done > now && !is_full(&m->data, fill->written)) {
            fill->written |= mask;
            if (is_full(&m->data, fill->written)) {
                m->full_lines++;
                m->streaming = m->full_lines >= 3;
                m->stream_line = NO_LINE;
            }
        }
    }
}

/* A store that misses in dynamic read allocate mode goes to memory, and ends the mode if it left a hole. */
static bool streams(memory_t *m, uint32_t line, uint32_t mask) {
    if (!m->streaming) {
        return false;
    }
    if (line != m->stream_line) {
        if (m->stream_line != NO_LINE && !is_full(&m->data, m->stream_written)) {
            m->streaming = m->full_lines = 0;
            return false;
        }
        m->stream_line = line;
        m->stream_written = 0;
    }
    m->stream_written |= mask;
    return true;
}

static double load_line(memory_t *m, const region_t *r, uint32_t line, uint32_t word, uint32_t last, double now) {
    cache_t *cache = &m->data;
    double start = now;
    if (way_of(cache, line) < 0) {
        if (m->streaming && line == m->stream_line) {
            m->streaming = m->full_lines = 0;
        }
        fill_t *fill = free_fill(m, &now);
        begin_fill(m, cache, fill, r, line, word, now);
    }
    for (uint32_t i = 0; i < m->fills; i++) {
        now = later(now, arrival(&m->data_fills[i], cache, line, word, now));
        now = later(now, arrival(&m->data_fills[i], cache, line, last, now));
    }
    return now - start;
}

static double store_line(memory_t *m, const region_t *r, uint32_t line, uint32_t offset, uint32_t count,
                         double now) {
    cache_t *cache = &m->data;
    uint32_t address = (line << cache->line_shift) + offset;
    uint32_t mask = byte_mask(offset, count);
    int32_t slot = way_of(cache, line);
    double stall = 0;
    if (slot < 0) {
        if (!(r->flags & REGION_WRITE_ALLOCATE) || streams(m, line, mask)) {
            return post(m, r, address, now);
        }
        double free_at = now;
        fill_t *fill = free_fill(m, &free_at);
        if (fill->line != NO_LINE && !is_full(cache, fill->written)) {
            m->full_lines = 0;
        }
        /* The store waits for the line in the store buffer; the core goes on while that has room. */
        double room = later(now, m->stored[m->store_slot]);
        stall = room - now;
        begin_fill(m, cache, fill, r, line, offset >> WORD_SHIFT, later(room, free_at));
        m->stored[m->store_slot] = fill->arrival;
        m->store_slot = (m->store_slot + 1) % m->stores;
        slot = way_of(cache, line);
    }
    note_write(m, line, mask, now);
    if (r->flags & REGION_WRITE_BACK) {
        cache->states[slot] |= LINE_DIRTY;
        return stall;
    }
    return stall + post(m, r, address, now + stall);
}

static void preload(memory_t *m, const region_t *r, uint32_t address, double now) {
    uint32_t line = address >> m->data.line_shift;
    if (r->flags & REGION_TCM || !(r->flags & REGION_CACHEABLE) || !m->data.on || way_of(&m->data, line) >= 0) {
        return;
    }
    double free_at = now;
    fill_t *fill = free_fill(m, &free_at);
    if (free_at <= now) {
        begin_fill(m, &m->data, fill, r, line, 0, now);
    }
}

double memory_access(memory_t *m, uint32_t address, uint32_t size_bytes, uint32_t unit, int kind, double now) {
    const region_t *r = region_at(m, address);
    bool is_store = kind == ACCESS_STORE;
    if (!r) {
        return 0;
    }
    if (kind == ACCESS_PRELOAD) {
        preload(m, r, address, now);
        return 0;
    }
    if (r->flags & REGION_TCM) {
        return is_store ? store_tcm(m, address, size_bytes, unit, now) : 0;
    }
    double stall = 0;
    if (!(r->flags & REGION_CACHEABLE) || !m->data.on) {
        m->uncached++;
        if (!is_store) {
            uint32_t transfers = ((address + size_bytes - 1) >> WORD_SHIFT) - (address >> WORD_SHIFT) + 1;
            return read(m, r, now, transfers) - now + (transfers - 1) * r->next;
        }
        for (uint32_t done = 0; done < size_bytes; done += WORD_BYTES) {
            stall += post(m, r, address + done, now + stall);
        }
        return stall;
    }
    uint32_t shift = m->data.line_shift;
    uint32_t last = (address + size_bytes - 1) >> shift;
    for (uint32_t line = address >> shift; line <= last; line++) {
        uint32_t from = line << shift > address ? line << shift : address;
        uint32_t end = line == last ? address + size_bytes : (line + 1) << shift;
        uint32_t offset = from - (line << shift);
        m->data.lookups++;
        if (is_store) {
            stall += store_line(m, r, line, offset, end - from, now + stall);
        } else {
            uint32_t word = offset >> WORD_SHIFT;
            stall += load_line(m, r, line, word, (offset + end - from - 1) >> WORD_SHIFT, now + stall);
        }
    }
    return stall;
}

void memory_power_on(memory_t *m) {
    memset(m->code.states, 0, (size_t)m->code.sets * m->code.ways);
    memset(m->data.states, 0, (size_t)m->data.sets * m->data.ways);
    m->code.random = m->data.random = 0xACE1u;
    m->code_fill = (fill_t){.line = NO_LINE};
    for (uint32_t i = 0; i < m->fills; i++) {
        m->data_fills[i] = (fill_t){.line = NO_LINE};
    }
    memset(m->stored, 0, sizeof m->stored);
    memset(m->tcm_stored, 0, sizeof m->tcm_stored);
    m->read_free = m->write_free = m->bank_free[0] = m->bank_free[1] = 0;
    m->store_slot = m->tcm_slot = m->full_lines = m->streaming = m->stream_written = 0;
    m->last_store = m->stream_line = m->fetched_line = NO_LINE;
}

static void drop(cache_t *cache, int32_t slot, bool clean, bool invalidate) {
    if (slot < 0 || !(cache->states[slot] & LINE_VALID)) {
        return;
    }
    if (clean && cache->states[slot] & LINE_DIRTY) {
        cache->write_backs++;
    }
    cache->states[slot] &= (uint8_t)(invalidate ? 0 : clean ? ~LINE_DIRTY : 0xFF);
}

/* CSSELR's set and way fields, DDI0403E B2.2.7: the way from the top, the set above the line's offset. */
static int32_t slot_of(const cache_t *cache, uint32_t value) {
    uint32_t way = value;
    uint32_t bits = 0;
    while (1u << bits < cache->ways) bits++;
    way = bits ? value >> (32 - bits) : 0;
    uint32_t set = value >> cache->line_shift & (cache->sets - 1);
    return way < cache->ways ? (int32_t)(set * cache->ways + way) : -1;
}

void memory_maintain(memory_t *m, uint32_t offset, uint32_t value) {
    cache_t *data = &m->data;
    uint32_t line = value >> data->line_shift;
    switch (offset) {
    case 0xF50: /* ICIALLU */
        memset(m->code.states, 0, (size_t)m->code.sets * m->code.ways);
        break;
    case 0xF58: drop(&m->code, way_of(&m->code, line), false, true); break; /* ICIMVAU */
    case 0xF5C: drop(data, way_of(data, line), false, true); break;         /* DCIMVAC */
    case 0xF60: drop(data, slot_of(data, value), false, true); break;       /* DCISW */
    case 0xF64:                                                             /* DCCMVAU */
    case 0xF68: drop(data, way_of(data, line), true, false); break;         /* DCCMVAC */
    case 0xF6C: drop(data, slot_of(data, value), true, false); break;       /* DCCSW */
    case 0xF70: drop(data, way_of(data, line), true, true); break;          /* DCCIMVAC */
    case 0xF74: drop(data, slot_of(data, value), true, true); break;        /* DCCISW */
    default: break;
    }
}
