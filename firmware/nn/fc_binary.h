/* Functions of two int8 or int16 elements with axes repeated as needed: ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM,
 * SQUARED_DIFFERENCE, PRELU. Output may be an input that is not repeated. */
#ifndef FC_BINARY_H
#define FC_BINARY_H

#include "fc_element.h"
#include "fc_fixed.h"
#include "fc_softmax.h"

struct fc_binary {
    int32_t count_0, count_1, count_2, count_3; /* elements along each axis of the output, outermost first */
    int32_t a_0, a_1, a_2, a_3;                 /* what an index moves within a: 0 where a is repeated */
    int32_t b_0, b_1, b_2, b_3;
    bool swapped; /* the function's first operand is b */
    int32_t zero_point_a, zero_point_b, output_zero_point;
    int32_t left_shift;
    struct fc_scale scale_a, scale_b, output_scale; /* what is not used may be 0 */
    bool scale_down; /* fc_scale_down holds for output_scale, and for scale_b of PRELU */
    int32_t output_min, output_max;
};

/* Of the function's operands less their zero points; the output's zero point is added by the caller. */
typedef int32_t fc_pair_function(const struct fc_binary *p, int32_t a, int32_t b);

FC_INLINE void fc_each_pair(const struct fc_binary *p, fc_pair_function *function, const void *a, const void *b,
                            void *output, bool wide)
{
    int32_t at = 0;
    for (int32_t i = 0; i < p->count_0; i++) {
        for (int32_t j = 0; j < p->count_1; j++) {
            for (int32_t k = 0; k < p->count_2; k++) {
                const int32_t row_a = i * p->a_0 + j * p->a_1 + k * p->a_2;
                const int32_t row_b = i * p->b_0 + j * p->b_1 + k * p->b_2;
#pragma GCC unroll 4
                for (int32_t m = 0; m < p->count_3; m++) {
                    const int32_t value_a = fc_element(a, row_a + m * p->a_3, wide) - p->zero_point_a;
                    const int32_t value_b = fc_element(b, row_b + m * p->b_3, wide) - p->zero_point_b;
                    const int32_t value =
                        p->swapped ? function(p, value_b, value_a) : function(p, value_a, value_b);
                    const int32_t moved = fc_wrapping_add(value, p->output_zero_point);
                    const int32_t low = p->output_min, high = p->output_max;
                    const int32_t bounded = wide ? fc_clamp(moved, low, high) : fc_bounded_8(moved, low, high);
                    fc_set_element(output, at++, bounded, wide);
                }
            }
        }
    }
}

/* `a` is the operand whose scale is scale_a, which swapping does not change. */
FC_INLINE int32_t fc_scaled_a(const struct fc_binary *p, int32_t a)
{
    return fc_scale_any(a * (1 << p->left_shift), p->scale_a);
}

FC_INLINE int32_t fc_scaled_b(const struct fc_binary *p, int32_t b)
{
    return fc_scale_any(b * (1 << p->left_shift), p->scale_b);
}

FC_INLINE int32_t fc_scaled_result(const struct fc_binary *p, int32_t value, struct fc_scale scale)
{
    return p->scale_down ? fc_scale_down(value, scale, 0) : fc_scale_any(value, scale);
}

FC_INLINE int32_t fc_add_pair(const struct fc_binary *p, int32_t a, int32_t b)
{
    return fc_scaled_result(p, fc_wrapping_add(fc_scaled_a(p, a), fc_scaled_b(p, b)), p->output_scale);
}

FC_INLINE int32_t fc_sub_pair(const struct fc_binary *p, int32_t a, int32_t b)
{
    return fc_scaled_result(p, fc_scaled_a(p, a) - fc_scaled_b(p, b), p->output_scale);
}

FC_INLINE int32_t fc_squared_difference_pair(const struct fc_binary *p, int32_t a, int32_t b)
{
    const int32_t difference = fc_scaled_a(p, a) - fc_scaled_b(p, b);
    return fc_scaled_result(p, difference * difference, p->output_scale);
}

FC_INLINE int32_t fc_mul_pair(const struct fc_binary *p, int32_t a, int32_t b)
{
    return fc_scaled_result(p, a * b, p->output_scale);
}

FC_INLINE int32_t fc_maximum_pair(const struct fc_binary *p, int32_t a, int32_t b)
{
    (void)p;
    return a > b ? a : b;
}

FC_INLINE int32_t fc_minimum_pair(const struct fc_binary *p, int32_t a, int32_t b)
{
    (void)p;
    return a < b ? a : b;
}

/* b is the slope below 0; its products have a scale of their own. */
FC_INLINE int32_t fc_prelu_pair(const struct fc_binary *p, int32_t a, int32_t b)
{
    return a >= 0 ? fc_scaled_result(p, a, p->output_scale) : fc_scaled_result(p, a * b, p->scale_b);
}

/* By the reciprocal of b, whose first bit is moved to the top; by 0 as by 1. */
FC_INLINE int32_t fc_div_pair(const struct fc_binary *p, int32_t a, int32_t b)
{
    const int32_t divisor = b < 0 ? -b : b == 0 ? 1 : b;
    const int32_t dividend = b < 0 ? -a : a;
    const int32_t lead = fc_leading_zeros((uint32_t)divisor);
    const int32_t inverse =
        fc_one_over_one_plus((int32_t)(((uint32_t)divisor << lead) - (UINT32_C(1) << 31)));
    const int32_t headroom = fc_leading_zeros((uint32_t)(dividend < 0 ? -dividend - 1 : dividend)) - 1;
    const int32_t unscaled = fc_high_mul((int32_t)((uint32_t)dividend << headroom), inverse);
    const int32_t right = 31 - lead + headroom - p->output_scale.shift;
    const int32_t scaled = fc_high_mul(unscaled, p->output_scale.mantissa);
    return right > 31 ? 0 : fc_rounding_shift_right(scaled, right);
}

#define FC_BINARY_KERNEL(NAME, SUFFIX, TYPE, WIDE)                                                 \
    FC_INLINE void fc_##NAME##_##SUFFIX(const struct fc_binary *p, const TYPE *a, const TYPE *b,   \
                                        TYPE *output)                                              \
    {                                                                                              \
        fc_each_pair(p, fc_##NAME##_pair, a, b, output, WIDE);                                     \
    }

FC_BINARY_KERNEL(add, s8, int8_t, false)
FC_BINARY_KERNEL(sub, s8, int8_t, false)
FC_BINARY_KERNEL(squared_difference, s8, int8_t, false)
FC_BINARY_KERNEL(mul, s8, int8_t, false)
FC_BINARY_KERNEL(maximum, s8, int8_t, false)
FC_BINARY_KERNEL(minimum, s8, int8_t, false)
FC_BINARY_KERNEL(prelu, s8, int8_t, false)
FC_BINARY_KERNEL(div, s8, int8_t, false)
FC_BINARY_KERNEL(add, s16, int16_t, true)
FC_BINARY_KERNEL(sub, s16, int16_t, true)
FC_BINARY_KERNEL(mul, s16, int16_t, true)
FC_BINARY_KERNEL(maximum, s16, int16_t, true)
FC_BINARY_KERNEL(minimum, s16, int16_t, true)

#endif
