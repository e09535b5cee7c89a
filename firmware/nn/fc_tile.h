/* A tile: four columns of activations (int16, fc_gather.h) meet pairs of output channels, from packed
 * weights to int8 outputs.
 *
 * A word of weights holds two products of a pair. Its halves are 256 * second + first: multiplied as they
 * are, they give a sum for both channels mixed; SXTB16 takes the first channel's bytes out, which give its
 * sum alone. The difference is 256 times the second channel's sum, exact while that stays below 2^23 (the
 * planner proves it). So a pair costs one unpacking a word instead of two, and the multiplier never waits:
 * 16 SMLAD, 2 SXTB16 and 10 loads, each two cycles before its use, make 32 multiply-accumulates in 16
 * modelled cycles. A pair of channels ends with a word that no weights make, so no register counts. */
#ifndef FC_TILE_H
#define FC_TILE_H

#include "fc_columns.h"
#include "fc_fixed.h"

#define FC_TILE 4 /* columns; their words alternate */
#define FC_WEIGHTS_END UINT32_C(0x80008000) /* behind each pair */

/* Code for so many groups in a row, so that most layers need no loop and no prediction. */
#define FC_TILE_LADDER 16

/* A pair of output channels: how sums become outputs (see fc_down_channel), and what they start from. */
struct fc_pair {
    int32_t first_mantissa, first_shift, first_rounding;
    int32_t second_mantissa, second_shift, second_rounding;
    int32_t mixed_bias; /* 256 * second + first, or 16 * second + first (fc_nibbles.h), wrapping */
    int32_t first_bias;
};

/* What a call works through: pairs of channels until `weights` meets `end`. */
struct fc_tile {
    const int8_t *weights;                  /* of the next pair: groups * 8 bytes and FC_WEIGHTS_END */
    const int16_t *columns;                 /* groups * 4 halves each; FC_COLUMNS_MARGIN behind */
    const struct fc_pair *pairs;            /* of the next pair */
    int8_t *output;                         /* of the next pair, first column */
    int32_t stride;                         /* bytes from one column's outputs to the next one's */
    int32_t skipped;                        /* see fc_tile_skipped */
    const int8_t *end;
};

/* Groups to leave out so that a pair's first passage does what is left of whole ladders; `groups` from 1. */
FC_INLINE int32_t fc_tile_skipped(int32_t groups)
{
    return FC_TILE_LADDER - 1 - (groups - 1) % FC_TILE_LADDER;
}

#define FC_MIXED 8 /* bits that the second channel's weights lie above the first one's */

/* Twice the second channel's sum, which lies `bits` above the first one's. */
FC_INLINE int32_t fc_twice_second(int32_t mixed, int32_t first, int32_t bits)
{
    return (int32_t)((uint32_t)mixed - (uint32_t)first) >> (bits - 1);
}

/* int8 outputs of twice the sums. */
FC_INLINE int32_t fc_first_output(const struct fc_pair *pair, int32_t twice, bool one_sided)
{
    const struct fc_down_channel channel = {0, pair->first_mantissa, pair->first_shift, pair->first_rounding};
    return fc_saturate_8(fc_scale_twice(twice, channel, one_sided));
}

FC_INLINE int32_t fc_second_output(const struct fc_pair *pair, int32_t twice, bool one_sided)
{
    const struct fc_down_channel channel = {0, pair->second_mantissa, pair->second_shift,
                                            pair->second_rounding};
    return fc_saturate_8(fc_scale_twice(twice, channel, one_sided));
}

#if defined(__ARM_FEATURE_SIMD32)
/* Functions of their own, because they take every register: r0 weights, r1 columns, r2 mixed and r3 first
 * channel's weights, r4 to r7 mixed sums, r8 to r11 the first channel's, r12 and lr words of columns. GCC 12
 * needs twice the cycles for the C below. Within straight stretches the order was found by search with the
 * cycle model of the generator. */

/* A group of four products; what it begins with has been loaded, and what the next begins with is; and it
 * asks for the weights' line after the next. 57 halfwords of code, which the jump into the ladder relies on. */
