#include "fc_frame.h"

#include <stdbool.h>

enum {
    CAPACITY = FC_FRAME_MAX_PAYLOAD + FC_FRAME_CRC_SIZE,
    LONGEST_RUN = 254, /* non-zero bytes in one COBS block */
    FULL_BLOCK = 0xFF, /* code of a block of LONGEST_RUN bytes: no zero follows it */
};

/* What the CRC-32 of any data with its own CRC-32 appended comes to. */
static const uint32_t crc_residue = 0x2144DF1CU;

/* A nibble at a time: 64 bytes of table instead of 1 KiB, and still far faster than the serial line. */
static uint32_t crc32_step(uint32_t crc, uint8_t byte)
{
    static const uint32_t table[16] = {
        0x00000000U, 0x1DB71064U, 0x3B6E20C8U, 0x26D930ACU, 0x76DC4190U, 0x6B6B51F4U,
        0x4DB26158U, 0x5005713CU, 0xEDB88320U, 0xF00F9344U, 0xD6D6A3E8U, 0xCB61B38CU,
        0x9B64C2B0U, 0x86D3D2D4U, 0xA00AE278U, 0xBDBDF21CU,
    };
    crc = ~crc ^ byte;
    crc = (crc >> 4) ^ table[crc & 15U];
    crc = (crc >> 4) ^ table[crc & 15U];
    return ~crc;
}

uint32_t fc_crc32(uint32_t crc, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        crc = crc32_step(crc, bytes[i]);
    }
    return crc;
}

/* The CRC runs on past the capacity, so that a frame that is only too long can be told from a corrupt one. */
static void take_decoded(struct fc_frame_decoder *decoder, uint8_t byte)
{
    decoder->crc = crc32_step(decoder->crc, byte);
    if (decoder->count < CAPACITY) {
        decoder->payload[decoder->count] = byte;
    }
    if (decoder->count <= CAPACITY) {
        decoder->count++;
    }
}

static enum fc_frame_event take_delimiter(struct fc_frame_decoder *decoder)
{
    const bool empty = decoder->code == 0;
    const bool intact =
        decoder->remaining == 0 && decoder->crc == crc_residue && decoder->count > FC_FRAME_CRC_SIZE;
    const bool fits = decoder->count <= CAPACITY;

    decoder->size = (uint16_t)(intact && fits ? decoder->count - FC_FRAME_CRC_SIZE : 0);
    decoder->crc = 0;
    decoder->count = 0;
    decoder->code = 0;
    decoder->remaining = 0;

    if (empty) {
        return FC_FRAME_NONE;
    }
    if (intact && fits) {
        decoder->frames++;
        return FC_FRAME_READY;
    }
    decoder->bad_frames++;
    return intact ? FC_FRAME_TOO_LONG : FC_FRAME_NONE;
}

enum fc_frame_event fc_frame_receive(struct fc_frame_decoder *decoder, uint8_t byte)
{
    if (byte == 0) {
        return take_delimiter(decoder);
    }
    if (decoder->remaining > 0) {
        decoder->remaining--;
        take_decoded(decoder, byte);
        return FC_FRAME_NONE;
    }
    /* A block begins; the one before it stood for its bytes and a zero, unless it was full. */
    if (decoder->code != 0 && decoder->code != FULL_BLOCK) {
        take_decoded(decoder, 0);
    }
    decoder->code = byte;
    decoder->remaining = (uint8_t)(byte - 1U);
    return FC_FRAME_NONE;
}

/* The payload with its CRC behind it, which no buffer needs to hold. */
struct source {
    const uint8_t *payload;
    size_t count;
    uint8_t crc[FC_FRAME_CRC_SIZE];
};

static uint8_t source_at(const struct source *source, size_t i)
{
    return i < source->count ? source->payload[i] : source->crc[i - source->count];
}

static void write_source(fc_write_fn write, const struct source *source, size_t start, size_t count)
{
    size_t from_payload = start < source->count ? source->count - start : 0;
    if (from_payload > count) {
        from_payload = count;
    }
    if (from_payload > 0) {
        write(&source->payload[start], from_payload);
    }
    if (from_payload < count) {
        write(&source->crc[start + from_payload - source->count], count - from_payload);
    }
}

void fc_frame_write(fc_write_fn write, const uint8_t *payload, size_t count)
{
    static const uint8_t delimiter = 0;
    const uint32_t crc = fc_crc32(0, payload, count);
    const struct source source = {
        payload, count, {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16), (uint8_t)(crc >> 24)}};
    const size_t total = count + FC_FRAME_CRC_SIZE;

    write(&delimiter, 1);
    size_t start = 0;
    bool more = true;
    while (more) {
        size_t run = 0;
        while (run < LONGEST_RUN && start + run < total && source_at(&source, start + run) != 0) {
            run++;
        }
        const uint8_t code = (uint8_t)(run + 1U);
        write(&code, 1);
        write_source(write, &source, start, run);
        start += run;
        more = start < total;
        if (more && code != FULL_BLOCK) {
            start++; /* the zero that the code stands for; a last one still needs the empty block behind it */
        }
    }
    write(&delimiter, 1);
}
