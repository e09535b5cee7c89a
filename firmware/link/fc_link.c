#include "fc_link.h"

#include <string.h>

enum command {
    IDENTIFY = 0x81,
    WRITE_INPUT = 0x82,
    RUN = 0x83,
    READ_OUTPUT = 0x84,
    READ_STEP = 0x85,
    TIMING = 0x86,
    IMAGE_BEGIN = 0x87,
    IMAGE_DATA = 0x88,
    CLASSIFY = 0x89,
    SET_THRESHOLD = 0x8A,
    STATUS = 0x8B,
};

enum {
    FIRST_COMMAND = 0x81,
    LAST_COMMAND = 0xBF,
    RESPONSE_BIT = 0x40,
    REQUEST_HEADER = 2,  /* command, sequence */
    RESPONSE_HEADER = 3, /* command, sequence, status */
    FLAG_TAKES_IMAGES = 1,
    SHA256_SIZE = 32,
    LONGEST_STRING = 255,
    LONGEST_LABEL = 40, /* leaves room for the rest in the smallest body */
    BYTES_PER_PIXEL = 3,
};

/* Request and response share the decoder's buffer, and the response's body begins one byte behind that of
 * the request: a handler has read all of the request before it puts the first byte of the response. */
struct request {
    const uint8_t *body;
    size_t count;
};

struct reply {
    uint8_t *body;
    size_t count;
    bool overflow;
};

static uint16_t get_u16(const uint8_t *bytes) { return (uint16_t)(bytes[0] | (uint16_t)(bytes[1] << 8)); }

static uint32_t get_u32(const uint8_t *bytes)
{
    return get_u16(bytes) | ((uint32_t)get_u16(&bytes[2]) << 16);
}

static void put_bytes(struct reply *reply, const void *bytes, size_t count)
{
    if (count > FC_LINK_MAX_BODY - reply->count) {
        reply->overflow = true;
        return;
    }
    if (count > 0) {
        memcpy(&reply->body[reply->count], bytes, count);
        reply->count += count;
    }
}

static void put_u8(struct reply *reply, uint8_t value) { put_bytes(reply, &value, 1); }

static void put_u16(struct reply *reply, uint16_t value)
{
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8)};
    put_bytes(reply, bytes, sizeof bytes);
}

static void put_u32(struct reply *reply, uint32_t value)
{
    put_u16(reply, (uint16_t)value);
    put_u16(reply, (uint16_t)(value >> 16));
}

static void put_f32(struct reply *reply, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u32(reply, bits);
}

static void put_string(struct reply *reply, const char *text, size_t longest)
{
    size_t count = 0;
    while (text != NULL && count < longest && text[count] != '\0') {
        count++;
    }
    put_u8(reply, (uint8_t)count);
    put_bytes(reply, text, count);
}

/* No type wider than on the target, so that the host's tests see what would overflow there. */
static bool range_fits(uint32_t offset, uint32_t count, uint32_t size)
{
    return offset <= size && count <= size - offset;
}

static uint32_t input_mask(const struct fc_link_device *device)
{
    return device->input_count >= 32U ? UINT32_MAX : (1U << device->input_count) - 1U;
}

static enum fc_link_status identify(const struct fc_link *link, struct reply *reply)
{
    const struct fc_link_device *device = link->device;
    const enum fc_link_status status = device->restart != NULL ? device->restart() : FC_LINK_OK;
    if (status != FC_LINK_OK) {
        return status;
    }
    put_u16(reply, FC_LINK_PROTOCOL);
    put_u16(reply, FC_LINK_MAX_BODY);
    put_u32(reply, device->clock_hz());
    put_u16(reply, device->step_count);
    put_u8(reply, device->input_count);
    put_u8(reply, device->output_count);
    put_u8(reply, (uint8_t)device->engine);
    put_u8(reply, device->image_begin != NULL ? FLAG_TAKES_IMAGES : 0);
    put_u16(reply, device->image_width);
    put_u16(reply, device->image_height);
    put_u8(reply, device->image_channels);
    put_u8(reply, 0);
    for (size_t i = 0; i < device->input_count; i++) {
        put_u32(reply, device->input_sizes[i]);
    }
    for (size_t i = 0; i < device->output_count; i++) {
        put_u32(reply, device->output_sizes[i]);
    }
    put_bytes(reply, device->model_sha256, SHA256_SIZE);
    put_string(reply, device->model, LONGEST_STRING);
    put_string(reply, device->board, LONGEST_STRING);
    put_string(reply, device->firmware_version, LONGEST_STRING);
    return FC_LINK_OK;
}

