/* The heart of depthwise convolution over planes (fc_depthwise_planes.h) in assembly: products of 3x3 windows,
 * and the scaling of sums.
 *
 * `words` holds a kernel's weights as fc_depthwise_planes.h lays them out: of each row (w0 w1) (0 w0) (w2 0)
 * (w1 w2). Sums start from `bias`; they lie one after the other, row by row. `pitch` is the distance in bytes
 * of the window's rows; `next` that from where the last pair of outputs of a row has led to the next row. At
 * least one row and one column. */
#ifndef FC_PLANE_SUMS_H
#define FC_PLANE_SUMS_H

#include "fc_fixed.h"

#if defined(__ARM_FEATURE_SIMD32)
/* Two neighbouring outputs meet the words (p0 p1) and (p2 p3) of three rows: 12 multiplications for 18
 * products, in 14 modelled cycles, 2 of them for the stores, which issue beside no multiplication. Each word is
 * loaded two cycles before it is multiplied. The branch back stands amid the multiplications, so that it
 * costs nothing: the first five of a pair are done before the pair is known to exist, and those of the odd
 * output at a row's end among them. r0 source, r1 sums, r2 to r4 (w0 w1), r5 to r7 (w1 w2), r8 pitch, r9 bias,
 * r10 and r11 words of the plane, r12 and lr sums, [sp] the source when a row's pairs are done. */
__attribute__((naked, noinline, unused)) static void
fc_plane_sums_3x3(__attribute__((unused)) const int16_t *source, __attribute__((unused)) int32_t *sums,
                  __attribute__((unused)) const uint32_t *words, __attribute__((unused)) int32_t bias,
                  __attribute__((unused)) int32_t pitch, __attribute__((unused)) int32_t columns,
                  __attribute__((unused)) int32_t rows, __attribute__((unused)) int32_t next)
{
    __asm__ volatile("push   {r3-r11, lr}           \n"
                     "ldr    r8, [sp, #40]          \n"
                     "mov    r9, r3                 \n"
                     "ldr    r3, [r2, #16]          \n"
                     "ldr    r4, [r2, #32]          \n"
                     "ldr    r5, [r2, #12]          \n"
                     "ldr    r6, [r2, #28]          \n"
                     "ldr    r7, [r2, #44]          \n"
                     "ldr    r2, [r2]               \n"
                     "1:                            \n" /* a row */
                     "ldr    r10, [r0]              \n"
                     "ldr    r12, [sp, #44]         \n"
                     "ldr    r11, [r0, r8]          \n"
                     "lsrs   lr, r12, #1            \n"
                     "add    lr, r0, lr, lsl #2     \n"
                     "smlad  r12, r10, r2, r9       \n"
                     "str    lr, [sp]               \n"
                     "smlatb lr, r10, r2, r9        \n"
                     "ldr    r10, [r0, r8, lsl #1]  \n"
                     "smlad  r12, r11, r3, r12      \n"
                     "smlatb lr, r11, r3, lr        \n"
                     "ldr    r11, [r0, #4]!         \n"
                     "smlad  r12, r10, r4, r12      \n"
                     "beq    3f                     \n"
                     "2:                            \n" /* a pair */
                     "smlatb lr, r10, r4, lr        \n"
                     "ldr    r10, [r0, r8]          \n"
                     "smlabt r12, r11, r5, r12      \n"
                     "smlad  lr, r11, r5, lr        \n"
                     "ldr    r11, [r0, r8, lsl #1]  \n"
                     "smlabt r12, r10, r6, r12      \n"
                     "smlad  lr, r10, r6, lr        \n"
                     "ldr    r10, [r0]              \n"
                     "smlabt r12, r11, r7, r12      \n"
                     "smlad  lr, r11, r7, lr        \n"
                     "ldr    r11, [r0, r8]          \n"
                     "str    r12, [r1], #8          \n"
                     "ldr    r12, [sp]              \n"
                     "str    lr, [r1, #-4]          \n"
                     "cmp    r0, r12                \n"
                     "smlatb lr, r10, r2, r9        \n"
                     "smlad  r12, r10, r2, r9       \n"
                     "ldr    r10, [r0, r8, lsl #1]  \n"
                     "smlad  r12, r11, r3, r12      \n"
                     "smlatb lr, r11, r3, lr        \n"
                     "ldr    r11, [r0, #4]!         \n"
                     "smlad  r12, r10, r4, r12      \n"
                     "bne    2b                     \n"
                     "3:                            \n"
                     "ldr    lr, [sp, #44]          \n"
                     "lsls   lr, lr, #31            \n"
                     "beq    4f                     \n"
                     "smlabt r12, r11, r5, r12      \n" /* the odd output */
                     "ldr    r10, [r0, r8]          \n"
                     "ldr    r11, [r0, r8, lsl #1]  \n"
                     "smlabt r12, r10, r6, r12      \n"
                     "smlabt r12, r11, r7, r12      \n"
                     "str    r12, [r1], #4          \n"
                     "4:                            \n"
                     "ldr    r10, [sp, #52]         \n"
                     "ldr    r11, [sp, #48]         \n"
                     "add    r0, r0, r10            \n"
                     "subs   r11, r11, #1           \n"
                     "str    r11, [sp, #48]         \n"
                     "bne    1b                     \n"
                     "pop    {r3-r11, pc}           \n");
}

