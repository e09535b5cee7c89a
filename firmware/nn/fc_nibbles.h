/* Weights of four bits, -8 to 7, two to a byte in flash.
 *
 * A nibble is its weight plus 8, so it needs no sign. The low halves of a word's bytes make the bytes of one
 * word of weights, the high halves those of the next (generator/plan/packing.py): an AND and a subtraction
 * unpack four weights, and what is multiplied with all of them may leave the subtraction to its sums. */
#ifndef FC_NIBBLES_H
#define FC_NIBBLES_H

#include <stdbool.h>

#include "fc_simd.h"

#define FC_NIBBLES_ZERO UINT32_C(0x08080808) /* four weights of 0 */
#define FC_NIBBLES_AHEAD 64                  /* bytes: two cache lines */

FC_INLINE uint32_t fc_low_nibbles(uint32_t word) { return word & UINT32_C(0x0F0F0F0F); }

FC_INLINE uint32_t fc_high_nibbles(uint32_t word) { return (word >> 4) & UINT32_C(0x0F0F0F0F); }

/* Unpacks `count` words into twice as many. `mixed`: their halves are 256 * second + first, as fc_tile.h
 * multiplies them; else they are int8. Returns where `to` goes on. */
FC_INLINE uint32_t *fc_unpack_nibbles(const uint32_t *packed, int32_t count, bool mixed, uint32_t *to)
{
#pragma GCC unroll 8
    for (int32_t i = 0; i < count; i++) {
        const uint32_t word = packed[i], low = fc_low_nibbles(word), high = fc_high_nibbles(word);
        if (i % 8 == 0) { /* once a line */
            __builtin_prefetch((const int8_t *)(packed + i) + FC_NIBBLES_AHEAD);
        }
        to[2 * i] = mixed ? fc_sub_halves(low, FC_NIBBLES_ZERO) : fc_sub_bytes(low, FC_NIBBLES_ZERO);
        to[2 * i + 1] = mixed ? fc_sub_halves(high, FC_NIBBLES_ZERO) : fc_sub_bytes(high, FC_NIBBLES_ZERO);
    }
    return to + 2 * count;
}

#endif