static enum fc_link_status write_input(struct fc_link *link, const struct request *request)
{
    const struct fc_link_device *device = link->device;
    if (request->count < 8) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint8_t index = request->body[0];
    const uint32_t offset = get_u32(&request->body[4]);
    const uint32_t count = (uint32_t)request->count - 8U;
    if (index >= device->input_count || !range_fits(offset, count, device->input_sizes[index])) {
        return FC_LINK_BAD_ARGUMENT;
    }
    uint8_t *input = device->input(index);
    if (input == NULL) {
        return FC_LINK_FAILED;
    }
    /* The input may share memory with all outputs and with what an image becomes. */
    link->readable_step = FC_LINK_ALL_STEPS;
    link->outputs_readable = false;
    link->image_size = 0;
    memcpy(&input[offset], &request->body[8], count);
    if (index < 32) {
        link->written_inputs |= 1U << index;
    }
    return FC_LINK_OK;
}

static enum fc_link_status run(struct fc_link *link, const struct request *request)
{
    const struct fc_link_device *device = link->device;
    if (request->count != 2) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint16_t stop_after = get_u16(request->body);
    if (stop_after != FC_LINK_ALL_STEPS && stop_after >= device->step_count) {
        return FC_LINK_BAD_ARGUMENT;
    }
    if (link->written_inputs != input_mask(device)) {
        return FC_LINK_BAD_ARGUMENT; /* the last run has overwritten them */
    }
    fc_link_disturbed(link);
    const enum fc_link_status status = device->run(stop_after);
    if (status == FC_LINK_OK) {
        const uint16_t last = (uint16_t)(device->step_count - 1U);
        link->readable_step = stop_after == FC_LINK_ALL_STEPS ? last : stop_after;
        link->outputs_readable = link->readable_step == last;
    }
    return status;
}

static enum fc_link_status read_output(const struct fc_link *link, const struct request *request,
                                       struct reply *reply)
{
    const struct fc_link_device *device = link->device;
    if (request->count != 10) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint8_t index = request->body[0];
    const uint32_t offset = get_u32(&request->body[4]);
    const uint16_t count = get_u16(&request->body[8]);
    if (!link->outputs_readable || index >= device->output_count || count > FC_LINK_MAX_BODY ||
        !range_fits(offset, count, device->output_sizes[index])) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint8_t *output = device->output(index);
    if (output == NULL) {
        return FC_LINK_FAILED;
    }
    put_bytes(reply, &output[offset], count);
    return FC_LINK_OK;
}

static enum fc_link_status read_step(const struct fc_link *link, const struct request *request,
                                     struct reply *reply)
{
    const struct fc_link_device *device = link->device;
    if (device->step_output == NULL) {
        return FC_LINK_NOT_SUPPORTED;
    }
    if (request->count != 10) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint16_t step = get_u16(request->body);
    const uint32_t offset = get_u32(&request->body[4]);
    const uint16_t most = get_u16(&request->body[8]);
    if (step >= device->step_count || step != link->readable_step) {
        return FC_LINK_BAD_ARGUMENT;
    }
    uint32_t size = 0;
    const uint8_t *output = device->step_output(step, &size);
    if (output == NULL) {
        return FC_LINK_NOT_SUPPORTED;
    }
    if (offset > size) {
        return FC_LINK_BAD_ARGUMENT;
    }
    uint32_t count = size - offset;
    count = count < most ? count : most;
    count = count < FC_LINK_MAX_BODY - 4U ? count : FC_LINK_MAX_BODY - 4U;
    put_u32(reply, size);
    put_bytes(reply, &output[offset], count);
    return FC_LINK_OK;
}

