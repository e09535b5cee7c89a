/* The products of Winograd's convolution (fc_winograd.h). */
#ifndef FC_WINOGRAD_PRODUCTS_H
#define FC_WINOGRAD_PRODUCTS_H

#include "fc_simd.h"

#define FC_WINOGRAD_POSITIONS 16 /* of a transformed tile or kernel */
#define FC_WINOGRAD_CHANNELS 4   /* output channels computed together */
#define FC_WINOGRAD_PAIR 2       /* tiles computed together */
#define FC_WINOGRAD_SUMS (FC_WINOGRAD_POSITIONS * FC_WINOGRAD_CHANNELS * FC_WINOGRAD_PAIR)

/* Words that may be read, but are not used, behind packed weights. */
#define FC_WINOGRAD_MARGIN 1

/* Products of four output channels with a pair of tiles, for each of the 16 positions, over `quads` times
 * four input channels. A word holds two input channels. Words of weights: position, channel pair, output
 * channel; of inputs: position, channel pair, tile; of sums: position, output channel, tile. Reads
 * FC_WINOGRAD_MARGIN words behind the weights, two words behind the inputs. */
#if defined(__ARM_FEATURE_SIMD32)
/* Eight SMLAD, each beside a load, an addition or a hint, no load used in the next cycle: 16 multiplications in
 * 8 cycles. The hint is for weights two cache lines behind. r0 weights, r1 inputs, r2 and r3 words of weights,
 * r4 and r5 of inputs, r6 to r12 and lr sums. No register is left to count: the loop is unrolled for the usual
 * numbers of channels; otherwise the end of the position's inputs is kept on the stack. The order of the inputs
 * alternates, so that each is free two cycles before its successor is needed. */
/* clang-format off */
#define FC_WINOGRAD_FIRST(sum, a, b) "smuad " sum ", " a ", " b "\n"
#define FC_WINOGRAD_NEXT(sum, a, b) "smlad " sum ", " a ", " b ", " sum "\n"
#define FC_WINOGRAD_QUAD(MULTIPLY, successor)                                                                \
    MULTIPLY("r6", "r2", "r4")   "ldr r3, [r0, #36] \n"                                                      \
    MULTIPLY("r7", "r2", "r5")   "ldr r2, [r0, #40] \n"                                                      \
    MULTIPLY("r9", "r3", "r5")   "adds r0, #32      \n"                                                      \
    MULTIPLY("r8", "r3", "r4")                                                                               \
    MULTIPLY("r10", "r2", "r4")  "ldr r3, [r0, #12] \n"                                                      \
    MULTIPLY("r11", "r2", "r5")  "ldr r2, [r0, #16] \n"                                                      \
    MULTIPLY("lr", "r3", "r5")   "ldr r5, [r1, #12] \n"                                                      \
    MULTIPLY("r12", "r3", "r4")  "ldr r4, [r1, #8]  \n"                                                      \
    FC_WINOGRAD_NEXT("r7", "r2", "r5")   "ldr r3, [r0, #20] \n"                                              \
    FC_WINOGRAD_NEXT("r6", "r2", "r4")   "ldr r2, [r0, #24] \n"                                              \
    FC_WINOGRAD_NEXT("r8", "r3", "r4")   "adds r1, #16      \n"                                              \
    FC_WINOGRAD_NEXT("r9", "r3", "r5")   "ldr r3, [r0, #28] \n"                                              \
    FC_WINOGRAD_NEXT("r11", "r2", "r5")  "pld [r0, #96]     \n"                                              \
    FC_WINOGRAD_NEXT("r10", "r2", "r4")  "ldr r2, " successor "\n"                                           \
    FC_WINOGRAD_NEXT("r12", "r3", "r4")  "ldr r4, [r1]      \n"                                              \
    FC_WINOGRAD_NEXT("lr", "r3", "r5")   "ldr r5, [r1, #4]  \n"

/* Loaded last: the next weights, or where a position's sums go. */
#define FC_WINOGRAD_WEIGHTS "[r0, #32]"
#define FC_WINOGRAD_WHERE "[sp, #4]"

/* r7 becomes where the next position's sums go. */
#define FC_WINOGRAD_KEEP                                                                                     \
    "ldr   r3, [r0, #32]     \n"                                                                             \
    "stmia r2!, {r6-r12, lr} \n"                                                                             \
    "str   r2, [sp, #4]      \n"                                                                             \
    "mov   r7, r2            \n"                                                                             \
    "mov   r2, r3            \n"

/* So many positions, as many as are worth their code, of exactly `2 + more` quads. */
#define FC_WINOGRAD_UNROLLED(positions, more)                                                                \
    ".rept " #positions "\n"                                                                                 \
    FC_WINOGRAD_QUAD(FC_WINOGRAD_FIRST, FC_WINOGRAD_WEIGHTS)                                                 \
    ".rept " #more "\n"                                                                                      \
    FC_WINOGRAD_QUAD(FC_WINOGRAD_NEXT, FC_WINOGRAD_WEIGHTS)                                                  \
    ".endr \n"                                                                                               \
    FC_WINOGRAD_QUAD(FC_WINOGRAD_NEXT, FC_WINOGRAD_WHERE)                                                    \
    FC_WINOGRAD_KEEP                                                                                         \
    ".endr \n"

