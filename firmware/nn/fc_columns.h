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

/* What may be read, but is not used, behind packed weights and behind columns. */
#define FC_WEIGHTS_MARGIN 4
#define FC_COLUMNS_MARGIN (FC_COLUMNS * 4)

/* Two channels by three columns over `groups` groups of four products, at least 1. sums: channel 0 with
 * columns 0, 1, 2, then channel 1; added to. Reads up to the margins above. */
FC_INLINE void fc_dot_2x3(const int8_t *weights, const int16_t *columns, int32_t groups, int32_t sums[6])
{
    int32_t s00 = sums[0], s01 = sums[1], s02 = sums[2], s10 = sums[3], s11 = sums[4], s12 = sums[5];
#if defined(__ARM_FEATURE_SIMD32)
    /* GCC 12 needs 2.2 times the cycles for the C below: it spills, and loads only where it needs the value.
     * Here each load is issued beside a multiplication, long enough before its use. */
    const int8_t *const end = weights + groups * (2 * FC_GROUP);
    uint32_t w, v, a, b, c;
    __asm__ volatile("ldr    %[w], [%[weights]], #4        \n"
                     "ldr    %[a], [%[columns]], #12       \n"
                     "1:                                   \n"
                     "sxtb16 %[v], %[w]                    \n"
                     "ldr    %[b], [%[columns], #-8]       \n"
                     "smlad  %[s00], %[v], %[a], %[s00]    \n"
                     "ldr    %[c], [%[columns], #-4]       \n"
                     "smlad  %[s01], %[v], %[b], %[s01]    \n"
                     "sxtb16 %[w], %[w], ror #8            \n"
                     "smlad  %[s02], %[v], %[c], %[s02]    \n"
                     "ldr    %[v], [%[weights]], #4        \n"
                     "smlad  %[s10], %[w], %[a], %[s10]    \n"
                     "ldr    %[a], [%[columns]], #12       \n"
                     "smlad  %[s11], %[w], %[b], %[s11]    \n"
                     "smlad  %[s12], %[w], %[c], %[s12]    \n"
                     "sxtb16 %[w], %[v]                    \n"
                     "ldr    %[b], [%[columns], #-8]       \n"
                     "smlad  %[s00], %[w], %[a], %[s00]    \n"
                     "ldr    %[c], [%[columns], #-4]       \n"
                     "smlad  %[s01], %[w], %[b], %[s01]    \n"
                     "sxtb16 %[v], %[v], ror #8            \n"
                     "smlad  %[s02], %[w], %[c], %[s02]    \n"
                     "ldr    %[w], [%[weights]], #4        \n"
                     "smlad  %[s10], %[v], %[a], %[s10]    \n"
                     "ldr    %[a], [%[columns]], #12       \n"
                     "smlad  %[s11], %[v], %[b], %[s11]    \n"
                     "cmp    %[weights], %[end]            \n"
                     "smlad  %[s12], %[v], %[c], %[s12]    \n"
                     "bls    1b                            \n"
                     : [weights] "+r"(weights), [columns] "+r"(columns), [s00] "+r"(s00), [s01] "+r"(s01),
                       [s02] "+r"(s02), [s10] "+r"(s10), [s11] "+r"(s11), [s12] "+r"(s12), [w] "=&r"(w),
                       [v] "=&r"(v), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c)
                     : [end] "r"(end)
                     : "cc", "memory");
#else
    for (int32_t word = 0; word < groups * 2; word++) {
        const uint32_t w = fc_load_word(weights);
        const uint32_t a = fc_load_word(columns);
        const uint32_t b = fc_load_word(columns + 2);
        const uint32_t c = fc_load_word(columns + 4);
        const uint32_t first = fc_even_bytes(w), second = fc_odd_bytes(w);
        s00 = fc_smlad(first, a, s00);
        s01 = fc_smlad(first, b, s01);
        s02 = fc_smlad(first, c, s02);
        s10 = fc_smlad(second, a, s10);
        s11 = fc_smlad(second, b, s11);
        s12 = fc_smlad(second, c, s12);
        weights += 4;
        columns += 2 * FC_COLUMNS;
    }
#endif
    sums[0] = s00;
    sums[1] = s01;
    sums[2] = s02;
    sums[3] = s10;
    sums[4] = s11;
    sums[5] = s12;
}

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

/* Widens `count` activations, less their zero point, into a column; the rest of the last group is whatever
 * lies behind them and meets weights of 0. `stride` is the distance in halves from one word of the column to
 * the next: 2 alone, 2 * FC_COLUMNS among others. Returns where the column goes on. */
FC_INLINE int16_t *fc_widen(const int8_t *values, int32_t count, int32_t zero_point, int16_t *column,
                            int32_t stride)
{
    const uint32_t offsets = fc_pack_halves(-zero_point, -zero_point);
    for (int32_t i = 0; i < count; i += FC_GROUP) {
        const uint32_t word = fc_load_word(values + i);
        fc_store_word(column, fc_add_halves(fc_even_bytes(word), offsets));
        fc_store_word(column + stride, fc_add_halves(fc_odd_bytes(word), offsets));
        column += 2 * stride;
    }
    return column;
}

/* The same for padding, which equals the zero point: zeros. `count` in whole groups. */
FC_INLINE int16_t *fc_widen_padding(int32_t count, int16_t *column, int32_t stride)
{
    for (int32_t i = 0; i < count; i += 2) {
        fc_store_word(column, 0);
        column += stride;
    }
    return column;
}

#endif
