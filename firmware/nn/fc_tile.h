/* A tile: four columns of activations (int16, fc_gather.h) meet pairs of output channels, from packed weights to
 * int8 outputs.
 *
 * A word of weights holds two products of a pair. Its halves are 256 * second + first: multiplied as they are,
 * they give a sum for both channels mixed; SXTB16 takes the first channel's bytes out, which give its sum alone.
 * The difference is 256 times the second channel's sum, exact while that stays below 2^23 (the planner proves it).
 * So a pair costs one unpacking a word instead of two, and the multiplier never waits: 16 SMLAD, 2 SXTB16 and 10
 * loads, each two cycles before its use, make 32 multiply-accumulates in 16 modelled cycles. A pair of channels
 * ends with a word that no weights make, so no register counts. */
#ifndef FC_TILE_H
#define FC_TILE_H

#include "fc_columns.h"
#include "fc_fixed.h"

#define FC_TILE 4 /* columns; their words alternate */
#define FC_WEIGHTS_END UINT32_C(0x80008000) /* behind each pair */

/* What a call works through: pairs of channels until `weights` meets `end`. */
struct fc_tile {
    const int8_t *weights;                  /* of the next pair: groups * 8 bytes and FC_WEIGHTS_END */
    const int16_t *columns;                 /* groups * 4 halves each; FC_COLUMNS_MARGIN behind */
    const struct fc_down_channel *channels; /* of the next pair */
    int8_t *output;                         /* of the next pair, first column */
    int32_t stride;                         /* bytes from one column's outputs to the next one's */
    int32_t groups;                         /* of four products, at least 1 */
    const int8_t *end;
};

#if defined(__ARM_FEATURE_SIMD32)
/* Functions of their own, because they take every register: r0 weights, r1 columns, r2 mixed and r3 first channel's
 * weights, r4 to r7 mixed sums, r8 to r11 the first channel's, r12 and lr words of columns. GCC 12 needs twice
 * the cycles for the C below. Within straight stretches the order was found by search with the cycle
 * model of the generator. */

/* A group of four products; what it begins with has been loaded, and what the next begins with is. */
#define FC_TILE_GROUP \
    "sxtb16 r3, r2; smlad r4, r2, r12, r4; smlad r8, r3, r12, r8; ldr r12, [r1, #8]\n" \
    "smlad r5, r2, lr, r5; smlad r9, r3, lr, r9; ldr lr, [r1, #12]; smlad r6, r2, r12, r6\n" \
    "smlad r10, r3, r12, r10; ldr r12, [r1, #16]; smlad r7, r2, lr, r7; ldr r2, [r0, #4]\n" \
    "smlad r11, r3, lr, r11; ldr lr, [r1, #20]; sxtb16 r3, r2; smlad r4, r2, r12, r4\n" \
    "smlad r8, r3, r12, r8; ldr r12, [r1, #24]; smlad r5, r2, lr, r5\n" \
    "smlad r9, r3, lr, r9; ldr lr, [r1, #28]; smlad r6, r2, r12, r6\n" \
    "smlad r10, r3, r12, r10; ldr r12, [r1, #32]!; smlad r7, r2, lr, r7\n" \
    "ldr r2, [r0, #8]!; smlad r11, r3, lr, r11; ldr lr, [r1, #4]\n"

