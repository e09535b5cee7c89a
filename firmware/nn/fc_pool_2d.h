/* MAX_POOL_2D and AVERAGE_POOL_2D, int8, HWC. Output may start where input starts if nothing is padded: a
 * pixel is written only after all windows that begin at or before it have been read. */
#ifndef FC_POOL_2D_H
#define FC_POOL_2D_H

#include "fc_fixed.h"

struct fc_pool_2d {
    int32_t input_height, input_width, channels;
    int32_t output_height, output_width;
    int32_t window_height, window_width;
    int32_t stride_height, stride_width;
    int32_t pad_top, pad_left;
    int32_t output_min, output_max;
};

struct fc_window {
    int32_t top, bottom, left, right; /* bottom and right are one past the last */
};

FC_INLINE struct fc_window fc_pool_2d_window(const struct fc_pool_2d *p, int32_t output_y, int32_t output_x)
{
    const int32_t y = output_y * p->stride_height - p->pad_top;
    const int32_t x = output_x * p->stride_width - p->pad_left;
    return (struct fc_window){
        .top = y < 0 ? 0 : y,
        .bottom = y + p->window_height < p->input_height ? y + p->window_height : p->input_height,
        .left = x < 0 ? 0 : x,
        .right = x + p->window_width < p->input_width ? x + p->window_width : p->input_width,
    };
}

FC_INLINE void fc_max_pool_2d_s8(const struct fc_pool_2d *p, const int8_t *input, int8_t *output)
{
    for (int32_t y = 0; y < p->output_height; y++) {
        for (int32_t x = 0; x < p->output_width; x++) {
            const struct fc_window w = fc_pool_2d_window(p, y, x);
            for (int32_t c = 0; c < p->channels; c++) {
                int32_t largest = INT8_MIN;
                for (int32_t row = w.top; row < w.bottom; row++) {
                    for (int32_t column = w.left; column < w.right; column++) {
                        const int32_t value = input[(row * p->input_width + column) * p->channels + c];
                        largest = value > largest ? value : largest;
                    }
                }
                *output++ = (int8_t)fc_clamp(largest, p->output_min, p->output_max);
            }
        }
    }
}

/* Mean of the pixels inside the image, halves away from zero. */
FC_INLINE void fc_average_pool_2d_s8(const struct fc_pool_2d *p, const int8_t *input, int8_t *output)
{
    for (int32_t y = 0; y < p->output_height; y++) {
        for (int32_t x = 0; x < p->output_width; x++) {
            const struct fc_window w = fc_pool_2d_window(p, y, x);
            const int32_t count = (w.bottom - w.top) * (w.right - w.left);
            for (int32_t c = 0; c < p->channels; c++) {
                int32_t sum = 0;
                for (int32_t row = w.top; row < w.bottom; row++) {
                    for (int32_t column = w.left; column < w.right; column++) {
                        sum += input[(row * p->input_width + column) * p->channels + c];
                    }
                }
                const int32_t mean = (sum < 0 ? sum - count / 2 : sum + count / 2) / count;
                *output++ = (int8_t)fc_clamp(mean, p->output_min, p->output_max);
            }
        }
    }
}

#endif
