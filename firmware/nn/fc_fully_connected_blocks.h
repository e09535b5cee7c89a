/* FULLY_CONNECTED by blocks of eight units, int8, per unit. For layers whose accumulators scale down and
 * saturate to int8; weights in mixed pairs (fc_tile.h). Inputs are widened in registers: no column is needed. */
#ifndef FC_FULLY_CONNECTED_BLOCKS_H
#define FC_FULLY_CONNECTED_BLOCKS_H

#include "fc_columns.h"
#include "fc_fixed.h"
#include "fc_tile.h"

#define FC_BLOCK_PAIRS 4 /* pairs of units in a block; their words of weights alternate */

struct fc_fully_connected_blocks {
    int32_t rows;   /* input vectors; 1 in most networks */
    int32_t depth;  /* elements of each */
    int32_t units;  /* outputs for each */
    bool one_sided; /* see fc_scale_twice */
};

FC_INLINE int32_t fc_fully_connected_blocks_groups(const struct fc_fully_connected_blocks *p)
{
    return (p->depth + FC_GROUP - 1) / FC_GROUP;
}

/* Bytes of `scratch` below; twin of fully_connected_blocks_scratch_bytes in generator/plan. Inputs that are no
 * whole words are copied, so that nothing behind them is read. */
FC_INLINE int32_t fc_fully_connected_blocks_scratch_size(const struct fc_fully_connected_blocks *p)
{
    return p->depth % FC_GROUP == 0 ? 0 : fc_fully_connected_blocks_groups(p) * FC_GROUP;
}

/* A block's sums over inputs, from what its four pairs start from: mixed ones, then those of their first units.
 * The weights end with FC_WEIGHTS_END. */
#if defined(__ARM_FEATURE_SIMD32)
/* Every register is taken: r0 weights, r1 inputs, r2 and r12 mixed and r3 first unit's weights, r4 to r7 mixed
 * sums, r8 to r11 the first units', lr inputs. A word of weights is loaded two cycles before it is multiplied.
 * Where GCC 12 needs 1.2 modelled cycles a product for the C below, this takes 0.6. */
#define FC_BLOCK_PAIR(mixed, first, word, next)                                                              \
    "sxtb16 r3, " word "; smlad " mixed ", " word ", lr, " mixed "; ldr " word ", [r0, " next                \
    "; smlad " first ", r3, lr, " first "\n"
__attribute__((naked, noinline, unused)) static void
fc_dot_block(__attribute__((unused)) const int8_t *weights, __attribute__((unused)) const int8_t *inputs,
             __attribute__((unused)) const struct fc_pair *pairs, __attribute__((unused)) int32_t *sums)
{
    __asm__ volatile("push {r3-r11, lr}\n"
                     "ldrd r4, r8, [r2, #24]; ldrd r5, r9, [r2, #56]\n"
                     "ldrd r6, r10, [r2, #88]; ldrd r7, r11, [r2, #120]\n"
                     "ldr r2, [r0]; ldr r12, [r0, #4]; ldr lr, [r1]\n"
                     "1: sxtb16 lr, lr; pld [r0, #64]\n" /* a line of weights each time */
                     FC_BLOCK_PAIR("r4", "r8", "r2", "#8]") FC_BLOCK_PAIR("r5", "r9", "r12", "#12]")
                         FC_BLOCK_PAIR("r6", "r10", "r2", "#16]") FC_BLOCK_PAIR("r7", "r11", "r12", "#20]")
                     "ldr lr, [r1], #4\n"
                     "sxtb16 lr, lr, ror #8\n" FC_BLOCK_PAIR("r4", "r8", "r2", "#24]")
                         FC_BLOCK_PAIR("r5", "r9", "r12", "#28]") FC_BLOCK_PAIR("r6", "r10", "r2", "#32]!")
                     "sxtb16 r3, r12; smlad r7, r12, lr, r7; cmp r2, #0x80008000; smlad r11, r3, lr, r11\n"
                     "itt ne; ldrne r12, [r0, #4]; ldrne lr, [r1]; bne 1b\n"
                     "pop {r3}; stmia r3, {r4-r11}\n"
                     "pop {r4-r11, pc}\n");
}
#else
FC_INLINE void fc_dot_block(const int8_t *weights, const int8_t *inputs, const struct fc_pair *pairs,
                            int32_t *sums)
{
    for (int32_t pair = 0; pair < FC_BLOCK_PAIRS; pair++) {
        sums[pair] = pairs[pair].mixed_bias;
        sums[FC_BLOCK_PAIRS + pair] = pairs[pair].first_bias;
    }
    for (; fc_load_word(weights) != FC_WEIGHTS_END; inputs += FC_GROUP) {
        const uint32_t word = fc_load_word(inputs);
        for (int32_t odd = 0; odd < 2; odd++) {
            const uint32_t values = odd ? fc_odd_bytes(word) : fc_even_bytes(word);
            for (int32_t pair = 0; pair < FC_BLOCK_PAIRS; pair++) {
                const uint32_t mixed = fc_load_word(weights), first = fc_even_bytes(mixed);
                sums[pair] = fc_smlad(mixed, values, sums[pair]);
                sums[FC_BLOCK_PAIRS + pair] = fc_smlad(first, values, sums[FC_BLOCK_PAIRS + pair]);
                weights += 4;
            }
        }
    }
}
#endif

