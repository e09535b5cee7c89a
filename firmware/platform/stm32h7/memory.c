/* Memory protection and caches. Nothing but the part's memories and its peripherals may be reached: a wild
 * pointer faults at once and with its address, and the core's speculative reads stay away from addresses
 * where nothing answers (ST AN4838, DDI0489 on speculation). */
#include "board.h"
#include "machine.h"
#include "registers.h"

/* From linker.ld: the bytes at address 0 that stay empty. */
extern const uint8_t _null_guard_bytes[];

/* Fields of MPU_RASR, PM0253 4.6.6. */
#define NEVER_EXECUTE FC_BIT(28)
#define NO_ACCESS (0u << 24)
#define READ_WRITE (3u << 24)
#define READ_ONLY (6u << 24)
#define DEVICE (FC_BIT(16))                               /* TEX 0, C 0, B 1: shared device */
#define UNCACHED (1u << 19)                               /* TEX 1, C 0, B 0: normal */
#define WRITE_BACK ((1u << 19) | FC_BIT(17) | FC_BIT(16)) /* TEX 1, C 1, B 1: with write allocation */
#define ENABLE 1u

/* How each kind of memory may be used. */
#define FC_KIND_FLASH READ_ONLY
#define FC_KIND_ITCM READ_ONLY
#define FC_KIND_DTCM (READ_WRITE | NEVER_EXECUTE)
#define FC_KIND_SRAM (READ_WRITE | NEVER_EXECUTE)

struct region {
    uint32_t origin;
    uint32_t size_bytes;
    uint32_t attributes;
};

static const struct region regions[] = {
#define REGION(name, origin, size_bytes, kind, cacheable)                                                    \
    {(origin), (size_bytes), (kind) | ((cacheable) ? WRITE_BACK : UNCACHED)},
    FC_MEMORIES(REGION)
#undef REGION
    /* A later region wins where two overlap: null pointers; peripherals; and the core's own registers, which
     * are open on silicon in any case (DDI0403E B3.5.1), but not in every simulator. */
    {0u, (uint32_t)(uintptr_t)_null_guard_bytes, NO_ACCESS | NEVER_EXECUTE | UNCACHED},
    {0x40000000u, 0x20000000u, READ_WRITE | NEVER_EXECUTE | DEVICE},
    {0xE0000000u, 0x00100000u, READ_WRITE | NEVER_EXECUTE | DEVICE},
};
_Static_assert(sizeof regions / sizeof regions[0] <= 16, "the MPU has 16 regions (DS12110 3.2)");

/* A region is a power of two in size and aligned to it. */
#define CHECK(name, origin, size_bytes, kind, cacheable)                                                     \
    _Static_assert((size_bytes) >= 32u && ((size_bytes) & ((size_bytes) - 1u)) == 0u &&                      \
                       (origin) % (size_bytes) == 0u,                                                        \
                   #name " does not fit one MPU region");
FC_MEMORIES(CHECK)
#undef CHECK

/* The data cache: 16 KiB, 4 ways of 32-byte lines (DS12110 3.1). Not read from CCSIDR: emulators answer 0
 * there. */
#define WAYS 4u
#define SETS 128u

static void barrier(void) { __asm volatile("dsb\n isb" ::: "memory"); }

static void protect(void)
{
    MPU_CTRL = 0;
    for (uint32_t number = 0; number < 16u; number++) {
        /* PM0253 4.6.5: VALID takes the region's number from the low bits. */
        if (number < sizeof regions / sizeof regions[0]) {
            const struct region *region = &regions[number];
            const uint32_t size = 30u - (uint32_t)__builtin_clz(region->size_bytes); /* 2^(size+1) bytes */
            MPU_RBAR = region->origin | MPU_RBAR_VALID | number;
            MPU_RASR = region->attributes | (size << 1) | ENABLE;
        } else {
            MPU_RBAR = MPU_RBAR_VALID | number;
            MPU_RASR = 0;
        }
    }
    /* Neither PRIVDEFENA, so that everything else is closed, nor HFNMIENA, so that a HardFault can still
     * report. */
    barrier();
    MPU_CTRL = MPU_CTRL_ENABLE;
    barrier();
}

static void cache(void)
{
    /* DDI0403E B2.2.7: caches hold anything at all after reset, so they are emptied before use. */
    if ((SCB_CCR & SCB_CCR_IC) == 0u) {
        barrier();
        SCB_ICIALLU = 0;
        barrier();
        SCB_CCR |= SCB_CCR_IC;
        barrier();
    }
    if ((SCB_CCR & SCB_CCR_DC) == 0u) {
        for (uint32_t set = 0; set < SETS; set++) {
            for (uint32_t way = 0; way < WAYS; way++) {
                SCB_DCISW = (way << 30) | (set << 5);
            }
        }
        barrier();
        SCB_CCR |= SCB_CCR_DC;
        barrier();
    }
}

void fc_memory_protect(void)
{
    protect();
    cache();
}