/* The same for outputs two columns apart: a pair meets (p0 p1), (p2 p3) and (p4 p5), in 14 cycles. r5 holds w2
 * of two rows, r7 of the third; r6 what r0 is in the middle of a row's last pair. */
__attribute__((naked, noinline, unused)) static void
fc_plane_sums_3x3_stride_2(__attribute__((unused)) const int16_t *source,
                           __attribute__((unused)) int32_t *sums,
                           __attribute__((unused)) const uint32_t *words,
                           __attribute__((unused)) int32_t bias, __attribute__((unused)) int32_t pitch,
                           __attribute__((unused)) int32_t columns, __attribute__((unused)) int32_t rows,
                           __attribute__((unused)) int32_t next)
{
    __asm__ volatile("push   {r4-r11, lr}           \n"
                     "ldr    r8, [sp, #36]          \n"
                     "mov    r9, r3                 \n"
                     "ldr    r5, [r2, #8]           \n"
                     "ldr    r6, [r2, #24]          \n"
                     "ldr    r7, [r2, #40]          \n"
                     "pkhbt  r5, r5, r6, lsl #16    \n"
                     "ldr    r3, [r2, #16]          \n"
                     "ldr    r4, [r2, #32]          \n"
                     "ldr    r2, [r2]               \n"
                     "1:                            \n" /* a row */
                     "ldr    r12, [sp, #40]         \n"
                     "ldr    r10, [r0]              \n"
                     "lsrs   r12, r12, #1           \n"
                     "add    r6, r0, r12, lsl #3    \n"
                     "ldr    r11, [r0, r8]          \n"
                     "sub    r6, r6, #4             \n"
                     "beq    3f                     \n"
                     "2:                            \n" /* a pair; r10 and r11 are there */
                     "smlad  r12, r10, r2, r9       \n"
                     "ldr    r10, [r0, r8, lsl #1]  \n"
                     "smlad  r12, r11, r3, r12      \n"
                     "ldr    r11, [r0, #4]!         \n"
                     "smlad  r12, r10, r4, r12      \n"
                     "ldr    r10, [r0, r8]          \n"
                     "smlabb r12, r11, r5, r12      \n"
                     "cmp    r0, r6                 \n"
                     "smlad  lr, r11, r2, r9        \n"
                     "ldr    r11, [r0, r8, lsl #1]  \n"
                     "smlabt r12, r10, r5, r12      \n"
                     "smlad  lr, r10, r3, lr        \n"
                     "ldr    r10, [r0, #4]!         \n"
                     "smlabb r12, r11, r7, r12      \n"
                     "smlad  lr, r11, r4, lr        \n"
                     "ldr    r11, [r0, r8]          \n"
                     "str    r12, [r1], #8          \n"
                     "ldr    r12, [r0, r8, lsl #1]  \n"
                     "smlabb lr, r10, r5, lr        \n"
                     "smlabt lr, r11, r5, lr        \n"
                     "smlabb lr, r12, r7, lr        \n"
                     "str    lr, [r1, #-4]          \n"
                     "bne    2b                     \n"
                     "3:                            \n"
                     "ldr    lr, [sp, #40]          \n"
                     "lsls   lr, lr, #31            \n"
                     "beq    4f                     \n"
                     "smlad  r12, r10, r2, r9       \n" /* the odd output */
                     "ldr    r11, [r0, r8]          \n"
                     "ldr    r10, [r0, r8, lsl #1]  \n"
                     "smlad  r12, r11, r3, r12      \n"
                     "add    lr, r0, #4             \n"
                     "smlad  r12, r10, r4, r12      \n"
                     "ldr    r11, [lr]              \n"
                     "ldr    r10, [lr, r8]          \n"
                     "smlabb r12, r11, r5, r12      \n"
                     "ldr    r11, [lr, r8, lsl #1]  \n"
                     "smlabt r12, r10, r5, r12      \n"
                     "smlabb r12, r11, r7, r12      \n"
                     "str    r12, [r1], #4          \n"
                     "4:                            \n"
                     "ldr    r10, [sp, #48]         \n"
                     "ldr    r11, [sp, #44]         \n"
                     "add    r0, r0, r10            \n"
                     "subs   r11, r11, #1           \n"
                     "str    r11, [sp, #44]         \n"
                     "bne    1b                     \n"
                     "pop    {r4-r11, pc}           \n");
}

