/* CONV_2D and the MAX_POOL_2D that alone reads it, a row of windows at a time: the convolution's full result
 * never exists. Windows tile: no padding, no gaps, no overlaps. */
#ifndef FC_CONV_2D_MAX_POOL_H
#define FC_CONV_2D_MAX_POOL_H

#include "fc_conv_2d.h"
#include "fc_pool_2d.h"

struct fc_conv_2d_max_pool {
    struct fc_conv_2d conv;     /* of what the windows cover; its output has one row of windows */
    struct fc_pool_2d row_pool; /* that row of windows */
    int32_t rows;               /* of the pooled output */
};

/* Bytes from the start of the scratch buffer to the convolution's rows; the columns' words keep them aligned.
 */
FC_INLINE int32_t fc_conv_2d_max_pool_rows_offset(const struct fc_conv_2d_max_pool *p)
{
    return (fc_conv_2d_scratch_size(&p->conv) + 3) / 4 * 4;
}

/* Bytes of `scratch` below; twin of pooled_conv_2d_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_conv_2d_max_pool_scratch_size(const struct fc_conv_2d_max_pool *p)
{
    return fc_conv_2d_max_pool_rows_offset(p) +
           p->conv.output_height * p->conv.output_width * p->conv.output_channels;
}

/* As fc_conv_2d_s8; output rows * row_pool.output_width * output_channels. */
FC_INLINE void fc_conv_2d_max_pool_s8(const struct fc_conv_2d_max_pool *p, const int8_t *input,
                                      const int8_t *weights, const struct fc_channel *table, int16_t *scratch,
                                      int8_t *output)
{
    int8_t *convolved = (int8_t *)scratch + fc_conv_2d_max_pool_rows_offset(p);
    for (int32_t row = 0; row < p->rows; row++) {
        fc_conv_2d_rows_s8(&p->conv, input, weights, table, scratch, row * p->conv.output_height,
                           p->conv.output_height, convolved);
        fc_max_pool_2d_s8(&p->row_pool, convolved,
                          output + row * p->row_pool.output_width * p->row_pool.channels);
    }
}

#endif