#define FC_TILE_GROUP                                                                                        \
    "sxtb16 r3, r2; smlad r4, r2, r12, r4; smlad r8, r3, r12, r8; ldr r12, [r1, #8]; smlad r5, r2, lr, r5\n" \
    "pld [r0, #64]; smlad r9, r3, lr, r9; ldr lr, [r1, #12]; smlad r6, r2, r12, r6; smlad r10, r3, r12, r10\n"\
    "ldr r12, [r1, #16]; smlad r7, r2, lr, r7; ldr r2, [r0, #4]; smlad r11, r3, lr, r11; ldr lr, [r1, #20]\n"\
    "sxtb16 r3, r2; smlad r4, r2, r12, r4; smlad r8, r3, r12, r8; ldr r12, [r1, #24]; smlad r5, r2, lr, r5\n"\
    "smlad r9, r3, lr, r9; ldr lr, [r1, #28]; smlad r6, r2, r12, r6; smlad r10, r3, r12, r10\n"              \
    "ldr r12, [r1, #32]!; smlad r7, r2, lr, r7; ldr r2, [r0, #8]!; smlad r11, r3, lr, r11; ldr lr, [r1, #4]\n"

/* Sums into outputs, and on to the next pair. r2 becomes the end. `twice`: FC_MIXED - 1. */
#define FC_TILE_SCALE_ONE_SIDED                                                                              \
    "ldr r3, [sp, #4]; sub r4, r4, r8; sub r5, r5, r9; add r8, r8, r8; ldrd r1, r2, [r3]; ldr r12, [r3, #8]\n"\
    "sub r6, r6, r10; add r10, r10, r10; asr r5, r5, #twice; smmlar r10, r10, r1, r12; sub r7, r7, r11\n"        \
    "add r11, r11, r11; asr r7, r7, #twice; asr r4, r4, #twice; add r9, r9, r9; asr r10, r10, r2\n"                  \
    "smmlar r9, r9, r1, r12; asr r6, r6, #twice; smmlar r8, r8, r1, r12; smmlar r11, r11, r1, r12\n"             \
    "asr r9, r9, r2; asr r8, r8, r2; add r0, r0, #4; asr r11, r11, r2; ldr r12, [r3, #20]\n"                 \
    "ldrd r1, r2, [r3, #12]; ssat r9, #8, r9; ssat r11, #8, r11; ssat r10, #8, r10; ssat r8, #8, r8\n"       \
    "smmlar r6, r6, r1, r12; smmlar r5, r5, r1, r12; add r3, r3, #32; asr r6, r6, r2\n"                      \
    "smmlar r4, r4, r1, r12; asr r5, r5, r2; asr r4, r4, r2; str r3, [sp, #4]; ssat r5, #8, r5\n"            \
    "ldrd r3, lr, [sp, #8]; ssat r6, #8, r6; smmlar r7, r7, r1, r12; add r1, r3, lr, lsl #1\n"               \
    "bfi r10, r6, #8, #24; asr r7, r7, r2; ssat r4, #8, r4; strh r10, [r1]; bfi r9, r5, #8, #24\n"           \
    "strh r9, [r3, lr]; ssat r7, #8, r7; ldr r2, [sp, #20]; bfi r8, r4, #8, #24; strh r8, [r3]\n"            \
    "bfi r11, r7, #8, #24; strh r11, [r1, lr]; add r3, r3, #2; str r3, [sp, #8]\n"

#define FC_TILE_SCALE                                                                                        \
    "ldr r3, [sp, #4]; sub r4, r4, r8; sub r6, r6, r10; add r8, r8, r8; sub r5, r5, r9; sub r7, r7, r11\n"   \
    "add r0, r0, #4; asr r5, r5, #twice; ldrd r1, r2, [r3]; asr r7, r7, #twice; ldr r12, [r3, #8]\n"                 \
    "add r10, r10, r10; asr r6, r6, #twice; asr r4, r4, #twice; add r9, r9, r9; add r11, r11, r11\n"                 \
    "add lr, r12, r8, asr #31; smmlar r8, r8, r1, lr; add lr, r12, r9, asr #31; smmlar r9, r9, r1, lr\n"     \
    "add lr, r12, r10, asr #31; smmlar r10, r10, r1, lr; add lr, r12, r11, asr #31; smmlar r11, r11, r1, lr\n"\
    "asr r8, r8, r2; ssat r8, #8, r8; asr r11, r11, r2; asr r9, r9, r2; ldr r12, [r3, #20]\n"                \
    "asr r10, r10, r2; ldrd r1, r2, [r3, #12]; add lr, r12, r4, asr #31; smmlar r4, r4, r1, lr\n"            \
    "add lr, r12, r5, asr #31; smmlar r5, r5, r1, lr; add lr, r12, r6, asr #31; smmlar r6, r6, r1, lr\n"     \
    "asr r4, r4, r2; ssat r10, #8, r10; asr r6, r6, r2; add r3, r3, #32; add lr, r12, r7, asr #31\n"         \
    "smmlar r7, r7, r1, lr; ssat r11, #8, r11; ssat r6, #8, r6; ssat r4, #8, r4; asr r7, r7, r2\n"           \
    "ssat r7, #8, r7; str r3, [sp, #4]; ldrd r3, lr, [sp, #8]; bfi r8, r4, #8, #24; ssat r9, #8, r9\n"       \
    "strh r8, [r3]; add r1, r3, lr, lsl #1; asr r5, r5, r2; ldr r2, [sp, #20]; ssat r5, #8, r5\n"            \
    "bfi r11, r7, #8, #24; strh r11, [r1, lr]; bfi r9, r5, #8, #24; strh r9, [r3, lr]; bfi r10, r6, #8, #24\n"\
    "strh r10, [r1]; add r3, r3, #2; str r3, [sp, #8]\n"

