/* What Winograd's convolution (fc_winograd.h) is given, and the transforms of its inputs and weights. */
#ifndef FC_WINOGRAD_TRANSFORM_H
#define FC_WINOGRAD_TRANSFORM_H

#include <stdbool.h>

#include "fc_nibbles.h"
#include "fc_winograd_products.h"

struct fc_winograd {
    int32_t input_height, input_width, input_channels;    /* channels: whole words */
    int32_t output_height, output_width, output_channels; /* before pooling */
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t output_min, output_max;
    int32_t group;  /* tiles transformed before any is multiplied, even: weights are read once per group */
    bool one_sided; /* see fc_scale_twice */
    bool pooled;    /* only the largest output of each tile; output_height and output_width are even */
};

FC_INLINE int32_t fc_winograd_tiles_across(const struct fc_winograd *p) { return (p->output_width + 1) / 2; }

FC_INLINE int32_t fc_winograd_tiles(const struct fc_winograd *p)
{
    return (p->output_height + 1) / 2 * fc_winograd_tiles_across(p);
}

/* Words of a pair of transformed tiles. */
FC_INLINE int32_t fc_winograd_pair_words(const struct fc_winograd *p)
{
    return FC_WINOGRAD_POSITIONS * p->input_channels;
}

/* Words of four transformed kernels. */
FC_INLINE int32_t fc_winograd_block_words(const struct fc_winograd *p)
{
    return FC_WINOGRAD_POSITIONS * FC_WINOGRAD_CHANNELS * p->input_channels / 2;
}

/* Words of a half transformed column of pixels. Odd: words of neighbouring columns lie in different banks of
 * the TCM and can be loaded together. */
FC_INLINE int32_t fc_winograd_column_words(int32_t channels) { return 2 * channels + 1; }

/* How weights come. */
enum fc_winograd_weights {
    FC_WINOGRAD_STORED,  /* transformed */
    FC_WINOGRAD_COMPACT, /* int8 */
    FC_WINOGRAD_NIBBLES  /* four bits (fc_nibbles.h) */
};

/* Words of an output channel's kernel as nibbles. */
FC_INLINE int32_t fc_winograd_packed_words(const struct fc_winograd *p)
{
    return (9 * p->input_channels + 7) / 8;
}

/* Words of `scratch` for sums; a kernel is unpacked there before there are any. */
FC_INLINE int32_t fc_winograd_sums_words(const struct fc_winograd *p, enum fc_winograd_weights weights)
{
    const int32_t unpacked = weights == FC_WINOGRAD_NIBBLES ? 2 * fc_winograd_packed_words(p) : 0;
    return unpacked > FC_WINOGRAD_SUMS ? unpacked : FC_WINOGRAD_SUMS;
}

/* Words of `scratch` in front of the transformed tiles: sums and, if they are transformed here, four kernels.
 * Four half transformed columns of pixels, which are done with before the first product, take the same place. */
FC_INLINE int32_t fc_winograd_front_words(const struct fc_winograd *p, enum fc_winograd_weights weights)
{
    const int32_t columns = 4 * fc_winograd_column_words(p->input_channels);
    const int32_t kernels = weights == FC_WINOGRAD_STORED ? 0 : fc_winograd_block_words(p);
    const int32_t products = fc_winograd_sums_words(p, weights) + kernels;
    return columns > products ? columns : products;
}

/* Bytes of `scratch` below: those, transformed tiles, places of outputs, a pixel of padding. Twin of
 * winograd_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_winograd_scratch_size(const struct fc_winograd *p, enum fc_winograd_weights weights)
{
    const int32_t tiles = p->group / FC_WINOGRAD_PAIR * fc_winograd_pair_words(p);
    return (fc_winograd_front_words(p, weights) + tiles + 4 * p->group) * 4 + p->input_channels;
}

struct fc_winograd_line {
    uint32_t a, b, c, d;
};

/* B' times a column, two channels at once. */
FC_INLINE struct fc_winograd_line fc_winograd_input_line(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const struct fc_winograd_line line = {fc_sub_halves(a, c), fc_add_halves(b, c), fc_sub_halves(c, b),
                                          fc_sub_halves(b, d)};
    return line;
}

/* B' times the column of 4 pixels from (y, x) on, outside the image `padding`. Words of `column`: row,
 * channel pair. */
