/* The heart of convolution and fully connected layers: dot products of int16 columns with packed int8
 * weights.
 *
 * Products are taken in groups of four. Weights of two channels lie side by side, a word each per group; a
 * word's bytes, unpacked as (0, 2) and (1, 3), meet the column's halves in that order, so nothing is ever
 * shuffled:
 *
 *   weight word   bytes w0 w1 w2 w3, in model order   column halves x0 x2 x1 x3    (FC_ORDER_SPLIT)
 *   weight word   bytes w0 w2 w1 w3                   column halves x0 x1 x2 x3    (FC_ORDER_LINEAR)
 *
 * Split columns are what two unpacking instructions make of a word of activations; they need runs of whole
 * words. The planner packs weights for the order that it tells the kernel (generator/plan/packing.py). */
#ifndef FC_COLUMNS_H
#define FC_COLUMNS_H

#include "fc_simd.h"

#define FC_GROUP 4 /* products per group */

enum fc_order { FC_ORDER_LINEAR, FC_ORDER_SPLIT };

/* Two channels by two columns. `columns` holds, per group, four halves of the first column, then four of the
 * second. sums: channel 0 column 0, channel 0 column 1, channel 1 column 0, channel 1 column 1; added to. */
FC_INLINE void fc_dot_2x2(const int8_t *weights, const int16_t *columns, int32_t groups, int32_t sums[4])
{
    int32_t s00 = sums[0], s01 = sums[1], s10 = sums[2], s11 = sums[3];
    for (int32_t group = 0; group < groups; group++) {
        const uint32_t w0 = fc_load_word(weights);
        const uint32_t w1 = fc_load_word(weights + 4);
        const uint32_t a0 = fc_load_word(columns);
        const uint32_t a1 = fc_load_word(columns + 2);
        const uint32_t b0 = fc_load_word(columns + 4);
        const uint32_t b1 = fc_load_word(columns + 6);
        const uint32_t w0_even = fc_even_bytes(w0), w0_odd = fc_odd_bytes(w0);
        s00 = fc_smlad(w0_even, a0, s00);
        s01 = fc_smlad(w0_even, b0, s01);
        s00 = fc_smlad(w0_odd, a1, s00);
        s01 = fc_smlad(w0_odd, b1, s01);
        const uint32_t w1_even = fc_even_bytes(w1), w1_odd = fc_odd_bytes(w1);
        s10 = fc_smlad(w1_even, a0, s10);
        s11 = fc_smlad(w1_even, b0, s11);
        s10 = fc_smlad(w1_odd, a1, s10);
        s11 = fc_smlad(w1_odd, b1, s11);
        weights += 2 * FC_GROUP;
        columns += 2 * FC_GROUP;
    }
    sums[0] = s00;
    sums[1] = s01;
    sums[2] = s10;
    sums[3] = s11;
}

/* Two channels by one column of four halves per group. */
FC_INLINE void fc_dot_2x1(const int8_t *weights, const int16_t *column, int32_t groups, int32_t sums[2])
{
    int32_t s0 = sums[0], s1 = sums[1];
    for (int32_t group = 0; group < groups; group++) {
        const uint32_t w0 = fc_load_word(weights);
        const uint32_t w1 = fc_load_word(weights + 4);
        const uint32_t a0 = fc_load_word(column);
        const uint32_t a1 = fc_load_word(column + 2);
        s0 = fc_smlad(fc_even_bytes(w0), a0, s0);
        s1 = fc_smlad(fc_even_bytes(w1), a0, s1);
        s0 = fc_smlad(fc_odd_bytes(w0), a1, s0);
        s1 = fc_smlad(fc_odd_bytes(w1), a1, s1);
        weights += 2 * FC_GROUP;
        column += FC_GROUP;
    }
    sums[0] = s0;
    sums[1] = s1;
}

/* A column that is being written from its start. `stride` is the distance in halves from one group to the
 * next: 4 alone, 8 where two columns are interleaved. */
struct fc_column {
    int16_t *halves;
    int32_t count; /* written so far; whole groups for split columns */
};

FC_INLINE void fc_column_put(struct fc_column *column, int32_t stride, int16_t value)
{
    column->halves[column->count / FC_GROUP * stride + column->count % FC_GROUP] = value;
    column->count++;
}

FC_INLINE void fc_column_put_group(struct fc_column *column, int32_t stride, uint32_t first, uint32_t second)
{
    int16_t *group = column->halves + column->count / FC_GROUP * stride;
    fc_store_word(group, first);
    fc_store_word(group + 2, second);
    column->count += FC_GROUP;
}

/* Appends `count` activations with `offset` added; whole groups only if the order is split. */
FC_INLINE void fc_column_append(struct fc_column *column, int32_t stride, enum fc_order order,
                                const int8_t *values, int32_t count, int32_t offset)
{
    if (order == FC_ORDER_SPLIT) {
        const uint32_t offsets = fc_pack_halves(offset, offset);
        for (int32_t i = 0; i < count; i += FC_GROUP) {
            const uint32_t word = fc_load_word(values + i);
            fc_column_put_group(column, stride, fc_add_halves(fc_even_bytes(word), offsets),
                                fc_add_halves(fc_odd_bytes(word), offsets));
        }
    } else {
        for (int32_t i = 0; i < count; i++) {
            fc_column_put(column, stride, (int16_t)(values[i] + offset));
        }
    }
}

/* Appends zeros: padding, where an activation equals its zero point. */
FC_INLINE void fc_column_append_zeros(struct fc_column *column, int32_t stride, enum fc_order order,
                                      int32_t count)
{
    if (order == FC_ORDER_SPLIT) {
        for (int32_t i = 0; i < count; i += FC_GROUP) {
            fc_column_put_group(column, stride, 0, 0);
        }
    } else {
        for (int32_t i = 0; i < count; i++) {
            fc_column_put(column, stride, 0);
        }
    }
}

/* Fills the last group with zeros. */
FC_INLINE void fc_column_finish(struct fc_column *column, int32_t stride)
{
    while (column->count % FC_GROUP != 0) {
        fc_column_put(column, stride, 0);
    }
}

#endif
