/* CONV_2D 3x3, stride 1, by Winograd's F(2x2, 3x3) in integers: 16 products where the direct sum takes 36.
 *
 * A tile is 2x2 outputs; it sees 4x4 pixels d. With g the kernel, (*) element by element, summed over channels,
 *
 *   4 outputs = A' ((G g G') * (B' d B)) A
 *
 *       1  0  0         1  0 -1  0
 *   G = 1  1  1    B' = 0  1  1  0    A' = 2  1  1  0
 *       1 -1  1         0 -1  1  0         0  1 -1 -2
 *       0  0  1         0  1  0 -1
 *
 * These are the usual matrices without their halves. Exact: transformed weights are within +-9 * 128, transformed
 * activations, which go in as stored, within +-512. Everything after that is additions and multiplications modulo
 * 2^32, so what is in between may wrap: the planner checks that four times the sum fits 32 bits, hence it is right.
 * The activations' zero point is part of the bias, and padding holds it. */
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

/* Words of a half transformed column of pixels. Odd: words of neighbouring columns lie in different banks of the
 * TCM and can be loaded together. */
FC_INLINE int32_t fc_winograd_column_words(int32_t channels) { return 2 * channels + 1; }

/* Bytes of `scratch` below: sums, four kernels if they are transformed here, transformed tiles, four columns of
 * pixels half transformed, places of outputs, a pixel of padding. Twin of winograd_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_winograd_scratch_size(const struct fc_winograd *p, bool stored)
{
    const int32_t kernels = stored ? 0 : fc_winograd_block_words(p);
    const int32_t tiles = p->group / FC_WINOGRAD_PAIR * fc_winograd_pair_words(p);
    const int32_t columns = 4 * fc_winograd_column_words(p->input_channels);
    return (FC_WINOGRAD_SUMS + kernels + tiles + columns + 4 * p->group) * 4 + p->input_channels;
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
#define FC_WINOGRAD_QUAD(MULTIPLY, successor)                                                                \
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
    FC_WINOGRAD_NEXT("r10", "r2", "r4") "ldr r2, " successor "\n"                                            \
    FC_WINOGRAD_NEXT("r12", "r3", "r4") "ldr r4, [r1]      \n"                                               \
    FC_WINOGRAD_NEXT("lr", "r3", "r5") "ldr r5, [r1, #4]  \n"

/* What takes the place of the first weights: the next ones, or where a position's sums go. */
#define FC_WINOGRAD_WEIGHTS "[r0, #32]"
#define FC_WINOGRAD_WHERE "[sp, #4]"

#define FC_WINOGRAD_FUNCTION(name, positions)                                                                \
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
                         "2:                      \n" positions "ldr   r6, [sp, #12]     \n"                \
                         "cmp   r3, r6            \n"                                                        \
                         "bne   2b                \n"                                                        \
                         "add   sp, #16           \n"                                                        \
                         "pop   {r4-r11, pc}      \n");                                                      \
    }

#define FC_WINOGRAD_KEEP                                                                                     \
    "stmia r2!, {r6-r12, lr} \n"                                                                             \
    "mov   r3, r2            \n"                                                                             \
    "str   r2, [sp, #4]      \n"                                                                             \
    "ldr   r2, [r0, #32]     \n"

/* So many positions, as many as are worth their code, of exactly `2 + more` quads. */
#define FC_WINOGRAD_UNROLLED(positions, more)                                                                \
    ".rept " #positions "\n" FC_WINOGRAD_QUAD(FC_WINOGRAD_FIRST, FC_WINOGRAD_WEIGHTS) ".rept " #more         \
    "\n" FC_WINOGRAD_QUAD(FC_WINOGRAD_NEXT, FC_WINOGRAD_WEIGHTS) ".endr \n" FC_WINOGRAD_QUAD(                \
        FC_WINOGRAD_NEXT, FC_WINOGRAD_WHERE) FC_WINOGRAD_KEEP ".endr \n"

FC_WINOGRAD_FUNCTION(fc_winograd_products_2, FC_WINOGRAD_UNROLLED(8, 0))
FC_WINOGRAD_FUNCTION(fc_winograd_products_4, FC_WINOGRAD_UNROLLED(4, 2))
FC_WINOGRAD_FUNCTION(fc_winograd_products_8, FC_WINOGRAD_UNROLLED(2, 6))
FC_WINOGRAD_FUNCTION(fc_winograd_products_16, FC_WINOGRAD_UNROLLED(1, 14))

