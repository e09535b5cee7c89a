/* SOFTMAX, int8 to int8 with scale 1/256 and zero point -128, over the last axis. */
#ifndef FC_SOFTMAX_H
#define FC_SOFTMAX_H

#include "fc_fixed.h"

#define FC_SOFTMAX_SUM_BITS 12 /* integer bits of the sum: fewer than 4096 summands of at most 1 */

struct fc_softmax {
    int32_t rows, depth;
};

FC_INLINE int32_t fc_leading_zeros(uint32_t value) { return value == 0 ? 32 : (int32_t)__builtin_clz(value); }

FC_INLINE int32_t fc_saturating_double(int32_t value, int32_t times)
{
    const int64_t wide = (int64_t)value * (INT64_C(1) << times);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* 1 / (1 + x) for x in [0, 1), both with 31 fractional bits, by three Newton steps: gemmlowp's
 * one_over_one_plus_x_for_x_in_0_1. */
FC_INLINE int32_t fc_one_over_one_plus(int32_t x)
{
    const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) >> 1);
    int32_t estimate = 1515870810 + fc_high_mul(half_denominator, -1010580540); /* 48/17 - 32/17 d */
    for (int32_t i = 0; i < 3; i++) {
        const int32_t residual = (1 << 29) - fc_high_mul(half_denominator, estimate);
        estimate += fc_saturating_double(fc_high_mul(estimate, residual), 2);
    }
    return fc_saturating_double(estimate, 1);
}

FC_INLINE int32_t fc_largest(const int8_t *values, int32_t count)
{
    int32_t largest = INT8_MIN;
    for (int32_t i = 0; i < count; i++) {
        largest = values[i] > largest ? values[i] : largest;
    }
    return largest;
}

/* Of the distances from the largest, with FC_SOFTMAX_SUM_BITS. */
FC_INLINE int32_t fc_sum_of_exponentials(const int8_t *values, int32_t count, int32_t largest,
                                         const int32_t exponentials[256])
{
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++) {
        sum += fc_rounding_shift_right(exponentials[largest - values[i]], FC_SOFTMAX_SUM_BITS);
    }
    return sum;
}

/* exponentials[d] is exp of the scaled distance -d from the row's maximum, 31 fractional bits, 0 where TFLM
 * leaves the element out; filled in by the planner. Output may be the input. */
FC_INLINE void fc_softmax_s8(const struct fc_softmax *p, const int8_t *input, const int32_t exponentials[256],
                             int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++, input += p->depth, output += p->depth) {
        const int32_t largest = fc_largest(input, p->depth);
        const int32_t sum = fc_sum_of_exponentials(input, p->depth, largest, exponentials);
        const int32_t headroom = fc_leading_zeros((uint32_t)sum);
        const int32_t reciprocal =
            fc_one_over_one_plus((int32_t)(((uint32_t)sum << headroom) - (UINT32_C(1) << 31)));
        const int32_t exponent = FC_SOFTMAX_SUM_BITS - headroom + 31 - 8;
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t e = exponentials[largest - input[i]];
            const int32_t share = fc_rounding_shift_right(fc_high_mul(reciprocal, e), exponent);
            output[i] = (int8_t)(e == 0 ? INT8_MIN : fc_clamp(share + INT8_MIN, INT8_MIN, INT8_MAX));
        }
    }
}

#endif
