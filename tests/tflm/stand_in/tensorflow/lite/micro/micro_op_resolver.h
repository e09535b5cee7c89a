/* Stand-in: see README.md. */
#ifndef STAND_IN_MICRO_OP_RESOLVER_H
#define STAND_IN_MICRO_OP_RESOLVER_H

#include "tensorflow/lite/c/common.h"

namespace tflite
{

class MicroOpResolver
{
  public:
    virtual size_t count() const = 0;
    virtual ~MicroOpResolver() {}
};

} // namespace tflite

#endif
