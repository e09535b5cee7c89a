/* Packed arithmetic of Armv7E-M. On other machines each function is its C twin, so that the host tests run
 * the very loops that the target runs. Names follow the Arm C Language Extensions. */
#ifndef FC_SIMD_H
#define FC_SIMD_H

#include <stdint.h>

#include "fc_inline.h"
#include <string.h>

#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

/* Word at any address; the Cortex-M7 loads unaligned words in hardware. */
FC_INLINE uint32_t fc_load_word(const void *address)
{
    uint32_t word;
    memcpy(&word, address, sizeof word);
    return word;
}

FC_INLINE void fc_store_word(void *address, uint32_t word) { memcpy(address, &word, sizeof word); }

FC_INLINE uint32_t fc_pack_halves(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFFu) | ((uint32_t)high << 16);
}

/* High word of the rounded product: (a * b + 2^31) >> 32 */
FC_INLINE int32_t fc_smmulr(int32_t a, int32_t b)
{
#if defined(__ARM_FEATURE_DSP)
    int32_t high;
    /* GCC 12 makes three instructions of the C below. */
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
    return high;
#else
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 31)) >> 32);
#endif
}

/* addend + the high word of the rounded product, wrapping */
FC_INLINE int32_t fc_smmlar(int32_t a, int32_t b, int32_t addend)
{
#if defined(__ARM_FEATURE_DSP)
    int32_t sum;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(addend));
    return sum;
#else
    return (int32_t)((uint32_t)addend + (uint32_t)fc_smmulr(a, b));
#endif
}

/* addend + the high word of the product, wrapping */
FC_INLINE int32_t fc_smmla(int32_t a, int32_t b, int32_t addend)
{
#if defined(__ARM_FEATURE_DSP)
    int32_t sum;
    __asm__("smmla %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(addend));
    return sum;
#else
    return (int32_t)((uint32_t)addend + (uint32_t)(((int64_t)a * b) >> 32));
#endif
}

/* Nearest of -128..127 */
FC_INLINE int32_t fc_saturate_8(int32_t value)
{
#if defined(__ARM_FEATURE_SAT)
    int32_t saturated;
    /* The intrinsic of GCC 12 does not compile under -Wsign-conversion, and of the C it makes two
     * comparisons. */
    __asm__("ssat %0, #8, %1" : "=r"(saturated) : "r"(value) : "cc");
    return saturated;
#else
    return value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value;
#endif
}

/* addend + (a * b.low) / 2^16, rounded down, wrapping */
FC_INLINE int32_t fc_smlawb(int32_t a, uint32_t b, int32_t addend)
{
#if defined(__ARM_FEATURE_DSP)
    int32_t sum;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(addend));
    return sum;
#else
    return (int32_t)((uint32_t)addend + (uint32_t)(((int64_t)a * (int16_t)(b & 0xFFFFu)) >> 16));
#endif
}

/* accumulator + a.low * b.low + a.high * b.high, wrapping */
FC_INLINE int32_t fc_smlad(uint32_t a, uint32_t b, int32_t accumulator)
{
#if defined(__ARM_FEATURE_SIMD32)
    return __smlad((int16x2_t)a, (int16x2_t)b, accumulator);
#else
    const int32_t low = (int32_t)(int16_t)(a & 0xFFFFu) * (int16_t)(b & 0xFFFFu);
    const int32_t high = (int32_t)(int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)accumulator + (uint32_t)low + (uint32_t)high);
#endif
}

/* accumulator + a.low * b.low, wrapping. GCC makes SMLABB of it, and SMLATT of the next. */
FC_INLINE int32_t fc_smlabb(uint32_t a, uint32_t b, int32_t accumulator)
{
    return (int32_t)((uint32_t)accumulator + (uint32_t)((int16_t)a * (int16_t)b));
}

/* accumulator + a.high * b.high, wrapping */
FC_INLINE int32_t fc_smlatt(uint32_t a, uint32_t b, int32_t accumulator)
{
    return (int32_t)((uint32_t)accumulator + (uint32_t)(((int32_t)a >> 16) * ((int32_t)b >> 16)));
}

/* Low halves of both. */
FC_INLINE uint32_t fc_pack_bottoms(uint32_t low, uint32_t high)
{
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t halves;
    /* GCC 12 makes two instructions of the C below, and four of that of the next. */
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(halves) : "r"(low), "r"(high));
    return halves;
