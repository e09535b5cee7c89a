/* Fixed-point scaling with the two roundings of TensorFlow Lite for Microcontrollers, bit for bit.
 *
 *   y = (x * mantissa + 2^30) >> 31          (saturating rounding doubling high multiplication)
 *   z = y / 2^-shift, halves away from zero  (rounding divide by a power of two)
 *
 * Source of the rule: tflite-micro, tensorflow/lite/kernels/internal/common.h. */
#ifndef FC_FIXED_H
#define FC_FIXED_H

#include <stdbool.h>
#include <stdint.h>

#include "fc_inline.h"
#include "fc_simd.h"

/* real = mantissa / 2^31 * 2^shift; mantissa in [2^30, 2^31) or 0; shift in -31..30. */
struct fc_scale {
    int32_t mantissa;
    int32_t shift;
};

/* One output channel: what its accumulator starts from and how it is scaled. */
struct fc_channel {
    int32_t bias;
    struct fc_scale scale;
};

FC_INLINE int32_t fc_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The same to int8, in one instruction where its own bounds are meant. */
FC_INLINE int8_t fc_bounded_8(int32_t value, int32_t low, int32_t high)
{
    if (low == INT8_MIN && high == INT8_MAX) {
        return (int8_t)fc_saturate_8(value);
    }
    return (int8_t)fc_clamp(value, low, high);
}

/* Adds as two's complement, without undefined overflow. */
FC_INLINE int32_t fc_wrapping_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }

FC_INLINE int32_t fc_high_mul(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX;
    }
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* exponent 0..31 */
FC_INLINE int32_t fc_rounding_shift_right(int32_t value, int32_t exponent)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1u);
    const int32_t remainder = value & mask;
    const int32_t threshold = (mask >> 1) + (value < 0);
    return (value >> exponent) + (remainder > threshold);
}

/* Any accumulator, any scale. */
FC_INLINE int32_t fc_scale_any(int32_t value, struct fc_scale scale)
{
    const int32_t left = scale.shift > 0 ? scale.shift : 0;
    const int32_t right = scale.shift > 0 ? 0 : -scale.shift;
    return fc_rounding_shift_right(fc_high_mul((int32_t)((uint32_t)value << left), scale.mantissa), right);
}

/* The same result plus `offset` (-256..256) where |value| < 2^30 and shift is -31..-1, in a third of the
 * instructions.
 *
 * Doubling the accumulator turns the first rounding into the high word of a rounded product (SMMULR). The
 * second rounds halves away from zero: for negative y that is half up of y - 1, and y - 1 is y + (y >> 31).
 * Shifting by one less than wanted and halving with a 1 added rounds half up; the offset, doubled, goes into
 * that same addition. Nothing overflows: |y| < 2^30. */
FC_INLINE int32_t fc_scale_down(int32_t value, struct fc_scale scale, int32_t offset)
{
    const int32_t y = fc_smmulr(value * 2, scale.mantissa);
    return (((y + (y >> 31)) >> (-scale.shift - 1)) + (1 + 2 * offset)) >> 1;
}

/* Scales an accumulator to an int8 output. `down` is a literal: the planner has proved for the whole layer
 * that fc_scale_down holds. */
FC_INLINE int8_t fc_requantize(int32_t accumulator, struct fc_scale scale, bool down, int32_t zero_point,
                               int32_t low, int32_t high)
{
    const int32_t scaled = down ? fc_scale_down(accumulator, scale, zero_point)
                                : fc_wrapping_add(fc_scale_any(accumulator, scale), zero_point);
    return fc_bounded_8(scaled, low, high);
}

/* One output channel of the kernels that multiply activations as stored and scale down only. */
struct fc_down_channel {
    int32_t bias;     /* less the input's zero point times the channel's weights */
    int32_t mantissa; /* as in fc_scale */
    int32_t shift;    /* to the right, 1..31 */
    int32_t rounding; /* 2^(shift - 1) + the output's zero point * 2^shift */
};

/* fc_scale_down of an accumulator that comes doubled, with the output's zero point added, not yet clamped.
 * `one_sided`: no output lies below the zero point, so negative values need no rounding of their own; they come
 * out at the zero point or below. Elsewhere the sign of the accumulator stands for that of y, which differs
 * only for y = 0, where it makes no difference. */
FC_INLINE int32_t fc_scale_twice(int32_t twice, struct fc_down_channel channel, bool one_sided)
{
    const int32_t rounding = one_sided ? channel.rounding : channel.rounding + (twice >> 31);
    return fc_smmlar(twice, channel.mantissa, rounding) >> channel.shift;
}

#endif