/* A position of a multiple of `step` quads. */
#define FC_WINOGRAD_LOOP(step)                                                                               \
    "ldr  r6, [sp]     \n"                                                                                   \
    "ldr  r7, [sp, #8] \n"                                                                                   \
    "add  r6, r7       \n"                                                                                   \
    "str  r6, [sp]     \n" /* end of this position's inputs */                                               \
    "movs r6, #0       \n"                                                                                   \
    "mov  r7, r6       \n"                                                                                   \
    "mov  r8, r6       \n"                                                                                   \
    "mov  r9, r6       \n"                                                                                   \
    "mov  r10, r6      \n"                                                                                   \
    "mov  r11, r6      \n"                                                                                   \
    "mov  r12, r6      \n"                                                                                   \
    "mov  lr, r6       \n"                                                                                   \
    "1:                \n"                                                                                   \
    ".rept " #step "\n"                                                                                      \
    FC_WINOGRAD_QUAD(FC_WINOGRAD_NEXT, FC_WINOGRAD_WEIGHTS)                                                  \
    ".endr             \n"                                                                                   \
    "ldr  r3, [sp]     \n"                                                                                   \
    "cmp  r1, r3       \n"                                                                                   \
    "bne  1b           \n"                                                                                   \
    "ldr  r2, " FC_WINOGRAD_WHERE "\n"                                                                       \
    FC_WINOGRAD_KEEP
/* clang-format on */

#define FC_WINOGRAD_FUNCTION(name, positions)                                                                \
    __attribute__((naked, noinline, unused)) static void name(                                               \
        __attribute__((unused)) const uint32_t *weights, __attribute__((unused)) const uint32_t *inputs,     \
        __attribute__((unused)) int32_t *sums, __attribute__((unused)) int32_t quads)                        \
    {                                                                                                        \
        __asm__ volatile("push  {r4-r11, lr}      \n"                                                        \
                         "lsls  r3, r3, #4        \n" /* bytes of a position's inputs */                     \
                         "add   r4, r2, #512      \n" /* end of the sums */                                  \
                         "push  {r1-r4}           \n"                                                        \
                         "subs  r0, #32           \n"                                                        \
                         "ldr   r2, [r0, #32]     \n"                                                        \
                         "ldr   r4, [r1]          \n"                                                        \
                         "ldr   r5, [r1, #4]      \n"                                                        \
                         "2:                      \n" positions "ldr   r6, [sp, #12]     \n"                 \
                         "cmp   r7, r6            \n"                                                        \
                         "bne   2b                \n"                                                        \
                         "add   sp, #16           \n"                                                        \
                         "pop   {r4-r11, pc}      \n");                                                      \
    }

FC_WINOGRAD_FUNCTION(fc_winograd_products_2, FC_WINOGRAD_UNROLLED(4, 0))
FC_WINOGRAD_FUNCTION(fc_winograd_products_4, FC_WINOGRAD_UNROLLED(2, 2))
FC_WINOGRAD_FUNCTION(fc_winograd_products_8, FC_WINOGRAD_UNROLLED(1, 6))
FC_WINOGRAD_FUNCTION(fc_winograd_products_16, FC_WINOGRAD_UNROLLED(1, 14))
FC_WINOGRAD_FUNCTION(fc_winograd_products_by_1, FC_WINOGRAD_LOOP(1))
FC_WINOGRAD_FUNCTION(fc_winograd_products_by_4, FC_WINOGRAD_LOOP(4))
FC_WINOGRAD_FUNCTION(fc_winograd_products_by_16, FC_WINOGRAD_LOOP(16))

FC_INLINE void fc_winograd_products(const uint32_t *weights, const uint32_t *inputs, int32_t *sums,
                                    int32_t quads)
{
    if (quads == 2) {
        fc_winograd_products_2(weights, inputs, sums, quads);
    } else if (quads == 4) {
        fc_winograd_products_4(weights, inputs, sums, quads);
    } else if (quads == 8) {
        fc_winograd_products_8(weights, inputs, sums, quads);
    } else if (quads == 16) {
        fc_winograd_products_16(weights, inputs, sums, quads);
    } else if (quads % 16 == 0) {
        fc_winograd_products_by_16(weights, inputs, sums, quads);
    } else if (quads % 4 == 0) {
        fc_winograd_products_by_4(weights, inputs, sums, quads);
    } else {
        fc_winograd_products_by_1(weights, inputs, sums, quads);
    }
}
#else
FC_INLINE void fc_winograd_products(const uint32_t *weights, const uint32_t *inputs, int32_t *sums,
                                    int32_t quads)
{
    for (int32_t position = 0; position < FC_WINOGRAD_POSITIONS; position++) {
        for (int32_t i = 0; i < FC_WINOGRAD_CHANNELS * FC_WINOGRAD_PAIR; i++) {
            int32_t sum = 0;
            for (int32_t pair = 0; pair < 2 * quads; pair++) {
                sum = fc_smlad(weights[pair * FC_WINOGRAD_CHANNELS + i / FC_WINOGRAD_PAIR],
                               inputs[pair * FC_WINOGRAD_PAIR + i % FC_WINOGRAD_PAIR], sum);
            }
            *sums++ = sum;
        }
        weights += 2 * quads * FC_WINOGRAD_CHANNELS;
        inputs += 2 * quads * FC_WINOGRAD_PAIR;
    }
}
#endif

#endif
