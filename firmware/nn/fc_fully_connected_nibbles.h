/* FULLY_CONNECTED by blocks of eight units (fc_fully_connected_blocks.h) with weights of four bits
 * (fc_nibbles.h), unpacked in registers. */
#ifndef FC_FULLY_CONNECTED_NIBBLES_H
#define FC_FULLY_CONNECTED_NIBBLES_H

#include "fc_fully_connected_blocks.h"
#include "fc_nibbles.h"

/* Adds a block's sums over inputs to `sums`: four mixed ones, then those of the first units. The inputs end at
 * `end`, after one word or more. Reads FC_WEIGHTS_MARGIN behind the weights. */
#if defined(__ARM_FEATURE_SIMD32)
/* Every register is taken: r0 weights, r1 inputs, r2 packed, r3 mixed and r12 first units' weights, r4 to r7
 * mixed sums, r8 to r11 the first units', lr inputs. The order was found by search with the cycle model of the
 * generator: 32 products in 24 cycles. */
__attribute__((naked, noinline, unused)) static void
fc_dot_block_nibbles(__attribute__((unused)) const int8_t *weights, __attribute__((unused)) const int8_t *inputs,
                     __attribute__((unused)) const int8_t *end, __attribute__((unused)) int32_t *sums)
{
    __asm__ volatile("push {r2-r11, lr}\n" /* end, sums */
                     "ldmia r3, {r4-r11}\n"
                     "ldr r2, [r0]; ldr lr, [r1]\n"
                     "1: sxtb16 lr, lr; and r12, r2, #0x000f000f; sxtb16 r3, r2; smlad r8, r12, lr, r8\n"
                     "smlad r4, r3, lr, r4; sxtb16 r3, r2, ror #8; ldr r2, [r0, #4]; and r12, r3, #0x000f000f\n"
                     "smlad r5, r3, lr, r5; sxtb16 r3, r2; smlad r9, r12, lr, r9; and r12, r2, #0x000f000f\n"
                     "smlad r6, r3, lr, r6; sxtb16 r3, r2, ror #8; smlad r10, r12, lr, r10\n"
                     "and r12, r3, #0x000f000f; smlad r7, r3, lr, r7; smlad r11, r12, lr, r11\n"
                     "ldr lr, [r1], #4; sxtb16 lr, lr, ror #8; ldr r2, [r0, #8]; sxtb16 r3, r2\n"
                     "smlad r4, r3, lr, r4; and r12, r2, #0x000f000f; sxtb16 r3, r2, ror #8\n"
                     "smlad r8, r12, lr, r8; pld [r0, #64]; and r12, r3, #0x000f000f\n" /* half a line each time */
                     "smlad r5, r3, lr, r5; ldr r2, [r0, #12]; sxtb16 r3, r2; smlad r9, r12, lr, r9\n"
                     "and r12, r2, #0x000f000f; smlad r6, r3, lr, r6; sxtb16 r3, r2, ror #8\n"
                     "smlad r10, r12, lr, r10; and r12, r3, #0x000f000f; smlad r7, r3, lr, r7; ldr r3, [sp]\n"
                     "ldr r2, [r0, #16]!; smlad r11, r12, lr, r11; cmp r1, r3\n"
                     "itt ne; ldrne lr, [r1]; bne 1b\n"
                     "ldr r3, [sp, #4]; stmia r3, {r4-r11}\n"
                     "pop {r2-r11, pc}\n");
}
#else
FC_INLINE void fc_dot_block_nibbles(const int8_t *weights, const int8_t *inputs, const int8_t *end, int32_t *sums)
{
    int32_t *first = sums + FC_BLOCK_PAIRS;
    for (; inputs != end; inputs += FC_GROUP) {
        const uint32_t word = fc_load_word(inputs);
        for (int32_t odd = 0; odd < 2; odd++) {
            const uint32_t values = odd ? fc_odd_bytes(word) : fc_even_bytes(word);
            for (int32_t pair = 0; pair < FC_BLOCK_PAIRS; pair += 2, weights += 4) {
                const uint32_t packed = fc_load_word(weights);
                const uint32_t w0 = fc_even_bytes(packed), w1 = fc_odd_bytes(packed);
                sums[pair] = fc_smlad(w0, values, sums[pair]);
                first[pair] = fc_smlad(fc_first_nibbles(w0), values, first[pair]);
                sums[pair + 1] = fc_smlad(w1, values, sums[pair + 1]);
                first[pair + 1] = fc_smlad(fc_first_nibbles(w1), values, first[pair + 1]);
            }
        }
    }
}
#endif

