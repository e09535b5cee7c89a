/* The heart of convolution and fully connected layers: dot products of int16 columns with packed int8
 * weights.
 *
 * Activations are widened four at a time: one word of them becomes two words of halves, elements 0 2 and 1 3,
 * by one instruction each. A word of weights holds two products of two channels, bytes c0h0 c1h0 c0h1 c1h1,
 * which unpack likewise into a word for each channel. The planner packs them in the order of the halves
 * (generator/plan/packing.py), so nothing is ever shuffled at run time. */
#ifndef FC_COLUMNS_H
#define FC_COLUMNS_H

#include "fc_simd.h"

#define FC_GROUP 4   /* products that columns and weights are padded to */
#define FC_COLUMNS 3 /* columns computed together; their words alternate in the scratch buffer */
#define FC_PAIRS 8   /* pairs of channels whose sums are computed before any is scaled */

/* What may be read, but is not used, behind packed weights and behind columns. */
#define FC_WEIGHTS_MARGIN 4
#define FC_COLUMNS_MARGIN 8

/* Pairs of channels by three columns over `groups` groups of four products, at least 1. For each pair, sums
 * up to `end` hold channel 0 with columns 0, 1, 2, then channel 1; added to. Reads up to the margins above.
 */
#if defined(__ARM_FEATURE_SIMD32)
/* GCC 12 needs 2.2 times the cycles for the C below: it spills, and loads only where it needs the value. Here
 * each load is issued beside a multiplication, long enough before its use. A function of its own, because it
 * takes every register: r0 weights, r1 columns, r2 and r3 unpacked weights, r4 to r9 sums, r10 end of a
 * pair's weights, r11 where its sums go, r12 and lr words of columns. */
__attribute__((naked, noinline, unused)) static void
fc_dot_pairs(__attribute__((unused)) const int8_t *weights, __attribute__((unused)) const int16_t *columns,
             __attribute__((unused)) int32_t groups, __attribute__((unused)) int32_t *sums,
             __attribute__((unused)) const int32_t *end)
{
    __asm__ volatile("push   {r4-r11, lr}        \n"
                     "lsl    r2, r2, #3          \n"
                     "push   {r1, r2}            \n"
                     "mov    r10, r0             \n"
                     "mov    r11, r3             \n"
                     "ldr    r3, [r0], #4        \n"
                     "2:                         \n" /* a pair; its first word of weights is in r3 */
                     "ldrd   r1, r2, [sp]        \n"
                     "ldmia  r11, {r4-r9}        \n"
                     "add    r10, r10, r2        \n"
                     "ldr    r12, [r1], #4       \n"
                     "1:                         \n" /* a group */
                     "sxtb16 r2, r3              \n"
                     "ldr    lr, [r1], #4        \n"
                     "smlad  r4, r2, r12, r4     \n"
                     "sxtb16 r3, r3, ror #8      \n"
                     "smlad  r5, r2, lr, r5      \n"
                     "smlad  r7, r3, r12, r7     \n"
                     "ldr    r12, [r1], #4       \n"
                     "smlad  r8, r3, lr, r8      \n"
                     "ldr    lr, [r1], #4        \n"
                     "smlad  r6, r2, r12, r6     \n"
                     "ldr    r2, [r0], #4        \n"
                     "smlad  r9, r3, r12, r9     \n"
                     "ldr    r12, [r1], #4       \n"
                     "sxtb16 r3, r2              \n"
                     "smlad  r4, r3, lr, r4      \n"
                     "sxtb16 r2, r2, ror #8      \n"
                     "smlad  r5, r3, r12, r5     \n"
                     "smlad  r7, r2, lr, r7      \n"
                     "ldr    lr, [r1], #4        \n"
                     "smlad  r8, r2, r12, r8     \n"
                     "ldr    r12, [r1], #4       \n"
                     "smlad  r6, r3, lr, r6      \n"
                     "ldr    r3, [r0], #4        \n"
                     "smlad  r9, r2, lr, r9      \n"
                     "cmp    r0, r10             \n"
                     "bls    1b                  \n"
                     "stmia  r11!, {r4-r9}       \n"
                     "ldr    r2, [sp, #44]       \n" /* end: the fifth argument, above eleven registers */
                     "cmp    r11, r2             \n"
                     "bne    2b                  \n"
                     "add    sp, sp, #8          \n"
                     "pop    {r4-r11, pc}        \n");
}
#else
FC_INLINE void fc_dot_pairs(const int8_t *weights, const int16_t *columns, int32_t groups, int32_t *sums,
                            const int32_t *end)
{
    for (; sums != end; sums += 2 * FC_COLUMNS) {
        for (int32_t word = 0; word < groups * 2; word++) {
            const uint32_t w = fc_load_word(weights);
            const uint32_t first = fc_even_bytes(w), second = fc_odd_bytes(w);
            for (int32_t i = 0; i < FC_COLUMNS; i++) {
                const uint32_t values = fc_load_word(columns + 2 * (word * FC_COLUMNS + i));
                sums[i] = fc_smlad(first, values, sums[i]);
                sums[FC_COLUMNS + i] = fc_smlad(second, values, sums[FC_COLUMNS + i]);
            }
            weights += 4;
        }
    }
}
#endif

/* Two channels by one column whose words lie next to each other. */
FC_INLINE void fc_dot_2x1(const int8_t *weights, const int16_t *column, int32_t groups, int32_t sums[2])
{
    int32_t s0 = sums[0], s1 = sums[1];
    for (int32_t group = 0; group < groups; group++) {
        const uint32_t w0 = fc_load_word(weights), w1 = fc_load_word(weights + 4);
        const uint32_t a0 = fc_load_word(column), a1 = fc_load_word(column + 2);
        s0 = fc_smlad(fc_even_bytes(w0), a0, s0);
        s1 = fc_smlad(fc_odd_bytes(w0), a0, s1);
        s0 = fc_smlad(fc_even_bytes(w1), a1, s0);
        s1 = fc_smlad(fc_odd_bytes(w1), a1, s1);
        weights += 2 * FC_GROUP;
        column += FC_GROUP;
    }
    sums[0] = s0;
    sums[1] = s1;
}

/* Widens one word of activations. */
FC_INLINE int16_t *fc_widen_word(uint32_t word, int16_t *column, int32_t stride)
{
    fc_store_word(column, fc_even_bytes(word));
    fc_store_word(column + stride, fc_odd_bytes(word));
    return column + 2 * stride;
}

/* Widens `count` activations, as they are stored, into a column; the rest of the last group meets weights of 0.
 * `stride` is the distance in halves from one word of the column to the next: 2 alone, 2 * columns among others.
 * Returns where the column goes on. */
FC_INLINE int16_t *fc_widen(const int8_t *values, int32_t count, int16_t *column, int32_t stride)
{
    const int32_t whole = count / FC_GROUP * FC_GROUP;
#pragma GCC unroll 4
    for (int32_t i = 0; i < whole; i += FC_GROUP) {
        column = fc_widen_word(fc_load_word(values + i), column, stride);
    }
    if (whole < count) {
        uint32_t word = 0;
        memcpy(&word, values + whole, (size_t)(count - whole));
        column = fc_widen_word(word, column, stride);
    }
    return column;
}

/* The same for `count` times one value, in whole groups: padding. */
FC_INLINE int16_t *fc_widen_padding(int32_t value, int32_t count, int16_t *column, int32_t stride)
{
    const uint32_t word = fc_pack_halves(value, value);
    for (int32_t i = 0; i < count; i += 2) {
        fc_store_word(column, word);
        column += stride;
    }
    return column;
}

#endif
