/* The application: answers the host link, takes images, decides, moves the door. Knows one network (fc_model)
 * and one machine (platform.h). */
#include "../link/fc_link.h"
#include "../platform/platform.h"
#include "fc_decision.h"
#include "fc_image.h"
#include "fc_text.h"
#include "firmcast_config.h"

static struct fc_image image;
static float threshold;
static uint32_t run_cycles;

static void print(const char *text, size_t length) { fc_console_write((const uint8_t *)text, length); }

/* Steps 0 to `last_step`, each timed. Not inlined: profiles know an inference by this name. */
static __attribute__((noinline)) enum fc_status run_network(uint16_t last_step)
{
    enum fc_status status = FC_OK;
    const uint32_t started = fc_cycles();
    for (uint16_t step = 0; step < fc_model.step_count; step++) {
        fc_model.step_cycles[step] = 0;
        if (step <= last_step && status == FC_OK) {
            const uint32_t step_started = fc_cycles();
            status = fc_model_step(step);
            fc_model.step_cycles[step] = fc_cycles() - step_started;
        }
    }
    run_cycles = fc_cycles() - started;
    return status;
}

static enum fc_link_status link_run(uint16_t stop_after)
{
    const uint16_t last = (uint16_t)(fc_model.step_count - 1);
    return run_network(stop_after == FC_LINK_ALL_STEPS ? last : stop_after) == FC_OK ? FC_LINK_OK
                                                                                     : FC_LINK_FAILED;
}

#if FC_CONFIG_KEEPS_STATE
static enum fc_link_status link_restart(void)
{
    return fc_model_init() == FC_OK ? FC_LINK_OK : FC_LINK_FAILED;
}
#else
#define link_restart NULL
#endif

static uint32_t link_step_cycles(uint16_t step) { return fc_model.step_cycles[step]; }

static uint32_t link_total_cycles(void) { return run_cycles; }

static enum fc_link_status link_image_begin(uint16_t width, uint16_t height)
{
    if (fc_model_input(0) == NULL) {
        return FC_LINK_FAILED; /* the engine did not start */
    }
    return fc_image_begin(&image, &fc_model, width, height) ? FC_LINK_OK : FC_LINK_BAD_ARGUMENT;
}

static enum fc_link_status link_image_data(uint32_t offset, const uint8_t *pixels, size_t count)
{
    (void)offset; /* the link hands over every pixel once, in order */
    fc_image_pixels(&image, pixels, count / 3, fc_model_input(0));
    return FC_LINK_OK;
}

static enum fc_link_status link_classify(struct fc_link_decision *result)
{
    if (!fc_image_complete(&image)) {
        return FC_LINK_BAD_ARGUMENT;
    }
    if (run_network((uint16_t)(fc_model.step_count - 1)) != FC_OK) {
        return FC_LINK_FAILED;
    }
    const struct fc_decision decision = fc_decide(&fc_model, fc_model_output(0), threshold);
    fc_door_set(decision.open);
    char line[120];
    print(line, fc_decision_line(&fc_model, &decision, run_cycles, line, sizeof line));
    *result = (struct fc_link_decision){
        .door_open = decision.open,
        .class_index = decision.class_index,
        .score = decision.score,
        .cycles = run_cycles,
        .label = fc_label(&fc_model, decision.class_index),
    };
    return FC_LINK_OK;
}

static enum fc_link_status link_set_threshold(float value)
{
    threshold = value;
    return FC_LINK_OK;
}

static void greet(void)
{
    char line[160];
    struct fc_text text = {.buffer = line, .size = sizeof line, .length = 0};
    fc_text_string(&text, "firmcast " FC_VERSION ": ");
    fc_text_string(&text, fc_model.name);
    fc_text_string(&text, " (" FC_ENGINE_NAME ") on " FC_CONFIG_BOARD ", ");
    fc_text_unsigned(&text, fc_clock_hz() / 1000000u);
    fc_text_string(&text, " MHz\r\n");
    print(line, text.length);
}

int main(void)
{
    fc_platform_init();
    greet();
    if (fc_model_init() != FC_OK) {
        static const char message[] = "the inference engine did not start\r\n";
        print(message, sizeof message - 1);
    }
    threshold = fc_model.threshold;
    const bool takes_images = fc_model.image_channels != 0;
    const struct fc_link_device device = {
        .model = fc_model.name,
        .board = FC_CONFIG_BOARD,
        .firmware_version = FC_VERSION,
        .model_sha256 = fc_model.sha256,
        .engine = FC_CONFIG_ENGINE,
        .step_count = fc_model.step_count,
        .input_count = fc_model.input_count,
        .output_count = fc_model.output_count,
        .input_sizes = fc_model.input_sizes,
        .output_sizes = fc_model.output_sizes,
        .write = fc_console_write,
        .clock_hz = fc_clock_hz,
        .stack_used = fc_stack_used,
        .stack_size = fc_stack_size,
        .input = fc_model_input,
        .output = fc_model_output,
        .run = link_run,
        .restart = link_restart,
        .step_output = fc_model_step_output,
        .step_cycles = link_step_cycles,
        .total_cycles = link_total_cycles,
        .image_width = fc_model.image_width,
        .image_height = fc_model.image_height,
        .image_channels = fc_model.image_channels,
        .image_begin = takes_images ? link_image_begin : NULL,
        .image_data = link_image_data,
        .classify = link_classify,
        .set_threshold = link_set_threshold,
    };
    static struct fc_link link;
    fc_link_init(&link, &device);
    for (;;) {
        const int byte = fc_console_read();
        if (byte >= 0) {
            fc_link_receive(&link, (uint8_t)byte);
        } else if (byte == -2) {
            return 0;
        }
    }
}
