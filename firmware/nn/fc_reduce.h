/* int8, or sums of int16, along one axis: input (outer, reduced, inner), output (outer, inner). Output is apart
 * from the input. */
#ifndef FC_REDUCE_H
#define FC_REDUCE_H

#include "fc_element.h"
#include "fc_fixed.h"

struct fc_reduce {
    int32_t outer, reduced, inner;
    int32_t offset; /* zero points of the summands */
    struct fc_scale scale;
    int32_t output_zero_point;
};

/* MEAN and SUM; a mean's division is part of the scale. */
FC_INLINE void fc_sum_axis(const struct fc_reduce *p, const void *input, void *output, bool wide)
{
    const int32_t low = wide ? INT16_MIN : INT8_MIN, high = wide ? INT16_MAX : INT8_MAX;
    for (int32_t o = 0; o < p->outer; o++) {
        for (int32_t i = 0; i < p->inner; i++) {
            int32_t sum = 0;
            for (int32_t r = 0; r < p->reduced; r++) {
                sum += fc_element(input, (o * p->reduced + r) * p->inner + i, wide);
            }
            const int32_t scaled = fc_wrapping_add(fc_scale_any(sum - p->offset, p->scale), p->output_zero_point);
            fc_set_element(output, o * p->inner + i, fc_clamp(scaled, low, high), wide);
        }
    }
}

FC_INLINE void fc_sum_axis_s8(const struct fc_reduce *p, const int8_t *input, int8_t *output)
{
    fc_sum_axis(p, input, output, false);
}

FC_INLINE void fc_sum_axis_s16(const struct fc_reduce *p, const int16_t *input, int16_t *output)
{
    fc_sum_axis(p, input, output, true);
}

/* The greatest of `sign` times the elements, so -1 finds the least. */
FC_INLINE void fc_extreme_axis_s8(const struct fc_reduce *p, int32_t sign, const int8_t *input, int8_t *output)
{
    for (int32_t o = 0; o < p->outer; o++, input += p->reduced * p->inner) {
        for (int32_t i = 0; i < p->inner; i++) {
            int8_t best = input[i];
            for (int32_t r = 1; r < p->reduced; r++) {
                const int8_t value = input[r * p->inner + i];
                best = sign * value > sign * best ? value : best;
            }
            *output++ = best;
        }
    }
}

FC_INLINE void fc_max_axis_s8(const struct fc_reduce *p, const int8_t *input, int8_t *output)
{
    fc_extreme_axis_s8(p, 1, input, output);
}

FC_INLINE void fc_min_axis_s8(const struct fc_reduce *p, const int8_t *input, int8_t *output)
{
    fc_extreme_axis_s8(p, -1, input, output);
}

/* Where the greatest is, the first of equals, of `sign` times the elements. */
FC_INLINE void fc_arg_axis_s8(const struct fc_reduce *p, int32_t sign, const int8_t *input, int32_t *output)
{
    for (int32_t o = 0; o < p->outer; o++, input += p->reduced * p->inner) {
        for (int32_t i = 0; i < p->inner; i++) {
            int32_t best = 0;
            for (int32_t r = 1; r < p->reduced; r++) {
                if (sign * input[r * p->inner + i] > sign * input[best * p->inner + i]) {
                    best = r;
                }
            }
            *output++ = best;
        }
    }
}

FC_INLINE void fc_arg_max_axis_s8(const struct fc_reduce *p, const int8_t *input, int32_t *output)
{
    fc_arg_axis_s8(p, 1, input, output);
}

FC_INLINE void fc_arg_min_axis_s8(const struct fc_reduce *p, const int8_t *input, int32_t *output)
{
    fc_arg_axis_s8(p, -1, input, output);
}

#endif