/* The same for one pair, over `groups` words of inputs, at least 1; added to what is in `sums`. */
FC_INLINE void fc_dot_pair(const int8_t *weights, const int8_t *inputs, int32_t groups, int32_t sums[2])
{
    int32_t both = sums[0], first = sums[1];
    for (; groups > 0; groups--, inputs += FC_GROUP) {
        const uint32_t word = fc_load_word(inputs), even = fc_even_bytes(word), odd = fc_odd_bytes(word);
        const uint32_t w0 = fc_load_word(weights), w1 = fc_load_word(weights + 4);
        both = fc_smlad(w0, even, both);
        first = fc_smlad(fc_even_bytes(w0), even, first);
        both = fc_smlad(w1, odd, both);
        first = fc_smlad(fc_even_bytes(w1), odd, first);
        weights += 2 * FC_GROUP;
    }
    sums[0] = both;
    sums[1] = first;
}

/* Outputs of a block's sums; `bits` as in fc_twice_second. */
FC_INLINE void fc_block_outputs(const struct fc_fully_connected_blocks *p, const int32_t *sums, int32_t bits,
                                const struct fc_pair *pair, int8_t *outputs)
{
    int32_t results[2 * FC_BLOCK_PAIRS];
    /* All before any is stored: a store of bytes might change the pairs, for all a compiler knows. */
#pragma GCC unroll 4
    for (int32_t i = 0; i < FC_BLOCK_PAIRS; i++) {
        const int32_t first = sums[FC_BLOCK_PAIRS + i], second = fc_twice_second(sums[i], first, bits);
        results[2 * i] = fc_first_output(pair + i, (int32_t)((uint32_t)first << 1), p->one_sided);
        results[2 * i + 1] = fc_second_output(pair + i, second, p->one_sided);
    }
#pragma GCC unroll 8
    for (int32_t i = 0; i < 2 * FC_BLOCK_PAIRS; i++) {
        outputs[i] = (int8_t)results[i];
    }
}

/* Those of a pair; the second only if that many units are `left`. */
FC_INLINE void fc_pair_outputs(const struct fc_fully_connected_blocks *p, const int32_t sums[2], int32_t bits,
                               const struct fc_pair *pair, int32_t left, int8_t *outputs)
{
    const int32_t twice = (int32_t)((uint32_t)sums[1] << 1);
    const int32_t second = fc_second_output(pair, fc_twice_second(sums[0], sums[1], bits), p->one_sided);
    outputs[0] = (int8_t)fc_first_output(pair, twice, p->one_sided);
    if (left > 1) {
        outputs[1] = (int8_t)second;
    }
}

/* One row: `inputs` in whole words, one output per unit. */
FC_INLINE void fc_fully_connected_row(const struct fc_fully_connected_blocks *p, const int8_t *inputs,
                                      const int8_t *weights, const struct fc_pair *pair, int8_t *outputs)
{
    const int32_t group_bytes = fc_fully_connected_blocks_groups(p) * 2 * FC_GROUP;
    int32_t left = p->units;
    for (; left >= 2 * FC_BLOCK_PAIRS; left -= 2 * FC_BLOCK_PAIRS) {
        int32_t sums[2 * FC_BLOCK_PAIRS];
        fc_dot_block(weights, inputs, pair, sums);
        weights += FC_BLOCK_PAIRS * group_bytes + (int32_t)sizeof FC_WEIGHTS_END;
        fc_block_outputs(p, sums, FC_MIXED, pair, outputs);
        pair += FC_BLOCK_PAIRS;
        outputs += 2 * FC_BLOCK_PAIRS;
    }
    for (; left > 0; left -= 2, pair++, outputs += 2) {
        int32_t sums[2] = {pair->mixed_bias, pair->first_bias};
        fc_dot_pair(weights, inputs, fc_fully_connected_blocks_groups(p), sums);
        weights += group_bytes + (int32_t)sizeof FC_WEIGHTS_END;
        fc_pair_outputs(p, sums, FC_MIXED, pair, left, outputs);
    }
}

/* input    rows * depth
 * weights  groups * 8 bytes a pair of units, words of a whole block's pairs alternating; FC_WEIGHTS_END behind
 *          each block, and behind each pair of those that make no block
 * pairs    an entry per pair of units
 * scratch  fc_fully_connected_blocks_scratch_size bytes
 * output   rows * units; must not overlap input */
FC_INLINE void fc_fully_connected_blocks_s8(const struct fc_fully_connected_blocks *p, const int8_t *input,
                                            const int8_t *weights, const struct fc_pair *pairs,
                                            int8_t *scratch, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        memcpy(scratch, input + row * p->depth, (size_t)p->depth);
        fc_fully_connected_row(p, scratch, weights, pairs, output + row * p->units);
    }
}

/* The same where inputs come in whole words. */
FC_INLINE void fc_fully_connected_blocks_words_s8(const struct fc_fully_connected_blocks *p, const int8_t *input,
                                                  const int8_t *weights, const struct fc_pair *pairs,
                                                  int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        fc_fully_connected_row(p, input + row * p->depth, weights, pairs, output + row * p->units);
    }
}

#endif