static enum fc_link_status timing(const struct fc_link *link, const struct request *request,
                                  struct reply *reply)
{
    const struct fc_link_device *device = link->device;
    if (request->count != 2) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint16_t first = get_u16(request->body);
    if (first > device->step_count) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint16_t most = (FC_LINK_MAX_BODY - 8) / 4;
    const uint16_t rest = (uint16_t)(device->step_count - first);
    const uint16_t count = rest < most ? rest : most;
    put_u32(reply, device->total_cycles != NULL ? device->total_cycles() : 0);
    put_u16(reply, first);
    put_u16(reply, count);
    for (uint16_t i = 0; i < count; i++) {
        put_u32(reply, device->step_cycles != NULL ? device->step_cycles((uint16_t)(first + i)) : 0);
    }
    return FC_LINK_OK;
}

static enum fc_link_status image_begin(struct fc_link *link, const struct request *request)
{
    if (link->device->image_begin == NULL) {
        return FC_LINK_NOT_SUPPORTED;
    }
    if (request->count != 4) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint16_t width = get_u16(request->body);
    const uint16_t height = get_u16(&request->body[2]);
    const uint64_t size = (uint64_t)width * height * BYTES_PER_PIXEL;
    if (size == 0 || size > UINT32_MAX) {
        return FC_LINK_BAD_ARGUMENT;
    }
    fc_link_disturbed(link);
    const enum fc_link_status status = link->device->image_begin(width, height);
    if (status == FC_LINK_OK) {
        link->image_size = (uint32_t)size;
        link->image_received = 0;
    }
    return status;
}

static enum fc_link_status image_data(struct fc_link *link, const struct request *request)
{
    if (link->device->image_begin == NULL) {
        return FC_LINK_NOT_SUPPORTED;
    }
    if (request->count < 4) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint32_t offset = get_u32(request->body);
    const uint32_t count = (uint32_t)request->count - 4U;
    if (offset % BYTES_PER_PIXEL != 0 || count % BYTES_PER_PIXEL != 0 ||
        !range_fits(offset, count, link->image_size)) {
        return FC_LINK_BAD_ARGUMENT;
    }
    if (range_fits(offset, count, link->image_received)) {
        return FC_LINK_OK; /* repeated after a lost response */
    }
    if (offset != link->image_received) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const enum fc_link_status status = link->device->image_data(offset, &request->body[4], count);
    if (status == FC_LINK_OK) {
        link->image_received += count;
    } else {
        link->image_size = 0; /* how much of the piece was used is not known: begin again */
    }
    return status;
}

static enum fc_link_status classify(struct fc_link *link, const struct request *request)
{
    if (link->device->image_begin == NULL) {
        return FC_LINK_NOT_SUPPORTED;
    }
    if (request->count != 0 || link->image_size == 0 || link->image_received != link->image_size) {
        return FC_LINK_BAD_ARGUMENT;
    }
    fc_link_disturbed(link);
    link->decision = (struct fc_link_decision){0};
    const enum fc_link_status status = link->device->classify(&link->decision);
    link->outputs_readable = status == FC_LINK_OK;
    return status;
}

static void put_decision(const struct fc_link_decision *decision, struct reply *reply)
{
    put_u8(reply, decision->door_open ? 1 : 0);
    put_u8(reply, 0);
    put_u16(reply, decision->class_index);
    put_f32(reply, decision->score);
    put_u32(reply, decision->cycles);
    put_string(reply, decision->label, LONGEST_LABEL);
}

static enum fc_link_status set_threshold(const struct fc_link *link, const struct request *request)
{
    if (link->device->image_begin == NULL || link->device->set_threshold == NULL) {
        return FC_LINK_NOT_SUPPORTED;
    }
    if (request->count != 4) {
        return FC_LINK_BAD_ARGUMENT;
    }
    const uint32_t bits = get_u32(request->body);
    float threshold;
    memcpy(&threshold, &bits, sizeof threshold);
    if (!(threshold >= 0.0F && threshold <= 1.0F)) {
        return FC_LINK_BAD_ARGUMENT; /* NaN too */
    }
    return link->device->set_threshold(threshold);
}

