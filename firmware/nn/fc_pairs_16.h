/* The same where 32 bits hold every sum, by the loops of fc_columns.h: activations are as wide there already. A
 * column holds its elements in their order, and weights are packed so (generator/plan/kernels/layers_16.py). */
#ifndef FC_PAIRS_16_H
#define FC_PAIRS_16_H

#include "fc_conv_2d.h"
#include "fc_layers_16.h"

/* Copies `count` elements to where a column's element `at` goes, zeros where there are none; returns what follows.
 * Words if both numbers are even, which the compiler knows of an even number of channels. */
FC_INLINE int32_t fc_put_16(int16_t *column, int32_t stride, int32_t at, const int16_t *values, int32_t count,
                            bool in_words)
{
    if (in_words) {
        for (int32_t i = 0; i < count; i += 2) {
            fc_store_word(column + (at + i) / 2 * stride, values == NULL ? 0 : fc_load_word(values + i));
        }
    } else {
        for (int32_t i = at; i < at + count; i++) {
            column[i / 2 * stride + i % 2] = values == NULL ? 0 : values[i - at];
        }
    }
    return at + count;
}

/* Column number `index` of FC_COLUMNS: what output pixel (y, x) sees. */
FC_INLINE void fc_gather_16(const struct fc_view *v, const int16_t *input, int32_t y, int32_t x, int16_t *scratch,
                            int32_t index)
{
    const int32_t channels = v->input_channels, stride = 2 * FC_COLUMNS;
    const int32_t first_y = y * v->stride_height - v->pad_top, first_x = x * v->stride_width - v->pad_left;
    int16_t *column = scratch + 2 * index;
    int32_t at = 0;
    for (int32_t ky = 0; ky < v->kernel_height; ky++) {
        const int32_t row = first_y + ky * v->dilation_height;
        if (row < 0 || row >= v->input_height) {
            at = fc_put_16(column, stride, at, NULL, v->kernel_width * channels, v->in_words);
            continue;
        }
        const int16_t *pixels = input + row * v->input_width * channels;
        if (v->dilation_width == 1 && first_x >= 0 && first_x + v->kernel_width <= v->input_width) {
            at = fc_put_16(column, stride, at, pixels + first_x * channels, v->kernel_width * channels,
                           v->in_words);
            continue;
        }
        for (int32_t kx = 0; kx < v->kernel_width; kx++) {
            const int32_t place = first_x + kx * v->dilation_width;
            const bool inside = place >= 0 && place < v->input_width;
            at = fc_put_16(column, stride, at, inside ? pixels + place * channels : NULL, channels, v->in_words);
        }
    }
}

struct fc_conv_2d_16 {
    struct fc_view view; /* in_words: input channels are even */
    int32_t output_height, output_width, output_channels;
    int32_t output_min, output_max;
    int32_t rounding; /* FC_ROUNDS_... */
};

/* Bytes of `columns` below; twin of columns_16_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_conv_2d_16_scratch_size(const struct fc_conv_2d_16 *p)
{
    return fc_view_groups(&p->view) * FC_GROUP * FC_COLUMNS * 2 + FC_COLUMNS_MARGIN;
}

/* weights pairs of channels, and FC_WEIGHTS_MARGIN; columns 4-byte aligned; output apart from the input. Three
 * output pixels at a time, in reading order; where fewer are left, the others' results are dropped. */
FC_INLINE void fc_conv_2d_pairs_s16(const struct fc_conv_2d_16 *p, const int16_t *input, const int8_t *weights,
                                    const struct fc_channel_16 *table, int16_t *columns, int16_t *output)
{
    const int32_t groups = fc_view_groups(&p->view), channels = p->output_channels;
    const int32_t pixels = p->output_height * p->output_width;
    int32_t y = 0, x = 0;
    for (int32_t pixel = 0; pixel < pixels; pixel += FC_COLUMNS, output += FC_COLUMNS * channels) {
        const int32_t count = pixels - pixel < FC_COLUMNS ? pixels - pixel : FC_COLUMNS;
        for (int32_t i = 0; i < count; i++) {
            fc_gather_16(&p->view, input, y, x, columns, i);
            if (++x == p->output_width) {
                x = 0;
                y++;
            }
        }
        for (int32_t start = 0; start < channels; start += 2 * FC_PAIRS) {
            const int32_t end = start + 2 * FC_PAIRS < channels ? start + 2 * FC_PAIRS : channels;
            int32_t sums[2 * FC_PAIRS][FC_COLUMNS];
            for (int32_t c = start; c < end; c++) {
                for (int32_t i = 0; i < FC_COLUMNS; i++) {
                    sums[c - start][i] = table[c].bias_low;
                }
            }
            if (end % 2 != 0) { /* its neighbour has weights of 0 */
                memset(sums[end - start], 0, sizeof sums[0]);
            }
            fc_dot_pairs(weights + start * groups * FC_GROUP, columns, groups, sums[0],
                         sums[0] + (end - start + 1) / 2 * 2 * FC_COLUMNS);
            for (int32_t c = start; c < end; c++) {
                for (int32_t i = 0; i < count; i++) {
                    output[i * channels + c] =
                        fc_requantize_16(sums[c - start][i], table + c, p->rounding, p->output_min, p->output_max);
                }
            }
        }
    }
}

/* Depth in whole groups; weights pairs of units. */
FC_INLINE void fc_fully_connected_pairs_s16(const struct fc_fully_connected_16 *p, const int16_t *input,
                                            const int8_t *weights, const struct fc_channel_16 *table,
                                            int16_t *output)
{
    for (int32_t row = 0; row < p->rows; row++, input += p->depth) {
        for (int32_t unit = 0; unit < p->units; unit += 2) {
            const bool second = unit + 1 < p->units;
            int32_t sums[2] = {table[unit].bias_low, second ? table[unit + 1].bias_low : 0};
            fc_dot_2x1(weights + unit * p->depth, input, p->depth / FC_GROUP, sums);
            *output++ = fc_requantize_16(sums[0], table + unit, p->rounding, p->output_min, p->output_max);
            if (second) {
                *output++ = fc_requantize_16(sums[1], table + unit + 1, p->rounding, p->output_min, p->output_max);
            }
        }
    }
}

#endif
