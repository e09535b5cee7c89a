/* A tile (fc_tile.h) with weights of four bits (fc_nibbles.h), unpacked in registers: a byte holds two channels'
 * products of one element, in the elements' order. */
#ifndef FC_TILE_NIBBLES_H
#define FC_TILE_NIBBLES_H

#include "fc_nibbles.h"
#include "fc_tile.h"

/* What a call works through; a pair's weights are groups * 4 bytes and FC_WEIGHTS_END. */
struct fc_tile_nibbles {
    struct fc_tile tile;
    const int32_t *starts; /* fc_tile_starts; added to all sums */
};

/* What each column's sums have to start from, biases aside. */
FC_INLINE void fc_tile_starts(const int16_t *columns, int32_t groups, int32_t starts[FC_TILE])
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int32_t word = 0; word < 2 * groups; word++, columns += 2 * FC_TILE) {
        s0 = fc_less_nibbles_first(fc_load_word(columns), s0);
        s1 = fc_less_nibbles_first(fc_load_word(columns + 2), s1);
        s2 = fc_less_nibbles_first(fc_load_word(columns + 4), s2);
        s3 = fc_less_nibbles_first(fc_load_word(columns + 6), s3);
    }
    starts[0] = s0;
    starts[1] = s1;
    starts[2] = s2;
    starts[3] = s3;
}

#if defined(__ARM_FEATURE_SIMD32)
/* As FC_TILE_GROUP; a word of weights is loaded twice, for there is no register to keep it in while half of it is
 * multiplied: 32 products in 18 modelled cycles. 59 halfwords of code. */
#define FC_TILE_NIBBLES_GROUP                                                                                \
    "and r3, r2, #0x000f000f; sxtb16 r2, r2; smlad r8, r3, r12, r8; smlad r4, r2, r12, r4\n"                 \
    "ldr r12, [r1, #8]; smlad r5, r2, lr, r5; smlad r9, r3, lr, r9; ldr lr, [r1, #12]\n"                     \
    "smlad r6, r2, r12, r6; smlad r10, r3, r12, r10; ldr r12, [r1, #16]; smlad r7, r2, lr, r7\n"             \
    "ldr r2, [r0]; smlad r11, r3, lr, r11; ldr lr, [r1, #20]; sxtb16 r2, r2, ror #8\n"                       \
    "and r3, r2, #0x000f000f; smlad r4, r2, r12, r4; smlad r8, r3, r12, r8; ldr r12, [r1, #24]\n"            \
    "smlad r5, r2, lr, r5; smlad r9, r3, lr, r9; ldr lr, [r1, #28]; smlad r6, r2, r12, r6\n"                 \
    "smlad r10, r3, r12, r10; ldr r12, [r1, #32]!; smlad r7, r2, lr, r7; ldr r2, [r0, #4]!\n"                \
    "smlad r11, r3, lr, r11; ldr lr, [r1, #4]\n"

#define FC_TILE_NIBBLES_START                                                                                \
    "ldrd r1, r3, [sp]; ldr r2, [sp, #24]; ldrd r12, lr, [r3, #24]; ldmia r2, {r4-r7}\n"                     \
    "ldr r3, [sp, #16]; add r8, r4, lr; add r4, r4, r12; add r9, r5, lr; add r5, r5, r12\n"                  \
    "add r10, r6, lr; add r6, r6, r12; add r11, r7, lr; add r7, r7, r12\n"                                   \
    "ldr r2, [r0]; ldrd r12, lr, [r1]\n"

/* Up to 16 groups of weights: two lines. */
#define FC_TILE_NIBBLES_AHEAD "pld [r0, #64]; pld [r0, #96]\n"

#define FC_TILE_NIBBLES(name, scale)                                                                         \
    FC_TILE_FUNCTION(name, fc_tile_nibbles, "r7", "28", "3", FC_TILE_NIBBLES_START, "59",                    \
                     FC_TILE_NIBBLES_GROUP, FC_TILE_NIBBLES_AHEAD, scale)
FC_TILE_NIBBLES(fc_tile_nibbles_one_sided, FC_TILE_SCALE_ONE_SIDED)
FC_TILE_NIBBLES(fc_tile_nibbles_two_sided, FC_TILE_SCALE)
FC_TILE_NIBBLES(fc_tile_nibbles_max_one_sided, FC_TILE_MAX_SCALE_ONE_SIDED)
FC_TILE_NIBBLES(fc_tile_nibbles_max_two_sided, FC_TILE_MAX_SCALE)

/* As fc_tile_s8. */
FC_INLINE void fc_tile_s4(const struct fc_tile_nibbles *tile, bool one_sided, bool greatest)
{
    if (greatest) {
        (one_sided ? fc_tile_nibbles_max_one_sided : fc_tile_nibbles_max_two_sided)(tile);
    } else {
        (one_sided ? fc_tile_nibbles_one_sided : fc_tile_nibbles_two_sided)(tile);
    }
}
#else
FC_INLINE void fc_tile_s4(const struct fc_tile_nibbles *nibbles, bool one_sided, bool greatest)
{
    const struct fc_tile *tile = &nibbles->tile;
    const int8_t *weights = tile->weights;
    int8_t *output = tile->output;
    for (const struct fc_pair *pair = tile->pairs; weights != tile->end; pair++, output += 2) {
        int32_t first[FC_TILE], mixed[FC_TILE];
        for (int32_t i = 0; i < FC_TILE; i++) {
            first[i] = (int32_t)((uint32_t)pair->first_bias + (uint32_t)nibbles->starts[i]);
            mixed[i] = (int32_t)((uint32_t)pair->mixed_bias + (uint32_t)nibbles->starts[i]);
        }
        const int16_t *columns = tile->columns;
        for (uint32_t word; (word = fc_load_word(weights)) != FC_WEIGHTS_END; weights += 4) {
            for (int32_t odd = 0; odd < 2; odd++, columns += 2 * FC_TILE) {
                const uint32_t both = odd ? fc_odd_bytes(word) : fc_even_bytes(word);
                for (int32_t i = 0; i < FC_TILE; i++) {
                    const uint32_t values = fc_load_word(columns + 2 * i);
                    mixed[i] = fc_smlad(both, values, mixed[i]);
                    first[i] = fc_smlad(fc_first_nibbles(both), values, first[i]);
                }
            }
        }
        weights += sizeof FC_WEIGHTS_END;
        fc_tile_outputs(tile, pair, mixed, first, FC_NIBBLES_MIXED, one_sided, greatest, output);
    }
}
#endif

#endif
