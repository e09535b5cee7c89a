/* Stand-in: see README.md. */
#ifndef STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H
#define STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H

#include "tensorflow/lite/micro/micro_op_resolver.h"

namespace tflite
{

template <unsigned int tOpCount> class MicroMutableOpResolver : public MicroOpResolver
{
  public:
    size_t count() const override { return count_; }

#define STAND_IN_ADD(name)                                                                                   \
    TfLiteStatus Add##name() { return add(); }
    STAND_IN_ADD(Add)
    STAND_IN_ADD(AveragePool2D)
    STAND_IN_ADD(Conv2D)
    STAND_IN_ADD(DepthwiseConv2D)
    STAND_IN_ADD(Dequantize)
    STAND_IN_ADD(FullyConnected)
    STAND_IN_ADD(Logistic)
    STAND_IN_ADD(MaxPool2D)
    STAND_IN_ADD(Quantize)
    STAND_IN_ADD(Reshape)
    STAND_IN_ADD(Softmax)
#undef STAND_IN_ADD

  private:
    TfLiteStatus add() { return count_ < tOpCount ? (count_++, kTfLiteOk) : kTfLiteError; }

    size_t count_ = 0;
};

} // namespace tflite

#endif
