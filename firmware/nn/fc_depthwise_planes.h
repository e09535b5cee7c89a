/* DEPTHWISE_CONV_2D channel by channel over planes: four channels at a time are unpacked from HWC bytes into
 * a plane of int16 each, with its padding, so that two neighbours lie in one word and SMLAD serves one
 * channel. Outputs that saturate or are clamped, scaled down only (struct fc_down_channel); any stride, any
 * multiplier, any number of channels.
 *
 * The rows of a plane run along the image's rows or, `transposed`, along its columns: the planner takes the
 * cheaper, all that follows knows rows and columns of the plane alone. `strip_rows` bounds the scratch: so many
 * rows of outputs are computed from one filling of it. */
#ifndef FC_DEPTHWISE_PLANES_H
#define FC_DEPTHWISE_PLANES_H

#include "fc_fixed.h"
#include "fc_plane_sums.h"
#include "fc_simd.h"

struct fc_depthwise_planes {
    int32_t input_rows, input_columns, channels;
    int32_t output_rows, output_columns, multiplier; /* output channels = channels * multiplier */
    int32_t kernel_rows, kernel_columns;
    int32_t row_stride, column_stride, row_dilation;
    int32_t pad_rows, pad_columns; /* before the first */
    int32_t strip_rows;
    int32_t input_zero_point;
    int32_t output_min, output_max;
    bool transposed, one_sided;
};

#define FC_LANES 4         /* channels unpacked together */
#define FC_PLANES_MARGIN 4 /* bytes that may be read, but are not used, behind the planes */

/* Words of two weights per row of a kernel: for an output whose first tap lies at an even column, and for its
 * right neighbour one column on. Padded with zeros, (w0 w1) (w2 0) and (0 w0) (w1 w2), they meet the same
 * words of a plane; they alternate in the table. */
FC_INLINE int32_t fc_planes_words(const struct fc_depthwise_planes *p) { return p->kernel_columns / 2 + 1; }

/* Halves from one row of a plane to the next: even, up to the last column that is used. */
FC_INLINE int32_t fc_planes_pitch(const struct fc_depthwise_planes *p)
{
    return ((p->output_columns - 1) * p->column_stride + p->kernel_columns + 1) / 2 * 2;
}

/* Rows of a plane that `rows` rows of outputs see. */
FC_INLINE int32_t fc_planes_span(const struct fc_depthwise_planes *p, int32_t rows)
{
    return (rows - 1) * p->row_stride + (p->kernel_rows - 1) * p->row_dilation + 1;
}

FC_INLINE int32_t fc_planes_lanes(const struct fc_depthwise_planes *p)
{
    return p->channels < FC_LANES ? p->channels : FC_LANES;
}

/* Bytes of scratch: the words of one channel's kernel, its sums, then the planes. */
FC_INLINE int32_t fc_depthwise_planes_scratch_size(const struct fc_depthwise_planes *p)
{
    const int32_t plane = fc_planes_span(p, p->strip_rows) * fc_planes_pitch(p);
    return p->kernel_rows * fc_planes_words(p) * 8 + p->strip_rows * p->output_columns * 4 +
           fc_planes_lanes(p) * plane * 2 + FC_PLANES_MARGIN;
}

/* The channels of a pixel as a word; nothing is read behind the pixel. */
FC_INLINE uint32_t fc_load_lanes(const int8_t *pixel, int32_t lanes)
{
    if (lanes == FC_LANES) {
        return fc_load_word(pixel);
    }
    uint32_t word = 0;
    for (int32_t lane = 0; lane < lanes; lane++) {
        word |= (uint32_t)(uint8_t)pixel[lane] << (8 * lane);
    }
    return word;
}

/* Two neighbours, four channels each, to their place in the planes. */
FC_INLINE void fc_unpack_pair(uint32_t left, uint32_t right, int16_t *place, int32_t plane, int32_t lanes)
{
    const uint32_t even_left = fc_even_bytes(left), even_right = fc_even_bytes(right);
    const uint32_t odd_left = fc_odd_bytes(left), odd_right = fc_odd_bytes(right);
    fc_store_word(place, fc_pack_bottoms(even_left, even_right));
    if (lanes > 1) {
        fc_store_word(place + plane, fc_pack_bottoms(odd_left, odd_right));
    }
    if (lanes > 2) {
        fc_store_word(place + 2 * plane, fc_pack_tops(even_left, even_right));
    }
    if (lanes > 3) {
        fc_store_word(place + 3 * plane, fc_pack_tops(odd_left, odd_right));
    }
}

/* A row of padding, or the end of one from an even column on, in all planes. */
FC_INLINE void fc_fill_padding(const struct fc_depthwise_planes *p, int16_t *row, int32_t from, int32_t to,
                               int32_t plane)
{
    const uint32_t border = (uint8_t)p->input_zero_point * UINT32_C(0x01010101);
    for (int32_t column = from; column < to; column += 2) {
        fc_unpack_pair(border, border, row + column, plane, fc_planes_lanes(p));
    }
}

/* One row of all planes, of which `pixels` is the first in the image; words of nothing but padding only where
 * `padding` is wanted. */
