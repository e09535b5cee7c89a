/* Where things live on the target. Off the target the macros are empty.
 *
 *     FC_ITCM void hot_kernel(void) { ... }             runs from ITCM, copied there at reset
 *     FC_DTCM_RODATA static const int8_t weights[] = …  read from DTCM, copied there at reset
 *     FC_AXI_BSS static int8_t arena[4096];             zeroed at reset, takes no flash
 *
 * One memory, one letter of law: *_BSS must have no initialiser, *_DATA must not be const, *_RODATA must be.
 */
#ifndef FC_SECTIONS_H
#define FC_SECTIONS_H

#if defined(__ARM_ARCH_7EM__)
#define FC_SECTION(name) __attribute__((section(name)))
/* Not inlined: an inlined copy would run from its caller's memory. */
#define FC_ITCM __attribute__((section(".itcm_text"), noinline))
#else
#define FC_SECTION(name)
#define FC_ITCM
#endif

#define FC_DTCM_BSS FC_SECTION(".dtcm_bss")
#define FC_DTCM_DATA FC_SECTION(".dtcm_data")
#define FC_DTCM_RODATA FC_SECTION(".dtcm_rodata")
#define FC_AXI_BSS FC_SECTION(".axi_bss")
#define FC_AXI_DATA FC_SECTION(".axi_data")
#define FC_SRAM1_BSS FC_SECTION(".sram1_bss")
#define FC_SRAM2_BSS FC_SECTION(".sram2_bss")
#define FC_SRAM3_BSS FC_SECTION(".sram3_bss")
#define FC_SRAM4_BSS FC_SECTION(".sram4_bss")

#endif
