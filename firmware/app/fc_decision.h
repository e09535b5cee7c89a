/* From the network's output to a decision. */
#ifndef FC_DECISION_H
#define FC_DECISION_H

#include "fc_model.h"

struct fc_decision {
    bool open;
    uint16_t class_index;
    float score; /* of the class that opens the door if there is one output element, else of the best class */
};

/* `output` is the network's output 0. Int32: the class, for certain. One element: class 1 from `threshold` on,
 * and the door opens if that is `open_class`. Several: the first of the best, and the door opens if that is
 * `open_class` at `threshold` or more. NaN never opens it. */
struct fc_decision fc_decide(const struct fc_model *model, const void *output, float threshold);

/* Name of a class: its label, else NULL. */
const char *fc_label(const struct fc_model *model, uint16_t class_index);

/* Writes "decision: mask, score 0.996, 6123456 cycles, door open" with a line end into `line` (cut if it is
 * too short); returns the length. `size` at least 1. */
size_t fc_decision_line(const struct fc_model *model, const struct fc_decision *decision, uint32_t cycles,
                        char *line, size_t size);

#endif
