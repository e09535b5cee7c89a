/* Operators that treat each element alone. Output may be the same buffer as an input of its element size. */
#ifndef FC_ELEMENTWISE_H
#define FC_ELEMENTWISE_H

#include <math.h>

#include "fc_element.h"
#include "fc_fixed.h"

/* The sum as one linear function of both inputs, FC_ADD_SHIFT fractional bits. TFLM rounds five times on its
 * way; the planner takes this kernel where it has seen that all 65,536 pairs of inputs give what TFLM gives. */
#define FC_ADD_SHIFT 20

struct fc_add_linear {
    int32_t count;
    int32_t factor_a, factor_b; /* of one step of an input, 8 fractional bits more */
    int32_t offset;             /* for the zero points of the inputs */
    int32_t rounding;           /* half a step and the output's zero point; unless sign_counts within offset */
    bool sign_counts;           /* halves go away from zero */
    int32_t output_min, output_max;
};

FC_INLINE int8_t fc_add_linear_output(const struct fc_add_linear *p, int32_t sum)
{
    const int32_t rounded = p->sign_counts ? sum + (sum >> 31) + p->rounding : sum;
    if (p->output_min != INT8_MIN || p->output_max != INT8_MAX) {
        return (int8_t)fc_clamp(rounded >> FC_ADD_SHIFT, p->output_min, p->output_max);
    }
    return (int8_t)fc_saturate_8(rounded >> FC_ADD_SHIFT);
}

FC_INLINE int8_t fc_add_linear_one(const struct fc_add_linear *p, int8_t a, int8_t b)
{
    /* Elements as the high bytes of halves. */
    const uint32_t high_a = (uint32_t)(uint8_t)a << 8, high_b = (uint32_t)(uint8_t)b << 8;
    return fc_add_linear_output(p, fc_smlawb(p->factor_a, high_a, fc_smlawb(p->factor_b, high_b, p->offset)));
}

#define FC_STRING_OF(X) #X
#define FC_STRING(X) FC_STRING_OF(X)

#if defined(__ARM_FEATURE_DSP)
/* Four at a time in 14 modelled cycles, `words` at least 1; saturates. GCC 12 computes one after the other, in
 * 32. r0 a, r1 b, r2 output, r3 end of a, r4 and r5 factors, r6 offset, r7 to r10 inputs as high bytes, r10 to
 * lr sums. */
__attribute__((naked, noinline, unused)) static void
fc_add_linear_words(__attribute__((unused)) const int8_t *a, __attribute__((unused)) const int8_t *b,
                    __attribute__((unused)) int8_t *output, __attribute__((unused)) int32_t words,
                    __attribute__((unused)) int32_t factor_a, __attribute__((unused)) int32_t factor_b,
                    __attribute__((unused)) int32_t offset)
{
    __asm__ volatile("push   {r4-r11, lr}             \n"
                     "ldr    r4, [sp, #36]            \n"
                     "ldr    r5, [sp, #40]            \n"
                     "ldr    r6, [sp, #44]            \n"
                     "add    r3, r0, r3, lsl #2       \n"
                     "1:                              \n"
                     "ldr    r7, [r0], #4             \n"
                     "ldr    r8, [r1], #4             \n"
                     "and    r9, r7, #0xFF00FF00      \n"
                     "and    r10, r8, #0xFF00FF00     \n"
                     "smlawb r11, r5, r10, r6         \n"
                     "lsl    r8, r8, #8               \n"
                     "smlawt r12, r5, r10, r6         \n"
                     "and    r8, r8, #0xFF00FF00      \n"
                     "smlawb r11, r4, r9, r11         \n"
                     "lsl    r7, r7, #8               \n"
                     "smlawt r12, r4, r9, r12         \n"
                     "and    r7, r7, #0xFF00FF00      \n"
                     "smlawb lr, r5, r8, r6           \n"
                     "add    r2, r2, #4               \n"
                     "ssat   r11, #8, r11, asr #" FC_STRING(FC_ADD_SHIFT) "\n"
                     "smlawt r10, r5, r8, r6          \n"
                     "ssat   r12, #8, r12, asr #" FC_STRING(FC_ADD_SHIFT) "\n"
                     "smlawb lr, r4, r7, lr           \n"
                     "smlawt r10, r4, r7, r10         \n"
                     "strb   r11, [r2, #-3]           \n"
                     "cmp    r0, r3                   \n"
                     "strb   r12, [r2, #-1]           \n"
                     "ssat   lr, #8, lr, asr #" FC_STRING(FC_ADD_SHIFT) "\n"
                     "ssat   r10, #8, r10, asr #" FC_STRING(FC_ADD_SHIFT) "\n"
                     "strb   lr, [r2, #-4]            \n"
                     "strb   r10, [r2, #-2]           \n"
                     "bne    1b                       \n"
                     "pop    {r4-r11, pc}             \n");
}
#endif

