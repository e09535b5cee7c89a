/* FULLY_CONNECTED by blocks of eight units (fc_fully_connected_blocks.h) with weights of four bits
 * (fc_nibbles.h). They are unpacked in registers and multiplied as they are, plus 8; 8 times the sum of the
 * inputs, which is the same for all units, comes off where sums start. */
#ifndef FC_FULLY_CONNECTED_NIBBLES_H
#define FC_FULLY_CONNECTED_NIBBLES_H

#include "fc_fully_connected_blocks.h"
#include "fc_nibbles.h"

/* Adds a block's sums over inputs to `sums`: four mixed ones, then those of the first units. The inputs end at
 * `end`, after one word or more. Reads FC_WEIGHTS_MARGIN behind the weights. */
#if defined(__ARM_FEATURE_SIMD32)
/* Every register is taken: r0 weights, r1 inputs, r2 packed, r3 mixed and r12 first units' weights, r4 to r7
 * mixed sums, r8 to r11 the first units', lr inputs. */
#define FC_NIBBLE_PAIRS(mixed, first, next_mixed, next_first, next, then)                                    \
    "and r3, r2, #0x0f0f0f0f; and r12, r2, #0x000f000f; smlad " mixed ", r3, lr, " mixed                     \
    "; lsr r2, r2, #4; smlad " first ", r12, lr, " first                                                     \
    "; and r3, r2, #0x0f0f0f0f; and r12, r2, #0x000f000f; ldr r2, [r0, " next                                \
    "; smlad " next_mixed ", r3, lr, " next_mixed "; " then "smlad " next_first ", r12, lr, " next_first "\n"
__attribute__((naked, noinline, unused)) static void
fc_dot_block_nibbles(__attribute__((unused)) const uint32_t *weights, __attribute__((unused)) const int8_t *inputs,
                     __attribute__((unused)) const int8_t *end, __attribute__((unused)) int32_t *sums)
{
    __asm__ volatile("push {r2-r11, lr}\n" /* end, sums */
                     "ldmia r3, {r4-r11}\n"
                     "ldr r2, [r0]; ldr lr, [r1]\n"
                     "1: sxtb16 lr, lr; pld [r0, #64]\n" /* half a line of weights each time */
                     FC_NIBBLE_PAIRS("r4", "r8", "r5", "r9", "#4]", "")
                         FC_NIBBLE_PAIRS("r6", "r10", "r7", "r11", "#8]", "")
                     "ldr lr, [r1], #4\n"
                     "sxtb16 lr, lr, ror #8\n" FC_NIBBLE_PAIRS("r4", "r8", "r5", "r9", "#12]", "")
                         FC_NIBBLE_PAIRS("r6", "r10", "r7", "r11", "#16]!", "ldr r3, [sp]; ")
                     "cmp r1, r3\n"
                     "itt ne; ldrne lr, [r1]; bne 1b\n"
                     "ldr r3, [sp, #4]; stmia r3, {r4-r11}\n"
                     "pop {r2-r11, pc}\n");
}
#else
FC_INLINE void fc_dot_block_nibbles(const uint32_t *weights, const int8_t *inputs, const int8_t *end, int32_t *sums)
{
    int32_t *first = sums + FC_BLOCK_PAIRS;
    for (; inputs != end; inputs += FC_GROUP) {
        const uint32_t word = fc_load_word(inputs);
        for (int32_t odd = 0; odd < 2; odd++) {
            const uint32_t values = odd ? fc_odd_bytes(word) : fc_even_bytes(word);
            for (int32_t pair = 0; pair < FC_BLOCK_PAIRS; pair += 2, weights++) {
                const uint32_t low = fc_low_nibbles(*weights), high = fc_high_nibbles(*weights);
                sums[pair] = fc_smlad(low, values, sums[pair]);
                first[pair] = fc_smlad(fc_even_bytes(low), values, first[pair]);
                sums[pair + 1] = fc_smlad(high, values, sums[pair + 1]);
                first[pair + 1] = fc_smlad(fc_even_bytes(high), values, first[pair + 1]);
            }
        }
    }
}
#endif

