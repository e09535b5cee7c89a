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

/* No window reaches out of the image. */
FC_INLINE bool fc_pool_2d_is_inside(const struct fc_pool_2d *p)
{
    return p->pad_top == 0 && p->pad_left == 0 &&
           (p->output_height - 1) * p->stride_height + p->window_height <= p->input_height &&
           (p->output_width - 1) * p->stride_width + p->window_width <= p->input_width;
}

FC_INLINE struct fc_window fc_pool_2d_window(const struct fc_pool_2d *p, int32_t output_y, int32_t output_x)
{
    const int32_t y = output_y * p->stride_height - p->pad_top;
    const int32_t x = output_x * p->stride_width - p->pad_left;
    if (fc_pool_2d_is_inside(p)) { /* the compiler then knows the window's size */
        return (struct fc_window){
            .top = y, .bottom = y + p->window_height, .left = x, .right = x + p->window_width};
    }
    return (struct fc_window){
        .top = y < 0 ? 0 : y,
        .bottom = y + p->window_height < p->input_height ? y + p->window_height : p->input_height,
        .left = x < 0 ? 0 : x,
        .right = x + p->window_width < p->input_width ? x + p->window_width : p->input_width,
    };
}

/* Largest of four channels, of which `input` points at the first of pixel (0, 0). */
FC_INLINE uint32_t fc_max_of_window(const struct fc_pool_2d *p, const int8_t *input, struct fc_window w)
{
    uint32_t largest = 0x80808080u;
#pragma GCC unroll 4
    for (int32_t row = w.top; row < w.bottom; row++) {
        const int8_t *pixel = input + (row * p->input_width + w.left) * p->channels;
#pragma GCC unroll 4
        for (int32_t column = w.left; column < w.right; column++) {
            largest = fc_max_bytes(largest, fc_load_word(pixel));
            pixel += p->channels;
        }
    }
    return largest;
}

FC_INLINE void fc_max_pool_2d_s8(const struct fc_pool_2d *p, const int8_t *input, int8_t *output)
{
    const uint32_t low = (uint8_t)p->output_min * UINT32_C(0x01010101);
    const uint32_t high = (uint8_t)p->output_max * UINT32_C(0x01010101);
    for (int32_t y = 0; y < p->output_height; y++) {
        for (int32_t x = 0; x < p->output_width; x++) {
            const struct fc_window w = fc_pool_2d_window(p, y, x);
            int32_t c = 0;
            for (; c + 3 < p->channels; c += 4) {
                uint32_t largest = fc_max_of_window(p, input + c, w);
                if (p->output_min != INT8_MIN || p->output_max != INT8_MAX) {
                    largest = fc_min_bytes(fc_max_bytes(largest, low), high);
                }
                fc_store_word(output + c, largest);
            }
            for (; c < p->channels; c++) {
                int32_t largest = INT8_MIN;
                for (int32_t row = w.top; row < w.bottom; row++) {
                    for (int32_t column = w.left; column < w.right; column++) {
                        const int32_t value = input[(row * p->input_width + column) * p->channels + c];
                        largest = value > largest ? value : largest;
                    }
                }
                output[c] = (int8_t)fc_clamp(largest, p->output_min, p->output_max);
            }
            output += p->channels;
        }
    }
}

/* Halves away from zero; a mean of bytes is one. */
FC_INLINE int8_t fc_mean(const struct fc_pool_2d *p, int32_t sum, int32_t count)
{
    const int32_t sign = sum >> 31;
    const int32_t mean = (sum + ((count / 2) ^ sign) - sign) / count;
    if (p->output_min == INT8_MIN && p->output_max == INT8_MAX) {
        return (int8_t)mean;
    }
    return (int8_t)fc_clamp(mean, p->output_min, p->output_max);
}

#define FC_BYTES_IN_HALF 255 /* that many sum up without overflow */

struct fc_sums { /* of four channels */
    int32_t of[4];
};

FC_INLINE void fc_add_halves_to_sums(struct fc_sums *sums, uint32_t even, uint32_t odd)
{
    sums->of[0] += (int16_t)(even & 0xFFFFu);
    sums->of[1] += (int16_t)(odd & 0xFFFFu);
    sums->of[2] += (int16_t)(even >> 16);
    sums->of[3] += (int16_t)(odd >> 16);
}

