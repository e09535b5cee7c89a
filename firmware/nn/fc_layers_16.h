/* Layers of int16 activations, whose zero point is 0, and int8 weights: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV,
 * FULLY_CONNECTED. Activations HWC; output is apart from the input.
 *
 * Sums are 64-bit where `wide`, a literal; else the planner has proved that 32 bits hold them. One rounding makes
 * outputs of them, as in the 64-bit MultiplyByQuantizedMultiplier of TensorFlow Lite for Microcontrollers; or two
 * do: it takes the 32-bit one for layers whose biases are int32. */
#ifndef FC_LAYERS_16_H
#define FC_LAYERS_16_H

#include "fc_depthwise_conv_2d.h"

/* One output channel. */
struct fc_channel_16 {
    int32_t bias_low, bias_high; /* halves of 64 bits */
    int32_t factor, shift;
};

/* How sums are scaled, a literal: real = factor / 2^shift, rounded once, halves up; the same with another 32 bits to
 * the right, of sums of 32 bits; or as fc_scale does with the low 32 bits. Shifts are at least 1 in the first two. */
enum { FC_ROUNDS_ONCE, FC_ROUNDS_HIGH, FC_ROUNDS_TWICE };

struct fc_window_16 {
    int32_t input_height, input_width, input_channels;
    int32_t output_height, output_width, output_channels;
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t dilation_height, dilation_width;
    int32_t pad_top, pad_left;
    int32_t output_min, output_max;
    int32_t rounding; /* FC_ROUNDS_... */
    bool wide;
};

FC_INLINE int64_t fc_bias_16(const struct fc_channel_16 *channel)
{
    return (int64_t)(((uint64_t)(uint32_t)channel->bias_high << 32) | (uint32_t)channel->bias_low);
}

FC_INLINE int16_t fc_requantize_16(int64_t sum, const struct fc_channel_16 *channel, int32_t rounding, int32_t low,
                                   int32_t high)
{
    int32_t scaled;
    if (rounding == FC_ROUNDS_HIGH) {
        scaled = fc_smmla((int32_t)sum, channel->factor, 1 << (channel->shift - 1)) >> channel->shift;
    } else if (rounding == FC_ROUNDS_ONCE) {
        const int64_t half = INT64_C(1) << (channel->shift - 1);
        scaled = (int32_t)((sum * channel->factor + half) >> channel->shift);
    } else {
        const struct fc_scale scale = {channel->factor, channel->shift};
        scaled = fc_scale_any((int32_t)sum, scale);
    }
    return (int16_t)fc_clamp(scaled, low, high);
}

/* The dot product of `count` activations and weights, with steps from one to the next, added to a sum. */
FC_INLINE int64_t fc_dot_16(const int16_t *values, int32_t step, const int8_t *weights, int32_t weight_step,
                            int32_t count, int64_t sum, bool wide)
{
    if (wide) {
        for (int32_t i = 0; i < count; i++) {
            sum += (int32_t)values[i * step] * weights[i * weight_step];
        }
        return sum;
    }
    int32_t narrow = (int32_t)sum;
    for (int32_t i = 0; i < count; i++) {
        narrow += (int32_t)values[i * step] * weights[i * weight_step];
    }
    return narrow;
}

FC_INLINE struct fc_taps fc_taps_16(const struct fc_window_16 *p, int32_t output_y, int32_t output_x)
{
    const int32_t y = output_y * p->stride_height - p->pad_top;
    const int32_t x = output_x * p->stride_width - p->pad_left;
    return (struct fc_taps){
        .y = y,
        .x = x,
        .first_ky = fc_first_tap(y, p->dilation_height),
        .end_ky = fc_end_tap(y, p->dilation_height, p->kernel_height, p->input_height),
        .first_kx = fc_first_tap(x, p->dilation_width),
        .end_kx = fc_end_tap(x, p->dilation_width, p->kernel_width, p->input_width),
    };
}

/* weights OHWI */
FC_INLINE void fc_conv_2d_s16(const struct fc_window_16 *p, const int16_t *input, const int8_t *weights,
                              const struct fc_channel_16 *table, int16_t *output)
{
    const int32_t channels = p->input_channels;
    for (int32_t output_y = 0; output_y < p->output_height; output_y++) {
        for (int32_t output_x = 0; output_x < p->output_width; output_x++) {
            const struct fc_taps t = fc_taps_16(p, output_y, output_x);
            /* Without dilation the taps of a kernel's row lie side by side. */
            const int32_t runs = p->dilation_width == 1 ? t.first_kx + 1 : t.end_kx;
            const int32_t run = p->dilation_width == 1 ? (t.end_kx - t.first_kx) * channels : channels;
            for (int32_t c = 0; c < p->output_channels; c++) {
                int64_t sum = fc_bias_16(table + c);
                for (int32_t ky = t.first_ky; ky < t.end_ky; ky++) {
                    const int32_t row = (t.y + ky * p->dilation_height) * p->input_width;
                    for (int32_t kx = t.first_kx; kx < runs; kx++) {
                        const int32_t pixel = row + t.x + kx * p->dilation_width;
                        const int32_t tap = (c * p->kernel_height + ky) * p->kernel_width + kx;
                        sum = fc_dot_16(input + pixel * channels, 1, weights + tap * channels, 1, run, sum,
                                        p->wide);
                    }
                }
                *output++ = fc_requantize_16(sum, table + c, p->rounding, p->output_min, p->output_max);
            }
        }
    }
}