/* The same for the greatest of the four columns: scaling keeps their order. */
#define FC_TILE_MAX_SCALE_ONE_SIDED                                                                          \
    "sub r6, r6, r10; sub r4, r4, r8; sub r5, r5, r9; cmp r8, r9; it lt; movlt r8, r9; sub r7, r7, r11\n"    \
    "cmp r10, r11; it lt; movlt r10, r11; ldr r3, [sp, #4]; cmp r4, r5; it lt; movlt r4, r5\n"               \
    "ldrd r1, r2, [r3]; cmp r6, r7; it lt; movlt r6, r7; cmp r8, r10; it lt; movlt r8, r10; add r8, r8, r8\n"\
    "add r0, r0, #4; ldr r12, [r3, #8]; smmlar r8, r8, r1, r12; cmp r4, r6; it lt; movlt r4, r6\n"           \
    "asr r8, r8, r2; ldrd r1, r2, [r3, #12]; ldr r12, [r3, #20]; asr r4, r4, #twice; smmlar r4, r4, r1, r12\n"   \
    "ssat r8, #8, r8; add r3, r3, #32; str r3, [sp, #4]; ldr r3, [sp, #8]; asr r4, r4, r2\n"                 \
    "ldr r2, [sp, #20]; ssat r4, #8, r4; bfi r8, r4, #8, #24; strh r8, [r3]; add r3, r3, #2\n"               \
    "str r3, [sp, #8]\n"

#define FC_TILE_MAX_SCALE                                                                                    \
    "sub r5, r5, r9; ldr r3, [sp, #4]; sub r4, r4, r8; cmp r8, r9; it lt; movlt r8, r9; sub r6, r6, r10\n"   \
    "cmp r10, r11; it lt; movlt r10, r11; sub r7, r7, r11; cmp r4, r5; it lt; movlt r4, r5\n"                \
    "ldrd r1, r2, [r3]; cmp r6, r7; it lt; movlt r6, r7; add r0, r0, #4; ldr r12, [r3, #8]; cmp r8, r10\n"   \
    "it lt; movlt r8, r10; add r8, r8, r8; cmp r4, r6; it lt; movlt r4, r6; add lr, r12, r8, asr #31\n"      \
    "smmlar r8, r8, r1, lr; asr r4, r4, #twice; ldr r12, [r3, #20]; asr r8, r8, r2; ldrd r1, r2, [r3, #12]\n"    \
    "add r3, r3, #32; add lr, r12, r4, asr #31; smmlar r4, r4, r1, lr; ssat r8, #8, r8; str r3, [sp, #4]\n"  \
    "ldr r3, [sp, #8]; asr r4, r4, r2; ldr r2, [sp, #20]; ssat r4, #8, r4; bfi r8, r4, #8, #24\n"            \
    "strh r8, [r3]; add r3, r3, #2; str r3, [sp, #8]\n"

/* What a pair of channels begins with. */
#define FC_TILE_START                                                                                        \
    "ldrd r1, r3, [sp]; ldrd r4, r8, [r3, #24]; ldrd r12, lr, [r1]\n"                                        \
    "ldr r3, [sp, #16]; mov r6, r4; mov r11, r8; mov r7, r4; mov r5, r4\n"                                   \
    "mov r9, r8; mov r10, r8; ldr r2, [r0]\n"

/* `last` and `pushed`: register and bytes of what `type` holds; `halfwords`: code of a group; `ahead`: what asks
 * for weights if groups do not. */