/* Scales `rows` rows of `count` doubled sums into outputs that lie `step` bytes apart, the rows `row_step`
 * bytes; saturates. SIGN prepares in r12 the rounding of a sum whose sign counts, so that halves go away
 * from zero. Four in 12 cycles, or 16 where the sign counts. r0 sums, r1 output, r2 and r7 four and three steps,
 * r3 step, r4 mantissa, r5 shift, r6 rounding, r8 to r11 values, lr end of a row's fours, [sp] the row's first
 * output. */
#define FC_FINISH_SUMS(NAME, SIGN, ROUNDING)                                                                 \
    __attribute__((naked, noinline, unused)) static void NAME(                                               \
        __attribute__((unused)) const int32_t *sums, __attribute__((unused)) int8_t *output,                 \
        __attribute__((unused)) const struct fc_down_channel *channel, __attribute__((unused)) int32_t step, \
        __attribute__((unused)) int32_t count, __attribute__((unused)) int32_t rows,                         \
        __attribute__((unused)) int32_t row_step)                                                            \
    {                                                                                                        \
        __asm__ volatile("push   {r1, r4-r11, lr}       \n"                                                  \
                         "ldr    r4, [r2, #4]           \n"                                                  \
                         "ldr    r5, [r2, #8]           \n"                                                  \
                         "ldr    r6, [r2, #12]          \n"                                                  \
                         "add    r7, r3, r3, lsl #1     \n"                                                  \
                         "lsl    r2, r3, #2             \n"                                                  \
                         "1:                            \n"                                                  \
                         "ldr    lr, [sp, #40]          \n"                                                  \
                         "sub    r1, r1, r2             \n"                                                  \
                         "lsrs   lr, lr, #2             \n"                                                  \
                         "add    lr, r0, lr, lsl #4     \n"                                                  \
                         "beq    3f                     \n"                                                  \
                         "2:                            \n"                                                  \
                         "ldr    r8, [r0]               \n"                                                  \
                         "ldr    r9, [r0, #4]           \n"                                                  \
                         SIGN("r8")                                                                          \
                         "smmlar r8, r8, r4, " ROUNDING "\n"                                                 \
                         "ldr    r10, [r0, #8]          \n"                                                  \
                         SIGN("r9")                                                                          \
                         "smmlar r9, r9, r4, " ROUNDING "\n"                                                 \
                         "ldr    r11, [r0, #12]         \n"                                                  \
                         SIGN("r10")                                                                         \
                         "smmlar r10, r10, r4, " ROUNDING "\n"                                               \
                         "asr    r8, r8, r5             \n"                                                  \
                         SIGN("r11")                                                                         \
                         "smmlar r11, r11, r4, " ROUNDING "\n"                                               \
                         "asr    r9, r9, r5             \n"                                                  \
                         "ssat   r8, #8, r8             \n"                                                  \
                         "add    r1, r1, r2             \n"                                                  \
                         "asr    r10, r10, r5           \n"                                                  \
                         "add    r0, r0, #16            \n"                                                  \
                         "ssat   r9, #8, r9             \n"                                                  \
                         "strb   r8, [r1]               \n"                                                  \
                         "asr    r11, r11, r5           \n"                                                  \
                         "cmp    r0, lr                 \n"                                                  \
                         "ssat   r10, #8, r10           \n"                                                  \
                         "strb   r9, [r1, r3]           \n"                                                  \
                         "ssat   r11, #8, r11           \n"                                                  \
                         "strb   r10, [r1, r3, lsl #1]  \n"                                                  \
                         "strb   r11, [r1, r7]          \n"                                                  \
                         "bne    2b                     \n"                                                  \
                         "3:                            \n"                                                  \
                         "ldr    lr, [sp, #40]          \n"                                                  \
                         "add    r1, r1, r2             \n"                                                  \
                         "lsls   lr, lr, #31            \n"                                                  \
                         "bcc    4f                     \n"                                                  \
                         "ldr    r8, [r0], #4           \n"                                                  \
                         "ldr    r9, [r0], #4           \n"                                                  \
                         SIGN("r8")                                                                          \
                         "smmlar r8, r8, r4, " ROUNDING "\n"                                                 \
                         SIGN("r9")                                                                          \
                         "smmlar r9, r9, r4, " ROUNDING "\n"                                                 \
                         "asr    r8, r8, r5             \n"                                                  \
                         "asr    r9, r9, r5             \n"                                                  \
                         "ssat   r8, #8, r8             \n"                                                  \
                         "ssat   r9, #8, r9             \n"                                                  \
                         "strb   r8, [r1]               \n"                                                  \
                         "strb   r9, [r1, r3]           \n"                                                  \
                         "add    r1, r1, r3, lsl #1     \n"                                                  \
                         "4:                            \n"                                                  \
                         "bpl    5f                     \n"                                                  \
                         "ldr    r8, [r0], #4           \n"                                                  \
                         SIGN("r8")                                                                          \
                         "smmlar r8, r8, r4, " ROUNDING "\n"                                                 \
                         "asr    r8, r8, r5             \n"                                                  \
                         "ssat   r8, #8, r8             \n"                                                  \
                         "strb   r8, [r1]               \n"                                                  \
                         "5:                            \n"                                                  \
                         "ldr    lr, [sp, #44]          \n"                                                  \
                         "ldr    r1, [sp]               \n"                                                  \
                         "ldr    r8, [sp, #48]          \n"                                                  \
                         "subs   lr, lr, #1             \n"                                                  \
                         "str    lr, [sp, #44]          \n"                                                  \
                         "add    r1, r1, r8             \n"                                                  \
                         "str    r1, [sp]               \n"                                                  \
                         "bne    1b                     \n"                                                  \
                         "add    sp, sp, #4             \n"                                                  \
                         "pop    {r4-r11, pc}           \n");                                                \
    }
#define FC_SIGN_COUNTS(VALUE) "add    r12, r6, " VALUE ", asr #31 \n"
#define FC_SIGN_IGNORED(VALUE)
FC_FINISH_SUMS(fc_finish_sums, FC_SIGN_COUNTS, "r12")
FC_FINISH_SUMS(fc_finish_sums_one_sided, FC_SIGN_IGNORED, "r6")
#endif

#endif
