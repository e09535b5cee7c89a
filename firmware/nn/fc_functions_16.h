/* Functions of int16, and changes from and to it. Output may be the input where the elements are as large. */
#ifndef FC_FUNCTIONS_16_H
#define FC_FUNCTIONS_16_H

#include "fc_element.h"
#include "fc_softmax.h"

struct fc_slopes {
    int32_t count;
    struct fc_scale above, below; /* from 0 on, and below */
    int32_t output_min, output_max;
};

/* RELU, RELU6, RELU_N1_TO_1, LEAKY_RELU */
FC_INLINE void fc_slopes_s16(const struct fc_slopes *p, const int16_t *input, int16_t *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t scaled = fc_scale_any(input[i], input[i] >= 0 ? p->above : p->below);
        output[i] = (int16_t)fc_clamp(scaled, p->output_min, p->output_max);
    }
}

/* Points of the logistic function, 24 to a unit of the argument, 16 fractional bits. */
#define FC_SIGMOID_LAST 255

struct fc_curve {
    int32_t count;
    int32_t factor, shift; /* to 1/12288 */
};

FC_INLINE int32_t fc_curve_argument(const struct fc_curve *p, int32_t value)
{
    return (value * p->factor + (int32_t)((UINT32_C(1) << p->shift) >> 1)) >> p->shift;
}

/* Between points, `bits` more fractional bits; `beyond` where they end. */
FC_INLINE int32_t fc_sigmoid(const uint16_t *table, int32_t magnitude, int32_t bits, int32_t beyond)
{
    const int32_t place = magnitude >> bits;
    if (place >= FC_SIGMOID_LAST) {
        return beyond;
    }
    return table[place] * (1 << bits) + (magnitude & ((1 << bits) - 1)) * (table[place + 1] - table[place]);
}

/* To 15 fractional bits. */
FC_INLINE int32_t fc_logistic_16(const struct fc_curve *p, int32_t value, const uint16_t *table)
{
    const int32_t x = fc_curve_argument(p, value);
    const int32_t y = fc_sigmoid(table, x < 0 ? -x : x, 9, INT32_C(0x7FFF) << 10);
    return (x >= 0 ? y + (1 << 9) : (1 << 25) - y + (1 << 9) - 1) >> 10;
}

/* 2 / (1 + exp(-2x)) - 1 */
FC_INLINE int32_t fc_tanh_16(const struct fc_curve *p, int32_t value, const uint16_t *table)
{
    const int32_t x = fc_curve_argument(p, value);
    const int32_t y = fc_sigmoid(table, x < 0 ? -x : x, 8, INT32_C(0xFFFF) << 8) - (1 << 23);
    return (x >= 0 ? y + (1 << 7) : -y + (1 << 7) - 1) >> 8;
}

FC_INLINE void fc_logistic_s16(const struct fc_curve *p, const int16_t *input, const uint16_t *table,
                               int16_t *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        output[i] = (int16_t)fc_logistic_16(p, input[i], table);
    }
}

FC_INLINE void fc_tanh_s16(const struct fc_curve *p, const int16_t *input, const uint16_t *table,
                           int16_t *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        output[i] = (int16_t)fc_tanh_16(p, input[i], table);
    }
}

/* Between two of 513 points over the range of int16. */
FC_INLINE int32_t fc_between_points(const int16_t *points, int32_t value)
{
    const int16_t *first = points + 256 + (value >> 7);
    return first[0] + (((first[1] - first[0]) * (value & 0x7F) + 64) >> 7);
}

struct fc_softmax_16 {
    int32_t rows, depth;
    struct fc_scale scale; /* of distances from the greatest, to 1/6553.5 */
};

/* exponentials of -10..0, reciprocals 1 / (1 + x) of 0..1; output has 15 fractional bits. */
FC_INLINE void fc_softmax_s16(const struct fc_softmax_16 *p, const int16_t *input, const int16_t *exponentials,
                              const int16_t *reciprocals, int16_t *output)
{
    for (int32_t row = 0; row < p->rows; row++, input += p->depth, output += p->depth) {
        int32_t largest = INT16_MIN;
        for (int32_t i = 0; i < p->depth; i++) {
            largest = input[i] > largest ? input[i] : largest;
        }
        int32_t sum = 0;
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t distance = fc_scale_any(input[i] - largest, p->scale);
            const int32_t place = fc_clamp(fc_wrapping_add(distance, INT16_MAX), INT16_MIN, INT16_MAX);
            output[i] = (int16_t)fc_between_points(exponentials, place);
            sum += output[i];
        }
        const int32_t headroom = fc_leading_zeros((uint32_t)sum);
        const int32_t share = (int32_t)((((int64_t)sum << (headroom - 1)) + (1 << 13)) >> 14) - (3 << 15);
        const int32_t inverse = fc_between_points(reciprocals, fc_clamp(share, INT16_MIN, INT16_MAX));
        const int32_t shift = 31 - headroom;
        for (int32_t i = 0; i < p->depth; i++) {
            const int32_t scaled = (output[i] * inverse + (1 << (shift - 1))) >> shift;
            output[i] = (int16_t)fc_clamp(scaled, 0, INT16_MAX);
        }
    }
}

struct fc_rescale {
    int32_t count;
    int32_t input_zero_point, output_zero_point;
    struct fc_scale scale;
    int32_t output_min, output_max;
};

FC_INLINE void fc_rescale(const struct fc_rescale *p, const void *input, bool wide_input, void *output,
                          bool wide_output)
{
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t value = fc_element(input, i, wide_input) - p->input_zero_point;
        const int32_t scaled = fc_wrapping_add(fc_scale_any(value, p->scale), p->output_zero_point);
        fc_set_element(output, i, fc_clamp(scaled, p->output_min, p->output_max), wide_output);
    }
}

FC_INLINE void fc_rescale_s16_s16(const struct fc_rescale *p, const int16_t *input, int16_t *output)
{
    fc_rescale(p, input, true, output, true);
}

FC_INLINE void fc_rescale_s16_s8(const struct fc_rescale *p, const int16_t *input, int8_t *output)
{
    fc_rescale(p, input, true, output, false);
}

FC_INLINE void fc_rescale_s8_s16(const struct fc_rescale *p, const int8_t *input, int16_t *output)
{
    fc_rescale(p, input, false, output, true);
}

#endif
