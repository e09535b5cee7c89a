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
    enum fc_order order; /* split needs input_channels divisible by 4 */
    bool scale_down;     /* see fc_requantize */
};

/* Groups of products per output; the last is filled with zeros. */
FC_INLINE int32_t fc_conv_2d_groups(const struct fc_conv_2d *p)
{
    return (p->kernel_height * p->kernel_width * p->input_channels + FC_GROUP - 1) / FC_GROUP;
}

/* Bytes of `columns` below; twin of conv_2d_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_conv_2d_scratch_size(const struct fc_conv_2d *p)
{
    return fc_conv_2d_groups(p) * 2 * FC_GROUP * (int32_t)sizeof(int16_t);
}

/* Gathers what one output pixel sees into a column of interleaved scratch. */
FC_INLINE void fc_conv_2d_gather(const struct fc_conv_2d *p, const int8_t *input, int32_t output_y,
                                 int32_t output_x, int16_t *column)
{
    struct fc_column writer = {.halves = column, .count = 0};
    const int32_t stride = 2 * FC_GROUP, channels = p->input_channels;
    const int32_t first_y = output_y * p->stride_height - p->pad_top;
    const int32_t first_x = output_x * p->stride_width - p->pad_left;
    for (int32_t ky = 0; ky < p->kernel_height; ky++) {
        const int32_t y = first_y + ky * p->dilation_height;
        if (y < 0 || y >= p->input_height) {
            fc_column_append_zeros(&writer, stride, p->order, p->kernel_width * channels);
            continue;
        }
        const int8_t *row = input + y * p->input_width * channels;
        if (p->dilation_width == 1 && first_x >= 0 && first_x + p->kernel_width <= p->input_width) {
            fc_column_append(&writer, stride, p->order, row + first_x * channels, p->kernel_width * channels,
                             -p->input_zero_point);
            continue;
        }
        for (int32_t kx = 0; kx < p->kernel_width; kx++) {
            const int32_t x = first_x + kx * p->dilation_width;
            if (x < 0 || x >= p->input_width) {
                fc_column_append_zeros(&writer, stride, p->order, channels);
            } else {
                fc_column_append(&writer, stride, p->order, row + x * channels, channels,
                                 -p->input_zero_point);
            }
        }
    }
    fc_column_finish(&writer, stride);
}

/* input   input_height * input_width * input_channels
 * weights ceil(output_channels / 2) pairs * groups * 8 bytes, packed for `order`
 * table   output_channels entries
 * columns fc_conv_2d_scratch_size bytes, 4-byte aligned
 * output  output_height * output_width * output_channels; must not overlap input
 *
 * Two output pixels at a time, in reading order; a last odd one is computed with a stale neighbour whose
 * result is dropped. */
FC_INLINE void fc_conv_2d_s8(const struct fc_conv_2d *p, const int8_t *input, const int8_t *weights,
                             const struct fc_channel *table, int16_t *columns, int8_t *output)
{
    const int32_t groups = fc_conv_2d_groups(p), channels = p->output_channels;
    const int32_t pixels = p->output_height * p->output_width;
    int32_t y = 0, x = 0;
    for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
        const bool both = pixel + 1 < pixels;
        for (int32_t i = 0; i < 1 + both; i++) {
            fc_conv_2d_gather(p, input, y, x, columns + FC_GROUP * i);
            if (++x == p->output_width) {
                x = 0;
                y++;
            }
        }
        int8_t *first = output + pixel * channels;
        int8_t *second = first + channels;
        const int8_t *pair = weights;
        for (int32_t c = 0; c < channels; c += 2) {
            const bool second_channel = c + 1 < channels;
            const struct fc_channel c0 = table[c], c1 = table[second_channel ? c + 1 : c];
            int32_t sums[4] = {c0.bias, c0.bias, c1.bias, c1.bias};
            fc_dot_2x2(pair, columns, groups, sums);
            pair += groups * 2 * FC_GROUP;
#define FC_OUTPUT(sum, channel)                                                                              \
    fc_requantize((sum), (channel).scale, p->scale_down, p->output_zero_point, p->output_min, p->output_max)
            first[c] = FC_OUTPUT(sums[0], c0);
            if (second_channel) {
                first[c + 1] = FC_OUTPUT(sums[2], c1);
            }
            if (both) {
                second[c] = FC_OUTPUT(sums[1], c0);
                if (second_channel) {
                    second[c + 1] = FC_OUTPUT(sums[3], c1);
                }
            }
#undef FC_OUTPUT
        }
    }
}

#endif