/* The same for one pair. */
FC_INLINE void fc_dot_pair_nibbles(const int8_t *weights, const int8_t *inputs, const int8_t *end,
                                   int32_t sums[2])
{
    int32_t both = sums[0], first = sums[1];
    for (; inputs != end; inputs += FC_GROUP, weights += 4) {
        const uint32_t word = fc_load_word(inputs), even = fc_even_bytes(word), odd = fc_odd_bytes(word);
        const uint32_t packed = fc_load_word(weights), w0 = fc_even_bytes(packed), w1 = fc_odd_bytes(packed);
        both = fc_smlad(w0, even, both);
        first = fc_smlad(fc_first_nibbles(w0), even, first);
        both = fc_smlad(w1, odd, both);
        first = fc_smlad(fc_first_nibbles(w1), odd, first);
    }
    sums[0] = both;
    sums[1] = first;
}

/* One row: `inputs` in whole words, one output per unit. */
FC_INLINE void fc_fully_connected_nibbles_row(const struct fc_fully_connected_blocks *p, const int8_t *inputs,
                                              const int8_t *weights, const struct fc_pair *pair,
                                              int8_t *outputs)
{
    const int32_t groups = fc_fully_connected_blocks_groups(p);
    const int8_t *end = inputs + groups * FC_GROUP;
    int32_t start = 0;
    for (const int8_t *at = inputs; at != end; at += FC_GROUP) {
        const uint32_t word = fc_load_word(at);
        start = fc_less_nibbles_first(fc_odd_bytes(word), fc_less_nibbles_first(fc_even_bytes(word), start));
    }
    int32_t left = p->units;
    for (; left >= 2 * FC_BLOCK_PAIRS; left -= 2 * FC_BLOCK_PAIRS) {
        int32_t sums[2 * FC_BLOCK_PAIRS];
#pragma GCC unroll 4
        for (int32_t i = 0; i < FC_BLOCK_PAIRS; i++) {
            sums[i] = (int32_t)((uint32_t)start + (uint32_t)pair[i].mixed_bias);
            sums[FC_BLOCK_PAIRS + i] = (int32_t)((uint32_t)start + (uint32_t)pair[i].first_bias);
        }
        fc_dot_block_nibbles(weights, inputs, end, sums);
        weights += FC_BLOCK_PAIRS * groups * 4;
        fc_block_outputs(p, sums, FC_NIBBLES_MIXED, pair, outputs);
        pair += FC_BLOCK_PAIRS;
        outputs += 2 * FC_BLOCK_PAIRS;
    }
    for (; left > 0; left -= 2, pair++, outputs += 2) {
        int32_t sums[2] = {(int32_t)((uint32_t)start + (uint32_t)pair->mixed_bias),
                           (int32_t)((uint32_t)start + (uint32_t)pair->first_bias)};
        fc_dot_pair_nibbles(weights, inputs, end, sums);
        weights += groups * 4;
        fc_pair_outputs(p, sums, FC_NIBBLES_MIXED, pair, left, outputs);
    }
}

/* input    rows * depth
 * weights  groups * 4 bytes a pair of units, of which a word holds two of fc_fully_connected_blocks_s8, in its order
 *          without ends; FC_WEIGHTS_MARGIN behind them
 * pairs    an entry per pair of units
 * scratch  fc_fully_connected_blocks_scratch_size bytes
 * output   rows * units; must not overlap input */
FC_INLINE void fc_fully_connected_blocks_s4(const struct fc_fully_connected_blocks *p, const int8_t *input,
                                            const int8_t *weights, const struct fc_pair *pairs,
                                            int8_t *scratch, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        memcpy(scratch, input + row * p->depth, (size_t)p->depth);
        fc_fully_connected_nibbles_row(p, scratch, weights, pairs, output + row * p->units);
    }
}

/* The same where inputs come in whole words. */
FC_INLINE void fc_fully_connected_blocks_words_s4(const struct fc_fully_connected_blocks *p, const int8_t *input,
                                                  const int8_t *weights, const struct fc_pair *pairs,
                                                  int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        fc_fully_connected_nibbles_row(p, input + row * p->depth, weights, pairs, output + row * p->units);
    }
}

#endif
