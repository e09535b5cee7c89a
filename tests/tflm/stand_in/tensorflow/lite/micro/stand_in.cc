/* Stand-in: see README.md. */
#include <cmath>
#include <cstdarg>
#include <cstring>

#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_time.h"

namespace tflite
{

namespace
{

uint32_t read_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* What an offset leads to. */
const uint8_t *follow(const uint8_t *at) { return at + read_u32(at); }

/* Element of a vector of tables or numbers, `vector` being the field that holds its offset. */
const uint8_t *element(const uint8_t *vector, size_t index) { return follow(vector) + 4 + 4 * index; }
size_t length(const uint8_t *vector) { return read_u32(follow(vector)); }

const Table *table(const uint8_t *at) { return reinterpret_cast<const Table *>(follow(at)); }

enum { MODEL_SUBGRAPHS = 2, SUBGRAPH_TENSORS = 0, SUBGRAPH_INPUTS = 1, SUBGRAPH_OUTPUTS = 2 };
enum { TENSOR_SHAPE = 0, TENSOR_TYPE = 1, TYPE_FLOAT32 = 0 };

const Table *subgraph(const Model *model) { return table(element(model->field(MODEL_SUBGRAPHS), 0)); }

size_t tensor_bytes(const Table *graph, uint32_t index)
{
    const Table *tensor = table(element(graph->field(SUBGRAPH_TENSORS), index));
    const uint8_t *type = tensor->field(TENSOR_TYPE);
    size_t bytes = type == nullptr || *type == TYPE_FLOAT32 ? 4 : 1;
    const uint8_t *shape = tensor->field(TENSOR_SHAPE);
    for (size_t i = 0; i < length(shape); i++) {
        bytes *= read_u32(element(shape, i));
    }
    return bytes;
}

void log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    DebugLog(format, arguments);
    va_end(arguments);
}

/* Constructed before main and destroyed at exit, as objects of a library may be. */
struct Global {
    Global() : constructed(42) {}
    virtual ~Global() { constructed = 0; }
    volatile int constructed;
};
Global global;

/* TFLM makes multipliers of scales with doubles and functions of libm, whatever the core can do. */
bool multiplier_is_right(double scale)
{
    int shift;
    const double fraction = std::round(std::frexp(scale, &shift) * 2147483648.0);
    return fraction == 1078071040.0 && shift == -7 && std::exp(scale) > 1.0;
}

} // namespace

const uint8_t *Table::field(size_t index) const
{
    const uint8_t *vtable = here() - static_cast<int32_t>(read_u32(here()));
    const size_t size = static_cast<size_t>(vtable[0] | vtable[1] << 8);
    const size_t at = 4 + 2 * index;
    const size_t offset = at + 2 <= size ? static_cast<size_t>(vtable[at] | vtable[at + 1] << 8) : 0;
    return offset == 0 ? nullptr : here() + offset;
}

uint32_t Table::number(size_t index) const
{
    const uint8_t *at = field(index);
    return at == nullptr ? 0 : read_u32(at);
}

const Model *GetModel(const void *buffer)
{
    return static_cast<const Model *>(table(static_cast<const uint8_t *>(buffer)));
}

MicroInterpreter::MicroInterpreter(const Model *model, const MicroOpResolver &op_resolver,
                                   uint8_t *tensor_arena, size_t tensor_arena_size, MicroResourceVariables *,
                                   MicroProfilerInterface *, bool)
    : model_(model), op_resolver_(op_resolver), arena_(tensor_arena), arena_size_(tensor_arena_size)
{
}

MicroInterpreter::~MicroInterpreter() {}

TfLiteStatus MicroInterpreter::AllocateTensors()
{
    const Table *graph = subgraph(model_);
    const size_t count = inputs_size() + outputs_size();
    size_t needed = (count * sizeof(TfLiteTensor) + 15) / 16 * 16;
    size_t at = needed;
    for (size_t i = 0; i < count; i++) {
        const bool in = i < inputs_size();
        const uint8_t *list = graph->field(in ? SUBGRAPH_INPUTS : SUBGRAPH_OUTPUTS);
        needed += (tensor_bytes(graph, read_u32(element(list, in ? i : i - inputs_size()))) + 15) / 16 * 16;
    }
    if (needed > arena_size_) {
        log("Arena size is too small for all buffers. Needed %u but only %zu was available, %s %d%%.%c\n",
            static_cast<unsigned>(needed), arena_size_, "missing", -7, '!');
        return kTfLiteError;
    }
    tensors_ = reinterpret_cast<TfLiteTensor *>(arena_);
    for (size_t i = 0; i < count; i++) {
        const bool in = i < inputs_size();
        const uint8_t *list = graph->field(in ? SUBGRAPH_INPUTS : SUBGRAPH_OUTPUTS);
        tensors_[i].bytes = tensor_bytes(graph, read_u32(element(list, in ? i : i - inputs_size())));
        tensors_[i].data.raw = reinterpret_cast<char *>(arena_ + at);
        at += (tensors_[i].bytes + 15) / 16 * 16;
    }
    used_ = needed;
    volatile double scale = 1078071040.0 / 2147483648.0 / 128.0;
    if (!multiplier_is_right(scale)) {
        return kTfLiteError;
    }
    return op_resolver_.count() > 0 ? kTfLiteOk : kTfLiteError;
}

TfLiteStatus MicroInterpreter::Invoke()
{
    if (global.constructed != 42 || ticks_per_second() == 0) {
        return kTfLiteError;
    }
    (void)GetCurrentTimeTicks();
    const TfLiteTensor &from = tensors_[0];
    for (size_t i = 0; i < outputs_size(); i++) {
        TfLiteTensor *to = output(i);
        for (size_t k = 0; k < to->bytes; k++) {
            to->data.raw[k] = static_cast<char>(~from.data.raw[k % from.bytes]);
        }
    }
    return kTfLiteOk;
}

TfLiteTensor *MicroInterpreter::input(size_t index) { return &tensors_[index]; }
TfLiteTensor *MicroInterpreter::output(size_t index) { return &tensors_[inputs_size() + index]; }
size_t MicroInterpreter::inputs_size() const { return length(subgraph(model_)->field(SUBGRAPH_INPUTS)); }
size_t MicroInterpreter::outputs_size() const { return length(subgraph(model_)->field(SUBGRAPH_OUTPUTS)); }

} // namespace tflite
