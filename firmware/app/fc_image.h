/* From a picture of any size to the network's input, row by row as it arrives: the picture itself is never
 * stored.
 *
 * The centred part with the input's aspect ratio is averaged by area with exact integer weights. Along an
 * axis of S source pixels and n results, source pixel i covers [i*n, (i+1)*n), result j covers [j*S,
 * (j+1)*S); a weight is the overlap. A result is (sum + S_y*S_x/2) / (S_y*S_x). Twin of
 * generator/imaging/resample.py, equal to the bit. */
#ifndef FC_IMAGE_H
#define FC_IMAGE_H

#include "fc_model.h"

struct fc_image {
    const struct fc_model *model;
    uint32_t width, height;           /* of the picture */
    uint32_t left, top;               /* first column and row of the part that is used */
    uint32_t part_width, part_height; /* size of that part */
    uint32_t x, y;                    /* of the next pixel */
    uint32_t result_row;              /* row of the input that is being summed */
};

/* Starts a picture. False if it has no pixel, or more than the sums can hold (the used part of at most 2^32 /
 * 255 pixels). */
bool fc_image_begin(struct fc_image *image, const struct fc_model *model, uint32_t width, uint32_t height);

/* Takes the next `count` whole RGB888 pixels; writes the rows of `input` that they complete. Pixels beyond
 * the last are ignored. */
void fc_image_pixels(struct fc_image *image, const uint8_t *rgb, size_t count, void *input);

/* True once every row of the input has been written. */
bool fc_image_complete(const struct fc_image *image);

#endif