__attribute__((noinline, unused)) static void
fc_winograd_column(const struct fc_winograd *p, const int8_t *input, int32_t y, int32_t x,
                   const int8_t *padding, uint32_t *column)
{
    const int32_t pairs = p->input_channels / 2, row_bytes = p->input_width * p->input_channels;
    const int8_t *pixels[4];
    for (int32_t i = 0; i < 4; i++) {
        const bool inside = y + i >= 0 && y + i < p->input_height && x >= 0 && x < p->input_width;
        pixels[i] = inside ? input + (y + i) * row_bytes + x * p->input_channels : padding;
    }
    for (int32_t pair = 0; pair < pairs; pair += 2) {
        const uint32_t a = fc_load_word(pixels[0] + 2 * pair), b = fc_load_word(pixels[1] + 2 * pair),
                       c = fc_load_word(pixels[2] + 2 * pair), d = fc_load_word(pixels[3] + 2 * pair);
        const struct fc_winograd_line even = fc_winograd_input_line(fc_even_bytes(a), fc_even_bytes(b),
                                                                    fc_even_bytes(c), fc_even_bytes(d)),
                                      odd = fc_winograd_input_line(fc_odd_bytes(a), fc_odd_bytes(b),
                                                                   fc_odd_bytes(c), fc_odd_bytes(d));
        column[pair] = even.a;
        column[pair + 1] = odd.a;
        column[pairs + pair] = even.b;
        column[pairs + pair + 1] = odd.b;
        column[2 * pairs + pair] = even.c;
        column[2 * pairs + pair + 1] = odd.c;
        column[3 * pairs + pair] = even.d;
        column[3 * pairs + pair + 1] = odd.d;
    }
}

/* The rest of B' d B, from the tile's first two columns and its last two; `to` is its first word. */
#if defined(__ARM_FEATURE_SIMD32)
/* Two words of each column in 12 cycles; GCC 12 takes 18. r0, r2, r1, r3 columns; r4 where to, r5 to r7 how
 * far the other three of a row are from there, r8 where the row ends; r9 to r12 and lr words. */
#define FC_WINOGRAD_ROW                                                                                      \
    "ldr r9, [r0], #4           \n"                                                                          \
    "ldr r10, [r2], #4          \n"                                                                          \
    "ldr r11, [r1], #4          \n"                                                                          \
    "ldr r12, [r3], #4          \n"                                                                          \
    "ssub16 lr, r9, r11         \n"                                                                          \
    "str lr, [r4], #8           \n"                                                                          \
    "sadd16 r9, r10, r11        \n"                                                                          \
    "str r9, [r4, r5]           \n"                                                                          \
    "ssub16 r11, r11, r10       \n"                                                                          \
    "str r11, [r4, r6]          \n"                                                                          \
    "ssub16 r10, r10, r12       \n"                                                                          \
    "str r10, [r4, r7]          \n"

__attribute__((naked, noinline, unused)) static void
fc_winograd_rows(__attribute__((unused)) const uint32_t *left, __attribute__((unused)) const uint32_t *right,
                 __attribute__((unused)) int32_t channels, __attribute__((unused)) uint32_t *to)
{
    __asm__ volatile("push {r4-r11, lr}     \n"
                     "mov r4, r3            \n"
                     "lsls r5, r2, #2       \n" /* bytes of a position */
                     "add r3, r1, r5, lsl #1\n"
                     "add r2, r0, r5, lsl #1\n"
                     "adds r3, #4           \n"
                     "adds r2, #4           \n"
                     "lsls r6, r5, #1       \n"
                     "adds r7, r6, r5       \n"
                     "add r8, r4, r5        \n"
                     "add r9, r4, r5, lsl #4\n" /* end of the tile */
                     "push {r5, r9}         \n"
                     "subs r5, #8           \n"
                     "subs r6, #8           \n"
                     "subs r7, #8           \n"
                     "1:                    \n" FC_WINOGRAD_ROW FC_WINOGRAD_ROW "cmp r4, r8            \n"
                     "bne 1b                \n"
                     "ldrd r9, r10, [sp]    \n"
                     "add r4, r4, r9, lsl #1\n"
                     "add r4, r9            \n"
                     "add r8, r4, r9        \n"
                     "cmp r4, r10           \n"
                     "bne 1b                \n"
                     "add sp, #8            \n"
                     "pop {r4-r11, pc}      \n");
}
#else
FC_INLINE void fc_winograd_rows(const uint32_t *left, const uint32_t *right, int32_t channels, uint32_t *to)
{
    const int32_t pairs = channels / 2, column = fc_winograd_column_words(channels);
    for (int32_t row = 0; row < 4; row++) {
        for (int32_t pair = 0; pair < pairs; pair++) {
            const struct fc_winograd_line line =
                fc_winograd_input_line(left[0], left[column], right[0], right[column]);
            to[0] = line.a;
            to[channels] = line.b;
            to[2 * channels] = line.c;
            to[3 * channels] = line.d;
            left++;
            right++;
            to += FC_WINOGRAD_PAIR;
        }
        to += 3 * channels;
    }
}
#endif

