/* CONV_2D 3x3, stride 1, by Winograd's F(2x2, 3x3) in integers: 16 products where the direct sum takes 36.
 *
 * A tile is 2x2 outputs; it sees 4x4 pixels d. With g the kernel, (*) element by element, summed over channels,
 *
 *   outputs = A' ((G g G') * (B' d B)) A
 *
 *        1  0  0              1  0 -1  0
 *   G = 1/2 1/2 1/2      B' = 0  1  1  0      A' = 1  1  1  0
 *       1/2 -1/2 1/2          0 -1  1  0           0  1 -1 -1
 *        0  0  1              0  1  0 -1
 *
 * Exact: the planner takes 2 G, so that transformed weights are integers (at most 9 * 128) and the outputs come
 * four times too large. Everything after that is additions and multiplications modulo 2^32, so what is in between
 * may wrap: four times the sum fits 32 bits (the planner checks), hence it is right. Activations go in as stored,
 * within +-512 once transformed; their zero point is part of the bias, and padding holds it. */
#ifndef FC_WINOGRAD_H
#define FC_WINOGRAD_H

#include "fc_fixed.h"
#include "fc_simd.h"

#define FC_WINOGRAD_POSITIONS 16 /* of a transformed tile or kernel */
#define FC_WINOGRAD_CHANNELS 4   /* output channels computed together */
#define FC_WINOGRAD_PAIR 2       /* tiles computed together */
#define FC_WINOGRAD_SUMS (FC_WINOGRAD_POSITIONS * FC_WINOGRAD_CHANNELS * FC_WINOGRAD_PAIR)

/* Words that may be read, but are not used, behind packed weights. */
#define FC_WINOGRAD_MARGIN 1