/* Sums into outputs, and on to the next pair. r2 becomes the end, r12 the call. */
#define FC_TILE_SCALE_ONE_SIDED \
    "ldr r12, [sp]; sub r5, r5, r9; sub r7, r7, r11; add r0, r0, #4; str r0, [r12]\n" \
    "ldr r0, [r12, #8]; add r9, r9, r9; sub r6, r6, r10; ldrd r1, r2, [r0, #4]\n" \
    "add r11, r11, r11; add r10, r10, r10; ldr r3, [r0, #12]; smmulr r10, r10, r1\n" \
    "smmulr r9, r9, r1; asr r7, r7, #7; sub r4, r4, r8; add r8, r8, r8; asr r5, r5, #7\n" \
    "smmulr r8, r8, r1; add r10, r10, r3; smmulr r11, r11, r1; asr r6, r6, #7\n" \
    "asr r10, r10, r2; add r8, r8, r3; asr r8, r8, r2; add r9, r9, r3; asr r9, r9, r2\n" \
    "add r11, r11, r3; asr r11, r11, r2; ldr r3, [r0, #28]; ldrd r1, r2, [r0, #20]\n" \
    "ssat r11, #8, r11; add r0, r0, #32; smmulr r5, r5, r1; asr r4, r4, #7\n" \
    "ssat r10, #8, r10; smmulr r4, r4, r1; ssat r9, #8, r9; str r0, [r12, #8]\n" \
    "ldrd r0, lr, [r12, #12]; smmulr r6, r6, r1; add r5, r5, r3; ssat r8, #8, r8\n" \
    "add r4, r4, r3; add r6, r6, r3; asr r4, r4, r2; asr r5, r5, r2; smmulr r7, r7, r1\n" \
    "add r1, r0, lr, lsl #1; ssat r4, #8, r4; strb r9, [r0, lr]; strb r11, [r1, lr]\n" \
    "add r7, r7, r3; asr r6, r6, r2; strb r8, [r0]; strb r4, [r0, #1]; asr r7, r7, r2\n" \
    "ssat r6, #8, r6; strb r10, [r1]; strb r6, [r1, #1]; add r1, r1, lr; ssat r7, #8, r7\n" \
    "add r0, r0, #2; str r0, [r12, #12]; add r0, r0, lr; ssat r5, #8, r5\n" \
    "strb r7, [r1, #1]; strb r5, [r0, #-1]; ldr r2, [r12, #24]\n"

#define FC_TILE_SCALE \
    "sub r6, r6, r10; ldr r12, [sp]; sub r4, r4, r8; sub r7, r7, r11; add r0, r0, #4\n" \
    "str r0, [r12]; ldr r0, [r12, #8]; asr r7, r7, #7; sub r5, r5, r9; add r11, r11, r11\n" \
    "ldrd r1, r2, [r0, #4]; add r8, r8, r8; add r9, r9, r9; asr r5, r5, #7\n" \
    "smmulr r9, r9, r1; smmulr r11, r11, r1; add r10, r10, r10; smmulr r10, r10, r1\n" \
    "asr r4, r4, #7; smmulr r8, r8, r1; add r9, r9, r9, asr #31; ldr r3, [r0, #12]\n" \
    "add r11, r11, r11, asr #31; add r9, r9, r3; add r10, r10, r10, asr #31\n" \
    "add r8, r8, r8, asr #31; add r10, r10, r3; asr r9, r9, r2; add r8, r8, r3\n" \
    "asr r8, r8, r2; add r11, r11, r3; ldr r3, [r0, #28]; asr r10, r10, r2\n" \
    "asr r11, r11, r2; ldrd r1, r2, [r0, #20]; add r0, r0, #32; asr r6, r6, #7\n" \
    "ssat r11, #8, r11; smmulr r5, r5, r1; ssat r9, #8, r9; smmulr r4, r4, r1\n" \
    "ssat r10, #8, r10; smmulr r7, r7, r1; ssat r8, #8, r8; str r0, [r12, #8]\n" \
    "ldrd r0, lr, [r12, #12]; add r4, r4, r4, asr #31; smmulr r6, r6, r1\n" \
    "add r1, r0, lr, lsl #1; strb r8, [r0]; add r7, r7, r7, asr #31; strb r9, [r0, lr]\n" \
    "strb r10, [r1]; add r6, r6, r6, asr #31; add r6, r6, r3; add r5, r5, r5, asr #31\n" \
    "add r4, r4, r3; asr r6, r6, r2; asr r4, r4, r2; strb r11, [r1, lr]; ssat r6, #8, r6\n" \
    "add r7, r7, r3; asr r7, r7, r2; strb r6, [r1, #1]; ssat r4, #8, r4; add r5, r5, r3\n" \
    "strb r4, [r0, #1]; add r1, r1, lr; ssat r7, #8, r7; add r0, r0, #2\n" \
    "str r0, [r12, #12]; asr r5, r5, r2; strb r7, [r1, #1]; add r0, r0, lr\n" \
    "ssat r5, #8, r5; strb r5, [r0, #-1]; ldr r2, [r12, #24]\n"

