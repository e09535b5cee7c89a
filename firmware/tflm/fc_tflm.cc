#include "fc_tflm.h"

#include <new>

#include "firmware/app/fc_text.h"
#include "firmware/platform/platform.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace
{

/* What lies at the arena's start. Zeros, as a context is before its start, say that nothing runs. */
struct Instance {
    bool ready;
    alignas(tflite::MicroInterpreter) uint8_t interpreter[sizeof(tflite::MicroInterpreter)];
};

constexpr size_t alignment = 16;
constexpr size_t instance_bytes = (sizeof(Instance) + alignment - 1) / alignment * alignment;
static_assert(alignof(Instance) <= alignment);

tflite::MicroInterpreter *running(const uint8_t *arena)
{
    /* The interpreter offers its inputs and outputs to owners that may change it, and to no one else. */
    auto *instance = reinterpret_cast<Instance *>(const_cast<uint8_t *>(arena));
    return instance->ready
               ? std::launder(reinterpret_cast<tflite::MicroInterpreter *>(instance->interpreter))
               : nullptr;
}

/* "TFLM: <before><number><after>" as a line on the console. */
void print(const char *before, size_t number, const char *after)
{
    char line[160];
    struct fc_text text = {line, sizeof line, 0};
    fc_text_string(&text, "TFLM: ");
    fc_text_string(&text, before);
    fc_text_unsigned(&text, static_cast<uint32_t>(number));
    fc_text_string(&text, after);
    fc_text_string(&text, "\r\n");
    fc_console_write(reinterpret_cast<const uint8_t *>(line), text.length);
}

} // namespace

enum fc_status fc_tflm_init(uint8_t *arena, size_t arena_bytes, const uint8_t *model,
                            const tflite::MicroOpResolver &operators)
{
    if (arena_bytes <= instance_bytes) {
        print("an arena must be larger than ", instance_bytes, " bytes: set tflm_arena_bytes in firmcast.toml");
        return FC_FAILED;
    }
    auto *instance = new (arena) Instance{};
    const tflite::Model *flatbuffer = tflite::GetModel(model);
    if (flatbuffer->version() != TFLITE_SCHEMA_VERSION) {
        print("the model's schema has version ", flatbuffer->version(), ", which this library does not read");
        return FC_FAILED;
    }
    auto *interpreter = new (instance->interpreter) tflite::MicroInterpreter(
        flatbuffer, operators, arena + instance_bytes, arena_bytes - instance_bytes);
    if (interpreter->AllocateTensors() != kTfLiteOk) {
        print("it did not start in an arena of ", arena_bytes,
              " bytes, for the reason above: a larger one is tflm_arena_bytes in firmcast.toml");
        return FC_FAILED;
    }
    instance->ready = true;
    print("bytes of the arena in use: ", instance_bytes + interpreter->arena_used_bytes(), "");
    return FC_OK;
}

enum fc_status fc_tflm_run(uint8_t *arena)
{
    tflite::MicroInterpreter *interpreter = running(arena);
    return interpreter != nullptr && interpreter->Invoke() == kTfLiteOk ? FC_OK : FC_FAILED;
}

void *fc_tflm_input(uint8_t *arena, uint8_t index)
{
    tflite::MicroInterpreter *interpreter = running(arena);
    return interpreter != nullptr && index < interpreter->inputs_size() ? interpreter->input(index)->data.raw
                                                                        : nullptr;
}

const void *fc_tflm_output(const uint8_t *arena, uint8_t index)
{
    tflite::MicroInterpreter *interpreter = running(arena);
    return interpreter != nullptr && index < interpreter->outputs_size()
               ? interpreter->output(index)->data.raw
               : nullptr;
}
