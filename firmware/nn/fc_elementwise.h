/* Operators that treat each element alone. Output may be the same buffer as an input of its element size. */
#ifndef FC_ELEMENTWISE_H
#define FC_ELEMENTWISE_H

#include <math.h>

#include "fc_fixed.h"

struct fc_add {
    int32_t count;
    int32_t left_shift;
    int32_t zero_point_a, zero_point_b, output_zero_point;
    struct fc_scale scale_a, scale_b, output_scale;
    int32_t output_min, output_max;
};

FC_INLINE void fc_add_s8(const struct fc_add *p, const int8_t *a, const int8_t *b, int8_t *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t scaled_a = fc_scale_any((a[i] - p->zero_point_a) * (1 << p->left_shift), p->scale_a);
        const int32_t scaled_b = fc_scale_any((b[i] - p->zero_point_b) * (1 << p->left_shift), p->scale_b);
        output[i] = fc_requantize(fc_wrapping_add(scaled_a, scaled_b), p->output_scale, false,
                                  p->output_zero_point, p->output_min, p->output_max);
    }
}

struct fc_lookup {
    int32_t count;
};

/* Any function of one byte (LOGISTIC, QUANTIZE between 8-bit types): table[x + 128] for an int8 x. */
FC_INLINE void fc_lookup_8(const struct fc_lookup *p, const uint8_t *input, const uint8_t table[256],
                           uint8_t *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        output[i] = table[input[i] ^ 0x80u];
    }
}

struct fc_quantize {
    int32_t count;
    float scale;
    int32_t zero_point;
    bool is_unsigned; /* the quantized side holds uint8 */
};

/* round(x / scale) + zero_point, halves away from zero, saturating; NaN becomes the zero point. */
FC_INLINE void fc_quantize_f32_s8(const struct fc_quantize *p, const float *input, int8_t *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        const float steps = roundf(input[i] / p->scale);
        /* Clamped as float: converting what an int32_t cannot hold is undefined. */
        const float bounded = steps > 512.0f ? 512.0f : steps < -512.0f ? -512.0f : steps;
        const int32_t whole = bounded == bounded ? (int32_t)bounded : 0;
        output[i] = (int8_t)fc_clamp(whole + p->zero_point, INT8_MIN, INT8_MAX);
    }
}

/* scale * (x - zero_point) */
FC_INLINE void fc_dequantize_8_f32(const struct fc_quantize *p, const uint8_t *input, float *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t value = p->is_unsigned ? input[i] : (int8_t)input[i];
        output[i] = p->scale * (float)(value - p->zero_point);
    }
}

#endif