/* A position of a multiple of `step` quads. */
#define FC_WINOGRAD_LOOP(step)                                                                               \
    "ldr  r6, [sp]     \n"                                                                                   \
    "ldr  r7, [sp, #8] \n"                                                                                   \
    "add  r6, r7       \n"                                                                                   \
    "str  r6, [sp]     \n" /* end of this position's inputs */                                               \
    "movs r6, #0       \n"                                                                                   \
    "mov  r7, r6       \n"                                                                                   \
    "mov  r8, r6       \n"                                                                                   \
    "mov  r9, r6       \n"                                                                                   \
    "mov  r10, r6      \n"                                                                                   \
    "mov  r11, r6      \n"                                                                                   \
    "mov  r12, r6      \n"                                                                                   \
    "mov  lr, r6       \n"                                                                                   \
    "1:                \n"                                                                                   \
    ".rept " #step "\n" FC_WINOGRAD_QUAD(FC_WINOGRAD_NEXT, FC_WINOGRAD_WEIGHTS) ".endr \n"                   \
    "ldr  r3, [sp]     \n"                                                                                   \
    "cmp  r1, r3       \n"                                                                                   \
    "bne  1b           \n"                                                                                   \
    "ldr  r2, " FC_WINOGRAD_WHERE "\n" FC_WINOGRAD_KEEP

FC_WINOGRAD_FUNCTION(fc_winograd_products_by_1, FC_WINOGRAD_LOOP(1))
FC_WINOGRAD_FUNCTION(fc_winograd_products_by_4, FC_WINOGRAD_LOOP(4))
FC_WINOGRAD_FUNCTION(fc_winograd_products_by_16, FC_WINOGRAD_LOOP(16))

