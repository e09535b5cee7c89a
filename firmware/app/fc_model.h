/* What the application knows of a network: defined in the rendered model_binding.c. */
#ifndef FC_MODEL_H
#define FC_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../nn/fc_status.h"

/* 0 where a project's network has neither int16 nor int32 at its edges, which saves their code. */
#ifndef FC_WIDE_ELEMENTS
#define FC_WIDE_ELEMENTS 1
#endif

enum fc_element { FC_INT8, FC_UINT8, FC_FLOAT32, FC_INT16, FC_INT32 };

struct fc_model {
    const char *name;
    const uint8_t *sha256; /* 32 bytes */
    uint16_t step_count;
    uint8_t input_count;
    uint8_t output_count;
    const uint32_t *input_sizes; /* bytes */
    const uint32_t *output_sizes;
    uint32_t *step_cycles; /* step_count entries, filled by the application */

    /* Input 0 as an image; image_channels is 0 where the model takes none. */
    uint16_t image_width;
    uint16_t image_height;
    uint8_t image_channels; /* 1 grey or 3 RGB */
    enum fc_element image_element;
    const uint8_t *pixel_table; /* bytes of the element for each pixel value 0..255; NULL for float inputs */
    float pixel_scale;          /* float inputs: pixel * pixel_scale + pixel_offset */
    float pixel_offset;
    uint32_t *image_rows; /* 2 * image_width * image_channels sums */

    /* Output 0 as a decision. One element is the probability of class 1; several are a score per class; int32 is
     * the class itself. */
    enum fc_element score_element;
    uint16_t score_count;
    float score_scale;
    int32_t score_zero_point;
    const char *const *labels; /* of `label_count` classes; NULL without */
    uint16_t label_count;
    uint16_t open_class; /* the class that opens the door */
    float threshold;     /* at a score from here on, 0..1 */
};

extern const struct fc_model fc_model;

/* The network's functions on the application's one context; see the generated header. Plain functions and no
 * pointers, so that the worst-case stack can be computed. */
FC_MUST_CHECK enum fc_status fc_model_init(void);
void *fc_model_input(uint8_t index);
const void *fc_model_output(uint8_t index);
FC_MUST_CHECK enum fc_status fc_model_step(uint16_t step);
const void *fc_model_step_output(uint16_t step, uint32_t *size);

#endif
