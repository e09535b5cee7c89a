/* TRANSPOSE_CONV, int8, per output channel. Activations HWC.
 *
 * Output pixels whose row and column leave the same rests when divided by the strides meet the same taps: they
 * are a convolution with stride 1 of the input with those taps. So each output is summed up at once, from the
 * taps that hit it, by the loops of fc_conv_2d.h. */
#ifndef FC_TRANSPOSE_CONV_H
#define FC_TRANSPOSE_CONV_H

#include "fc_conv_2d.h"

/* The output pixels of one pair of rests. */
struct fc_phase {
    int32_t kernel_height, kernel_width;
    int32_t pad_top, pad_left;
    int32_t rows, columns;
    int32_t output;  /* where the first one is, elements */
    int32_t weights; /* ... its weights, bytes */
};

struct fc_transpose_conv {
    struct fc_conv_2d conv; /* kernel extents and padding are the phases' */
    int32_t phases;
    int32_t row_step, pixel_step; /* from one output pixel of a phase to the next, elements */
};

/* weights each phase's, packed as those of fc_conv_2d_s8; table output_channels entries of each phase; output
 * apart from the input. */
FC_INLINE void fc_transpose_conv_s8(const struct fc_transpose_conv *p, const int8_t *input,
                                    const int8_t *weights, const struct fc_channel *table,
                                    const struct fc_phase *phases, int16_t *columns, int8_t *output)
{
    for (int32_t i = 0; i < p->phases; i++) {
        struct fc_conv_2d conv = p->conv;
        conv.view.kernel_height = phases[i].kernel_height;
        conv.view.kernel_width = phases[i].kernel_width;
        conv.view.pad_top = phases[i].pad_top;
        conv.view.pad_left = phases[i].pad_left;
        const int32_t pixels = phases[i].rows * phases[i].columns;
        int32_t y = 0, x = 0;
        for (int32_t pixel = 0; pixel < pixels; pixel += FC_COLUMNS) {
            int8_t *places[FC_COLUMNS];
            const int32_t count = pixels - pixel < FC_COLUMNS ? pixels - pixel : FC_COLUMNS;
            for (int32_t j = 0; j < count; j++) {
                fc_gather(&conv.view, input, y, x, columns, j, FC_COLUMNS);
                places[j] = output + phases[i].output + y * p->row_step + x * p->pixel_step;
                if (++x == phases[i].columns) {
                    x = 0;
                    y++;
                }
            }
            /* What there is no room for is written to the first pixel, before that is. */
            for (int32_t j = count; j < FC_COLUMNS; j++) {
                places[j] = places[0];
            }
            fc_conv_2d_pixels(&conv, weights + phases[i].weights, table + i * conv.output_channels, columns,
                              places[0], places[1], places[2]);
        }
    }
}

#endif
