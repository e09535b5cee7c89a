/* The device's side of the host link (docs/architecture.md, "Host link"): takes received bytes, carries out
 * one request at a time and writes its response. Knows neither the machine nor the model: both are behind
 * `struct fc_link_device`. */
#ifndef FC_LINK_H
#define FC_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fc_frame.h"

#define FC_LINK_PROTOCOL 1U
#define FC_LINK_ALL_STEPS 0xFFFFU

/* Numbers of the protocol: never change one. */
enum fc_link_status {
    FC_LINK_OK = 0,
    FC_LINK_UNKNOWN_COMMAND = 1,
    FC_LINK_BAD_ARGUMENT = 2, /* range, alignment or order */
    FC_LINK_NOT_SUPPORTED = 3,
    FC_LINK_FAILED = 4, /* the inference failed */
    FC_LINK_TOO_LONG = 5
};

enum fc_link_engine { FC_LINK_ENGINE_NATIVE = 0, FC_LINK_ENGINE_TFLM = 1 };

struct fc_link_decision {
    bool door_open;
    uint16_t class_index;
    float score;       /* of the class, 0..1 */
    uint32_t cycles;   /* of the whole decision */
    const char *label; /* name of the class, or NULL; at most 40 bytes are sent */
};

/* What the application hands over: facts, and functions that act on its one network. Const, so that it stays
 * in flash; outlives the link. Arguments are checked before a function is called: indices are below the
 * counts, offsets and counts within sizes. Functions are called from fc_link_receive only. */
struct fc_link_device {
    /* Identity. Strings are UTF-8, at most 255 bytes; with the sizes they must fit into one body. */
    const char *model;
    const char *board;
    const char *firmware_version;
    const uint8_t *model_sha256; /* 32 bytes */
    enum fc_link_engine engine;
    uint16_t step_count; /* below FC_LINK_ALL_STEPS */
    uint8_t input_count;
    uint8_t output_count;
    const uint32_t *input_sizes;  /* bytes, `input_count` of them */
    const uint32_t *output_sizes; /* bytes, `output_count` of them */

    /* The line to the host and the machine. Signatures of platform.h. */
    void (*write)(const uint8_t *bytes, size_t count);
    uint32_t (*clock_hz)(void);
    size_t (*stack_used)(void);
    size_t (*stack_size)(void);

    /* The network. `step_output` is asked only after `run(step)` and before anything else ran; it returns
     * the step's bytes and their number, or NULL where a step has none to show (then NULL as a whole
     * function says that the engine shows no steps). Cycles are those of the last run, 0 for a step that it
     * did not reach; either function may be NULL: the figures are then 0. */
    void *(*input)(uint8_t index);
    const void *(*output)(uint8_t index);
    enum fc_link_status (*run)(uint16_t stop_after); /* last step to run, or FC_LINK_ALL_STEPS */
    enum fc_link_status (*restart)(void);            /* to the state before the first run; NULL: it keeps none */
    const void *(*step_output)(uint16_t step, uint32_t *size);
    uint32_t (*step_cycles)(uint16_t step);
    uint32_t (*total_cycles)(void);

    /* Images. `image_begin` NULL says that the model takes none; the other three are then never called.
     * Pixels are RGB888 and come in row order without gap or repetition, in pieces of whole pixels; `offset`
     * and `count` are bytes. `classify` is called once for each complete image. */
    uint16_t image_width; /* of the network's input, which the host may send to avoid scaling; 0 without */
    uint16_t image_height;
    uint8_t image_channels;
    enum fc_link_status (*image_begin)(uint16_t width, uint16_t height); /* neither is 0 */
    enum fc_link_status (*image_data)(uint32_t offset, const uint8_t *pixels, size_t count);
    enum fc_link_status (*classify)(struct fc_link_decision *decision);
    enum fc_link_status (*set_threshold)(float threshold); /* 0..1, never NaN */
};

/* State of one link; the fields are private. */
struct fc_link {
    const struct fc_link_device *device;
    struct fc_link_decision decision; /* of the last CLASSIFY */
    uint32_t last_request;            /* CRC of the last request that was carried out */
    uint32_t image_size;              /* bytes of the image begun, 0 for none */
    uint32_t image_received;
    uint32_t written_inputs; /* bit per input written since the network ran last; the first 32 */
    uint16_t readable_step;  /* whose output READ_STEP may read; FC_LINK_ALL_STEPS for none */
    uint8_t last_status;     /* that of `last_request` */
    bool answered;           /* `last_request` holds a request */
    bool outputs_readable;   /* the network ran to its end, and nothing was written since */
    struct fc_frame_decoder frame;
};

/* Prepares a link; call once before the first byte. */
void fc_link_init(struct fc_link *link, const struct fc_link_device *device);

/* Takes one received byte. When it completes a request, carries that out and writes the response before it
 * returns, which can take as long as an inference. */
void fc_link_receive(struct fc_link *link, uint8_t byte);

/* To be called when the application ran the network by itself: what a host had written is gone, and a host
 * that still counts on it gets FC_LINK_BAD_ARGUMENT instead of wrong bytes. */
void fc_link_disturbed(struct fc_link *link);

#endif
