/* CONV_2D, int8, per output channel. Activations HWC. */
#ifndef FC_CONV_2D_H
#define FC_CONV_2D_H

#include "fc_fixed.h"
#include "fc_gather.h"

struct fc_conv_2d {
    struct fc_view view;
    int32_t output_height, output_width, output_channels;
    int32_t output_zero_point, output_min, output_max;
    bool scale_down; /* see fc_requantize */
};

/* Bytes of `columns` below; twin of conv_2d_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_conv_2d_scratch_size(const struct fc_conv_2d *p)
{
    return fc_view_scratch_size(&p->view, FC_COLUMNS);
}

/* All channels of FC_COLUMNS output pixels, whose columns have been gathered, in three places. */
FC_INLINE void fc_conv_2d_pixels(const struct fc_conv_2d *p, const int8_t *weights,
                                 const struct fc_channel *table, const int16_t *columns, int8_t *first,
                                 int8_t *second, int8_t *third)
{
    const int32_t groups = fc_view_groups(&p->view), channels = p->output_channels;
    const int8_t *packed = weights;
    for (int32_t start = 0; start < channels; start += 2 * FC_PAIRS) {
        const int32_t left = (channels - start + 1) / 2;
        const int32_t pairs = left < FC_PAIRS ? left : FC_PAIRS;
        int32_t sums[FC_PAIRS][2 * FC_COLUMNS];
        for (int32_t pair = 0; pair < pairs; pair++) {
            const int32_t c = start + 2 * pair, d = c + 1 < channels ? c + 1 : c;
            for (int32_t i = 0; i < FC_COLUMNS; i++) {
                sums[pair][i] = table[c].bias;
                sums[pair][FC_COLUMNS + i] = table[d].bias;
            }
        }
        fc_dot_pairs(packed, columns, groups, sums[0], sums[0] + pairs * 2 * FC_COLUMNS);
        packed += pairs * groups * 2 * FC_GROUP;
        for (int32_t pair = 0; pair < pairs; pair++) {
            const int32_t c = start + 2 * pair, d = c + 1 < channels ? c + 1 : c;
            const struct fc_scale s0 = table[c].scale, s1 = table[d].scale;
#define FC_OUTPUT(column, scale)                                                                             \
    fc_requantize(sums[pair][column], (scale), p->scale_down, p->output_zero_point, p->output_min,           \
                  p->output_max)
            /* All before any is stored: a store of bytes might change the sums, for all a compiler knows. */
            const int8_t c_first = FC_OUTPUT(0, s0), c_second = FC_OUTPUT(1, s0), c_third = FC_OUTPUT(2, s0);
            const int8_t d_first = FC_OUTPUT(3, s1), d_second = FC_OUTPUT(4, s1), d_third = FC_OUTPUT(5, s1);
            third[d] = d_third;
            second[d] = d_second;
            first[d] = d_first;
            third[c] = c_third;
            second[c] = c_second;
            first[c] = c_first;
#undef FC_OUTPUT
        }
    }
}

/* Rows `first_row` to `first_row + rows` of the output.
 *
 * input   input_height * input_width * input_channels
 * weights ceil(output_channels / 2) pairs * groups * 8 bytes, packed, and FC_WEIGHTS_MARGIN
 * table   output_channels entries
 * columns fc_conv_2d_scratch_size bytes, 4-byte aligned
 * output  rows * output_width * output_channels; may overlap the input as generator/plan/kernels/overlap.py
 *         allows
 *
 * Three output pixels at a time, in reading order; where fewer are left, the others' results are dropped. */
FC_INLINE void fc_conv_2d_rows_s8(const struct fc_conv_2d *p, const int8_t *input, const int8_t *weights,
                                  const struct fc_channel *table, int16_t *columns, int32_t first_row,
                                  int32_t rows, int8_t *output)
{
    const int32_t channels = p->output_channels, pixels = rows * p->output_width;
    int32_t y = first_row, x = 0;
    for (int32_t pixel = 0; pixel < pixels; pixel += FC_COLUMNS) {
        const int32_t count = pixels - pixel < FC_COLUMNS ? pixels - pixel : FC_COLUMNS;
        for (int32_t i = 0; i < count; i++) {
            fc_gather(&p->view, input, y, x, columns, i, FC_COLUMNS);
            if (++x == p->output_width) {
                x = 0;
                y++;
            }
        }
        /* What there is no room for is written to the first pixel or channel, before that is: no branches. */
        int8_t *first = output + pixel * channels;
        int8_t *second = count > 1 ? first + channels : first;
        int8_t *third = count > 2 ? second + channels : first;
        fc_conv_2d_pixels(p, weights, table, columns, first, second, third);
    }
}

FC_INLINE void fc_conv_2d_s8(const struct fc_conv_2d *p, const int8_t *input, const int8_t *weights,
                             const struct fc_channel *table, int16_t *columns, int8_t *output)
{
    fc_conv_2d_rows_s8(p, input, weights, table, columns, 0, p->output_height, output);
}

#endif