/* The same for the greatest of the four columns: scaling keeps their order. */
#define FC_TILE_MAX_SCALE_ONE_SIDED \
    "sub r4, r4, r8; sub r5, r5, r9; ldr r12, [sp]; sub r6, r6, r10; sub r7, r7, r11\n" \
    "cmp r8, r9; it lt; movlt r8, r9; add r0, r0, #4; str r0, [r12]; ldr r0, [r12, #8]\n" \
    "cmp r10, r11; it lt; movlt r10, r11; ldrd r1, r2, [r0, #4]; ldr r3, [r0, #12]\n" \
    "cmp r4, r5; it lt; movlt r4, r5; cmp r6, r7; it lt; movlt r6, r7; cmp r8, r10; it lt\n" \
    "movlt r8, r10; add r8, r8, r8; smmulr r8, r8, r1; cmp r4, r6; it lt; movlt r4, r6\n" \
    "asr r4, r4, #7; add r8, r8, r3; asr r8, r8, r2; ldr r3, [r0, #28]\n" \
    "ldrd r1, r2, [r0, #20]; add r0, r0, #32; str r0, [r12, #8]; smmulr r4, r4, r1\n" \
    "ldr r0, [r12, #12]; ssat r8, #8, r8; strb r8, [r0]; add r4, r4, r3; asr r4, r4, r2\n" \
    "ssat r4, #8, r4; strb r4, [r0, #1]; ldr r2, [r12, #24]; add r0, r0, #2\n" \
    "str r0, [r12, #12]\n"

#define FC_TILE_MAX_SCALE \
    "add r0, r0, #4; ldr r12, [sp]; sub r4, r4, r8; sub r5, r5, r9; str r0, [r12]\n" \
    "sub r7, r7, r11; cmp r8, r9; it lt; movlt r8, r9; sub r6, r6, r10; cmp r10, r11\n" \
    "it lt; movlt r10, r11; ldr r0, [r12, #8]; cmp r4, r5; it lt; movlt r4, r5\n" \
    "cmp r6, r7; it lt; movlt r6, r7; ldrd r1, r2, [r0, #4]; ldr r3, [r0, #12]\n" \
    "cmp r8, r10; it lt; movlt r8, r10; add r8, r8, r8; smmulr r8, r8, r1; cmp r4, r6\n" \
    "it lt; movlt r4, r6; asr r4, r4, #7; add r8, r8, r8, asr #31; add r8, r8, r3\n" \
    "asr r8, r8, r2; ldrd r1, r2, [r0, #20]; ssat r8, #8, r8; ldr r3, [r0, #28]\n" \
    "add r0, r0, #32; smmulr r4, r4, r1; str r0, [r12, #8]; ldr r0, [r12, #12]\n" \
    "add r4, r4, r4, asr #31; add r4, r4, r3; asr r4, r4, r2; ldr r2, [r12, #24]\n" \
    "strb r8, [r0]; ssat r4, #8, r4; strb r4, [r0, #1]; add r0, r0, #2\n" \
    "str r0, [r12, #12]\n"

