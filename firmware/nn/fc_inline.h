/* Kernels must be compiled into each call, where their shapes are literals; a compiler's own idea of what is
 * too large to inline would leave one general copy. */
#ifndef FC_INLINE_H
#define FC_INLINE_H

#if defined(__GNUC__)
#define FC_INLINE static inline __attribute__((always_inline))
#else
#define FC_INLINE static inline
#endif

#endif
