/* UNIDIRECTIONAL_SEQUENCE_LSTM, int8 with int16 cells. Outputs and cells of the last step are state: they stay
 * for the next run. */
#ifndef FC_LSTM_H
#define FC_LSTM_H

#include "fc_columns.h"
#include "fc_fixed.h"
#include "fc_functions_16.h"

#define FC_GATES 4 /* input, forget, cell, output */

struct fc_lstm {
    int32_t batches, steps;
    int32_t by_batch, by_step; /* vectors from one batch, and from one step, to the next */
    int32_t depth;             /* elements of an input vector */
    int32_t units;             /* of an output vector, and of each gate */
    struct fc_scale forget_scale, update_scale, output_scale;
    int32_t cell_factor, cell_shift; /* of cells, see struct fc_curve */
    int32_t cell_clip;
    int32_t output_zero_point;
};

FC_INLINE int16_t fc_saturate_16(int32_t value) { return (int16_t)fc_clamp(value, INT16_MIN, INT16_MAX); }

/* Adds a fully connected layer to the gates. Weights and table as those of fc_fully_connected_s8. */
FC_INLINE void fc_lstm_add_layer(const struct fc_lstm *p, const int8_t *values, int32_t depth,
                                 const int8_t *weights, const struct fc_channel *table, int16_t *column,
                                 int16_t *gates)
{
    const int32_t groups = (depth + FC_GROUP - 1) / FC_GROUP;
    (void)fc_widen(values, depth, column, 2);
    for (int32_t unit = 0; unit < FC_GATES * p->units; unit += 2) {
        int32_t sums[2] = {table[unit].bias, table[unit + 1].bias};
        fc_dot_2x1(weights, column, groups, sums);
        weights += groups * 2 * FC_GROUP;
        for (int32_t i = 0; i < 2; i++) {
            const int16_t scaled = fc_saturate_16(fc_scale_any(sums[i], table[unit + i].scale));
            gates[unit + i] = fc_saturate_16(gates[unit + i] + scaled);
        }
    }
}

/* One unit's cell and output from the sums of its gates. */
FC_INLINE int8_t fc_lstm_unit(const struct fc_lstm *p, const int16_t *gates, const uint16_t *table,
                              int16_t *cell)
{
    const struct fc_curve of_gates = {.count = 1, .factor = 3, .shift = 0};
    const struct fc_curve of_cells = {.count = 1, .factor = p->cell_factor, .shift = p->cell_shift};
    const int32_t entering = fc_logistic_16(&of_gates, gates[0], table);
    const int32_t forgetting = fc_logistic_16(&of_gates, gates[p->units], table);
    const int32_t candidate = fc_tanh_16(&of_gates, gates[2 * p->units], table);
    const int32_t leaving = fc_logistic_16(&of_gates, gates[3 * p->units], table);
    const int32_t kept = fc_saturate_16(fc_scale_any(forgetting * *cell, p->forget_scale));
    const int32_t added = fc_saturate_16(fc_scale_any(entering * candidate, p->update_scale));
    *cell = (int16_t)fc_clamp(fc_saturate_16(kept + added), -p->cell_clip, p->cell_clip);
    const int32_t output = fc_scale_any(fc_tanh_16(&of_cells, *cell, table) * leaving, p->output_scale);
    return (int8_t)fc_clamp(fc_wrapping_add(output, p->output_zero_point), INT8_MIN, INT8_MAX);
}

FC_INLINE int32_t fc_lstm_column_halves(const struct fc_lstm *p)
{
    const int32_t longer = p->depth > p->units ? p->depth : p->units;
    return (longer + FC_GROUP - 1) / FC_GROUP * FC_GROUP;
}

/* Bytes of `scratch` below; twin of lstm_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_lstm_scratch_size(const struct fc_lstm *p)
{
    return (fc_lstm_column_halves(p) + FC_GATES * p->units) * (int32_t)sizeof(int16_t);
}

/* hidden and cell batches * units; weights and channels of FC_GATES * units, on inputs and on hidden; curve is
 * the table of fc_sigmoid. */
FC_INLINE void fc_lstm_s8(const struct fc_lstm *p, const int8_t *input, int8_t *hidden, int16_t *cell,
                          const int8_t *weights, const struct fc_channel *channels,
                          const int8_t *recurrent_weights, const struct fc_channel *recurrent_channels,
                          const uint16_t *curve, int16_t *scratch, int8_t *output)
{
    int16_t *gates = scratch + fc_lstm_column_halves(p);
    for (int32_t batch = 0; batch < p->batches; batch++, hidden += p->units, cell += p->units) {
        for (int32_t step = 0; step < p->steps; step++) {
            const int32_t vector = batch * p->by_batch + step * p->by_step;
            memset(gates, 0, (size_t)(FC_GATES * p->units) * sizeof *gates);
            fc_lstm_add_layer(p, input + vector * p->depth, p->depth, weights, channels, scratch, gates);
            fc_lstm_add_layer(p, hidden, p->units, recurrent_weights, recurrent_channels, scratch, gates);
            for (int32_t unit = 0; unit < p->units; unit++) {
                hidden[unit] = fc_lstm_unit(p, gates + unit, curve, cell + unit);
            }
            memcpy(output + vector * p->units, hidden, (size_t)p->units);
        }
    }
}

#endif