#define FC_TILE_FUNCTION(name, scale)                                                                          \
    __attribute__((naked, noinline, unused)) static void name(                                               \
        __attribute__((unused)) struct fc_tile *tile)                                                        \
    {                                                                                                        \
        __asm__ volatile("push {r0, r4-r11, lr}\n"                                                           \
                         "mov r12, r0\n"                                                                     \
                         "1: ldmia r12, {r0, r1, r3}\n"                                                      \
                         "ldr r2, [r12, #20]; ldr r8, [r3]\n"                                                \
                         "ldr r4, [r3, #16]; ldr r12, [r1]\n"                                                \
                         "tst r2, #1; ldr r2, [r0]; ldr lr, [r1, #4]\n"                                      \
                         "add r4, r8, r4, lsl #8; mov r9, r8; mov r10, r8; mov r11, r8\n"                    \
                         "mov r5, r4; mov r6, r4; mov r7, r4\n"                                              \
                         "bne 3f\n" /* an odd number of groups */                                            \
                         "2:\n" FC_TILE_GROUP                                                                \
                         "3:\n" FC_TILE_GROUP                                                                \
                         "cmp r2, #0x80008000\n" /* FC_WEIGHTS_END */                                        \
                         "bne 2b\n" scale                                                                    \
                         "ldr r0, [r12]; cmp r0, r2; bne 1b\n"                                               \
                         "pop {r0, r4-r11, pc}\n");                                                          \
    }
FC_TILE_FUNCTION(fc_tile_one_sided, FC_TILE_SCALE_ONE_SIDED)
FC_TILE_FUNCTION(fc_tile_two_sided, FC_TILE_SCALE)
FC_TILE_FUNCTION(fc_tile_max_one_sided, FC_TILE_MAX_SCALE_ONE_SIDED)
FC_TILE_FUNCTION(fc_tile_max_two_sided, FC_TILE_MAX_SCALE)

/* Outputs of all pairs and columns; or, `greatest`, of the greatest of the four columns. */
FC_INLINE void fc_tile_s8(struct fc_tile *tile, bool one_sided, bool greatest)
{
    if (greatest) {
        (one_sided ? fc_tile_max_one_sided : fc_tile_max_two_sided)(tile);
    } else {
        (one_sided ? fc_tile_one_sided : fc_tile_two_sided)(tile);
    }
}
#else
FC_INLINE void fc_tile_s8(struct fc_tile *tile, bool one_sided, bool greatest)
{
    for (; tile->weights != tile->end; tile->channels += 2, tile->output += 2) {
        const struct fc_down_channel c0 = tile->channels[0], c1 = tile->channels[1];
        int32_t first[FC_TILE], mixed[FC_TILE];
        for (int32_t i = 0; i < FC_TILE; i++) {
            first[i] = c0.bias;
            mixed[i] = (int32_t)((uint32_t)c0.bias + ((uint32_t)c1.bias << 8));
        }
        for (int32_t word = 0; word < 2 * tile->groups; word++) {
            const uint32_t both = fc_load_word(tile->weights), alone = fc_even_bytes(both);
            for (int32_t i = 0; i < FC_TILE; i++) {
                const uint32_t values = fc_load_word(tile->columns + 2 * (word * FC_TILE + i));
                mixed[i] = fc_smlad(both, values, mixed[i]);
                first[i] = fc_smlad(alone, values, first[i]);
            }
            tile->weights += 4;
        }
        tile->weights += sizeof FC_WEIGHTS_END;
        for (int32_t i = 0; i < FC_TILE; i++) {
            mixed[i] = (int32_t)((uint32_t)mixed[i] - (uint32_t)first[i]) >> 7;
            first[i] = (int32_t)((uint32_t)first[i] << 1);
            if (greatest && i > 0) {
                first[0] = first[i] > first[0] ? first[i] : first[0];
                mixed[0] = mixed[i] > mixed[0] ? mixed[i] : mixed[0];
            }
        }
        for (int32_t i = 0; i < (greatest ? 1 : FC_TILE); i++) {
            tile->output[i * tile->stride] = (int8_t)fc_saturate_8(fc_scale_twice(first[i], c0, one_sided));
            tile->output[i * tile->stride + 1] = (int8_t)fc_saturate_8(fc_scale_twice(mixed[i], c1, one_sided));
        }
    }
}
#endif

#endif
