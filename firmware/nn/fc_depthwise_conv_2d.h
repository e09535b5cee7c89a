/* DEPTHWISE_CONV_2D, int8, per output channel. Activations HWC, weights HWC. */
#ifndef FC_DEPTHWISE_CONV_2D_H
#define FC_DEPTHWISE_CONV_2D_H

#include "fc_fixed.h"
#include "fc_simd.h"

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
FC_INLINE int32_t fc_first_tap(int32_t origin, int32_t dilation)
{
    return origin >= 0 ? 0 : (-origin + dilation - 1) / dilation;
}

FC_INLINE int32_t fc_end_tap(int32_t origin, int32_t dilation, int32_t taps, int32_t size)
{
    const int32_t inside = size > origin ? (size - origin + dilation - 1) / dilation : 0;
    return inside < taps ? inside : taps;
}

/* The taps of one output pixel that fall inside the image. */
struct fc_taps {
    int32_t y, x; /* where tap (0, 0) falls */
    int32_t first_ky, end_ky, first_kx, end_kx;
};

FC_INLINE struct fc_taps fc_depthwise_taps(const struct fc_depthwise_conv_2d *p, int32_t output_y,
                                           int32_t output_x)
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

/* weights kernel_height * kernel_width * output channels; output must not overlap input. Any shape. */
FC_INLINE void fc_depthwise_conv_2d_s8(const struct fc_depthwise_conv_2d *p, const int8_t *input,
                                       const int8_t *weights, const struct fc_channel *table, int8_t *output)
{
    const int32_t channels = p->input_channels * p->multiplier;
    for (int32_t output_y = 0; output_y < p->output_height; output_y++) {
        for (int32_t output_x = 0; output_x < p->output_width; output_x++) {
            const struct fc_taps t = fc_depthwise_taps(p, output_y, output_x);
            int32_t source = 0, replica = 0;
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = table[c].bias;
                for (int32_t ky = t.first_ky; ky < t.end_ky; ky++) {
                    const int32_t row = (t.y + ky * p->dilation_height) * p->input_width;
                    for (int32_t kx = t.first_kx; kx < t.end_kx; kx++) {
                        const int32_t pixel = row + t.x + kx * p->dilation_width;
                        const int32_t value = input[pixel * p->input_channels + source];
                        const int32_t weight = weights[(ky * p->kernel_width + kx) * channels + c];
                        sum = fc_wrapping_add(sum, (value - p->input_zero_point) * weight);
                    }
                }
                *output++ = fc_requantize(sum, table[c].scale, p->scale_down, p->output_zero_point,
                                          p->output_min, p->output_max);
                if (++replica == p->multiplier) {
                    replica = 0;
                    source++;
                }
            }
        }
    }
}

/* The same for a multiplier of 1 and channels in whole words: four channels at a time. */
FC_INLINE void fc_depthwise_conv_2d_words_s8(const struct fc_depthwise_conv_2d *p, const int8_t *input,
                                             const int8_t *weights, const struct fc_channel *table,
                                             int8_t *output)
{
    const int32_t channels = p->input_channels;
    const uint32_t offsets = fc_pack_halves(-p->input_zero_point, -p->input_zero_point);
    for (int32_t output_y = 0; output_y < p->output_height; output_y++) {
        for (int32_t output_x = 0; output_x < p->output_width; output_x++) {
            const struct fc_taps t = fc_depthwise_taps(p, output_y, output_x);
            for (int32_t c = 0; c < channels; c += 4) {
                int32_t sum0 = table[c].bias, sum1 = table[c + 1].bias;
                int32_t sum2 = table[c + 2].bias, sum3 = table[c + 3].bias;
                for (int32_t ky = t.first_ky; ky < t.end_ky; ky++) {
                    const int32_t pixel = (t.y + ky * p->dilation_height) * p->input_width + t.x;
                    const int8_t *values = input + (pixel + t.first_kx * p->dilation_width) * channels + c;
                    const int8_t *factors = weights + (ky * p->kernel_width + t.first_kx) * channels + c;
                    for (int32_t kx = t.first_kx; kx < t.end_kx; kx++) {
                        const uint32_t value = fc_load_word(values), factor = fc_load_word(factors);
                        const uint32_t even = fc_add_halves(fc_even_bytes(value), offsets);
                        const uint32_t odd = fc_add_halves(fc_odd_bytes(value), offsets);
                        sum0 = fc_smlabb(even, fc_even_bytes(factor), sum0);
                        sum1 = fc_smlabb(odd, fc_odd_bytes(factor), sum1);
                        sum2 = fc_smlatt(even, fc_even_bytes(factor), sum2);
                        sum3 = fc_smlatt(odd, fc_odd_bytes(factor), sum3);
                        values += p->dilation_width * channels;
                        factors += channels;
                    }
                }
                const int32_t sums[4] = {sum0, sum1, sum2, sum3};
                for (int32_t i = 0; i < 4; i++) {
                    *output++ = fc_requantize(sums[i], table[c + i].scale, p->scale_down,
                                              p->output_zero_point, p->output_min, p->output_max);
                }
            }
        }
    }
}

#endif
