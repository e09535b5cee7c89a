/* Framing alone, for comparison with Python. `encode`: each (u16 length, bytes) of the input becomes a frame.
 * `decode`: for each event (u8 kind, u16 size, payload), then frames u32 and bad frames u32.
 * `crc`: CRC-32 of the whole input, taken in two pieces. */
#include <stdio.h>
#include <string.h>

#include "../../firmware/link/fc_frame.h"

static uint8_t data[1 << 22];

static void put(const uint8_t *bytes, size_t count) { fwrite(bytes, 1, count, stdout); }

static void put_number(uint32_t value, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        putchar((int)(value >> (8U * i) & 0xFFU));
    }
}

int main(int argc, char **argv) {
    const char *mode = argc == 2 ? argv[1] : "";
    const size_t count = fread(data, 1, sizeof data, stdin);
    if (strcmp(mode, "crc") == 0) {
        put_number(fc_crc32(fc_crc32(0, data, count / 3), &data[count / 3], count - count / 3), 4);
    } else if (strcmp(mode, "encode") == 0) {
        for (size_t at = 0; at < count;) {
            const size_t size = data[at] | (size_t)data[at + 1] << 8;
            fc_frame_write(put, &data[at + 2], size);
            at += 2 + size;
        }
    } else if (strcmp(mode, "decode") == 0) {
        static struct fc_frame_decoder decoder;
        for (size_t at = 0; at < count; at++) {
            const enum fc_frame_event event = fc_frame_receive(&decoder, data[at]);
            if (event != FC_FRAME_NONE) {
                put_number((uint32_t)event, 1);
                put_number(decoder.size, 2);
                put(decoder.payload, decoder.size);
            }
        }
        put_number(decoder.frames, 4);
        put_number(decoder.bad_frames, 4);
    } else {
        return 1;
    }
    return 0;
}