/* Sums of four channels, of which `input` points at the first of pixel (0, 0); windows no wider than
 * FC_BYTES_IN_HALF. */
FC_INLINE struct fc_sums fc_sums_of_window(const struct fc_pool_2d *p, const int8_t *input,
                                           struct fc_window w)
{
    struct fc_sums sums = {{0, 0, 0, 0}};
    uint32_t even = 0, odd = 0;
#pragma GCC unroll 4
    for (int32_t row = w.top; row < w.bottom; row++) {
        const int8_t *pixel = input + (row * p->input_width + w.left) * p->channels;
#pragma GCC unroll 4
        for (int32_t column = w.left; column < w.right; column++) {
            const uint32_t word = fc_load_word(pixel);
            even = fc_add_even_bytes(even, word);
            odd = fc_add_odd_bytes(odd, word);
            pixel += p->channels;
        }
        if (p->window_height * p->window_width > FC_BYTES_IN_HALF) {
            fc_add_halves_to_sums(&sums, even, odd);
            even = odd = 0;
        }
    }
    fc_add_halves_to_sums(&sums, even, odd);
    return sums;
}

/* Mean of the pixels inside the image. */
FC_INLINE void fc_average_pool_2d_s8(const struct fc_pool_2d *p, const int8_t *input, int8_t *output)
{
    for (int32_t y = 0; y < p->output_height; y++) {
        for (int32_t x = 0; x < p->output_width; x++) {
            const struct fc_window w = fc_pool_2d_window(p, y, x);
            const int32_t count = (w.bottom - w.top) * (w.right - w.left);
            int32_t c = 0;
            for (; p->window_width <= FC_BYTES_IN_HALF && c + 3 < p->channels; c += 4) {
                const struct fc_sums sums = fc_sums_of_window(p, input + c, w);
                output[c] = fc_mean(p, sums.of[0], count);
                output[c + 1] = fc_mean(p, sums.of[1], count);
                output[c + 2] = fc_mean(p, sums.of[2], count);
                output[c + 3] = fc_mean(p, sums.of[3], count);
            }
            for (; c < p->channels; c++) {
                int32_t sum = 0;
                for (int32_t row = w.top; row < w.bottom; row++) {
                    for (int32_t column = w.left; column < w.right; column++) {
                        sum += input[(row * p->input_width + column) * p->channels + c];
                    }
                }
                output[c] = fc_mean(p, sum, count);
            }
            output += p->channels;
        }
    }
}

/* int16, an element at a time; a mean goes to the nearest, halves away from zero. */
FC_INLINE void fc_pool_2d_s16(const struct fc_pool_2d *p, bool average, const int16_t *input, int16_t *output)
{
    for (int32_t y = 0; y < p->output_height; y++) {
        for (int32_t x = 0; x < p->output_width; x++) {
            const struct fc_window w = fc_pool_2d_window(p, y, x);
            const int32_t count = (w.bottom - w.top) * (w.right - w.left);
            for (int32_t c = 0; c < p->channels; c++) {
                int32_t sum = 0, largest = INT16_MIN;
                for (int32_t row = w.top; row < w.bottom; row++) {
                    for (int32_t column = w.left; column < w.right; column++) {
                        const int32_t value = input[(row * p->input_width + column) * p->channels + c];
                        sum += average ? value : 0;
                        largest = value > largest ? value : largest;
                    }
                }
                const int32_t mean = (sum + (sum < 0 ? -(count / 2) : count / 2)) / count;
                *output++ = (int16_t)fc_clamp(average ? mean : largest, p->output_min, p->output_max);
            }
        }
    }
}

FC_INLINE void fc_max_pool_2d_s16(const struct fc_pool_2d *p, const int16_t *input, int16_t *output)
{
    fc_pool_2d_s16(p, false, input, output);
}

FC_INLINE void fc_average_pool_2d_s16(const struct fc_pool_2d *p, const int16_t *input, int16_t *output)
{
    fc_pool_2d_s16(p, true, input, output);
}

#endif