/* Transforms the tile at (tile_y, tile_x). Of two neighbours the second (`continued`) finds two of its
 * columns in `columns`, which has room for two times two. */
FC_INLINE void fc_winograd_transform(const struct fc_winograd *p, const int8_t *input, int32_t tile_y,
                                     int32_t tile_x, bool continued, const int8_t *padding, uint32_t *columns,
                                     uint32_t *to)
{
    const int32_t y = 2 * tile_y - p->pad_top, x = 2 * tile_x - p->pad_left;
    const int32_t size = fc_winograd_column_words(p->input_channels);
    uint32_t *left = columns + (tile_x % 2) * 2 * size, *right = columns + (1 - tile_x % 2) * 2 * size;
    if (!continued) {
        fc_winograd_column(p, input, y, x, padding, left);
        fc_winograd_column(p, input, y, x + 1, padding, left + size);
    }
    fc_winograd_column(p, input, y, x + 2, padding, right);
    fc_winograd_column(p, input, y, x + 3, padding, right + size);
    fc_winograd_rows(left, right, p->input_channels, to);
}

#define FC_WINOGRAD_WEIGHTS_AHEAD 64 /* bytes: two cache lines */

/* G times a column of a kernel, two channels at once. */
FC_INLINE struct fc_winograd_line fc_winograd_weight_line(uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t outer = fc_add_halves(a, c);
    const struct fc_winograd_line line = {a, fc_add_halves(outer, b), fc_sub_halves(outer, b), c};
    return line;
}

/* G g G' of one output channel's kernel, every other input channel of `channels`. The nine products of four
 * channels are nine words. `to` is the channel's first word, or that of its odd channels. */
FC_INLINE void fc_winograd_transform_weights_half(const int8_t *weights, int32_t channels, bool odd,
                                                  uint32_t *to)
{
    const int32_t stride = channels / 2 * FC_WINOGRAD_CHANNELS;
    for (int32_t channel = 0; channel < channels; channel += 4) {
        if (!odd) { /* that half comes first */
            __builtin_prefetch(weights + FC_WINOGRAD_WEIGHTS_AHEAD);
        }
#define FC_HALVES(tap)                                                                                       \
    (odd ? fc_odd_bytes(fc_load_word(weights + 4 * (tap))) : fc_even_bytes(fc_load_word(weights + 4 * (tap))))
#define FC_COLUMN(x) fc_winograd_weight_line(FC_HALVES(x), FC_HALVES(3 + (x)), FC_HALVES(6 + (x)))
        const struct fc_winograd_line c0 = FC_COLUMN(0), c1 = FC_COLUMN(1), c2 = FC_COLUMN(2);
#undef FC_COLUMN
#undef FC_HALVES
#define FC_ROW(row, part)                                                                                    \
    do {                                                                                                     \
        const struct fc_winograd_line line = fc_winograd_weight_line(c0.part, c1.part, c2.part);             \
        to[(4 * (row) + 0) * stride] = line.a;                                                               \
        to[(4 * (row) + 1) * stride] = line.b;                                                               \
        to[(4 * (row) + 2) * stride] = line.c;                                                               \
        to[(4 * (row) + 3) * stride] = line.d;                                                               \
    } while (0)
        FC_ROW(0, a);
        FC_ROW(1, b);
        FC_ROW(2, c);
        FC_ROW(3, d);
#undef FC_ROW
        weights += 9 * 4;
        to += 2 * FC_WINOGRAD_CHANNELS;
    }
}

/* The same for all input channels of an output channel. */
FC_INLINE void fc_winograd_transform_kernel(const int8_t *weights, int32_t channels, uint32_t *to)
{
    fc_winograd_transform_weights_half(weights, channels, false, to);
    fc_winograd_transform_weights_half(weights, channels, true, to + FC_WINOGRAD_CHANNELS);
}

FC_INLINE void fc_winograd_transform_weights(const int8_t *weights, int32_t channels, uint32_t *to)
{
    for (int32_t i = 0; i < FC_WINOGRAD_CHANNELS; i++) {
        fc_winograd_transform_kernel(weights, channels, to + i);
        weights += 9 * channels;
    }
}

/* The same for weights of four bits; `unpacked` holds 2 * fc_winograd_packed_words words. */
FC_INLINE void fc_winograd_transform_nibbles(const struct fc_winograd *p, const uint32_t *packed,
                                             uint32_t *unpacked, uint32_t *to)
{
    for (int32_t i = 0; i < FC_WINOGRAD_CHANNELS; i++) {
        fc_unpack_nibbles(packed, fc_winograd_packed_words(p), unpacked);
        fc_winograd_transform_kernel((const int8_t *)unpacked, p->input_channels, to + i);
        packed += fc_winograd_packed_words(p);
    }
}

#endif
