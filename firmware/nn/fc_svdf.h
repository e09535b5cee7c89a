/* SVDF: features of each input, and a filter over those of the last inputs, which are state: they stay for the
 * next run. int8, features int8 or int16. */
#ifndef FC_SVDF_H
#define FC_SVDF_H

#include "fc_columns.h"
#include "fc_fixed.h"

struct fc_svdf {
    int32_t batches;
    int32_t depth;   /* elements of an input vector */
    int32_t filters; /* features of an input vector */
    int32_t rank;    /* filters of an output */
    int32_t memory;  /* features that each filter keeps, oldest first */
    struct fc_scale feature_scale;
    int32_t state_zero_point;
    struct fc_scale output_scale;
    int32_t output_zero_point;
};

/* Bytes of `column` below; twin of svdf_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_svdf_scratch_size(const struct fc_svdf *p)
{
    return (p->depth + FC_GROUP - 1) / FC_GROUP * FC_GROUP * (int32_t)sizeof(int16_t);
}

/* Puts a scaled feature of a filter into the state. */
typedef void fc_svdf_keep(const struct fc_svdf *p, void *state, int32_t filter, int32_t feature);

/* The features of one input vector into the state. */
FC_INLINE void fc_svdf_features(const struct fc_svdf *p, const int8_t *input, const int8_t *weights,
                                const int32_t *biases, int16_t *column, void *state, fc_svdf_keep *keep)
{
    const int32_t groups = (p->depth + FC_GROUP - 1) / FC_GROUP;
    (void)fc_widen(input, p->depth, column, 2);
    for (int32_t filter = 0; filter < p->filters; filter += 2) {
        const bool second = filter + 1 < p->filters;
        int32_t sums[2] = {biases[filter], second ? biases[filter + 1] : 0};
        fc_dot_2x1(weights, column, groups, sums);
        weights += groups * 2 * FC_GROUP;
        keep(p, state, filter, fc_scale_any(sums[0], p->feature_scale));
        if (second) {
            keep(p, state, filter + 1, fc_scale_any(sums[1], p->feature_scale));
        }
    }
}

/* A feature in place of the oldest one; its zero point is added after clamping, and may wrap. */
FC_INLINE void fc_svdf_keep_8(const struct fc_svdf *p, void *state, int32_t filter, int32_t feature)
{
    int8_t *kept = (int8_t *)state + filter * p->memory;
    memmove(kept, kept + 1, (size_t)(p->memory - 1));
    const int32_t moved = fc_clamp(feature, INT8_MIN, INT8_MAX) + p->state_zero_point;
    kept[p->memory - 1] = (int8_t)(uint8_t)((uint32_t)moved & 0xFFu);
}

FC_INLINE void fc_svdf_keep_16(const struct fc_svdf *p, void *state, int32_t filter, int32_t feature)
{
    int16_t *kept = (int16_t *)state + filter * p->memory;
    memmove(kept, kept + 1, (size_t)(p->memory - 1) * sizeof *kept);
    const int32_t moved = fc_clamp(feature, INT16_MIN, INT16_MAX) + p->state_zero_point;
    kept[p->memory - 1] = (int16_t)(uint16_t)((uint32_t)moved & 0xFFFFu);
}

FC_INLINE int8_t fc_svdf_output(const struct fc_svdf *p, int32_t sum)
{
    return fc_requantize(sum, p->output_scale, false, p->output_zero_point, INT8_MIN, INT8_MAX);
}

/* state batches * filters * memory, weights ceil(filters / 2) pairs * groups * 8 bytes, time filters * memory,
 * output batches * filters / rank. */
FC_INLINE void fc_svdf_s8(const struct fc_svdf *p, const int8_t *input, int8_t *state, const int8_t *weights,
                          const int32_t *feature_biases, const int8_t *time, const int32_t *biases,
                          int16_t *column, int8_t *output)
{
    const int32_t units = p->filters / p->rank, run = p->rank * p->memory;
    for (int32_t batch = 0; batch < p->batches; batch++, input += p->depth) {
        fc_svdf_features(p, input, weights, feature_biases, column, state, fc_svdf_keep_8);
        for (int32_t unit = 0; unit < units; unit++, state += run) {
            uint32_t sum = (uint32_t)biases[unit];
            for (int32_t i = 0; i < run; i++) {
                sum += (uint32_t)(time[unit * run + i] * state[i]);
            }
            *output++ = fc_svdf_output(p, (int32_t)sum);
        }
    }
}

FC_INLINE void fc_svdf_s16(const struct fc_svdf *p, const int8_t *input, int16_t *state, const int8_t *weights,
                           const int32_t *feature_biases, const int16_t *time, const int32_t *biases,
                           int16_t *column, int8_t *output)
{
    const int32_t units = p->filters / p->rank, run = p->rank * p->memory;
    for (int32_t batch = 0; batch < p->batches; batch++, input += p->depth) {
        fc_svdf_features(p, input, weights, feature_biases, column, state, fc_svdf_keep_16);
        for (int32_t unit = 0; unit < units; unit++, state += run) {
            const int16_t *weight = time + unit * run;
            int32_t sum = biases[unit];
            int32_t i = 0;
            for (; i + 2 <= run; i += 2) {
                sum = fc_smlad(fc_load_word(weight + i), fc_load_word(state + i), sum);
            }
            if (i < run) {
                sum = fc_smlabb((uint16_t)weight[i], (uint16_t)state[i], sum);
            }
            *output++ = fc_svdf_output(p, sum);
        }
    }
}

#endif