/* The same for one pair. */
FC_INLINE void fc_dot_pair_nibbles(const uint32_t *weights, const int8_t *inputs, const int8_t *end,
                                   int32_t sums[2])
{
    int32_t both = sums[0], first = sums[1];
    for (; inputs != end; inputs += FC_GROUP, weights++) {
        const uint32_t word = fc_load_word(inputs), even = fc_even_bytes(word), odd = fc_odd_bytes(word);
        const uint32_t low = fc_low_nibbles(*weights), high = fc_high_nibbles(*weights);
        both = fc_smlad(low, even, both);
        first = fc_smlad(fc_even_bytes(low), even, first);
        both = fc_smlad(high, odd, both);
        first = fc_smlad(fc_even_bytes(high), odd, first);
    }
    sums[0] = both;
    sums[1] = first;
}

/* What sums start from: a pair's biases less 8 times `total`, the sum of the inputs. */
FC_INLINE int32_t fc_nibbles_mixed_start(const struct fc_pair *pair, uint32_t total)
{
    return (int32_t)((uint32_t)pair->mixed_bias - 8 * 257 * total);
}

FC_INLINE int32_t fc_nibbles_first_start(const struct fc_pair *pair, uint32_t total)
{
    return (int32_t)((uint32_t)pair->first_bias - 8 * total);
}

/* One row: `inputs` in whole words, one output per unit. */
FC_INLINE void fc_fully_connected_nibbles_row(const struct fc_fully_connected_blocks *p, const int8_t *inputs,
                                              const uint32_t *weights, const struct fc_pair *pair,
                                              int8_t *outputs)
{
    const int32_t groups = fc_fully_connected_blocks_groups(p);
    const int8_t *end = inputs + groups * FC_GROUP;
    int32_t total = 0;
    for (const int8_t *at = inputs; at != end; at += FC_GROUP) {
        const uint32_t word = fc_load_word(at), ones = fc_pack_halves(1, 1);
        total = fc_smlad(fc_odd_bytes(word), ones, fc_smlad(fc_even_bytes(word), ones, total));
    }
    int32_t left = p->units;
    for (; left >= 2 * FC_BLOCK_PAIRS; left -= 2 * FC_BLOCK_PAIRS) {
        int32_t sums[2 * FC_BLOCK_PAIRS];
#pragma GCC unroll 4
        for (int32_t i = 0; i < FC_BLOCK_PAIRS; i++) {
            sums[i] = fc_nibbles_mixed_start(pair + i, (uint32_t)total);
            sums[FC_BLOCK_PAIRS + i] = fc_nibbles_first_start(pair + i, (uint32_t)total);
        }
        fc_dot_block_nibbles(weights, inputs, end, sums);
        weights += FC_BLOCK_PAIRS * groups;
        fc_block_outputs(p, sums, pair, outputs);
        pair += FC_BLOCK_PAIRS;
        outputs += 2 * FC_BLOCK_PAIRS;
    }
    for (; left > 0; left -= 2, pair++, outputs += 2) {
        int32_t sums[2] = {fc_nibbles_mixed_start(pair, (uint32_t)total),
                           fc_nibbles_first_start(pair, (uint32_t)total)};
        fc_dot_pair_nibbles(weights, inputs, end, sums);
        weights += groups;
        fc_pair_outputs(p, sums, pair, left > 1, outputs);
    }
}

/* input    rows * depth
 * weights  groups words a pair of units, packed in the order of fc_fully_connected_blocks_s8 without ends;
 *          FC_WEIGHTS_MARGIN behind them
 * pairs    an entry per pair of units
 * scratch  fc_fully_connected_blocks_scratch_size bytes
 * output   rows * units; must not overlap input */
FC_INLINE void fc_fully_connected_blocks_s4(const struct fc_fully_connected_blocks *p, const int8_t *input,
                                            const uint32_t *weights, const struct fc_pair *pairs,
                                            int8_t *scratch, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        memcpy(scratch, input + row * p->depth, (size_t)p->depth);
        fc_fully_connected_nibbles_row(p, scratch, weights, pairs, output + row * p->units);
    }
}

/* The same where inputs come in whole words. */
FC_INLINE void fc_fully_connected_blocks_words_s4(const struct fc_fully_connected_blocks *p, const int8_t *input,
                                                  const uint32_t *weights, const struct fc_pair *pairs,
                                                  int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        fc_fully_connected_nibbles_row(p, input + row * p->depth, weights, pairs, output + row * p->units);
    }
}

#endif
