/* A network on TensorFlow Lite for Microcontrollers inside the arena of its context: the interpreter lies at
 * the arena's start and allocates from the rest. C++17; compiled with ENGINE=tflm alone. */
#ifndef FC_TFLM_H
#define FC_TFLM_H

#include <cstddef>
#include <cstdint>

#include "firmware/nn/fc_status.h"
#include "tensorflow/lite/micro/micro_op_resolver.h"

/* Starts an interpreter for the FlatBuffer `model` in `arena` (aligned to 16 bytes) and prints how much of it
 * was used. `operators` and `model` outlive it. FC_FAILED, and a line on the console, if TFLM refuses. */
FC_MUST_CHECK enum fc_status fc_tflm_init(uint8_t *arena, size_t arena_bytes, const uint8_t *model,
                                          const tflite::MicroOpResolver &operators);

/* One inference; FC_FAILED if an operator fails or the interpreter was never started. */
FC_MUST_CHECK enum fc_status fc_tflm_run(uint8_t *arena);

/* Bytes of an input or output; NULL if there is no such one, or no interpreter. */
void *fc_tflm_input(uint8_t *arena, uint8_t index);
const void *fc_tflm_output(const uint8_t *arena, uint8_t index);

#endif
