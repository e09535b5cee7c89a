/* RESIZE_BILINEAR, int8, HWC. Output is apart from the input. */
#ifndef FC_RESIZE_H
#define FC_RESIZE_H

#include "fc_fixed.h"

#define FC_PLACE_BITS 10

/* Between two rows, or columns, of the input; offsets are elements. */
struct fc_place {
    int32_t first, second;
    int32_t weight; /* of the second, FC_PLACE_BITS fractional bits */
};

struct fc_resize_bilinear {
    int32_t outer, step; /* images, and elements of each */
    int32_t rows, columns, channels;
};

FC_INLINE void fc_resize_bilinear_s8(const struct fc_resize_bilinear *p, const int8_t *input,
                                     const struct fc_place *rows, const struct fc_place *columns,
                                     int8_t *output)
{
    for (int32_t o = 0; o < p->outer; o++, input += p->step) {
        for (int32_t y = 0; y < p->rows; y++) {
            const int8_t *top = input + rows[y].first, *bottom = input + rows[y].second;
            const int32_t down = rows[y].weight;
            for (int32_t x = 0; x < p->columns; x++) {
                const int32_t left = columns[x].first, right = columns[x].second;
                /* Weights of the four, which add up to 1, twice FC_PLACE_BITS fractional bits. */
                const int32_t bottom_right = down * columns[x].weight;
                const int32_t bottom_left = down * (1 << FC_PLACE_BITS) - bottom_right;
                const int32_t top_right = columns[x].weight * (1 << FC_PLACE_BITS) - bottom_right;
                const int32_t top_left = (1 << 2 * FC_PLACE_BITS) - bottom_right - bottom_left - top_right;
                for (int32_t c = 0; c < p->channels; c++) {
                    const int32_t value = top[left + c] * top_left + top[right + c] * top_right +
                                          bottom[left + c] * bottom_left + bottom[right + c] * bottom_right;
                    *output++ = (int8_t)fc_rounding_shift_right(value, 2 * FC_PLACE_BITS);
                }
            }
        }
    }
}

#endif