FC_INLINE void fc_add_linear_s8(const struct fc_add_linear *p, const int8_t *a, const int8_t *b,
                                int8_t *output)
{
    int32_t i = 0;
#if defined(__ARM_FEATURE_DSP)
    if (p->count >= 4 && !p->sign_counts && p->output_min == INT8_MIN && p->output_max == INT8_MAX) {
        i = p->count / 4 * 4;
        fc_add_linear_words(a, b, output, p->count / 4, p->factor_a, p->factor_b, p->offset);
    }
#endif
    for (; i < p->count; i++) {
        output[i] = fc_add_linear_one(p, a[i], b[i]);
    }
}

struct fc_lookup {
    int32_t count;
};

/* Any function of one byte (LOGISTIC, QUANTIZE between 8-bit types): table[x + 128] for an int8 x. */
FC_INLINE void fc_lookup_8(const struct fc_lookup *p, const uint8_t *input, const uint8_t table[256],
                           uint8_t *output)
{
    int32_t i = 0;
    for (; i + 3 < p->count; i += 4) {
        const uint32_t word = fc_load_word(input + i) ^ 0x80808080u;
        fc_store_word(output + i, (uint32_t)table[word & 0xFFu] | (uint32_t)table[(word >> 8) & 0xFFu] << 8 |
                                      (uint32_t)table[(word >> 16) & 0xFFu] << 16 |
                                      (uint32_t)table[word >> 24] << 24);
    }
    for (; i < p->count; i++) {
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
FC_INLINE void fc_quantize_f32(const struct fc_quantize *p, const float *input, void *output, bool wide)
{
    const int32_t low = wide ? INT16_MIN : INT8_MIN, high = wide ? INT16_MAX : INT8_MAX;
    for (int32_t i = 0; i < p->count; i++) {
        const float steps = roundf(input[i] / p->scale);
        /* Clamped as float: converting what an int32_t cannot hold is undefined. */
        const float bounded = steps > 131072.0f ? 131072.0f : steps < -131072.0f ? -131072.0f : steps;
        const int32_t whole = bounded == bounded ? (int32_t)bounded : 0;
        fc_set_element(output, i, fc_clamp(whole + p->zero_point, low, high), wide);
    }
}

FC_INLINE void fc_quantize_f32_s8(const struct fc_quantize *p, const float *input, int8_t *output)
{
    fc_quantize_f32(p, input, output, false);
}

FC_INLINE void fc_quantize_f32_s16(const struct fc_quantize *p, const float *input, int16_t *output)
{
    fc_quantize_f32(p, input, output, true);
}

/* scale * (x - zero_point) */
FC_INLINE void fc_dequantize_8_f32(const struct fc_quantize *p, const uint8_t *input, float *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t value = p->is_unsigned ? input[i] : (int8_t)input[i];
        output[i] = p->scale * (float)(value - p->zero_point);
    }
}

FC_INLINE void fc_dequantize_16_f32(const struct fc_quantize *p, const int16_t *input, float *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        output[i] = p->scale * (float)(input[i] - p->zero_point);
    }
}

#endif
