/* Stand-in: see README.md. */
#ifndef STAND_IN_SCHEMA_H
#define STAND_IN_SCHEMA_H

#include <cstddef>
#include <cstdint>

#include "flatbuffers/flatbuffers.h"

namespace tflite
{

/* A table of a FlatBuffer at its address. */
class Table
{
  public:
    /* Address of a field's value; null if absent. */
    const uint8_t *field(size_t index) const;
    uint32_t number(size_t index) const;

  protected:
    const uint8_t *here() const { return reinterpret_cast<const uint8_t *>(this); }
};

class Model : public Table
{
  public:
    uint32_t version() const { return number(0); }
};

const Model *GetModel(const void *buffer);

} // namespace tflite

#endif
