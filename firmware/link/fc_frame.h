/* Frames of the host link: 0x00, COBS(payload, CRC-32 of the payload little-endian), 0x00.
 *
 * COBS is Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Trans. Networking 7(2), 1999.
 * CRC-32 is that of IEEE 802.3 (zlib's crc32). Needs nothing but the C language. */
#ifndef FC_FRAME_H
#define FC_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* Most bytes in the body of a request or a response; the one setting that decides the link's RAM. */
#ifndef FC_LINK_MAX_BODY
#define FC_LINK_MAX_BODY 1024
#endif
_Static_assert(FC_LINK_MAX_BODY >= 128 && FC_LINK_MAX_BODY <= 32768, "FC_LINK_MAX_BODY out of range");

/* Command, sequence, status, body. */
#define FC_FRAME_MAX_PAYLOAD (3 + FC_LINK_MAX_BODY)
#define FC_FRAME_CRC_SIZE 4

/* Takes `count` bytes towards the host; same signature as fc_console_write. */
typedef void (*fc_write_fn)(const uint8_t *bytes, size_t count);

enum fc_frame_event {
    FC_FRAME_NONE,    /* nothing is complete yet */
    FC_FRAME_READY,   /* `payload` holds `size` bytes, until the next call */
    FC_FRAME_TOO_LONG /* intact, but longer than `payload`, which holds its beginning; counted as bad */
};

/* All zero is the initial state. Every 0x00 both ends a frame and may begin the next, so a lost, added or
 * changed byte costs at most the two frames beside it. */
struct fc_frame_decoder {
    uint32_t frames;     /* intact frames received, wraps */
    uint32_t bad_frames; /* truncated, corrupt and oversized frames dropped, wraps */
    uint32_t crc;        /* over everything decoded since the last 0x00 */
    uint16_t count;      /* bytes decoded since the last 0x00; stops one above the capacity */
    uint16_t size;       /* payload bytes of the last complete frame */
    uint8_t code;        /* COBS code of the current block, 0 before the first */
    uint8_t remaining;   /* bytes missing in the current block */
    uint8_t payload[FC_FRAME_MAX_PAYLOAD + FC_FRAME_CRC_SIZE]; /* with the CRC behind the payload */
};

/* CRC-32 of `count` bytes that follow data whose CRC-32 is `crc`; 0 for the beginning. */
uint32_t fc_crc32(uint32_t crc, const uint8_t *bytes, size_t count);

/* Takes one received byte. */
enum fc_frame_event fc_frame_receive(struct fc_frame_decoder *decoder, uint8_t byte);

/* Encodes `count` payload bytes straight into `write`, in pieces of 1 to 254 bytes. */
void fc_frame_write(fc_write_fn write, const uint8_t *payload, size_t count);

#endif