#define FC_TILE_FUNCTION(name, type, last, pushed, shift, start, halfwords, group, ahead, scale)             \
    __attribute__((naked, noinline, unused)) static void name(__attribute__((unused)) const struct type *tile) \
    {                                                                                                        \
        __asm__ volatile(".set twice, " shift "\n"                                                           \
                         "push {r4-r11, lr}\n"                                                               \
                         "ldmia r0, {r0-" last "}\n"                                                         \
                         "push {r1-" last "}\n" /* columns, pairs, output, stride, skipped, end */           \
                         "1: " start "tbh [pc, r3, lsl #1]\n"                                                \
                         "4: .set skipped, 0\n .rept 16\n .short (2f - 4b) / 2 + " halfwords " * skipped\n"  \
                         ".set skipped, skipped + 1\n .endr\n"                                               \
                         "2: .rept 16\n" group ".endr\n"                                                     \
                         "cmp r2, #0x80008000\n" /* FC_WEIGHTS_END */                                        \
                         ahead "bne 2b\n" scale                                                              \
                         "cmp r0, r2; bne 1b\n"                                                              \
                         "add sp, sp, #" pushed "\n"                                                         \
                         "pop {r4-r11, pc}\n");                                                              \
    }
#define FC_TILE_BYTES(name, scale)                                                                           \
    FC_TILE_FUNCTION(name, fc_tile, "r6", "24", "7", FC_TILE_START, "57", FC_TILE_GROUP, "", scale)
FC_TILE_BYTES(fc_tile_one_sided, FC_TILE_SCALE_ONE_SIDED)
FC_TILE_BYTES(fc_tile_two_sided, FC_TILE_SCALE)
FC_TILE_BYTES(fc_tile_max_one_sided, FC_TILE_MAX_SCALE_ONE_SIDED)
FC_TILE_BYTES(fc_tile_max_two_sided, FC_TILE_MAX_SCALE)

/* Outputs of all pairs and columns; or, `greatest`, of the greatest of the four columns. */
FC_INLINE void fc_tile_s8(const struct fc_tile *tile, bool one_sided, bool greatest)
{
    if (greatest) {
        (one_sided ? fc_tile_max_one_sided : fc_tile_max_two_sided)(tile);
    } else {
        (one_sided ? fc_tile_one_sided : fc_tile_two_sided)(tile);
    }
}
#else
/* Sums of a pair's four columns into outputs. */
FC_INLINE void fc_tile_outputs(const struct fc_tile *tile, const struct fc_pair *pair, int32_t mixed[FC_TILE],
                               int32_t first[FC_TILE], int32_t bits, bool one_sided, bool greatest, int8_t *output)
{
    for (int32_t i = 0; i < FC_TILE; i++) {
        mixed[i] = fc_twice_second(mixed[i], first[i], bits);
        first[i] = (int32_t)((uint32_t)first[i] << 1);
        if (greatest) {
            first[0] = first[i] > first[0] ? first[i] : first[0];
            mixed[0] = mixed[i] > mixed[0] ? mixed[i] : mixed[0];
        }
    }
    for (int32_t i = 0; i < (greatest ? 1 : FC_TILE); i++) {
        output[i * tile->stride] = (int8_t)fc_first_output(pair, first[i], one_sided);
        output[i * tile->stride + 1] = (int8_t)fc_second_output(pair, mixed[i], one_sided);
    }
}

FC_INLINE void fc_tile_s8(const struct fc_tile *tile, bool one_sided, bool greatest)
{
    const int8_t *weights = tile->weights;
    int8_t *output = tile->output;
    for (const struct fc_pair *pair = tile->pairs; weights != tile->end; pair++, output += 2) {
        int32_t first[FC_TILE], mixed[FC_TILE];
        for (int32_t i = 0; i < FC_TILE; i++) {
            first[i] = pair->first_bias;
            mixed[i] = pair->mixed_bias;
        }
        int32_t word = 0;
        for (uint32_t both; (both = fc_load_word(weights)) != FC_WEIGHTS_END; word++, weights += 4) {
            const uint32_t alone = fc_even_bytes(both);
            for (int32_t i = 0; i < FC_TILE; i++) {
                const uint32_t values = fc_load_word(tile->columns + 2 * (word * FC_TILE + i));
                mixed[i] = fc_smlad(both, values, mixed[i]);
                first[i] = fc_smlad(alone, values, first[i]);
            }
        }
        weights += sizeof FC_WEIGHTS_END;
        fc_tile_outputs(tile, pair, mixed, first, FC_MIXED, one_sided, greatest, output);
    }
}
#endif

#endif