FC_INLINE void fc_fill_plane_row(const struct fc_depthwise_planes *p, const int8_t *pixels, int16_t *row,
                                 int32_t plane, bool padding)
{
    const uint32_t border = (uint8_t)p->input_zero_point * UINT32_C(0x01010101);
    const int32_t pitch = fc_planes_pitch(p), lanes = fc_planes_lanes(p);
    const int32_t first = p->pad_columns < pitch ? p->pad_columns : pitch;
    const int32_t inside = p->input_columns < pitch - first ? p->input_columns : pitch - first;
    const int32_t end = first + inside;
    const int32_t step = (p->transposed ? p->input_rows : 1) * p->channels;
    int32_t column = first / 2 * 2;
    if (column < first) {
        fc_unpack_pair(border, fc_load_lanes(pixels, lanes), row + column, plane, lanes);
        pixels += step;
        column += 2;
    }
    for (; column + 1 < end; column += 2) {
        fc_unpack_pair(fc_load_lanes(pixels, lanes), fc_load_lanes(pixels + step, lanes), row + column, plane,
                       lanes);
        pixels += 2 * step;
    }
    if (column < end) {
        fc_unpack_pair(fc_load_lanes(pixels, lanes), border, row + column, plane, lanes);
    }
    if (padding) {
        fc_fill_padding(p, row, 0, first / 2 * 2, plane);
        fc_fill_padding(p, row, (end + 1) / 2 * 2, pitch, plane);
    }
}

/* One channel's weights as words, doubled: so come the accumulators that fc_scale_twice takes. */
FC_INLINE void fc_expand_plane_weights(const struct fc_depthwise_planes *p, const int8_t *weights,
                                       uint32_t *words)
{
    for (int32_t row = 0; row < p->kernel_rows; row++) {
        if (p->kernel_columns == 3) {
            const uint32_t four = fc_load_word(weights + 3 * row);
            const uint32_t even = fc_even_bytes(four), odd = fc_odd_bytes(four);
            const uint32_t w02 = fc_add_halves(even, even), w1 = fc_add_halves(odd, odd);
            words[4 * row] = fc_pack_bottoms(w02, w1);
            words[4 * row + 1] = w02 << 16;
            words[4 * row + 2] = w02 >> 16;
            words[4 * row + 3] = (w1 & 0xFFFFu) | (w02 & 0xFFFF0000u);
            continue;
        }
        int32_t before = 0;
        for (int32_t column = 0; column <= p->kernel_columns; column += 2) {
            const int32_t here = column < p->kernel_columns ? 2 * weights[column] : 0;
            const int32_t next = column + 1 < p->kernel_columns ? 2 * weights[column + 1] : 0;
            *words++ = fc_pack_halves(here, next);
            *words++ = fc_pack_halves(before, here);
            before = next;
        }
        weights += p->kernel_columns;
    }
}

/* Doubled accumulators of one channel, `rows` rows of outputs: the bias and products. */
FC_INLINE void fc_plane_sums(const struct fc_depthwise_planes *p, const int16_t *plane, const uint32_t *words,
                             int32_t twice_bias, int32_t rows, int32_t *sums)
{
    const int32_t count = fc_planes_words(p), pitch = fc_planes_pitch(p);
    const int32_t columns = p->output_columns;
#if defined(__ARM_FEATURE_SIMD32)
    if (p->kernel_rows == 3 && p->kernel_columns == 3 && p->column_stride <= 2) {
        const int32_t window = p->row_dilation * pitch * 2, row = p->row_stride * pitch * 2;
        if (p->column_stride == 1) {
            fc_plane_sums_3x3(plane, sums, words, twice_bias, window, columns, rows,
                              row - columns / 2 * 4 - 4);
        } else {
            fc_plane_sums_3x3_stride_2(plane, sums, words, twice_bias, window, columns, rows,
                                       row - columns / 2 * 8);
        }
        return;
    }
#endif
    for (int32_t row = 0; row < rows; row++) {
        const int16_t *source = plane + row * p->row_stride * pitch;
        int32_t x = 0;
        if (p->column_stride == 1) {
            for (; x + 1 < columns; x += 2) {
                int32_t left = twice_bias, right = twice_bias;
#pragma GCC unroll 5
                for (int32_t y = 0; y < p->kernel_rows; y++) {
#pragma GCC unroll 8
                    for (int32_t i = 0; i < count; i++) {
                        const uint32_t values = fc_load_word(source + y * p->row_dilation * pitch + 2 * i);
                        left = fc_smlad(values, words[2 * (y * count + i)], left);
                        right = fc_smlad(values, words[2 * (y * count + i) + 1], right);
                    }
                }
                *sums++ = left;
                *sums++ = right;
                source += 2;
            }
        }
        for (; x < columns; x++) {
            int32_t sum = twice_bias;
#pragma GCC unroll 5
            for (int32_t y = 0; y < p->kernel_rows; y++) {
#pragma GCC unroll 8
                for (int32_t i = 0; i < (p->kernel_columns + 1) / 2; i++) {
                    const uint32_t values = fc_load_word(source + y * p->row_dilation * pitch + 2 * i);
                    sum = fc_smlad(values, words[2 * (y * count + i)], sum);
                }
            }
            *sums++ = sum;
            source += p->column_stride;
        }
    }
}

