/* Weights of four bits, -8 to 7, two to a byte in flash.
 *
 * As a signed number a byte is 16 * second + first + 8: multiplied as it is, it gives a sum of both weights mixed
 * (fc_tile.h); its low nibble, which needs no sign, gives the first one's alone. 8 times the sum of what they are
 * multiplied with comes off where sums start, and 16 times the second one's sum is the difference. */
#ifndef FC_NIBBLES_H
#define FC_NIBBLES_H

#include "fc_simd.h"

#define FC_NIBBLES_FIRST 8   /* what is added to the first weight */
#define FC_NIBBLES_MIXED 4   /* bits that the second one lies above the first */
#define FC_NIBBLES_AHEAD 64  /* bytes: two cache lines */

/* First weights of what fc_even_bytes or fc_odd_bytes give, plus 8. */
FC_INLINE uint32_t fc_first_nibbles(uint32_t halves) { return halves & UINT32_C(0x000F000F); }

/* 8 times the sum of `halves`, negative, added to `start`. */
FC_INLINE int32_t fc_less_nibbles_first(uint32_t halves, int32_t start)
{
    return fc_smlad(halves, fc_pack_halves(-FC_NIBBLES_FIRST, -FC_NIBBLES_FIRST), start);
}

/* Unpacks `count` words into twice as many of int8: bytes' first weights, then their second ones. */
FC_INLINE void fc_unpack_nibbles(const uint32_t *packed, int32_t count, uint32_t *to)
{
    const uint32_t zeros = UINT32_C(0x08080808), low = UINT32_C(0x0F0F0F0F);
#pragma GCC unroll 8
    for (int32_t i = 0; i < count; i++) {
        const uint32_t word = packed[i] ^ (zeros << 4); /* 8 is added to both now */
        if (i % 8 == 0) {                               /* once a line */
            __builtin_prefetch((const int8_t *)(packed + i) + FC_NIBBLES_AHEAD);
        }
        to[2 * i] = fc_sub_bytes(word & low, zeros);
        to[2 * i + 1] = fc_sub_bytes((word >> 4) & low, zeros);
    }
}

#endif
