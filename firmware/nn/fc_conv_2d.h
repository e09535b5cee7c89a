/* CONV_2D, int8, per output channel. Activations HWC. */
#ifndef FC_CONV_2D_H
#define FC_CONV_2D_H

#include "fc_columns.h"
#include "fc_fixed.h"

struct fc_conv_2d {
    int32_t input_height, input_width, input_channels;
    int32_t output_height, output_width, output_channels;
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t dilation_height, dilation_width;
    int32_t pad_top, pad_left;
    int32_t input_zero_point, output_zero_point;
    int32_t output_min, output_max;
    bool scale_down; /* see fc_requantize */
};

/* Groups of products per output; the last is filled with zeros. */
FC_INLINE int32_t fc_conv_2d_groups(const struct fc_conv_2d *p)
{
    return (p->kernel_height * p->kernel_width * p->input_channels + FC_GROUP - 1) / FC_GROUP;
}

/* Pixels of whole words are widened where they lie, others are put together first. */
FC_INLINE bool fc_conv_2d_in_words(const struct fc_conv_2d *p) { return p->input_channels % FC_GROUP == 0; }

/* Halves from the start of the columns to the patch of bytes behind them. */
FC_INLINE int32_t fc_conv_2d_patch_offset(const struct fc_conv_2d *p)
{
    return fc_conv_2d_groups(p) * FC_GROUP * FC_COLUMNS + FC_COLUMNS_MARGIN / 2;
}

/* Bytes of `columns` below; twin of conv_2d_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_conv_2d_scratch_size(const struct fc_conv_2d *p)
{
    return fc_conv_2d_patch_offset(p) * 2 + (fc_conv_2d_in_words(p) ? 0 : fc_conv_2d_groups(p) * FC_GROUP);
}

/* Widens what one output pixel sees into a column; for pixels of whole words. */
FC_INLINE void fc_conv_2d_gather_words(const struct fc_conv_2d *p, const int8_t *input, int32_t first_y,
                                       int32_t first_x, int16_t *column)
{
    const int32_t stride = 2 * FC_COLUMNS, channels = p->input_channels, run = p->kernel_width * channels;
    for (int32_t ky = 0; ky < p->kernel_height; ky++) {
        const int32_t y = first_y + ky * p->dilation_height;
        if (y < 0 || y >= p->input_height) {
            column = fc_widen_padding(run, column, stride);
            continue;
        }
        const int8_t *row = input + y * p->input_width * channels;
        if (p->dilation_width == 1 && first_x >= 0 && first_x + p->kernel_width <= p->input_width) {
            column = fc_widen(row + first_x * channels, run, p->input_zero_point, column, stride);
            continue;
        }
        for (int32_t kx = 0; kx < p->kernel_width; kx++) {
            const int32_t x = first_x + kx * p->dilation_width;
            if (x < 0 || x >= p->input_width) {
                column = fc_widen_padding(channels, column, stride);
            } else {
                column = fc_widen(row + x * channels, channels, p->input_zero_point, column, stride);
            }
        }
    }
}

/* The same for any number of channels, by way of a patch of bytes. */
FC_INLINE void fc_conv_2d_gather_bytes(const struct fc_conv_2d *p, const int8_t *input, int32_t first_y,
                                       int32_t first_x, int8_t *patch, int16_t *column)
{
    const int32_t channels = p->input_channels, run = p->kernel_width * channels;
    for (int32_t ky = 0; ky < p->kernel_height; ky++) {
        const int32_t y = first_y + ky * p->dilation_height;
        int8_t *bytes = patch + ky * run;
        const int8_t *row = input + y * p->input_width * channels;
        if (y < 0 || y >= p->input_height) {
            memset(bytes, p->input_zero_point, (size_t)run);
        } else if (p->dilation_width == 1 && first_x >= 0 && first_x + p->kernel_width <= p->input_width) {
            memcpy(bytes, row + first_x * channels, (size_t)run);
        } else {
            for (int32_t kx = 0; kx < p->kernel_width; kx++) {
                const int32_t x = first_x + kx * p->dilation_width;
                if (x < 0 || x >= p->input_width) {
                    memset(bytes + kx * channels, p->input_zero_point, (size_t)channels);
                } else {
                    memcpy(bytes + kx * channels, row + x * channels, (size_t)channels);
                }
            }
        }
    }
    (void)fc_widen(patch, fc_conv_2d_groups(p) * FC_GROUP, p->input_zero_point, column, 2 * FC_COLUMNS);
}

/* Rows `first_row` to `first_row + rows` of the output.
 *
 * input   input_height * input_width * input_channels
 * weights ceil(output_channels / 2) pairs * groups * 8 bytes, packed, and FC_WEIGHTS_MARGIN
 * table   output_channels entries
 * columns fc_conv_2d_scratch_size bytes, 4-byte aligned
 * output  rows * output_width * output_channels; must not overlap input
 *
 * Three output pixels at a time, in reading order; where fewer are left, the others' results are dropped. */
FC_INLINE void fc_conv_2d_rows_s8(const struct fc_conv_2d *p, const int8_t *input, const int8_t *weights,
                                  const struct fc_channel *table, int16_t *columns, int32_t first_row,
                                  int32_t rows, int8_t *output)
{
    const int32_t groups = fc_conv_2d_groups(p), channels = p->output_channels;
    const int32_t pixels = rows * p->output_width;
    int32_t y = first_row, x = 0;
    for (int32_t pixel = 0; pixel < pixels; pixel += FC_COLUMNS) {
        const int32_t count = pixels - pixel < FC_COLUMNS ? pixels - pixel : FC_COLUMNS;
        for (int32_t i = 0; i < count; i++) {
            const int32_t first_y = y * p->stride_height - p->pad_top;
            const int32_t first_x = x * p->stride_width - p->pad_left;
            if (fc_conv_2d_in_words(p)) {
                fc_conv_2d_gather_words(p, input, first_y, first_x, columns + 2 * i);
            } else {
                int8_t *patch = (int8_t *)(columns + fc_conv_2d_patch_offset(p));
                fc_conv_2d_gather_bytes(p, input, first_y, first_x, patch, columns + 2 * i);
            }
            if (++x == p->output_width) {
                x = 0;
                y++;
            }
        }
        /* What there is no room for is written to the first pixel or channel, before that is: no branches. */
        int8_t *first = output + pixel * channels;
        int8_t *second = count > 1 ? first + channels : first;
        int8_t *third = count > 2 ? second + channels : first;
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
                /* All before any is stored: a store of bytes might change the sums, for all a compiler knows.
                 */
                const int8_t c_first = FC_OUTPUT(0, s0), c_second = FC_OUTPUT(1, s0),
                             c_third = FC_OUTPUT(2, s0);
                const int8_t d_first = FC_OUTPUT(3, s1), d_second = FC_OUTPUT(4, s1),
                             d_third = FC_OUTPUT(5, s1);
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
}

FC_INLINE void fc_conv_2d_s8(const struct fc_conv_2d *p, const int8_t *input, const int8_t *weights,
                             const struct fc_channel *table, int16_t *columns, int8_t *output)
{
    fc_conv_2d_rows_s8(p, input, weights, table, columns, 0, p->output_height, output);
}

#endif
