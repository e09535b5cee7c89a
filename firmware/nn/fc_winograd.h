/* CONV_2D 3x3, stride 1, by Winograd's F(2x2, 3x3) in integers: 16 products where the direct sum takes 36.
 *
 * A tile is 2x2 outputs; it sees 4x4 pixels d. With g the kernel, (*) element by element, summed over
 * channels,
 *
 *   4 outputs = A' ((G g G') * (B' d B)) A
 *
 *       1  0  0         1  0 -1  0
 *   G = 1  1  1    B' = 0  1  1  0    A' = 2  1  1  0
 *       1 -1  1         0 -1  1  0         0  1 -1 -2
 *       0  0  1         0  1  0 -1
 *
 * These are the usual matrices without their halves. Exact: transformed weights are within +-9 * 128,
 * transformed activations, which go in as stored, within +-512. Everything after that is additions and
 * multiplications modulo 2^32, so what is in between may wrap: the planner checks that four times the sum
 * fits 32 bits, hence it is right. The activations' zero point is part of the bias, and padding holds it. */
#ifndef FC_WINOGRAD_H
#define FC_WINOGRAD_H

#include "fc_fixed.h"
#include "fc_winograd_transform.h"

/* Where the outputs of a tile go, as offsets of their first channels, in reading order. Those outside the
 * image go where another of the tile does. */
FC_INLINE void fc_winograd_place(const struct fc_winograd *p, int32_t tile_y, int32_t tile_x,
                                 int32_t place[4])
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

/* A' M A for one channel of one tile, whose 16 sums start at `sums`, then scaling. `output` is the channel's.
 */