#else
    return (low & 0xFFFFu) | (high << 16);
#endif
}

/* High halves of both. */
FC_INLINE uint32_t fc_pack_tops(uint32_t low, uint32_t high)
{
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t halves;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(halves) : "r"(high), "r"(low));
    return halves;
#else
    return (low >> 16) | (high & 0xFFFF0000u);
#endif
}

/* Bytes 0 and 2, sign-extended to halves. */
FC_INLINE uint32_t fc_even_bytes(uint32_t word)
{
#if defined(__ARM_FEATURE_SIMD32)
    return (uint32_t)__sxtb16((int8x4_t)word);
#else
    return fc_pack_halves((int8_t)(word & 0xFFu), (int8_t)((word >> 16) & 0xFFu));
#endif
}

/* Bytes 1 and 3, sign-extended to halves. */
FC_INLINE uint32_t fc_odd_bytes(uint32_t word)
{
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t halves;
    /* SXTB16 rotates its operand for free; GCC 12 spends an instruction on the rotation of its intrinsic's.
     */
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
    return halves;
#else
    return fc_even_bytes((word >> 8) | (word << 24));
#endif
}

/* Adds bytes 0 and 2 to halves, as if sign-extended; they wrap. */
FC_INLINE uint32_t fc_add_even_bytes(uint32_t halves, uint32_t word)
{
#if defined(__ARM_FEATURE_SIMD32)
    return (uint32_t)__sxtab16((int16x2_t)halves, (int8x4_t)word);
#else
    const uint32_t bytes = fc_even_bytes(word);
    return fc_pack_halves((int32_t)((halves & 0xFFFFu) + (bytes & 0xFFFFu)),
                          (int32_t)((halves >> 16) + (bytes >> 16)));
#endif
}

/* The same with bytes 1 and 3. */
FC_INLINE uint32_t fc_add_odd_bytes(uint32_t halves, uint32_t word)
{
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sum) : "r"(halves), "r"(word));
    return sum;
#else
    return fc_add_even_bytes(halves, (word >> 8) | (word << 24));
#endif
}

/* The larger of each pair of signed bytes. */
FC_INLINE uint32_t fc_max_bytes(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t larger;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(larger) : "r"(a), "r"(b));
    return larger;
#else
    uint32_t larger = 0;
    for (int32_t shift = 0; shift < 32; shift += 8) {
        const int8_t from_a = (int8_t)((a >> shift) & 0xFFu), from_b = (int8_t)((b >> shift) & 0xFFu);
        larger |= (uint32_t)(uint8_t)(from_a > from_b ? from_a : from_b) << shift;
    }
    return larger;
#endif
}

/* The smaller of each; complements are ordered the other way round. */
FC_INLINE uint32_t fc_min_bytes(uint32_t a, uint32_t b) { return ~fc_max_bytes(~a, ~b); }

/* Subtracts bytes without borrow between them. */
FC_INLINE uint32_t fc_sub_bytes(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t bytes;
    /* The intrinsic of GCC 12 does not compile under -Wsign-conversion. */
    __asm__("usub8 %0, %1, %2" : "=r"(bytes) : "r"(a), "r"(b));
    return bytes;
#else
    const uint32_t signs = UINT32_C(0x80808080);
    return ((a | signs) - (b & ~signs)) ^ ((a ^ ~b) & signs);
#endif
}

/* Adds halves without carry between them. */
FC_INLINE uint32_t fc_add_halves(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_SIMD32)
    return (uint32_t)__sadd16((int16x2_t)a, (int16x2_t)b);
#else
    return fc_pack_halves((int32_t)((a & 0xFFFFu) + (b & 0xFFFFu)), (int32_t)((a >> 16) + (b >> 16)));
#endif
}

/* Subtracts halves without borrow between them. */
FC_INLINE uint32_t fc_sub_halves(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_SIMD32)
    return (uint32_t)__ssub16((int16x2_t)a, (int16x2_t)b);
#else
    return fc_pack_halves((int32_t)((a & 0xFFFFu) - (b & 0xFFFFu)), (int32_t)((a >> 16) - (b >> 16)));
#endif
}

#endif
