#include "fc_image.h"

#include <string.h>

/* Of BT.601, in 1/256, rounded. */
enum { LUMA_R = 77, LUMA_G = 150, LUMA_B = 29, LUMA_HALF = 128 };

static uint32_t row_values(const struct fc_model *model)
{
    return (uint32_t)model->image_width * model->image_channels;
}

/* Sums along the current source row, one per value of an input row. */
static uint32_t *source_sums(const struct fc_model *model) { return model->image_rows; }

/* Sums of the input row under construction. */
static uint32_t *result_sums(const struct fc_model *model) { return model->image_rows + row_values(model); }

static uint32_t at_least_1(uint32_t value) { return value == 0 ? 1 : value; }

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* Length of the overlap of [a, a + a_size) and [b, b + b_size). */
static uint32_t overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
    const uint32_t start = larger(a, b), end = smaller(a + a_size, b + b_size);
    return end > start ? end - start : 0;
}

bool fc_image_begin(struct fc_image *image, const struct fc_model *model, uint32_t width, uint32_t height)
{
    if (width == 0 || height == 0 || width > UINT16_MAX || height > UINT16_MAX) {
        return false;
    }
    const uint32_t part_width = smaller(width, at_least_1(height * model->image_width / model->image_height));
    const uint32_t part_height =
        smaller(height, at_least_1(width * model->image_height / model->image_width));
    /* Sums of bytes with weights that add up to the part's area, plus half of it, fit 32 bits. */
    if ((uint64_t)part_width * part_height * 256u > UINT32_MAX) {
        return false;
    }
    *image = (struct fc_image){
        .model = model,
        .width = width,
        .height = height,
        .left = (width - part_width) / 2,
        .top = (height - part_height) / 2,
        .part_width = part_width,
        .part_height = part_height,
    };
    memset(model->image_rows, 0, 2 * row_values(model) * sizeof model->image_rows[0]);
    return true;
}

/* Adds a pixel to the sums of its source row. */
static void add_pixel(const struct fc_image *image, const uint8_t *rgb)
{
    const struct fc_model *model = image->model;
    const uint32_t channels = model->image_channels, results = model->image_width;
    const uint32_t luma =
        (LUMA_R * (uint32_t)rgb[0] + LUMA_G * (uint32_t)rgb[1] + LUMA_B * (uint32_t)rgb[2] + LUMA_HALF) >> 8;
    const uint32_t start = (image->x - image->left) * results;
    uint32_t *sums = source_sums(model);
    for (uint32_t j = start / image->part_width; j < results && j * image->part_width < start + results;
         j++) {
        const uint32_t weight = overlap(start, results, j * image->part_width, image->part_width);
        for (uint32_t c = 0; c < channels; c++) {
            sums[j * channels + c] += weight * (channels == 1 ? luma : rgb[c]);
        }
    }
}

static void write_result_row(const struct fc_image *image, void *input)
{
    const struct fc_model *model = image->model;
    const uint32_t values = row_values(model), area = image->part_width * image->part_height;
    const uint32_t *sums = result_sums(model);
    const uint32_t first = image->result_row * values;
    for (uint32_t i = 0; i < values; i++) {
        const uint32_t pixel = (sums[i] + area / 2) / area;
        if (model->image_element == FC_FLOAT32) {
            ((float *)input)[first + i] = (float)pixel * model->pixel_scale + model->pixel_offset;
        } else {
#if FC_WIDE_ELEMENTS
            const size_t size = model->image_element == FC_INT16 ? 2 : 1;
            memcpy((uint8_t *)input + (first + i) * size, model->pixel_table + pixel * size, size);
#else
            ((uint8_t *)input)[first + i] = model->pixel_table[pixel];
#endif
        }
    }
}

/* Spreads a finished source row over the input rows that it covers. */
static void finish_source_row(struct fc_image *image, void *input)
{
    const struct fc_model *model = image->model;
    const uint32_t values = row_values(model), results = model->image_height;
    const uint32_t start = (image->y - image->top) * results;
    uint32_t *from = source_sums(model), *to = result_sums(model);
    while (image->result_row < results) {
        const uint32_t row_start = image->result_row * image->part_height;
        const uint32_t weight = overlap(start, results, row_start, image->part_height);
        for (uint32_t i = 0; i < values; i++) {
            to[i] += weight * from[i];
        }
        if (row_start + image->part_height > start + results) {
            break; /* the next source row goes on with this one */
        }
        write_result_row(image, input);
        memset(to, 0, values * sizeof to[0]);
        image->result_row++;
    }
    memset(from, 0, values * sizeof from[0]);
}

void fc_image_pixels(struct fc_image *image, const uint8_t *rgb, size_t count, void *input)
{
    for (; count > 0 && image->y < image->height; count--, rgb += 3) {
        const bool in_rows = image->y - image->top < image->part_height;
        if (in_rows && image->x - image->left < image->part_width) {
            add_pixel(image, rgb);
        }
        if (++image->x == image->width) {
            if (in_rows) {
                finish_source_row(image, input);
            }
            image->x = 0;
            image->y++;
        }
    }
}

bool fc_image_complete(const struct fc_image *image)
{
    return image->model != NULL && image->result_row == image->model->image_height;
}