struct fc_winograd {
    int32_t input_height, input_width, input_channels; /* channels: whole words */
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

/* Bytes of `scratch` below: sums, four kernels if they are transformed here, transformed tiles, 4x4 pixels. Twin of
 * winograd_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_winograd_scratch_size(const struct fc_winograd *p, bool stored)
{
    const int32_t kernels = stored ? 0 : fc_winograd_block_words(p);
    const int32_t tiles = p->group / FC_WINOGRAD_PAIR * fc_winograd_pair_words(p);
    return (FC_WINOGRAD_SUMS + kernels + tiles) * 4 + FC_WINOGRAD_POSITIONS * p->input_channels;
}

/* Products of four output channels with a pair of tiles, for each of the 16 positions, over `quads` times four
 * input channels. A word holds two input channels. Words of weights: position, channel pair, output channel; of
 * inputs: position, channel pair, tile; of sums: position, output channel, tile. Reads FC_WINOGRAD_MARGIN words
 * behind the weights, two words behind the inputs. */
#if defined(__ARM_FEATURE_SIMD32)
/* Eight SMLAD, each beside a load or an addition, no load used in the next cycle: 16 multiplications in 8 cycles.
 * r0 weights, r1 inputs, r2 and r3 words of weights, r4 and r5 of inputs, r6 to r12 and lr sums. No register is
 * left to count: the loop is unrolled for the usual numbers of channels; otherwise the end of the position's
 * inputs is kept on the stack. The order of the inputs alternates, so that each is free two cycles before its
 * successor is needed. */
#define FC_WINOGRAD_FIRST(sum, a, b) "smuad " sum ", " a ", " b "\n"
#define FC_WINOGRAD_NEXT(sum, a, b) "smlad " sum ", " a ", " b ", " sum "\n"
#define FC_WINOGRAD_QUAD(MULTIPLY)                                                                           \
    MULTIPLY("r6", "r2", "r4") "ldr r3, [r0, #36] \n"                                                        \
    MULTIPLY("r7", "r2", "r5") "ldr r2, [r0, #40] \n"                                                        \
    MULTIPLY("r9", "r3", "r5") "adds r0, #32      \n"                                                        \
    MULTIPLY("r8", "r3", "r4")                                                                               \
    MULTIPLY("r10", "r2", "r4") "ldr r3, [r0, #12] \n"                                                       \
    MULTIPLY("r11", "r2", "r5") "ldr r2, [r0, #16] \n"                                                       \
    MULTIPLY("lr", "r3", "r5") "ldr r5, [r1, #12] \n"                                                        \
    MULTIPLY("r12", "r3", "r4") "ldr r4, [r1, #8]  \n"                                                       \
    FC_WINOGRAD_NEXT("r7", "r2", "r5") "ldr r3, [r0, #20] \n"                                                \
    FC_WINOGRAD_NEXT("r6", "r2", "r4") "ldr r2, [r0, #24] \n"                                                \
    FC_WINOGRAD_NEXT("r8", "r3", "r4") "adds r1, #16      \n"                                                \
    FC_WINOGRAD_NEXT("r9", "r3", "r5") "ldr r3, [r0, #28] \n"                                                \
    FC_WINOGRAD_NEXT("r11", "r2", "r5")                                                                      \
    FC_WINOGRAD_NEXT("r10", "r2", "r4") "ldr r2, [r0, #32] \n"                                               \
    FC_WINOGRAD_NEXT("r12", "r3", "r4") "ldr r4, [r1]      \n"                                               \
    FC_WINOGRAD_NEXT("lr", "r3", "r5") "ldr r5, [r1, #4]  \n"

#define FC_WINOGRAD_FUNCTION(name, position)                                                                 \
    __attribute__((naked, noinline, unused)) static void name(                                               \
        __attribute__((unused)) const uint32_t *weights, __attribute__((unused)) const uint32_t *inputs,     \
        __attribute__((unused)) int32_t *sums, __attribute__((unused)) int32_t quads)                        \
    {                                                                                                        \
        __asm__ volatile("push  {r4-r11, lr}      \n"                                                        \
                         "lsls  r3, r3, #4        \n" /* bytes of a position's inputs */                     \
                         "add   r4, r2, #512      \n" /* end of the sums */                                  \
                         "push  {r1-r4}           \n"                                                        \
                         "subs  r0, #32           \n"                                                        \
                         "ldr   r2, [r0, #32]     \n"                                                        \
                         "ldr   r4, [r1]          \n"                                                        \
                         "ldr   r5, [r1, #4]      \n"                                                        \
                         "2:                      \n" position "ldr   r3, [sp, #4]      \n"                  \
                         "stmia r3!, {r6-r12, lr} \n"                                                        \
                         "ldr   r6, [sp, #12]     \n"                                                        \
                         "str   r3, [sp, #4]      \n"                                                        \
                         "cmp   r3, r6            \n"                                                        \
                         "bne   2b                \n"                                                        \
                         "add   sp, #16           \n"                                                        \
                         "pop   {r4-r11, pc}      \n");                                                      \
    }

/* Positions of exactly so many quads. */
#define FC_WINOGRAD_UNROLLED(more)                                                                           \
    FC_WINOGRAD_QUAD(FC_WINOGRAD_FIRST) ".rept " #more "\n" FC_WINOGRAD_QUAD(FC_WINOGRAD_NEXT) ".endr \n"

FC_WINOGRAD_FUNCTION(fc_winograd_products_4, FC_WINOGRAD_UNROLLED(3))
FC_WINOGRAD_FUNCTION(fc_winograd_products_8, FC_WINOGRAD_UNROLLED(7))
FC_WINOGRAD_FUNCTION(fc_winograd_products_16, FC_WINOGRAD_UNROLLED(15))

/* Positions of a multiple of so many. */
#define FC_WINOGRAD_LOOP(step)                                                                               \
    "ldr  r6, [sp]     \n"                                                                                   \
    "ldr  r7, [sp, #8] \n"                                                                                   \
    "add  r6, r7       \n"                                                                                   \
    "str  r6, [sp]     \n" /* end of this position's inputs */                                               \
    "movs r6, #0     \n"                                                                                     \
    "movs r7, #0     \n"                                                                                     \
    "mov  r8, r6     \n"                                                                                     \
    "mov  r9, r6     \n"                                                                                     \
    "mov  r10, r6    \n"                                                                                     \
    "mov  r11, r6    \n"                                                                                     \
    "mov  r12, r6    \n"                                                                                     \
    "mov  lr, r6     \n"                                                                                     \
    "1:              \n"                                                                                     \
    ".rept " #step " \n" FC_WINOGRAD_QUAD(FC_WINOGRAD_NEXT) ".endr           \n"                             \
    "ldr  r3, [sp]   \n"                                                                                     \
    "cmp  r1, r3     \n"                                                                                     \
    "bne  1b         \n"

FC_WINOGRAD_FUNCTION(fc_winograd_products_by_1, FC_WINOGRAD_LOOP(1))
FC_WINOGRAD_FUNCTION(fc_winograd_products_by_4, FC_WINOGRAD_LOOP(4))
FC_WINOGRAD_FUNCTION(fc_winograd_products_by_16, FC_WINOGRAD_LOOP(16))

FC_INLINE void fc_winograd_products(const uint32_t *weights, const uint32_t *inputs, int32_t *sums,
                                    int32_t quads)
{
    if (quads == 4) {
        fc_winograd_products_4(weights, inputs, sums, quads);
    } else if (quads == 8) {
        fc_winograd_products_8(weights, inputs, sums, quads);
    } else if (quads == 16) {
        fc_winograd_products_16(weights, inputs, sums, quads);
    } else if (quads % 16 == 0) {
        fc_winograd_products_by_16(weights, inputs, sums, quads);
    } else if (quads % 4 == 0) {
        fc_winograd_products_by_4(weights, inputs, sums, quads);
    } else {
        fc_winograd_products_by_1(weights, inputs, sums, quads);
    }
}
#else
FC_INLINE void fc_winograd_products(const uint32_t *weights, const uint32_t *inputs, int32_t *sums,
                                    int32_t quads)
{
    for (int32_t position = 0; position < FC_WINOGRAD_POSITIONS; position++) {
        for (int32_t i = 0; i < FC_WINOGRAD_CHANNELS * FC_WINOGRAD_PAIR; i++) {
            int32_t sum = 0;
            for (int32_t pair = 0; pair < 2 * quads; pair++) {
                sum = fc_smlad(weights[pair * FC_WINOGRAD_CHANNELS + i / FC_WINOGRAD_PAIR],
                               inputs[pair * FC_WINOGRAD_PAIR + i % FC_WINOGRAD_PAIR], sum);
            }
            *sums++ = sum;
        }
        weights += 2 * quads * FC_WINOGRAD_CHANNELS;
        inputs += 2 * quads * FC_WINOGRAD_PAIR;
    }
}
#endif

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

/* The two channels of each four that `odd` (a literal) says, of a column of pixels. */
FC_INLINE struct fc_winograd_line fc_winograd_column(const int8_t *pixels, int32_t row_bytes, bool odd)
{
#define FC_HALVES(row)                                                                                       \
    (odd ? fc_odd_bytes(fc_load_word(pixels + (row) * row_bytes))                                            \
         : fc_even_bytes(fc_load_word(pixels + (row) * row_bytes)))
    return fc_winograd_input_line(FC_HALVES(0), FC_HALVES(1), FC_HALVES(2), FC_HALVES(3));
#undef FC_HALVES
}

/* B' d B of 4x4 pixels, every other channel; `to` is the tile's first word, `to + 2` that of the odd channels. */
FC_INLINE void fc_winograd_transform_half(const int8_t *pixels, int32_t row_bytes, int32_t channels, bool odd,
                                          uint32_t *to)
{
    for (int32_t channel = 0; channel < channels; channel += 4) {
        const struct fc_winograd_line c0 = fc_winograd_column(pixels, row_bytes, odd),
                                      c1 = fc_winograd_column(pixels + channels, row_bytes, odd),
                                      c2 = fc_winograd_column(pixels + 2 * channels, row_bytes, odd),
                                      c3 = fc_winograd_column(pixels + 3 * channels, row_bytes, odd);
#define FC_ROW(row, part)                                                                                    \
    do {                                                                                                     \
        const struct fc_winograd_line line = fc_winograd_input_line(c0.part, c1.part, c2.part, c3.part);     \
        to[(4 * (row) + 0) * channels] = line.a;                                                             \
        to[(4 * (row) + 1) * channels] = line.b;                                                             \
        to[(4 * (row) + 2) * channels] = line.c;                                                             \
        to[(4 * (row) + 3) * channels] = line.d;                                                             \
    } while (0)
        FC_ROW(0, a);
        FC_ROW(1, b);
        FC_ROW(2, c);
        FC_ROW(3, d);
#undef FC_ROW
        pixels += 4;
        to += 2 * FC_WINOGRAD_PAIR;
    }
}

/* Puts the 4x4 pixels from (first_y, first_x) on together, outside the image its zero point. */
FC_INLINE void fc_winograd_gather(const struct fc_winograd *p, const int8_t *input, int32_t first_y,
                                  int32_t first_x, int8_t *patch)
{
    const size_t channels = (size_t)p->input_channels;
    for (int32_t y = first_y; y < first_y + 4; y++) {
        for (int32_t x = first_x; x < first_x + 4; x++) {
            if (y < 0 || y >= p->input_height || x < 0 || x >= p->input_width) {
                memset(patch, p->input_zero_point, channels);
            } else {
                memcpy(patch, input + (y * p->input_width + x) * p->input_channels, channels);
            }
            patch += channels;
        }
    }
}

FC_INLINE void fc_winograd_transform(const struct fc_winograd *p, const int8_t *input, int32_t tile_y,
                                     int32_t tile_x, int8_t *patch, uint32_t *to)
{
    const int32_t y = 2 * tile_y - p->pad_top, x = 2 * tile_x - p->pad_left, channels = p->input_channels;
    const int8_t *pixels = patch;
    int32_t row_bytes = 4 * channels;
    if (y >= 0 && y + 4 <= p->input_height && x >= 0 && x + 4 <= p->input_width) {
        row_bytes = p->input_width * channels;
        pixels = input + y * row_bytes + x * channels;
    } else {
        fc_winograd_gather(p, input, y, x, patch);
    }
    fc_winograd_transform_half(pixels, row_bytes, channels, false, to);
    fc_winograd_transform_half(pixels, row_bytes, channels, true, to + FC_WINOGRAD_PAIR);
}

/* 2 G times a column of a kernel, two channels at once. */
FC_INLINE struct fc_winograd_line fc_winograd_weight_line(uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t outer = fc_add_halves(a, c);
    const struct fc_winograd_line line = {fc_add_halves(a, a), fc_add_halves(outer, b), fc_sub_halves(outer, b),
                                          fc_add_halves(c, c)};
    return line;
}

/* 2 G g (2 G)' of one output channel's kernel, every other input channel of `channels`. The nine products of four
 * channels are nine words. `to` is the channel's first word, or that of its odd channels. */
FC_INLINE void fc_winograd_transform_weights_half(const int8_t *weights, int32_t channels, bool odd, uint32_t *to)
{
    const int32_t stride = channels / 2 * FC_WINOGRAD_CHANNELS;
    for (int32_t channel = 0; channel < channels; channel += 4) {
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

FC_INLINE void fc_winograd_transform_weights(const int8_t *weights, int32_t channels, uint32_t *to)
{
    for (int32_t i = 0; i < FC_WINOGRAD_CHANNELS; i++) {
        fc_winograd_transform_weights_half(weights, channels, false, to + i);
        fc_winograd_transform_weights_half(weights, channels, true, to + i + FC_WINOGRAD_CHANNELS);
        weights += 9 * channels;
    }
}

/* Where the outputs of a tile go: reading order. Those outside the image go where another of the tile does. */
struct fc_winograd_place {
    int8_t *at[4];
};

FC_INLINE struct fc_winograd_place fc_winograd_place(const struct fc_winograd *p, int8_t *output, int32_t tile_y,
                                                     int32_t tile_x)
{
    struct fc_winograd_place place;
    if (p->pooled) {
        place.at[0] = output + (tile_y * fc_winograd_tiles_across(p) + tile_x) * p->output_channels;
        place.at[1] = place.at[2] = place.at[3] = place.at[0];
        return place;
    }
    int8_t *first = output + (2 * tile_y * p->output_width + 2 * tile_x) * p->output_channels;
    const int32_t right = 2 * tile_x + 1 < p->output_width ? p->output_channels : 0;
    const int32_t below = 2 * tile_y + 1 < p->output_height ? p->output_width * p->output_channels : 0;
    place.at[0] = first;
    place.at[1] = first + right;
    place.at[2] = first + below;
    place.at[3] = first + below + right;
    return place;
}

FC_INLINE int8_t fc_winograd_scale(const struct fc_winograd *p, uint32_t four_times, uint32_t twice_bias,
                                   const struct fc_down_channel *channel)
{
    const int32_t twice = (int32_t)(twice_bias + (uint32_t)((int32_t)four_times >> 1));
    const int32_t scaled = fc_scale_twice(twice, *channel, p->one_sided);
    if (p->output_min == INT8_MIN && p->output_max == INT8_MAX) {
        return (int8_t)fc_saturate_8(scaled);
    }
    return (int8_t)fc_clamp(scaled, p->output_min, p->output_max);
}

FC_INLINE uint32_t fc_winograd_larger(uint32_t a, uint32_t b) { return (int32_t)a > (int32_t)b ? a : b; }

/* A' M A for one channel of one tile, whose 16 sums start at `sums`, then scaling. */
FC_INLINE void fc_winograd_finish(const struct fc_winograd *p, const int32_t *sums,
                                  const struct fc_down_channel *channel, const struct fc_winograd_place *place,
                                  int32_t offset)
{
#define FC_SUM(row, column)                                                                                  \
    (uint32_t) sums[(4 * (row) + (column)) * FC_WINOGRAD_CHANNELS * FC_WINOGRAD_PAIR]
#define FC_UPPER(column) (FC_SUM(0, column) + FC_SUM(1, column) + FC_SUM(2, column))
#define FC_LOWER(column) (FC_SUM(1, column) - FC_SUM(2, column) - FC_SUM(3, column))
    const uint32_t a0 = FC_UPPER(0), a1 = FC_UPPER(1), a2 = FC_UPPER(2), a3 = FC_UPPER(3);
    const uint32_t b0 = FC_LOWER(0), b1 = FC_LOWER(1), b2 = FC_LOWER(2), b3 = FC_LOWER(3);
#undef FC_UPPER
#undef FC_LOWER
#undef FC_SUM
    const uint32_t y0 = a0 + a1 + a2, y1 = a1 - a2 - a3, y2 = b0 + b1 + b2, y3 = b1 - b2 - b3;
    const uint32_t twice_bias = (uint32_t)channel->bias * 2;
    if (p->pooled) { /* scaling keeps order */
        const uint32_t largest = fc_winograd_larger(fc_winograd_larger(y0, y1), fc_winograd_larger(y2, y3));
        place->at[0][offset] = fc_winograd_scale(p, largest, twice_bias, channel);
        return;
    }
    const int8_t z0 = fc_winograd_scale(p, y0, twice_bias, channel),
                 z1 = fc_winograd_scale(p, y1, twice_bias, channel),
                 z2 = fc_winograd_scale(p, y2, twice_bias, channel),
                 z3 = fc_winograd_scale(p, y3, twice_bias, channel);
    /* In this order: an output outside is written before the one whose place it takes. */
    place->at[3][offset] = z3;
    place->at[2][offset] = z2;
    place->at[1][offset] = z1;
    place->at[0][offset] = z0;
}

#if defined(__ARM_FEATURE_SIMD32)
/* fc_winograd_finish for both tiles of -`channel` channels, not pooled, saturating: GCC 12 takes half as long
 * again. `ends` are where the outputs end: of the second tile, then of the first; `channel` counts up to 0.
 * r4 to r7 outputs, r8 to r12 and lr sums, then the channel's numbers and the ends. */
#define FC_WINOGRAD_ADD(offset)                                                                              \
    "ldr r8, [r0, #0 + " offset "]    \n"                                                                    \
    "ldr r9, [r0, #128 + " offset "]  \n"                                                                    \
    "ldr r10, [r0, #256 + " offset "] \n"                                                                    \
    "ldr r11, [r0, #384 + " offset "] \n"                                                                    \
    "add r4, r8, r9                   \n"                                                                    \
    "ldr r12, [r0, #32 + " offset "]  \n"                                                                    \
    "sub r6, r9, r10                  \n"                                                                    \
    "ldr r8, [r0, #160 + " offset "]  \n"                                                                    \
    "add r4, r10                      \n"                                                                    \
    "ldr r9, [r0, #288 + " offset "]  \n"                                                                    \
    "sub r6, r11                      \n"                                                                    \
    "ldr r10, [r0, #416 + " offset "] \n"                                                                    \
    "add r5, r12, r8                  \n"                                                                    \
    "ldr r11, [r0, #64 + " offset "]  \n"                                                                    \
    "sub r7, r8, r9                   \n"                                                                    \
    "ldr r12, [r0, #192 + " offset "] \n"                                                                    \
    "add r5, r9                       \n"                                                                    \
    "ldr r8, [r0, #320 + " offset "]  \n"                                                                    \
    "sub r7, r10                      \n"                                                                    \
    "ldr r9, [r0, #448 + " offset "]  \n"                                                                    \
    "add r4, r5                       \n"                                                                    \
    "add r6, r7                       \n"                                                                    \
    "add r11, r12                     \n"                                                                    \
    "ldr r10, [r0, #96 + " offset "]  \n"                                                                    \
    "sub r12, r8                      \n"                                                                    \
    "ldr lr, [r0, #224 + " offset "]  \n"                                                                    \
    "add r11, r8                      \n"                                                                    \
    "ldr r8, [r0, #352 + " offset "]  \n"                                                                    \
    "sub r12, r9                      \n"                                                                    \
    "ldr r9, [r0, #480 + " offset "]  \n"                                                                    \
    "add r4, r11                      \n"                                                                    \
    "sub r5, r11                      \n"                                                                    \
    "add r6, r12                      \n"                                                                    \
    "sub r7, r12                      \n"                                                                    \
    "add r10, lr                      \n"                                                                    \
    "sub lr, r8                       \n"                                                                    \
    "add r10, r8                      \n"                                                                    \
    "sub lr, r9                       \n"                                                                    \
    "sub r5, r10                      \n"                                                                    \
    "sub r7, lr                       \n"

#define FC_WINOGRAD_STORE(load, end, ROUND)                                                                  \
    load "lsl r8, r8, #1              \n"                                                                    \
         "add r7, r8, r7, asr #1      \n"                                                                    \
         "ldr r12, [r2, #" end " + 12] \n"                                                                   \
         "smmulr r7, r7, r9           \n"                                                                    \
         "add r6, r8, r6, asr #1      \n"                                                                    \
         "ldr lr, [r2, #" end " + 8]  \n"                                                                    \
         "smmulr r6, r6, r9           \n"                                                                    \
         "add r5, r8, r5, asr #1      \n" ROUND("r7") "add r7, r11                 \n"                      \
         "smmulr r5, r5, r9           \n"                                                                    \
         "add r4, r8, r4, asr #1      \n" ROUND("r6") "add r6, r11                 \n"                      \
         "smmulr r4, r4, r9           \n"                                                                    \
         "asr r7, r10                 \n"                                                                    \
         "ldr r9, [r2, #" end " + 4]  \n"                                                                    \
         "asr r6, r10                 \n" ROUND("r5") "add r5, r11                 \n"                      \
         "ssat r7, #8, r7             \n"                                                                    \
         "ldr r8, [r2, #" end "]      \n"                                                                    \
         "asr r5, r10                 \n" ROUND("r4") "add r4, r11                 \n"                      \
         "ssat r6, #8, r6             \n"                                                                    \
         "strb r7, [r12, r3]          \n"                                                                    \
         "asr r4, r10                 \n"                                                                    \
         "ssat r5, #8, r5             \n"                                                                    \
         "strb r6, [lr, r3]           \n"                                                                    \
         "ssat r4, #8, r4             \n"                                                                    \
         "strb r5, [r9, r3]           \n"                                                                    \
         "strb r4, [r8, r3]           \n"

#define FC_WINOGRAD_OUTPUTS(name, ROUND)                                                                     \
    __attribute__((naked, noinline, unused)) static void name(                                               \
        __attribute__((unused)) const int32_t *sums,                                                         \
        __attribute__((unused)) const struct fc_down_channel *channels,                                      \
        __attribute__((unused)) int8_t *const *ends, __attribute__((unused)) int32_t channel)                \
    {                                                                                                        \
        __asm__ volatile("push {r4-r11, lr} \n"                                                              \
                         "1:                \n" FC_WINOGRAD_ADD("4")                                         \
                             FC_WINOGRAD_STORE("ldmia r1, {r8-r11}\n", "0", ROUND) FC_WINOGRAD_ADD("0")      \
                                 FC_WINOGRAD_STORE("ldmia r1!, {r8-r11}\n", "16", ROUND)                     \
                         "adds r0, #8       \n"                                                              \
                         "adds r3, #1       \n"                                                              \
                         "bne 1b            \n"                                                              \
                         "pop {r4-r11, pc}  \n");                                                            \
    }
#define FC_WINOGRAD_AWAY_FROM_ZERO(y) "add " y ", " y ", " y ", asr #31 \n"
#define FC_WINOGRAD_UP(y) ""
FC_WINOGRAD_OUTPUTS(fc_winograd_outputs_two_sided, FC_WINOGRAD_AWAY_FROM_ZERO)
FC_WINOGRAD_OUTPUTS(fc_winograd_outputs_one_sided, FC_WINOGRAD_UP)
#endif

/* Outputs of `count` channels of a pair of tiles. */
FC_INLINE void fc_winograd_outputs(const struct fc_winograd *p, const int32_t *sums,
                                   const struct fc_down_channel *channels,
                                   const struct fc_winograd_place *first, const struct fc_winograd_place *second,
                                   int32_t offset, int32_t count)
{
#if defined(__ARM_FEATURE_SIMD32)
    if (!p->pooled && p->output_min == INT8_MIN && p->output_max == INT8_MAX) {
        int8_t *ends[2 * 4];
        for (int32_t i = 0; i < 4; i++) {
            ends[i] = second->at[i] + offset + count;
            ends[4 + i] = first->at[i] + offset + count;
        }
        if (p->one_sided) {
            fc_winograd_outputs_one_sided(sums, channels, ends, -count);
        } else {
            fc_winograd_outputs_two_sided(sums, channels, ends, -count);
        }
        return;
    }
#endif
    for (int32_t i = 0; i < count; i++) {
        fc_winograd_finish(p, sums + 1, channels + i, second, offset + i);
        fc_winograd_finish(p, sums, channels + i, first, offset + i);
        sums += FC_WINOGRAD_PAIR;
    }
}

/* The convolution; of `stored` (transformed) and `kernels` (not) one is NULL. */
FC_INLINE void fc_winograd_run(const struct fc_winograd *p, const int8_t *input, const uint32_t *stored,
                               const int8_t *kernels, const struct fc_down_channel *table, int32_t *scratch,
                               int8_t *output)
{
    const int32_t tiles = fc_winograd_tiles(p), across = fc_winograd_tiles_across(p);
    const int32_t channels = p->output_channels, pair_words = fc_winograd_pair_words(p);
    uint32_t *transformed = (uint32_t *)(scratch + FC_WINOGRAD_SUMS);
    uint32_t *inputs = transformed + (stored == NULL ? fc_winograd_block_words(p) : 0);
    int8_t *patch = (int8_t *)(inputs + p->group / FC_WINOGRAD_PAIR * pair_words);
    int32_t group_y = 0, group_x = 0;
    for (int32_t first = 0; first < tiles; first += p->group) {
        const int32_t count = tiles - first < p->group ? tiles - first : p->group;
        int32_t y = group_y, x = group_x;
        for (int32_t tile = 0; tile < count; tile++) {
            uint32_t *to = inputs + tile / FC_WINOGRAD_PAIR * pair_words + tile % FC_WINOGRAD_PAIR;
            fc_winograd_transform(p, input, y, x, patch, to);
            if (++x == across) {
                x = 0;
                y++;
            }
        }
        for (int32_t channel = 0; channel < channels; channel += FC_WINOGRAD_CHANNELS) {
            const uint32_t *block = transformed;
            if (stored != NULL) {
                block = stored + channel / FC_WINOGRAD_CHANNELS * fc_winograd_block_words(p);
            } else {
                fc_winograd_transform_weights(kernels + channel * 9 * p->input_channels, p->input_channels,
                                              transformed);
            }
            const int32_t left = channels - channel;
            const int32_t count_out = left < FC_WINOGRAD_CHANNELS ? left : FC_WINOGRAD_CHANNELS;
            y = group_y;
            x = group_x;
            for (int32_t tile = 0; tile < count; tile += FC_WINOGRAD_PAIR) {
                fc_winograd_products(block, inputs + tile / FC_WINOGRAD_PAIR * pair_words, scratch,
                                     p->input_channels / 4);
                struct fc_winograd_place places[FC_WINOGRAD_PAIR];
                for (int32_t i = 0; i < FC_WINOGRAD_PAIR; i++) {
                    if (tile + i == count) { /* no second tile: its outputs come first, where the first's go */
                        places[i] = places[0];
                        continue;
                    }
                    places[i] = fc_winograd_place(p, output, y, x);
                    if (++x == across) {
                        x = 0;
                        y++;
                    }
                }
                fc_winograd_outputs(p, scratch, table + channel, &places[0], &places[1], channel, count_out);
            }
        }
        group_y = y;
        group_x = x;
    }
}

/* input   input_height * input_width * input_channels
 * weights ceil(output_channels / 4) blocks of fc_winograd_block_words words, packed, and FC_WINOGRAD_MARGIN
 * table   output_channels entries
 * scratch fc_winograd_scratch_size bytes, 4-byte aligned
 * output  output_height * output_width * output_channels, or a quarter if pooled; must not overlap input */
FC_INLINE void fc_conv_2d_winograd_s8(const struct fc_winograd *p, const int8_t *input, const uint32_t *weights,
                                      const struct fc_down_channel *table, int32_t *scratch, int8_t *output)
{
    fc_winograd_run(p, input, weights, NULL, table, scratch, output);
}

/* The same from untransformed weights, a quarter of the bytes: four kernels at a time are transformed, once per
 * group of tiles. weights: ceil(output_channels / 4) * 4 * 9 * input_channels, packed */
FC_INLINE void fc_conv_2d_winograd_compact_s8(const struct fc_winograd *p, const int8_t *input,
                                              const int8_t *weights, const struct fc_down_channel *table,
                                              int32_t *scratch, int8_t *output)
{
    fc_winograd_run(p, input, NULL, weights, table, scratch, output);
}

#endif
