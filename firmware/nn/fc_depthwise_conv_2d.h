/* DEPTHWISE_CONV_2D, int8, per output channel. Activations HWC, weights HWC. */
#ifndef FC_DEPTHWISE_CONV_2D_H
#define FC_DEPTHWISE_CONV_2D_H

#include "fc_fixed.h"

struct fc_depthwise_conv_2d {
    int32_t input_height, input_width, input_channels;
    int32_t output_height, output_width, multiplier; /* output channels = input channels * multiplier */
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t dilation_height, dilation_width;
    int32_t pad_top, pad_left;
    int32_t input_zero_point, output_zero_point;
    int32_t output_min, output_max;
    bool scale_down; /* see fc_requantize */
};

/* First and one past the last kernel tap that falls inside 0..size when tap 0 falls on `origin`. */
static inline int32_t fc_first_tap(int32_t origin, int32_t dilation)
{
    return origin >= 0 ? 0 : (-origin + dilation - 1) / dilation;
}

static inline int32_t fc_end_tap(int32_t origin, int32_t dilation, int32_t taps, int32_t size)
{
    const int32_t inside = size > origin ? (size - origin + dilation - 1) / dilation : 0;
    return inside < taps ? inside : taps;
}

/* weights kernel_height * kernel_width * output channels; output must not overlap input. */
static inline void fc_depthwise_conv_2d_s8(const struct fc_depthwise_conv_2d *p, const int8_t *input,
                                           const int8_t *weights, const struct fc_channel *table, int8_t *output)
{
    const int32_t channels = p->input_channels * p->multiplier;
    for (int32_t output_y = 0; output_y < p->output_height; output_y++) {
        const int32_t y = output_y * p->stride_height - p->pad_top;
        const int32_t first_ky = fc_first_tap(y, p->dilation_height);
        const int32_t end_ky = fc_end_tap(y, p->dilation_height, p->kernel_height, p->input_height);
        for (int32_t output_x = 0; output_x < p->output_width; output_x++) {
            const int32_t x = output_x * p->stride_width - p->pad_left;
            const int32_t first_kx = fc_first_tap(x, p->dilation_width);
            const int32_t end_kx = fc_end_tap(x, p->dilation_width, p->kernel_width, p->input_width);
            int32_t source = 0, replica = 0;
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = table[c].bias;
                for (int32_t ky = first_ky; ky < end_ky; ky++) {
                    const int32_t row = (y + ky * p->dilation_height) * p->input_width;
                    for (int32_t kx = first_kx; kx < end_kx; kx++) {
                        const int32_t value =
                            input[(row + x + kx * p->dilation_width) * p->input_channels + source];
                        const int32_t weight = weights[(ky * p->kernel_width + kx) * channels + c];
                        sum = fc_wrapping_add(sum, (value - p->input_zero_point) * weight);
                    }
                }
                *output++ = fc_requantize(sum, table[c].scale, p->scale_down, p->output_zero_point, p->output_min,
                                          p->output_max);
                if (++replica == p->multiplier) {
                    replica = 0;
                    source++;
                }
            }
        }
    }
}

#endif
