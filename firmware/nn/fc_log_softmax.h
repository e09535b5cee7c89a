/* LOG_SOFTMAX, int8 to int8 with scale 1/16 and zero point 127, over the last axis. */
#ifndef FC_LOG_SOFTMAX_H
#define FC_LOG_SOFTMAX_H

#include "fc_softmax.h"

#define FC_LOG_BITS 5                                  /* integer bits of scaled inputs and of logarithms */
#define FC_LOG_ACCUMULATOR_BITS (FC_LOG_BITS + 1)      /* and while they are computed */
#define FC_LOG_QUARTER (1 << (29 - FC_LOG_ACCUMULATOR_BITS)) /* 1/4 as one of these */
#define FC_LOG_OUTPUT_SHIFT (31 - FC_LOG_BITS - 4)

struct fc_log_softmax {
    int32_t rows, depth;
    int32_t radius;                       /* distance from a row's maximum beyond which nothing counts */
    struct fc_scale scale, reverse_scale; /* of distances to FC_LOG_BITS, and back */
};

/* Logarithm of a sum of at least 1 with FC_SOFTMAX_SUM_BITS; the result has FC_LOG_BITS. TFLM's
 * log_x_for_x_greater_than_or_equal_to_1_impl: a power of two times r, and log(r) as a quotient of polynomials
 * about sqrt(sqrt(1/2)). */
FC_INLINE int32_t fc_log_of_sum(int32_t sum)
{
    const int32_t log_2 = 1488522236, root_half = 1518500250, root_root_half = 1805811301;
    const int32_t zeros = fc_leading_zeros((uint32_t)sum);
    const int32_t normalized = (int32_t)((uint32_t)sum << (zeros - 1));
    const int32_t r_a = fc_saturating_double(fc_high_mul(normalized, root_half), 1);
    const int32_t power_a =
        (FC_SOFTMAX_SUM_BITS - zeros) * (1 << (31 - FC_LOG_ACCUMULATOR_BITS)) + FC_LOG_QUARTER;
    const int32_t headroom = fc_leading_zeros((uint32_t)fc_high_mul(sum, root_half)) - 1;
    const int32_t r_b = fc_saturating_double(sum, headroom);
    const int32_t power_b =
        (FC_SOFTMAX_SUM_BITS - headroom) * (1 << (31 - FC_LOG_ACCUMULATOR_BITS)) - FC_LOG_QUARTER;
    const int32_t r = r_a < r_b ? r_a : r_b;
    const int32_t power = power_a > power_b ? power_a : power_b;

    const int32_t p = (int32_t)(((int64_t)r + root_root_half + 1) >> 1);
    const int32_t q = 2 * (r - root_root_half);
    const int32_t square = fc_high_mul(q, q);
    const int32_t numerator = fc_high_mul(q, r) + fc_high_mul(fc_high_mul(q, square), 117049297);
    const int32_t denominator =
        fc_high_mul(p, 1057819769 + q + fc_high_mul(127690142, square)) + fc_high_mul(638450708, q);
    const int32_t quotient = fc_high_mul(fc_rounding_shift_right(numerator, FC_LOG_ACCUMULATOR_BITS),
                                         fc_one_over_one_plus(denominator));
    return fc_saturating_double(fc_high_mul(power, log_2) + quotient, 1);
}

/* exponentials as for fc_softmax_s8. Output may be the input. */
FC_INLINE void fc_log_softmax_s8(const struct fc_log_softmax *p, const int8_t *input,
                                 const int32_t exponentials[256], int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++, input += p->depth, output += p->depth) {
        const int32_t largest = fc_largest(input, p->depth);
        const int32_t log_sum =
            fc_log_of_sum(fc_sum_of_exponentials(input, p->depth, largest, exponentials));
        const int32_t farthest = fc_scale_any(log_sum + INT32_MIN, p->reverse_scale);
        const int32_t least = farthest > -p->radius - 1 ? farthest : -p->radius - 1;
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t difference = input[i] - largest;
            int32_t value = INT8_MIN;
            if (difference > least) {
                const int32_t fine = fc_scale_any(difference, p->scale) - log_sum;
                value = fc_rounding_shift_right(fine, FC_LOG_OUTPUT_SHIFT) + INT8_MAX;
            }
            output[i] = (int8_t)fc_clamp(value, INT8_MIN, INT8_MAX);
        }
    }
}

#endif
