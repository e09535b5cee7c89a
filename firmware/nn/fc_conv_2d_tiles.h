/* CONV_2D by tiles (fc_tile.h), alone or with the MAX_POOL_2D that reads it. int8, per output channel, activations
 * HWC. For layers whose accumulators scale down and saturate to int8 (generator/plan proves it). */
#ifndef FC_CONV_2D_TILES_H
#define FC_CONV_2D_TILES_H

#include "fc_gather.h"
#include "fc_tile.h"
#include "fc_tile_nibbles.h"

struct fc_conv_2d_tiles {
    struct fc_view view;
    int32_t output_height, output_width, output_channels;
    int32_t window_height, window_width; /* of four pixels of which the greatest is kept; 1 and 1: every pixel is */
    int32_t tiles;                       /* gathered together, so that weights are read once for all of them */
    int32_t block;                       /* pairs of channels that meet all those tiles before the next ones do */
    bool one_sided;                      /* see fc_scale_twice */
};

FC_INLINE int32_t fc_conv_2d_tiles_pairs(const struct fc_conv_2d_tiles *p)
{
    return (p->output_channels + 1) / 2;
}

/* Halves of a tile's columns, in whole words. */
FC_INLINE int32_t fc_conv_2d_tiles_columns(const struct fc_conv_2d_tiles *p)
{
    return fc_view_groups(&p->view) * FC_GROUP * FC_TILE;
}

FC_INLINE bool fc_conv_2d_tiles_pooled(const struct fc_conv_2d_tiles *p)
{
    return p->window_height * p->window_width == FC_TILE;
}

/* Bytes of outputs that do not lie in the result as tiles write them: of an odd channel's pair, or of a tile that
 * is not full. They are copied from where they do. */
FC_INLINE int32_t fc_conv_2d_tiles_aside(const struct fc_conv_2d_tiles *p)
{
    const bool full = fc_conv_2d_tiles_pooled(p) || p->output_height * p->output_width % FC_TILE == 0;
    const int32_t pixels = fc_conv_2d_tiles_pooled(p) ? 1 : FC_TILE;
    return full && p->output_channels % 2 == 0 ? 0 : pixels * 2 * fc_conv_2d_tiles_pairs(p);
}

/* Bytes of `scratch` below; twin of conv_2d_tiles_scratch_bytes in generator/plan. */
FC_INLINE int32_t fc_conv_2d_tiles_scratch_size(const struct fc_conv_2d_tiles *p)
{
    return (p->tiles - 1) * fc_conv_2d_tiles_columns(p) * 2 + fc_view_scratch_size(&p->view, FC_TILE) +
           fc_conv_2d_tiles_aside(p);
}

/* The same for weights of four bits: what each tile's sums start from comes first. Twin of
 * conv_2d_tiles_s4_scratch_bytes. */
FC_INLINE int32_t fc_conv_2d_tiles_s4_scratch_size(const struct fc_conv_2d_tiles *p)
{
    return p->tiles * FC_TILE * (int32_t)sizeof(int32_t) + fc_conv_2d_tiles_scratch_size(p);
}

/* A pixel of the output, in reading order; of pooled ones, the first of its window. */
struct fc_pixel {
    int32_t y, x;
};

FC_INLINE struct fc_pixel fc_next_pixel(const struct fc_conv_2d_tiles *p, struct fc_pixel at)
{
    at.x += p->window_width;
    if (at.x == p->output_width) {
        at.x = 0;
        at.y += p->window_height;
    }
    return at;
}

/* Gathers the next tile's columns: a window, or up to four pixels. */
FC_INLINE struct fc_pixel fc_gather_tile(const struct fc_conv_2d_tiles *p, const int8_t *input,
                                         struct fc_pixel at, int32_t count, int16_t *columns)
{
    if (fc_conv_2d_tiles_pooled(p)) {
        for (int32_t i = 0; i < FC_TILE; i++) {
            fc_gather(&p->view, input, at.y + i / p->window_width, at.x + i % p->window_width, columns, i, FC_TILE);
        }
        return fc_next_pixel(p, at);
    }
    for (int32_t i = 0; i < count; i++) {
        fc_gather(&p->view, input, at.y, at.x, columns, i, FC_TILE);
        at = fc_next_pixel(p, at);
    }
    return at;
}

