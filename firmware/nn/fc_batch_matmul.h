/* BATCH_MATMUL, int8: matrices of a by matrices of b, both read along their rows. */
#ifndef FC_BATCH_MATMUL_H
#define FC_BATCH_MATMUL_H

#include "fc_fixed.h"

struct fc_batch_matmul {
    int32_t count_0, count_1, count_2; /* matrices along each axis of the output, outermost first */
    int32_t a_0, a_1, a_2;             /* elements that an index moves within a: 0 where a repeats */
    int32_t b_0, b_1, b_2;
    int32_t rows, columns, depth; /* a is rows * depth, b columns * depth */
    int32_t zero_point_a, zero_point_b;
    struct fc_scale scale;
    bool scale_down; /* see fc_requantize */
    int32_t output_zero_point;
};

/* Sums of products of two rows of a, less their zero point, with two of b: a0b0, a0b1, a1b0, a1b1. */
FC_INLINE void fc_dot_rows_2x2(const struct fc_batch_matmul *p, const int8_t *a0, const int8_t *a1,
                               const int8_t *b0, const int8_t *b1, int32_t sums[4])
{
    const uint32_t minus_a = fc_pack_halves(-p->zero_point_a, -p->zero_point_a);
    const uint32_t minus_b = fc_pack_halves(-p->zero_point_b, -p->zero_point_b);
    int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
    int32_t k = 0;
    for (; k + 4 <= p->depth; k += 4) {
        const uint32_t wa0 = fc_load_word(a0 + k), wa1 = fc_load_word(a1 + k);
        const uint32_t wb0 = fc_load_word(b0 + k), wb1 = fc_load_word(b1 + k);
        const uint32_t even_a0 = fc_add_even_bytes(minus_a, wa0), odd_a0 = fc_add_odd_bytes(minus_a, wa0);
        const uint32_t even_a1 = fc_add_even_bytes(minus_a, wa1), odd_a1 = fc_add_odd_bytes(minus_a, wa1);
        const uint32_t even_b0 = fc_add_even_bytes(minus_b, wb0), odd_b0 = fc_add_odd_bytes(minus_b, wb0);
        const uint32_t even_b1 = fc_add_even_bytes(minus_b, wb1), odd_b1 = fc_add_odd_bytes(minus_b, wb1);
        s00 = fc_smlad(odd_a0, odd_b0, fc_smlad(even_a0, even_b0, s00));
        s01 = fc_smlad(odd_a0, odd_b1, fc_smlad(even_a0, even_b1, s01));
        s10 = fc_smlad(odd_a1, odd_b0, fc_smlad(even_a1, even_b0, s10));
        s11 = fc_smlad(odd_a1, odd_b1, fc_smlad(even_a1, even_b1, s11));
    }
    for (; k < p->depth; k++) {
        const int32_t va0 = a0[k] - p->zero_point_a, va1 = a1[k] - p->zero_point_a;
        const int32_t vb0 = b0[k] - p->zero_point_b, vb1 = b1[k] - p->zero_point_b;
        s00 += va0 * vb0;
        s01 += va0 * vb1;
        s10 += va1 * vb0;
        s11 += va1 * vb1;
    }
    sums[0] = s00;
    sums[1] = s01;
    sums[2] = s10;
    sums[3] = s11;
}

/* One matrix of the output. The last row or column of an odd number is computed twice. */
FC_INLINE void fc_matmul_s8(const struct fc_batch_matmul *p, const int8_t *a, const int8_t *b, int8_t *output)
{
    for (int32_t i = 0; i < p->rows; i += 2) {
        const int32_t next_i = i + 1 < p->rows ? i + 1 : i;
        for (int32_t j = 0; j < p->columns; j += 2) {
            const int32_t next_j = j + 1 < p->columns ? j + 1 : j;
            const int32_t places[4] = {i * p->columns + j, i * p->columns + next_j, next_i * p->columns + j,
                                       next_i * p->columns + next_j};
            int32_t sums[4];
            fc_dot_rows_2x2(p, a + i * p->depth, a + next_i * p->depth, b + j * p->depth,
                            b + next_j * p->depth, sums);
            for (int32_t n = 0; n < 4; n++) {
                output[places[n]] = fc_requantize(sums[n], p->scale, p->scale_down, p->output_zero_point,
                                                  INT8_MIN, INT8_MAX);
            }
        }
    }
}

/* Output is apart from the inputs. */
FC_INLINE void fc_batch_matmul_s8(const struct fc_batch_matmul *p, const int8_t *a, const int8_t *b,
                                  int8_t *output)
{
    for (int32_t i = 0; i < p->count_0; i++) {
        for (int32_t j = 0; j < p->count_1; j++) {
            for (int32_t k = 0; k < p->count_2; k++) {
                fc_matmul_s8(p, a + i * p->a_0 + j * p->a_1 + k * p->a_2,
                             b + i * p->b_0 + j * p->b_1 + k * p->b_2, output);
                output += p->rows * p->columns;
            }
        }
    }
}

#endif