FC_INLINE void fc_winograd_products(const uint32_t *weights, const uint32_t *inputs, int32_t *sums,
                                    int32_t quads)
{
    if (quads == 2) {
        fc_winograd_products_2(weights, inputs, sums, quads);
    } else if (quads == 4) {
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

/* B' times the column of 4 pixels from (y, x) on, outside the image `padding`. Words of `column`: row, channel
 * pair. */
FC_INLINE void fc_winograd_column(const struct fc_winograd *p, const int8_t *input, int32_t y, int32_t x,
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
/* Two words of each column in 12 cycles; GCC 12 takes 18. r0, r2, r1, r3 columns; r4 where to, r5 to r7 how far the
 * other three of a row are from there, r8 where the row ends; r9 to r12 and lr words. */
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
                     "1:                    \n" FC_WINOGRAD_ROW FC_WINOGRAD_ROW
                     "cmp r4, r8            \n"
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

/* Transforms the tile at (tile_y, tile_x). Of two neighbours the second (`continued`) finds two of its columns in
 * `columns`, which has room for two times two. */
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

/* G times a column of a kernel, two channels at once. */
FC_INLINE struct fc_winograd_line fc_winograd_weight_line(uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t outer = fc_add_halves(a, c);
    const struct fc_winograd_line line = {a, fc_add_halves(outer, b), fc_sub_halves(outer, b), c};
    return line;
}

/* G g G' of one output channel's kernel, every other input channel of `channels`. The nine products of four
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

/* Where the outputs of a tile go, as offsets of their first channels, in reading order. Those outside the image
 * go where another of the tile does. */
FC_INLINE void fc_winograd_place(const struct fc_winograd *p, int32_t tile_y, int32_t tile_x, int32_t place[4])
{
    if (p->pooled) {
        place[0] = (tile_y * fc_winograd_tiles_across(p) + tile_x) * p->output_channels;
        return;
    }
    const int32_t first = (2 * tile_y * p->output_width + 2 * tile_x) * p->output_channels;
    const int32_t right = 2 * tile_x + 1 < p->output_width ? p->output_channels : 0;
    const int32_t below = 2 * tile_y + 1 < p->output_height ? p->output_width * p->output_channels : 0;
    place[0] = first;
    place[1] = first + right;
    place[2] = first + below;
    place[3] = first + below + right;
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

/* A' M A for one channel of one tile, whose 16 sums start at `sums`, then scaling. `output` is the channel's. */
FC_INLINE void fc_winograd_finish(const struct fc_winograd *p, const int32_t *sums,
                                  const struct fc_down_channel *channel, const int32_t place[4], int8_t *output)
{
#define FC_SUM(row, column)                                                                                  \
    (uint32_t) sums[(4 * (row) + (column)) * FC_WINOGRAD_CHANNELS * FC_WINOGRAD_PAIR]
#define FC_UPPER(column) (2 * FC_SUM(0, column) + FC_SUM(1, column) + FC_SUM(2, column))
#define FC_LOWER(column) (FC_SUM(1, column) - FC_SUM(2, column) - 2 * FC_SUM(3, column))
    const uint32_t a0 = FC_UPPER(0), a1 = FC_UPPER(1), a2 = FC_UPPER(2), a3 = FC_UPPER(3);
    const uint32_t b0 = FC_LOWER(0), b1 = FC_LOWER(1), b2 = FC_LOWER(2), b3 = FC_LOWER(3);
#undef FC_UPPER
#undef FC_LOWER
#undef FC_SUM
    const uint32_t y0 = 2 * a0 + a1 + a2, y1 = a1 - a2 - 2 * a3, y2 = 2 * b0 + b1 + b2, y3 = b1 - b2 - 2 * b3;
    const uint32_t twice_bias = (uint32_t)channel->bias * 2;
    if (p->pooled) { /* scaling keeps order */
        const uint32_t largest = fc_winograd_larger(fc_winograd_larger(y0, y1), fc_winograd_larger(y2, y3));
        output[place[0]] = fc_winograd_scale(p, largest, twice_bias, channel);
        return;
    }
    const int8_t z0 = fc_winograd_scale(p, y0, twice_bias, channel),
                 z1 = fc_winograd_scale(p, y1, twice_bias, channel),
                 z2 = fc_winograd_scale(p, y2, twice_bias, channel),
                 z3 = fc_winograd_scale(p, y3, twice_bias, channel);
    /* In this order: an output outside is written before the one whose place it takes. */
    output[place[3]] = z3;
    output[place[2]] = z2;
    output[place[1]] = z1;
    output[place[0]] = z0;
}

#if defined(__ARM_FEATURE_SIMD32)
/* fc_winograd_finish for both tiles of a pair and `count` channels, not pooled, saturating: GCC 12 takes half as
 * long again. r0 sums, r1 channels, r2 places, r3 output; r4 to r7 outputs; r8 to r12 and lr sums, then the
 * channel's numbers and the places. */
#define FC_WINOGRAD_ADD(offset)                                                                              \
    "ldr r8, [r0, #0 + " offset "]      \n"                                                                  \
    "ldr r9, [r0, #128 + " offset "]    \n"                                                                  \
    "ldr r10, [r0, #256 + " offset "]   \n"                                                                  \
    "ldr r11, [r0, #384 + " offset "]   \n"                                                                  \
    "sub r6, r9, r10                    \n"                                                                  \
    "ldr r12, [r0, #32 + " offset "]    \n"                                                                  \
    "add r4, r9, r8, lsl #1             \n"                                                                  \
    "ldr r8, [r0, #160 + " offset "]    \n"                                                                  \
    "add r4, r10                        \n"                                                                  \
    "ldr r9, [r0, #288 + " offset "]    \n"                                                                  \
    "sub r6, r6, r11, lsl #1            \n"                                                                  \
    "ldr r10, [r0, #416 + " offset "]   \n"                                                                  \
    "sub r7, r8, r9                     \n"                                                                  \
    "ldr r11, [r0, #64 + " offset "]    \n"                                                                  \
    "add r5, r8, r12, lsl #1            \n"                                                                  \
    "ldr r12, [r0, #192 + " offset "]   \n"                                                                  \
    "add r5, r9                         \n"                                                                  \
    "ldr r8, [r0, #320 + " offset "]    \n"                                                                  \
    "sub r7, r7, r10, lsl #1            \n"                                                                  \
    "ldr r9, [r0, #448 + " offset "]    \n"                                                                  \
    "add r4, r5, r4, lsl #1             \n"                                                                  \
    "ldr r10, [r0, #96 + " offset "]    \n"                                                                  \
    "add r11, r12, r11, lsl #1          \n"                                                                  \
    "ldr lr, [r0, #224 + " offset "]    \n"                                                                  \
    "add r11, r8                        \n"                                                                  \
    "sub r12, r8                        \n"                                                                  \
    "add r6, r7, r6, lsl #1             \n"                                                                  \
    "ldr r8, [r0, #352 + " offset "]    \n"                                                                  \
    "sub r12, r12, r9, lsl #1           \n"                                                                  \
    "ldr r9, [r0, #480 + " offset "]    \n"                                                                  \
    "add r4, r11                        \n"                                                                  \
    "sub r5, r11                        \n"                                                                  \
    "add r6, r12                        \n"                                                                  \
    "sub r7, r12                        \n"                                                                  \
    "add r10, lr, r10, lsl #1           \n"                                                                  \
    "sub lr, r8                         \n"                                                                  \
    "add r10, r8                        \n"                                                                  \
    "sub lr, lr, r9, lsl #1             \n"                                                                  \
    "sub r5, r5, r10, lsl #1            \n"                                                                  \
    "sub r7, r7, lr, lsl #1             \n"

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
        __attribute__((unused)) const int32_t *places, __attribute__((unused)) int8_t *output,               \
        __attribute__((unused)) int32_t count)                                                               \
    {                                                                                                        \
        __asm__ volatile("push {r4-r11, lr} \n"                                                              \
                         "ldr r4, [sp, #36] \n" /* count: the fifth argument, above nine registers */        \
                         "add r4, r3        \n"                                                              \
                         "push {r4}         \n" /* where the output ends */                                  \
                         "1:                \n" FC_WINOGRAD_ADD("4")                                         \
                             FC_WINOGRAD_STORE("ldmia r1, {r8-r11}\n", "16", ROUND) FC_WINOGRAD_ADD("0")     \
                                 FC_WINOGRAD_STORE("ldmia r1!, {r8-r11}\n", "0", ROUND)                      \
                         "ldr r8, [sp]      \n"                                                              \
                         "adds r0, #8       \n"                                                              \
                         "adds r3, #1       \n"                                                              \
                         "cmp r3, r8        \n"                                                              \
                         "bne 1b            \n"                                                              \
                         "pop {r3}          \n"                                                              \
                         "pop {r4-r11, pc}  \n");                                                            \
    }
#define FC_WINOGRAD_AWAY_FROM_ZERO(y) "add " y ", " y ", " y ", asr #31 \n"
#define FC_WINOGRAD_UP(y) ""
FC_WINOGRAD_OUTPUTS(fc_winograd_outputs_two_sided, FC_WINOGRAD_AWAY_FROM_ZERO)
FC_WINOGRAD_OUTPUTS(fc_winograd_outputs_one_sided, FC_WINOGRAD_UP)
#endif

/* Outputs of `count` channels of a pair of tiles, whose places are next to each other. The second tile's come
 * first: where there is none, they go where the first's do. */
FC_INLINE void fc_winograd_outputs(const struct fc_winograd *p, const int32_t *sums,
                                   const struct fc_down_channel *channels, const int32_t *places, int8_t *output,
                                   int32_t count)
{
#if defined(__ARM_FEATURE_SIMD32)
    if (!p->pooled && p->output_min == INT8_MIN && p->output_max == INT8_MAX) {
        if (p->one_sided) {
            fc_winograd_outputs_one_sided(sums, channels, places, output, count);
        } else {
            fc_winograd_outputs_two_sided(sums, channels, places, output, count);
        }
        return;
    }
#endif
    for (int32_t i = 0; i < count; i++) {
        fc_winograd_finish(p, sums + 1, channels + i, places + 4, output + i);
        fc_winograd_finish(p, sums, channels + i, places, output + i);
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
    uint32_t *columns = inputs + p->group / FC_WINOGRAD_PAIR * pair_words;
    int32_t *places = (int32_t *)(columns + 4 * fc_winograd_column_words(p->input_channels));
    int8_t *padding = (int8_t *)(places + 4 * p->group);
    memset(padding, p->input_zero_point, (size_t)p->input_channels);
    int32_t y = 0, x = 0;
    for (int32_t first = 0; first < tiles; first += p->group) {
        const int32_t count = tiles - first < p->group ? tiles - first : p->group;
        for (int32_t tile = 0; tile < count; tile++) {
            uint32_t *to = inputs + tile / FC_WINOGRAD_PAIR * pair_words + tile % FC_WINOGRAD_PAIR;
            fc_winograd_transform(p, input, y, x, tile != 0 && x != 0, padding, columns, to);
            fc_winograd_place(p, y, x, places + 4 * tile);
            if (++x == across) {
                x = 0;
                y++;
            }
        }
        if (count % FC_WINOGRAD_PAIR != 0) {
            memcpy(places + 4 * count, places + 4 * (count - 1), 4 * sizeof *places);
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
            for (int32_t tile = 0; tile < count; tile += FC_WINOGRAD_PAIR) {
                fc_winograd_products(block, inputs + tile / FC_WINOGRAD_PAIR * pair_words, scratch,
                                     p->input_channels / 4);
                fc_winograd_outputs(p, scratch, table + channel, places + 4 * tile, output + channel,
                                    left < FC_WINOGRAD_CHANNELS ? left : FC_WINOGRAD_CHANNELS);
            }
        }
    }
}

/* input   input_height * input_width * input_channels
 * weights ceil(output_channels / 4) blocks of fc_winograd_block_words words, packed, and FC_WINOGRAD_MARGIN
 * table   output_channels entries
 * scratch fc_winograd_scratch_size bytes, 4-byte aligned
 * output  output_height * output_width * output_channels, or a quarter if pooled; may overlap input as far as
 *         winograd_overlap_bytes in generator/plan says: a group is read before any of its outputs is written */
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
