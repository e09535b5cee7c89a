/* Operators that move elements and compute nothing; offsets, strides and runs are bytes, so that any type
 * will do. Output is apart from the inputs. */
#ifndef FC_MOVEMENT_H
#define FC_MOVEMENT_H

#include "fc_simd.h"

/* Words at any address, then what is left: the C library's memcpy for small code goes byte by byte. */
FC_INLINE void fc_copy_run(uint8_t *output, const uint8_t *input, int32_t bytes)
{
    int32_t i = 0;
    for (; i + 3 < bytes; i += 4) {
        fc_store_word(output + i, fc_load_word(input + i));
    }
    for (; i < bytes; i++) {
        output[i] = input[i];
    }
}

/* With a word over and over; what is left at the end is part of one. */
FC_INLINE void fc_fill(uint8_t *output, uint32_t word, int32_t bytes)
{
    int32_t i = 0;
    for (; i + 3 < bytes; i += 4) {
        fc_store_word(output + i, word);
    }
    for (; i < bytes; i++) {
        output[i] = (uint8_t)(word >> (8 * (i % 4)));
    }
}

struct fc_copy {
    int32_t count_0, count_1, count_2, count_3, count_4; /* runs along each axis, outermost first */
    int32_t from_0, from_1, from_2, from_3, from_4;      /* what an index moves in the input, backwards too */
    int32_t to_0, to_1, to_2, to_3, to_4;                /* ... in the output */
    int32_t from, to;                                    /* where the first run begins */
    int32_t run;
};

FC_INLINE void fc_copy_runs(const struct fc_copy *p, const uint8_t *input, uint8_t *output)
{
    for (int32_t i = 0; i < p->count_0; i++) {
        for (int32_t j = 0; j < p->count_1; j++) {
            for (int32_t k = 0; k < p->count_2; k++) {
                for (int32_t m = 0; m < p->count_3; m++) {
                    const uint8_t *from =
                        input + p->from + i * p->from_0 + j * p->from_1 + k * p->from_2 + m * p->from_3;
                    uint8_t *to = output + p->to + i * p->to_0 + j * p->to_1 + k * p->to_2 + m * p->to_3;
                    for (int32_t n = 0; n < p->count_4; n++) {
                        fc_copy_run(to + n * p->to_4, from + n * p->from_4, p->run);
                    }
                }
            }
        }
    }
}

struct fc_pad {
    int32_t bytes; /* of the output */
    int32_t word;  /* what is around the input, as often as 4 bytes hold it */
    struct fc_copy copy;
};

FC_INLINE void fc_pad_runs(const struct fc_pad *p, const uint8_t *input, uint8_t *output)
{
    fc_fill(output, (uint32_t)p->word, p->bytes);
    fc_copy_runs(&p->copy, input, output);
}

struct fc_concatenate {
    int32_t outer, inputs;
};

/* `outer` times: runs[i] bytes of each input. */
FC_INLINE void fc_concatenate_runs(const struct fc_concatenate *p, const uint8_t *const *inputs,
                                   const int32_t *runs, uint8_t *output)
{
    for (int32_t o = 0; o < p->outer; o++) {
        for (int32_t i = 0; i < p->inputs; i++) {
            fc_copy_run(output, inputs[i] + o * runs[i], runs[i]);
            output += runs[i];
        }
    }
}

struct fc_select {
    int32_t outer, step; /* bytes of input per outer */
    int32_t rows, columns;
    int32_t run;
};

/* Runs that begin at rows[i] + columns[j]. */
FC_INLINE void fc_select_runs(const struct fc_select *p, const uint8_t *input, const int32_t *rows,
                              const int32_t *columns, uint8_t *output)
{
    for (int32_t o = 0; o < p->outer; o++, input += p->step) {
        for (int32_t i = 0; i < p->rows; i++) {
            for (int32_t j = 0; j < p->columns; j++, output += p->run) {
                fc_copy_run(output, input + rows[i] + columns[j], p->run);
            }
        }
    }
}

#endif