/* `starts` of the tiles are room for what weights of four bits need, NULL for bytes. */
FC_INLINE void fc_conv_2d_tiles_run(const struct fc_conv_2d_tiles *p, const int8_t *input, const int8_t *weights,
                                    const struct fc_pair *channels, int32_t *starts, int16_t *scratch, int8_t *output)
{
    const bool pooled = fc_conv_2d_tiles_pooled(p);
    const int32_t groups = fc_view_groups(&p->view), pairs = fc_conv_2d_tiles_pairs(p);
    const int32_t area = p->output_height * p->output_width;
    const int32_t outputs = pooled ? area / FC_TILE : area, per_tile = pooled ? 1 : FC_TILE;
    const int32_t group_bytes = starts == NULL ? 2 * FC_GROUP : FC_GROUP;
    const int32_t pair_bytes = groups * group_bytes + (int32_t)sizeof FC_WEIGHTS_END;
    const int32_t column_halves = fc_conv_2d_tiles_columns(p);
    int8_t *aside = (int8_t *)scratch + fc_conv_2d_tiles_scratch_size(p) - fc_conv_2d_tiles_aside(p);
    struct fc_pixel at = {0, 0};
    for (int32_t start = 0; start < outputs; start += p->tiles * per_tile) {
        const int32_t left = (outputs - start + per_tile - 1) / per_tile;
        const int32_t tiles = left < p->tiles ? left : p->tiles;
        for (int32_t i = 0; i < tiles; i++) {
            const int32_t count = outputs - start - i * per_tile;
            at = fc_gather_tile(p, input, at, count < FC_TILE ? count : FC_TILE, scratch + i * column_halves);
            if (starts != NULL) {
                fc_tile_starts(scratch + i * column_halves, groups, starts + i * FC_TILE);
            }
        }
        for (int32_t pair = 0; pair < pairs; pair += p->block) {
            const int32_t end = pair + p->block < pairs ? pair + p->block : pairs;
            for (int32_t i = 0; i < tiles; i++) {
                const int32_t first = start + i * per_tile;
                const int32_t count = outputs - first < per_tile ? outputs - first : per_tile;
                const bool fits = p->output_channels % 2 == 0 && count == per_tile;
                int8_t *result = output + first * p->output_channels + 2 * pair;
                const struct fc_tile tile = {
                    .weights = weights + pair * pair_bytes,
                    .columns = scratch + i * column_halves,
                    .pairs = channels + pair,
                    .output = fits ? result : aside,
                    .stride = fits ? p->output_channels : 2 * pairs,
                    .skipped = fc_tile_skipped(groups),
                    .end = weights + end * pair_bytes,
                };
                if (starts == NULL) {
                    fc_tile_s8(&tile, p->one_sided, pooled);
                } else {
                    const struct fc_tile_nibbles nibbles = {tile, starts + i * FC_TILE};
                    fc_tile_s4(&nibbles, p->one_sided, pooled);
                }
                if (!fits) {
                    const int32_t rest = p->output_channels - 2 * pair, bytes = 2 * (end - pair);
                    for (int32_t j = 0; j < count; j++) {
                        memcpy(result + j * p->output_channels, aside + j * 2 * pairs,
                               (size_t)(bytes < rest ? bytes : rest));
                    }
                }
            }
        }
    }
}

/* input    as the view tells
 * weights  pairs * (groups * 8 + 4) bytes, mixed (generator/plan/packing.py)
 * channels an entry per pair of channels
 * scratch  fc_conv_2d_tiles_scratch_size bytes, 4-byte aligned
 * output   output_height * output_width * output_channels, or a window's greatest for each; may overlap the
 *          input from below as far as generator/plan/kernels/overlap.py allows */
FC_INLINE void fc_conv_2d_tiles_s8(const struct fc_conv_2d_tiles *p, const int8_t *input, const int8_t *weights,
                                   const struct fc_pair *channels, int16_t *scratch, int8_t *output)
{
    fc_conv_2d_tiles_run(p, input, weights, channels, NULL, scratch, output);
}

/* The same with weights of four bits: pairs * (groups * 4 + 4) bytes; fc_conv_2d_tiles_s4_scratch_size bytes of
 * scratch. */
FC_INLINE void fc_conv_2d_tiles_s4(const struct fc_conv_2d_tiles *p, const int8_t *input, const int8_t *weights,
                                   const struct fc_pair *channels, int32_t *scratch, int8_t *output)
{
    int16_t *columns = (int16_t *)(scratch + p->tiles * FC_TILE);
    fc_conv_2d_tiles_run(p, input, weights, channels, scratch, columns, output);
}

#endif
