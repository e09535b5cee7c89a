/* Stand-in: see README.md. */
#ifndef STAND_IN_MICRO_INTERPRETER_H
#define STAND_IN_MICRO_INTERPRETER_H

#include "tensorflow/lite/micro/micro_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#define TFLITE_SCHEMA_VERSION (3)

namespace tflite
{

class MicroResourceVariables;
class MicroProfilerInterface;

class MicroInterpreter
{
  public:
    MicroInterpreter(const Model *model, const MicroOpResolver &op_resolver, uint8_t *tensor_arena,
                     size_t tensor_arena_size, MicroResourceVariables *resource_variables = nullptr,
                     MicroProfilerInterface *profiler = nullptr, bool preserve_all_tensors = false);
    ~MicroInterpreter();

    TfLiteStatus AllocateTensors();
    TfLiteStatus Invoke();
    TfLiteTensor *input(size_t index);
    TfLiteTensor *output(size_t index);
    size_t inputs_size() const;
    size_t outputs_size() const;
    size_t arena_used_bytes() const { return used_; }

  private:
    const Model *model_;
    const MicroOpResolver &op_resolver_;
    uint8_t *arena_;
    size_t arena_size_;
    size_t used_ = 0;
    TfLiteTensor *tensors_ = nullptr; /* inputs, then outputs */
};

} // namespace tflite

#endif