/* weights HWC; `input_channels` divide `output_channels`. */
FC_INLINE void fc_depthwise_conv_2d_s16(const struct fc_window_16 *p, const int16_t *input,
                                        const int8_t *weights, const struct fc_channel_16 *table,
                                        int16_t *output)
{
    const int32_t multiplier = p->output_channels / p->input_channels;
    for (int32_t output_y = 0; output_y < p->output_height; output_y++) {
        for (int32_t output_x = 0; output_x < p->output_width; output_x++) {
            const struct fc_taps t = fc_taps_16(p, output_y, output_x);
            int32_t source = 0, replica = 0;
            for (int32_t c = 0; c < p->output_channels; c++) {
                int64_t sum = fc_bias_16(table + c);
                for (int32_t ky = t.first_ky; ky < t.end_ky; ky++) {
                    const int32_t row = (t.y + ky * p->dilation_height) * p->input_width;
                    const int32_t pixel = row + t.x + t.first_kx * p->dilation_width;
                    sum = fc_dot_16(input + pixel * p->input_channels + source,
                                    p->dilation_width * p->input_channels,
                                    weights + (ky * p->kernel_width + t.first_kx) * p->output_channels + c,
                                    p->output_channels, t.end_kx - t.first_kx, sum, p->wide);
                }
                *output++ = fc_requantize_16(sum, table + c, p->rounding, p->output_min, p->output_max);
                if (++replica == multiplier) {
                    replica = 0;
                    source++;
                }
            }
        }
    }
}

/* weights OHWI. Input row i meets kernel row k at output row i * stride + k - pad: each output takes the taps
 * that hit it. Dilation is 1. */
FC_INLINE void fc_transpose_conv_s16(const struct fc_window_16 *p, const int16_t *input, const int8_t *weights,
                                     const struct fc_channel_16 *table, int16_t *output)
{
    const int32_t channels = p->input_channels;
    for (int32_t output_y = 0; output_y < p->output_height; output_y++) {
        const int32_t top = (output_y + p->pad_top) / p->stride_height;
        const int32_t first_ky = (output_y + p->pad_top) % p->stride_height;
        for (int32_t output_x = 0; output_x < p->output_width; output_x++) {
            const int32_t left = (output_x + p->pad_left) / p->stride_width;
            const int32_t first_kx = (output_x + p->pad_left) % p->stride_width;
            for (int32_t c = 0; c < p->output_channels; c++) {
                int64_t sum = fc_bias_16(table + c);
                int32_t y = top;
                for (int32_t ky = first_ky; ky < p->kernel_height && y >= 0; ky += p->stride_height, y--) {
                    int32_t x = left;
                    for (int32_t kx = first_kx; kx < p->kernel_width && x >= 0; kx += p->stride_width, x--) {
                        if (y < p->input_height && x < p->input_width) {
                            const int32_t tap = (c * p->kernel_height + ky) * p->kernel_width + kx;
                            sum = fc_dot_16(input + (y * p->input_width + x) * channels, 1,
                                            weights + tap * channels, 1, channels, sum, p->wide);
                        }
                    }
                }
                *output++ = fc_requantize_16(sum, table + c, p->rounding, p->output_min, p->output_max);
            }
        }
    }
}

struct fc_fully_connected_16 {
    int32_t rows, depth, units;
    int32_t output_min, output_max;
    int32_t rounding; /* FC_ROUNDS_... */
    bool wide;
};

/* input rows * depth, weights units * depth, output rows * units */
FC_INLINE void fc_fully_connected_s16(const struct fc_fully_connected_16 *p, const int16_t *input,
                                      const int8_t *weights, const struct fc_channel_16 *table,
                                      int16_t *output)
{
    for (int32_t row = 0; row < p->rows; row++, input += p->depth) {
        for (int32_t unit = 0; unit < p->units; unit++) {
            const int64_t sum = fc_dot_16(input, 1, weights + unit * p->depth, 1, p->depth,
                                          fc_bias_16(table + unit), p->wide);
            *output++ = fc_requantize_16(sum, table + unit, p->rounding, p->output_min, p->output_max);
        }
    }
}

#endif