static enum fc_link_status report_status(const struct fc_link *link, struct reply *reply)
{
    put_u32(reply, (uint32_t)link->device->stack_used());
    put_u32(reply, (uint32_t)link->device->stack_size());
    put_u32(reply, link->frame.frames);
    put_u32(reply, link->frame.bad_frames);
    return FC_LINK_OK;
}

/* RUN and CLASSIFY use up what was written before them: when the very same request comes twice in a row, the
 * host has missed the response, and gets that again instead of a second run over spoilt inputs. */
static enum fc_link_status carry_out(struct fc_link *link, uint8_t command, const struct request *request,
                                     bool repeated, struct reply *reply)
{
    enum fc_link_status status;
    switch (command) {
    case IDENTIFY:
        return request->count == 0 ? identify(link, reply) : FC_LINK_BAD_ARGUMENT;
    case WRITE_INPUT:
        return write_input(link, request);
    case RUN:
        return repeated ? (enum fc_link_status)link->last_status : run(link, request);
    case READ_OUTPUT:
        return read_output(link, request, reply);
    case READ_STEP:
        return read_step(link, request, reply);
    case TIMING:
        return timing(link, request, reply);
    case IMAGE_BEGIN:
        return image_begin(link, request);
    case IMAGE_DATA:
        return image_data(link, request);
    case CLASSIFY:
        status = repeated ? (enum fc_link_status)link->last_status : classify(link, request);
        if (status == FC_LINK_OK) {
            put_decision(&link->decision, reply);
        }
        return status;
    case SET_THRESHOLD:
        return set_threshold(link, request);
    case STATUS:
        return request->count == 0 ? report_status(link, reply) : FC_LINK_BAD_ARGUMENT;
    default:
        return FC_LINK_UNKNOWN_COMMAND;
    }
}

static void answer(struct fc_link *link, size_t payload_size, bool too_long)
{
    uint8_t *const payload = link->frame.payload;
    const uint8_t command = payload[0];
    if (payload_size < REQUEST_HEADER || command < FIRST_COMMAND || command > LAST_COMMAND) {
        return; /* not a request: perhaps our own response, sent back by a terminal that echoes */
    }
    const struct request request = {&payload[REQUEST_HEADER], payload_size - REQUEST_HEADER};
    struct reply reply = {&payload[RESPONSE_HEADER], 0, false};
    enum fc_link_status status = FC_LINK_TOO_LONG;
    if (!too_long && request.count <= FC_LINK_MAX_BODY) {
        const uint32_t crc = get_u32(&payload[payload_size]);
        const bool repeated = link->answered && crc == link->last_request;
        status = carry_out(link, command, &request, repeated, &reply);
        link->last_request = crc;
        link->last_status = (uint8_t)status;
        link->answered = true;
    }
    if (reply.overflow) {
        status = FC_LINK_TOO_LONG;
    }
    if (status != FC_LINK_OK) {
        reply.count = 0;
    }
    payload[0] = (uint8_t)(command + RESPONSE_BIT);
    payload[2] = (uint8_t)status;
    fc_frame_write(link->device->write, payload, RESPONSE_HEADER + reply.count);
}

void fc_link_init(struct fc_link *link, const struct fc_link_device *device)
{
    memset(link, 0, sizeof *link);
    link->device = device;
    link->readable_step = FC_LINK_ALL_STEPS;
}

void fc_link_disturbed(struct fc_link *link)
{
    link->written_inputs = 0;
    link->readable_step = FC_LINK_ALL_STEPS;
    link->outputs_readable = false;
    link->image_size = 0;
    link->answered = false;
}

void fc_link_receive(struct fc_link *link, uint8_t byte)
{
    const enum fc_frame_event event = fc_frame_receive(&link->frame, byte);
    if (event == FC_FRAME_READY) {
        answer(link, link->frame.size, false);
    } else if (event == FC_FRAME_TOO_LONG) {
        answer(link, REQUEST_HEADER, true);
    }
}