FC_INLINE void fc_winograd_finish(const struct fc_winograd *p, const int32_t *sums,
                                  const struct fc_down_channel *channel, const int32_t place[4],
                                  int8_t *output)
{
#define FC_SUM(row, column) (uint32_t)sums[(4 * (row) + (column)) * FC_WINOGRAD_CHANNELS * FC_WINOGRAD_PAIR]
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
/* fc_winograd_finish for both tiles of a pair and `count` channels, saturating: GCC 12 takes half as long
 * again. r0 sums, r1 channels, r2 places, r3 output; r4 to r7 outputs; r8 to r12 and lr sums, then
 * the channel's numbers and the places. */
#define FC_WINOGRAD_ADD(offset)                                                                              \
    "ldr r8, [r0, #0 + " offset "]      \n"                                                                  \
    "ldr r9, [r0, #128 + " offset "]    \n"                                                                  \
    "ldr r10, [r0, #256 + " offset "]   \n"                                                                  \
    "ldr r11, [r0, #384 + " offset "]   \n"                                                                  \
    FC_WINOGRAD_ADD_LOADED(offset)
#define FC_WINOGRAD_ADD_LOADED(offset)                                                                       \
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
    "sub lr, lr, r9, lsl #1             \n"

/* The last two outputs, beside the channel's numbers. */
#define FC_WINOGRAD_ADD_LAST                                                                                 \
    "ldr r8, [r1]                       \n"                                                                  \
    "ldr r9, [r1, #4]                   \n"                                                                  \
    "sub r5, r5, r10, lsl #1            \n"                                                                  \
    "ldr r11, [r1, #12]                 \n"                                                                  \
    "sub r7, r7, lr, lsl #1             \n"                                                                  \
    "ldr r10, [r1, #8]                  \n"

/* clang-format off */
#define FC_WINOGRAD_STORE(place, SCALE)                                                                      \
    "lsl r8, r8, #1                     \n"                                                                  \
    "add r7, r8, r7, asr #1             \n"                                                                  \
    "add r6, r8, r6, asr #1             \n"                                                                  \
    SCALE("r7", "r12")                                                                                       \
    "add r5, r8, r5, asr #1             \n"                                                                  \
    SCALE("r6", "lr")                                                                                        \
    "add r4, r8, r4, asr #1             \n"                                                                  \
    SCALE("r5", "r12")                                                                                       \
    "ldr r12, [r2, #" place " + 12]     \n"                                                                  \
    SCALE("r4", "lr")                                                                                        \
    "asr r7, r10                        \n"                                                                  \
    "asr r6, r10                        \n"                                                                  \
    "ldr lr, [r2, #" place " + 8]       \n"                                                                  \
    "ssat r7, #8, r7                    \n"                                                                  \
    "ldr r9, [r2, #" place " + 4]       \n"                                                                  \
    "asr r5, r10                        \n"                                                                  \
    "ldr r8, [r2, #" place "]           \n"                                                                  \
    "ssat r6, #8, r6                    \n"                                                                  \
    "strb r7, [r12, r3]                 \n"                                                                  \
    "asr r4, r10                        \n"                                                                  \
    "ssat r5, #8, r5                    \n"                                                                  \
    "strb r6, [lr, r3]                  \n"                                                                  \
    "ssat r4, #8, r4                    \n"                                                                  \
    "strb r5, [r9, r3]                  \n"                                                                  \
    "strb r4, [r8, r3]                  \n"

#define FC_WINOGRAD_MAX(first, second, third)                                                                \
    "cmp r4, r6                         \n"                                                                  \
    "it lt                              \n"                                                                  \
    "movlt r4, r6                       \n"                                                                  \
    "sub r5, r5, r10, lsl #1            \n"                                                                  \
    "sub r7, r7, lr, lsl #1             \n"                                                                  \
    first                                                                                                    \
    "cmp r5, r7                         \n"                                                                  \
    "it lt                              \n"                                                                  \
    "movlt r5, r7                       \n"                                                                  \
    second                                                                                                   \
    "cmp r4, r5                         \n"                                                                  \
    "it lt                              \n"                                                                  \
    "movlt r4, r5                       \n"                                                                  \
    third

#define FC_WINOGRAD_STORE_MAX(SCALE)                                                                         \
    "lsl r8, r8, #1                     \n"                                                                  \
    "add r5, r8, r5, asr #1             \n"                                                                  \
    "add r4, r8, r4, asr #1             \n"                                                                  \
    SCALE("r5", "r8")                                                                                        \
    "pld [r1, #64]                      \n"                                                                  \
    SCALE("r4", "r8")                                                                                        \
    "asr r5, r10                        \n"                                                                  \
    "ssat r5, #8, r5                    \n"                                                                  \
    "asr r4, r10                        \n"                                                                  \
    "strb r5, [r12, r3]                 \n"                                                                  \
    "ssat r4, #8, r4                    \n"                                                                  \
    "strb r4, [lr, r3]                  \n"

#define FC_WINOGRAD_OUTPUTS(name, channel)                                                                   \
    __attribute__((naked, noinline, unused)) static void name(                                               \
        __attribute__((unused)) const int32_t *sums,                                                         \
        __attribute__((unused)) const struct fc_down_channel *channels,                                      \
        __attribute__((unused)) const int32_t *places, __attribute__((unused)) int8_t *output,               \
        __attribute__((unused)) int32_t count)                                                               \
    {                                                                                                        \
        __asm__ volatile("push {r4-r11, lr} \n"                                                              \
                         "ldr r4, [sp, #36] \n" /* count: the fifth argument, above nine registers */        \
                         "add r4, r3        \n"                                                              \
                         "push {r4, r5}     \n" /* where the output ends, and room */                        \
                         "1:                \n" channel                                                      \
                         "ldr r8, [sp]      \n"                                                              \
                         "adds r0, #8       \n"                                                              \
                         "adds r3, #1       \n"                                                              \
                         "cmp r3, r8        \n"                                                              \
                         "bne 1b            \n"                                                              \
                         "add sp, #8        \n"                                                              \
                         "pop {r4-r11, pc}  \n");                                                            \
    }

/* A channel: all outputs of the second tile, then of the first; or the greatest of each, which take a word
 * of the stack. */
#define FC_WINOGRAD_ALL(SCALE)                                                                               \
    FC_WINOGRAD_ADD("4")                                                                                     \
    FC_WINOGRAD_ADD_LAST                                                                                     \
    FC_WINOGRAD_STORE("16", SCALE)                                                                           \
    FC_WINOGRAD_ADD("0")                                                                                     \
    FC_WINOGRAD_ADD_LAST                                                                                     \
    "adds r1, #16                       \n"                                                                  \
    "pld [r1, #64]                      \n"                                                                  \
    FC_WINOGRAD_STORE("0", SCALE)
#define FC_WINOGRAD_GREATEST(SCALE)                                                                          \
    FC_WINOGRAD_ADD("4")                                                                                     \
    FC_WINOGRAD_MAX("ldr r8, [r0]\n", "ldr r9, [r0, #128]\n", "ldr r10, [r0, #256]\n")                       \
    "str r4, [sp, #4]                   \n"                                                                  \
    "ldr r11, [r0, #384]                \n"                                                                  \
    FC_WINOGRAD_ADD_LOADED("0")                                                                              \
    FC_WINOGRAD_MAX("ldr r12, [r2, #16]\n", "ldr lr, [r2]\n", "ldr r5, [sp, #4]\n")                          \
    "ldmia r1!, {r8-r11}                \n"                                                                  \
    FC_WINOGRAD_STORE_MAX(SCALE)
/* clang-format on */

/* fc_scale_twice before its shift; `t` is free. */
#define FC_WINOGRAD_TWO_SIDED(y, t) "add " t ", r11, " y ", asr #31 \n smmlar " y ", " y ", r9, " t " \n"
#define FC_WINOGRAD_ONE_SIDED(y, t) "smmlar " y ", " y ", r9, r11 \n"
FC_WINOGRAD_OUTPUTS(fc_winograd_outputs_two_sided, FC_WINOGRAD_ALL(FC_WINOGRAD_TWO_SIDED))
FC_WINOGRAD_OUTPUTS(fc_winograd_outputs_one_sided, FC_WINOGRAD_ALL(FC_WINOGRAD_ONE_SIDED))
FC_WINOGRAD_OUTPUTS(fc_winograd_greatest_two_sided, FC_WINOGRAD_GREATEST(FC_WINOGRAD_TWO_SIDED))
FC_WINOGRAD_OUTPUTS(fc_winograd_greatest_one_sided, FC_WINOGRAD_GREATEST(FC_WINOGRAD_ONE_SIDED))
#endif

/* Outputs of `count` channels of a pair of tiles, whose places are next to each other. The second tile's come
 * first: where there is none, they go where the first's do. */
FC_INLINE void fc_winograd_outputs(const struct fc_winograd *p, const int32_t *sums,
                                   const struct fc_down_channel *channels, const int32_t *places,
                                   int8_t *output, int32_t count)
{
#if defined(__ARM_FEATURE_SIMD32)
    if (p->output_min == INT8_MIN && p->output_max == INT8_MAX) {
        if (p->pooled && p->one_sided) {
            fc_winograd_greatest_one_sided(sums, channels, places, output, count);
        } else if (p->pooled) {
            fc_winograd_greatest_two_sided(sums, channels, places, output, count);
        } else if (p->one_sided) {
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

/* Tiles `first` to `first + count`, in reading order, into `inputs`, and where their outputs go into `places`. One
 * function for all layers: specialised for each it would take a kilobyte of flash and save a hundredth. */
__attribute__((noinline, unused)) static void
fc_winograd_transform_group(const struct fc_winograd *p, const int8_t *input, int32_t first, int32_t count,
                            const int8_t *padding, uint32_t *columns, uint32_t *inputs, int32_t *places)
{
    const int32_t across = fc_winograd_tiles_across(p), pair_words = fc_winograd_pair_words(p);
    int32_t y = first / across, x = first % across;
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
}

/* The convolution; `how` tells what `weights` points at. */
FC_INLINE void fc_winograd_run(const struct fc_winograd *p, const int8_t *input, const void *weights,
                               enum fc_winograd_weights how, const struct fc_down_channel *table,
                               int32_t *scratch, int8_t *output)
{
    const int32_t tiles = fc_winograd_tiles(p);
    const int32_t channels = p->output_channels, pair_words = fc_winograd_pair_words(p);
    uint32_t *transformed = (uint32_t *)(scratch + fc_winograd_sums_words(p, how));
    uint32_t *columns = (uint32_t *)scratch;
    uint32_t *inputs = columns + fc_winograd_front_words(p, how);
    int32_t *places = (int32_t *)(inputs + p->group / FC_WINOGRAD_PAIR * pair_words);
    int8_t *padding = (int8_t *)(places + 4 * p->group);
    memset(padding, p->input_zero_point, (size_t)p->input_channels);
    for (int32_t first = 0; first < tiles; first += p->group) {
        const int32_t count = tiles - first < p->group ? tiles - first : p->group;
        fc_winograd_transform_group(p, input, first, count, padding, columns, inputs, places);
        for (int32_t channel = 0; channel < channels; channel += FC_WINOGRAD_CHANNELS) {
            const uint32_t *block = transformed;
            if (how == FC_WINOGRAD_STORED) {
                block = (const uint32_t *)weights + channel / FC_WINOGRAD_CHANNELS * fc_winograd_block_words(p);
            } else if (how == FC_WINOGRAD_COMPACT) {
                fc_winograd_transform_weights((const int8_t *)weights + channel * 9 * p->input_channels,
                                              p->input_channels, transformed);
            } else {
                fc_winograd_transform_nibbles(p, (const uint32_t *)weights + channel * fc_winograd_packed_words(p),
                                              (uint32_t *)scratch, transformed);
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
 *         winograd_overlap_bytes in generator/plan says: a group is read before any of its outputs is written
 */
FC_INLINE void fc_conv_2d_winograd_s8(const struct fc_winograd *p, const int8_t *input,
                                      const uint32_t *weights, const struct fc_down_channel *table,
                                      int32_t *scratch, int8_t *output)
{
    fc_winograd_run(p, input, weights, FC_WINOGRAD_STORED, table, scratch, output);
}

/* The same from untransformed weights, a quarter of the bytes: four kernels at a time are transformed, once
 * per group of tiles. weights: ceil(output_channels / 4) * 4 * 9 * input_channels, packed */
FC_INLINE void fc_conv_2d_winograd_compact_s8(const struct fc_winograd *p, const int8_t *input,
                                              const int8_t *weights, const struct fc_down_channel *table,
                                              int32_t *scratch, int8_t *output)
{
    fc_winograd_run(p, input, weights, FC_WINOGRAD_COMPACT, table, scratch, output);
}

/* The same from weights of four bits: ceil(output_channels / 4) * 4 * fc_winograd_packed_words words. */
FC_INLINE void fc_conv_2d_winograd_compact_s4(const struct fc_winograd *p, const int8_t *input,
                                              const uint32_t *weights, const struct fc_down_channel *table,
                                              int32_t *scratch, int8_t *output)
{
    fc_winograd_run(p, input, weights, FC_WINOGRAD_NIBBLES, table, scratch, output);
}

#endif
