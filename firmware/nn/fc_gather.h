/* What an output pixel of a convolution sees, gathered into a column. Activations HWC, as they are stored: the
 * input's zero point is in the biases. */
#ifndef FC_GATHER_H
#define FC_GATHER_H

#include <stdbool.h>

#include "fc_columns.h"

struct fc_view {
    int32_t input_height, input_width, input_channels;
    int32_t kernel_height, kernel_width;
    int32_t stride_height, stride_width;
    int32_t dilation_height, dilation_width;
    int32_t pad_top, pad_left;
    int32_t padding; /* the input's zero point */
    bool in_words;   /* input_channels come in whole words: widened where they lie, others are put together first */
};

/* Groups of products per output; the last is filled up, and meets weights of 0 there. */
FC_INLINE int32_t fc_view_groups(const struct fc_view *v)
{
    return (v->kernel_height * v->kernel_width * v->input_channels + FC_GROUP - 1) / FC_GROUP;
}

/* Bytes of `columns` columns with what may be read behind them, and the patch. */
FC_INLINE int32_t fc_view_scratch_size(const struct fc_view *v, int32_t columns)
{
    return fc_view_groups(v) * FC_GROUP * columns * 2 + FC_COLUMNS_MARGIN +
           (v->in_words ? 0 : fc_view_groups(v) * FC_GROUP);
}

FC_INLINE void fc_gather_words(const struct fc_view *v, const int8_t *input, int32_t first_y, int32_t first_x,
                               int16_t *column, int32_t stride)
{
    const int32_t channels = v->input_channels, run = v->kernel_width * channels;
    for (int32_t ky = 0; ky < v->kernel_height; ky++) {
        const int32_t y = first_y + ky * v->dilation_height;
        if (y < 0 || y >= v->input_height) {
            column = fc_widen_padding(v->padding, run, column, stride);
            continue;
        }
        const int8_t *row = input + y * v->input_width * channels;
        if (v->dilation_width == 1 && first_x >= 0 && first_x + v->kernel_width <= v->input_width) {
            column = fc_widen(row + first_x * channels, run, column, stride);
            continue;
        }
        for (int32_t kx = 0; kx < v->kernel_width; kx++) {
            const int32_t x = first_x + kx * v->dilation_width;
            if (x < 0 || x >= v->input_width) {
                column = fc_widen_padding(v->padding, channels, column, stride);
            } else {
                column = fc_widen(row + x * channels, channels, column, stride);
            }
        }
    }
}

/* Bytes of a kernel's row that make whole words, and those that are left. */
FC_INLINE int32_t fc_view_row_words(const struct fc_view *v)
{
    return v->kernel_width * v->input_channels / FC_GROUP;
}

FC_INLINE int32_t fc_view_row_rest(const struct fc_view *v)
{
    return v->kernel_width * v->input_channels % FC_GROUP;
}

/* A patch has the whole words of all rows first, then what is left of each (generator/plan/packing.py): so all but
 * those few bytes are loaded as words, wherever they lie. */
FC_INLINE void fc_gather_inside(const struct fc_view *v, const int8_t *first, int16_t *column, int32_t stride)
{
    const int32_t pitch = v->dilation_height * v->input_width * v->input_channels;
    const int32_t words = fc_view_row_words(v), rest = fc_view_row_rest(v), left = v->kernel_height * rest;
#pragma GCC unroll 4
    for (int32_t ky = 0; ky < v->kernel_height; ky++) {
        column = fc_widen(first + ky * pitch, words * FC_GROUP, column, stride);
    }
#pragma GCC unroll 4
    for (int32_t start = 0; start < left; start += FC_GROUP) {
        const int32_t end = left < start + FC_GROUP ? left : start + FC_GROUP;
        uint32_t word = 0;
#pragma GCC unroll 4
        for (int32_t i = start; i < end; i++) {
            const int8_t *byte = first + (i / rest) * pitch + words * FC_GROUP + i % rest;
            word |= (uint32_t)(uint8_t)*byte << (8 * (i - start));
        }
        column = fc_widen_word(word, column, stride);
    }
}

/* The same at a border, where some bytes are padding, by way of `patch`. */
FC_INLINE void fc_gather_border(const struct fc_view *v, const int8_t *input, int32_t first_y, int32_t first_x,
                                int8_t *patch, int16_t *column, int32_t stride)
{
    const int32_t channels = v->input_channels, whole = fc_view_row_words(v) * FC_GROUP;
    const int32_t rest = fc_view_row_rest(v);
    for (int32_t ky = 0; ky < v->kernel_height; ky++) {
        const int32_t y = first_y + ky * v->dilation_height;
        const bool row_inside = y >= 0 && y < v->input_height;
        int8_t *words = patch + ky * whole, *bytes = patch + v->kernel_height * whole + ky * rest;
        int32_t at = 0;
        for (int32_t kx = 0; kx < v->kernel_width; kx++) {
            const int32_t x = first_x + kx * v->dilation_width;
            const bool inside = row_inside && x >= 0 && x < v->input_width;
            const int8_t *pixel = input + (inside ? (y * v->input_width + x) * channels : 0);
            for (int32_t c = 0; c < channels; c++, at++) {
                *(at < whole ? words + at : bytes + (at - whole)) = inside ? pixel[c] : (int8_t)v->padding;
            }
        }
    }
    (void)fc_widen(patch, fc_view_groups(v) * FC_GROUP, column, stride);
}

FC_INLINE void fc_gather_bytes(const struct fc_view *v, const int8_t *input, int32_t first_y, int32_t first_x,
                               int8_t *patch, int16_t *column, int32_t stride)
{
    const int32_t last_y = first_y + (v->kernel_height - 1) * v->dilation_height;
    if (v->dilation_width == 1 && first_x >= 0 && first_x + v->kernel_width <= v->input_width && first_y >= 0 &&
        last_y < v->input_height) {
        const int8_t *first = input + (first_y * v->input_width + first_x) * v->input_channels;
        fc_gather_inside(v, first, column, stride);
    } else {
        fc_gather_border(v, input, first_y, first_x, patch, column, stride);
    }
}

/* Column number `index` of `columns`, whose words alternate in `scratch` (fc_view_scratch_size): what output pixel
 * (y, x) sees. */
FC_INLINE void fc_gather(const struct fc_view *v, const int8_t *input, int32_t y, int32_t x, int16_t *scratch,
                         int32_t index, int32_t columns)
{
    const int32_t first_y = y * v->stride_height - v->pad_top;
    const int32_t first_x = x * v->stride_width - v->pad_left;
    int16_t *column = scratch + 2 * index;
    if (v->in_words) {
        fc_gather_words(v, input, first_y, first_x, column, 2 * columns);
    } else {
        int16_t *end = scratch + fc_view_groups(v) * FC_GROUP * columns + FC_COLUMNS_MARGIN / 2;
        fc_gather_bytes(v, input, first_y, first_x, (int8_t *)end, column, 2 * columns);
    }
}

#endif
