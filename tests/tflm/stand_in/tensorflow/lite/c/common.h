/* Stand-in: see README.md. */
#ifndef STAND_IN_COMMON_H
#define STAND_IN_COMMON_H

#include <cstddef>
#include <cstdint>

/* The real structures differ without it. */
#ifndef TF_LITE_STATIC_MEMORY
#error "compile as the library was compiled"
#endif

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

union TfLitePtrUnion {
    char *raw;
    int8_t *int8;
};

struct TfLiteTensor {
    TfLitePtrUnion data;
    size_t bytes;
};

#endif
