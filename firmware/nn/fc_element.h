/* Elements of int8 or int16 arrays, so that one loop serves both; `wide` is a literal. */
#ifndef FC_ELEMENT_H
#define FC_ELEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "fc_inline.h"

FC_INLINE int32_t fc_element(const void *array, int32_t index, bool wide)
{
    return wide ? ((const int16_t *)array)[index] : ((const int8_t *)array)[index];
}

FC_INLINE void fc_set_element(void *array, int32_t index, int32_t value, bool wide)
{
    if (wide) {
        ((int16_t *)array)[index] = (int16_t)value;
    } else {
        ((int8_t *)array)[index] = (int8_t)value;
    }
}

#endif
