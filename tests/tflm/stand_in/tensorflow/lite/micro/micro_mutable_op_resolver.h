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

/* Of the operators that generator/read takes, those that the library has; whoever adds one looks there. */
#define STAND_IN_ADD(name)                                                                                   \
    TfLiteStatus Add##name() { return add(); }
    STAND_IN_ADD(Abs)
    STAND_IN_ADD(Add)
    STAND_IN_ADD(ArgMax)
    STAND_IN_ADD(ArgMin)
    STAND_IN_ADD(AveragePool2D)
    STAND_IN_ADD(BatchMatMul)
    STAND_IN_ADD(BatchToSpaceNd)
    STAND_IN_ADD(BroadcastTo)
    STAND_IN_ADD(Ceil)
    STAND_IN_ADD(Concatenation)
    STAND_IN_ADD(Conv2D)
    STAND_IN_ADD(Cos)
    STAND_IN_ADD(DepthToSpace)
    STAND_IN_ADD(DepthwiseConv2D)
    STAND_IN_ADD(Dequantize)
    STAND_IN_ADD(Div)
    STAND_IN_ADD(Elu)
    STAND_IN_ADD(Exp)
    STAND_IN_ADD(ExpandDims)
    STAND_IN_ADD(Floor)
    STAND_IN_ADD(FullyConnected)
    STAND_IN_ADD(Gather)
    STAND_IN_ADD(HardSwish)
    STAND_IN_ADD(LeakyRelu)
    STAND_IN_ADD(Log)
    STAND_IN_ADD(Logistic)
    STAND_IN_ADD(LogSoftmax)
    STAND_IN_ADD(MaxPool2D)
    STAND_IN_ADD(Maximum)
    STAND_IN_ADD(Mean)
    STAND_IN_ADD(Minimum)
    STAND_IN_ADD(MirrorPad)
    STAND_IN_ADD(Mul)
    STAND_IN_ADD(Neg)
    STAND_IN_ADD(Pack)
    STAND_IN_ADD(Pad)
    STAND_IN_ADD(PadV2)
    STAND_IN_ADD(Prelu)
    STAND_IN_ADD(Quantize)
    STAND_IN_ADD(ReduceMax)
    STAND_IN_ADD(ReduceMin)
    STAND_IN_ADD(Relu)
    STAND_IN_ADD(Relu6)
    STAND_IN_ADD(Reshape)
    STAND_IN_ADD(ResizeBilinear)
    STAND_IN_ADD(ResizeNearestNeighbor)
    STAND_IN_ADD(ReverseV2)
    STAND_IN_ADD(Round)
    STAND_IN_ADD(Rsqrt)
    STAND_IN_ADD(Sin)
    STAND_IN_ADD(Slice)
    STAND_IN_ADD(Softmax)
    STAND_IN_ADD(SpaceToBatchNd)
    STAND_IN_ADD(SpaceToDepth)
    STAND_IN_ADD(Split)
    STAND_IN_ADD(SplitV)
    STAND_IN_ADD(Sqrt)
    STAND_IN_ADD(Square)
    STAND_IN_ADD(SquaredDifference)
    STAND_IN_ADD(Squeeze)
    STAND_IN_ADD(StridedSlice)
    STAND_IN_ADD(Sub)
    STAND_IN_ADD(Sum)
    STAND_IN_ADD(Svdf)
    STAND_IN_ADD(Tanh)
    STAND_IN_ADD(Transpose)
    STAND_IN_ADD(TransposeConv)
    STAND_IN_ADD(UnidirectionalSequenceLSTM)
    STAND_IN_ADD(Unpack)
#undef STAND_IN_ADD

  private:
    TfLiteStatus add() { return count_ < tOpCount ? (count_++, kTfLiteOk) : kTfLiteError; }

    size_t count_ = 0;
};

} // namespace tflite

#endif