/* Scales `rows` rows of `count` doubled accumulators into outputs that lie `step` bytes apart, the rows
 * `row_step` bytes. */
FC_INLINE void fc_finish_plane(const struct fc_depthwise_planes *p, const int32_t *sums, int32_t count,
                               int32_t rows, const struct fc_down_channel *channel, int8_t *output,
                               int32_t step, int32_t row_step)
{
#if defined(__ARM_FEATURE_SIMD32)
    if (p->output_min == INT8_MIN && p->output_max == INT8_MAX) {
        if (p->one_sided) {
            fc_finish_sums_one_sided(sums, output, channel, step, count, rows, row_step);
        } else {
            fc_finish_sums(sums, output, channel, step, count, rows, row_step);
        }
        return;
    }
#endif
    const struct fc_down_channel scale = *channel; /* bytes that are stored cannot change it */
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < count; i++) {
            const int32_t scaled = fc_scale_twice(*sums++, scale, p->one_sided);
            output[row * row_step + i * step] = (int8_t)fc_clamp(scaled, p->output_min, p->output_max);
        }
    }
}

/* Fills rows `held` to `end` of the planes with what outputs from row `first` on see; words of nothing but
 * padding only where `padding` is wanted. */
FC_INLINE void fc_fill_planes(const struct fc_depthwise_planes *p, const int8_t *input, int16_t *planes,
                              int32_t plane, int32_t first, int32_t held, int32_t end, bool padding)
{
    const int32_t step = (p->transposed ? 1 : p->input_columns) * p->channels;
    for (int32_t i = held; i < end; i++) {
        const int32_t y = first * p->row_stride - p->pad_rows + i;
        int16_t *row = planes + i * fc_planes_pitch(p);
        if (y >= 0 && y < p->input_rows) {
            fc_fill_plane_row(p, input + y * step, row, plane, padding);
        } else if (padding) {
            fc_fill_padding(p, row, 0, fc_planes_pitch(p), plane);
        }
    }
}

/* Moves `count` halves, an even number, to the start of a plane. */
FC_INLINE void fc_slide_plane(int16_t *plane, int32_t from, int32_t count)
{
    for (int32_t i = 0; i < count; i += 2) {
        fc_store_word(plane + i, fc_load_word(plane + from + i));
    }
}

/* `words`: scratch. weights: of each output channel kernel_rows * kernel_columns, and a byte that is not used.
 * Output may start where input starts if the planner has seen that whatever an output overwrites is in the
 * planes by then. */
FC_INLINE void fc_depthwise_conv_2d_planes_s8(const struct fc_depthwise_planes *p, const int8_t *input,
                                              const int8_t *weights, const struct fc_down_channel *table,
                                              uint32_t *words, int8_t *output)
{
    const int32_t lanes = fc_planes_lanes(p), pitch = fc_planes_pitch(p);
    const int32_t span = fc_planes_span(p, p->strip_rows), plane = span * pitch;
    const int32_t advance = p->strip_rows * p->row_stride;
    const int32_t kept = span > advance ? span - advance : 0;
    const int32_t channels = p->channels * p->multiplier;
    const int32_t row_step = (p->transposed ? 1 : p->output_columns) * channels;
    const int32_t column_step = (p->transposed ? p->output_rows : 1) * channels;
    int32_t *sums = (int32_t *)words + p->kernel_rows * fc_planes_words(p) * 2;
    int16_t *planes = (int16_t *)(sums + p->strip_rows * p->output_columns);
    for (int32_t group = 0; group < p->channels; group += lanes) {
        /* The last channels, when they fill no word, come in one with channels before them. */
        const int32_t base = group + lanes <= p->channels ? group : p->channels - lanes;
        for (int32_t y = 0; y < p->output_rows; y += p->strip_rows) {
            const int32_t rows = p->output_rows - y < p->strip_rows ? p->output_rows - y : p->strip_rows;
            if (y > 0) {
                for (int32_t lane = 0; lane < lanes; lane++) {
                    fc_slide_plane(planes + lane * plane, advance * pitch, kept * pitch);
                }
            }
            fc_fill_planes(p, input + base, planes, plane, y, y > 0 ? kept : 0, fc_planes_span(p, rows),
                           group == 0 || p->strip_rows < p->output_rows);
            for (int32_t c = group * p->multiplier; c < (base + lanes) * p->multiplier; c++) {
                fc_expand_plane_weights(p, weights + c * p->kernel_rows * p->kernel_columns, words);
                fc_plane_sums(p, planes + (c / p->multiplier - base) * plane, words, table[c].bias * 2, rows,
                              sums);
                /* Where rows follow each other in the image they are one. */
                const int32_t runs = p->transposed ? rows : 1;
                fc_finish_plane(p, sums, rows / runs * p->output_columns, runs, table + c,
                                output + y * row_step + c, column_step, row_step);
            }
        }
    }
}

#endif
