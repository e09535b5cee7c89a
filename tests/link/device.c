/* A device for the tests: the real link on the host platform, over a network invented here. Its steps work in
 * place on the input's memory, so that a run carried out twice gives other bytes. link_tools.py has its twin. */
#include <stdio.h>
#include <string.h>

#include "../../firmware/link/fc_link.h"
#include "../../firmware/platform/platform.h"

_Static_assert(sizeof(struct fc_link) <= FC_LINK_MAX_BODY + 96, "RAM of the link");

enum { STEPS = 300, WORKING_STEPS = 3, INPUT_0_SIZE = 3000, INPUT_1_SIZE = 5, SUM_SIZE = 4, PREFIX_SIZE = 10 };

/* Between guards of their own under the address sanitizer. */
static uint8_t arena[INPUT_0_SIZE];
static uint8_t factors[INPUT_1_SIZE];
static uint8_t sum[SUM_SIZE];
static uint16_t steps_run;
static bool frame_waits; /* of a camera: arrives behind a threshold of 1/8, or a run with 0xCA as last factor */

static void say(const char *text) { fc_console_write((const uint8_t *)text, strlen(text)); }

static void *input(uint8_t index) { return index == 0 ? arena : factors; }

static const void *output(uint8_t index) { return index == 0 ? arena : sum; }

static enum fc_link_status run(uint16_t stop_after) {
    char line[32];
    snprintf(line, sizeof line, "run %u\n", stop_after);
    say(line);
    if (factors[0] == 0xEE) {
        return FC_LINK_FAILED;
    }
    const uint16_t last = stop_after < STEPS ? stop_after : STEPS - 1;
    for (unsigned step = 0; step <= last && step < WORKING_STEPS; step++) {
        for (size_t i = 0; i < sizeof arena; i++) {
            arena[i] = (uint8_t)(arena[i] * 3U + factors[step] + step);
        }
    }
    uint32_t total = 0;
    for (size_t i = 0; i < sizeof arena; i++) {
        total += arena[i];
    }
    memcpy(sum, &total, sizeof sum);
    steps_run = (uint16_t)(last + 1U);
    frame_waits = factors[4] == 0xCA;
    return FC_LINK_OK;
}

static enum fc_link_status restart(void) {
    steps_run = 0;
    return FC_LINK_OK;
}

static const void *step_output(uint16_t step, uint32_t *size) {
    *size = step == 0 ? sizeof arena : step == 1 ? PREFIX_SIZE : 0;
    return step == 7 ? NULL : arena;
}

static uint32_t step_cycles(uint16_t step) { return step < steps_run ? 1000U + step : 0; }

static uint32_t total_cycles(void) { return 70000U * steps_run; }

static size_t stack_used(void) { return 1234; }

static size_t stack_size(void) { return 8192; }

#ifndef NO_IMAGES
static float threshold = 0.5F;
static uint32_t image_crc;
static uint32_t image_bytes;
static uint16_t image_width;
static uint8_t first_red;
static char label[80];

static enum fc_link_status image_begin(uint16_t width, uint16_t height) {
    image_crc = 0;
    image_bytes = 0;
    image_width = width;
    return height > 640 && height != 0xFFFF ? FC_LINK_BAD_ARGUMENT : FC_LINK_OK;
}

static enum fc_link_status image_data(uint32_t offset, const uint8_t *pixels, size_t count) {
    if (offset != image_bytes || count == 0 || count % 3 != 0) {
        say("gap or repetition in the image\n");
    }
    if (image_width == 13) {
        return FC_LINK_FAILED;
    }
    if (offset == 0) {
        first_red = pixels[0];
    }
    image_crc = fc_crc32(image_crc, pixels, count);
    image_bytes += (uint32_t)count;
    return FC_LINK_OK;
}

static enum fc_link_status classify(struct fc_link_decision *decision) {
    snprintf(label, sizeof label, "%s%08x", image_width == 11 ? "a label far longer than the forty bytes " : "",
             (unsigned)image_crc);
    decision->score = (float)first_red / 255.0F;
    decision->door_open = decision->score >= threshold;
    decision->class_index = first_red;
    decision->cycles = image_bytes;
    decision->label = image_width == 12 ? NULL : label;
    say(decision->door_open ? "door open\n" : "door closed\n");
    return image_width == 14 ? FC_LINK_FAILED : FC_LINK_OK;
}

static enum fc_link_status set_threshold(float value) {
    threshold = value;
    frame_waits = value == 0.125F;
    return FC_LINK_OK;
}
#endif

static const uint32_t input_sizes[] = {INPUT_0_SIZE, INPUT_1_SIZE};
static const uint32_t output_sizes[] = {INPUT_0_SIZE, SUM_SIZE};
static const uint8_t sha256[32] = {0xAB, 0x00, 0xCD, [31] = 0xEF};

static const struct fc_link_device device = {
#ifdef WORDY
    .model = "a name as no folder should have, and yet it must not be cut in silence, nor overflow the response",
#else
    .model = "tést",
#endif
    .board = "host",
    .firmware_version = "1.2.3",
    .model_sha256 = sha256,
    .engine = FC_LINK_ENGINE_TFLM,
    .step_count = STEPS,
    .input_count = 2,
    .output_count = 2,
    .input_sizes = input_sizes,
    .output_sizes = output_sizes,
    .write = fc_console_write,
    .clock_hz = fc_clock_hz,
    .stack_used = stack_used,
    .stack_size = stack_size,
    .input = input,
    .output = output,
    .run = run,
    .restart = restart,
#ifndef NO_IMAGES
    .step_output = step_output,
    .step_cycles = step_cycles,
    .total_cycles = total_cycles,
    .image_width = 96,
    .image_height = 64,
    .image_channels = 3,
    .image_begin = image_begin,
    .image_data = image_data,
    .classify = classify,
    .set_threshold = set_threshold,
#endif
};

int main(void) {
    static struct fc_link link;
    fc_platform_init();
    fc_link_init(&link, &device);
#ifdef NO_IMAGES
    (void)step_output, (void)step_cycles, (void)total_cycles;
#endif
    say("ready\n");
    for (;;) {
        const int byte = fc_console_read();
        if (byte < 0) {
            return byte == -2 ? 0 : 1;
        }
        fc_link_receive(&link, (uint8_t)byte);
        if (frame_waits) {
            frame_waits = false;
            say("a frame came ");
            memset(arena, 0x55, sizeof arena);
            fc_link_disturbed(&link);
        }
    }
}
