/* FULLY_CONNECTED, int8, per unit. */
#ifndef FC_FULLY_CONNECTED_H
#define FC_FULLY_CONNECTED_H

#include "fc_columns.h"
#include "fc_fixed.h"

struct fc_fully_connected {
    int32_t rows;  /* input vectors; 1 in most networks */
    int32_t depth; /* elements of each */
    int32_t units; /* outputs for each */
    int32_t output_zero_point, output_min, output_max;
    bool scale_down; /* see fc_requantize */
};

FC_INLINE int32_t fc_fully_connected_groups(const struct fc_fully_connected *p)
{
    return (p->depth + FC_GROUP - 1) / FC_GROUP;
}

/* Bytes of `column` below; twin of fully_connected_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_fully_connected_scratch_size(const struct fc_fully_connected *p)
{
    return fc_fully_connected_groups(p) * FC_GROUP * (int32_t)sizeof(int16_t);
}

/* input rows * depth, weights ceil(units / 2) pairs * groups
 * * 8 bytes, output rows * units. */
FC_INLINE void fc_fully_connected_s8(const struct fc_fully_connected *p, const int8_t *input,
                                     const int8_t *weights, const struct fc_channel *table, int16_t *column,
                                     int8_t *output)
{
    const int32_t groups = fc_fully_connected_groups(p);
    for (int32_t row = 0; row < p->rows; row++) {
        (void)fc_widen(input + row * p->depth, p->depth, column, 2);
        const int8_t *pair = weights;
        int8_t *result = output + row * p->units;
        for (int32_t unit = 0; unit < p->units; unit += 2) {
            const bool second = unit + 1 < p->units;
            const struct fc_channel c0 = table[unit], c1 = table[second ? unit + 1 : unit];
            int32_t sums[2] = {c0.bias, c1.bias};
            fc_dot_2x1(pair, column, groups, sums);
            pair += groups * 2 * FC_GROUP;
            result[unit] = fc_requantize(sums[0], c0.scale, p->scale_down, p->output_zero_point,
                                         p->output_min, p->output_max);
            if (second) {
                result[unit + 1] = fc_requantize(sums[1], c1.scale, p->scale_down, p->output_zero_point,
                                                 p->output_min, p->output_max);
            }
        }
    }
}

#endif
