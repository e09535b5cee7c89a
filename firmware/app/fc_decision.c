#include "fc_decision.h"

#include "fc_text.h"

static float score_of(const struct fc_model *model, const void *output, uint16_t index)
{
    switch (model->score_element) {
    case FC_FLOAT32:
        return ((const float *)output)[index];
    case FC_UINT8:
        return model->score_scale * (float)(((const uint8_t *)output)[index] - model->score_zero_point);
    case FC_INT16:
#if FC_WIDE_ELEMENTS
        return model->score_scale * (float)(((const int16_t *)output)[index] - model->score_zero_point);
#endif
    case FC_INT8:
    case FC_INT32: /* no score */
        break;
    }
    return model->score_scale * (float)(((const int8_t *)output)[index] - model->score_zero_point);
}

struct fc_decision fc_decide(const struct fc_model *model, const void *output, float threshold)
{
#if FC_WIDE_ELEMENTS
    if (model->score_element == FC_INT32) {
        const int32_t value = ((const int32_t *)output)[0];
        const uint16_t class_index = (uint16_t)(value < 0 || value > UINT16_MAX ? UINT16_MAX : value);
        return (struct fc_decision){
            .open = value == model->open_class, .class_index = class_index, .score = 1.0f};
    }
#endif
    if (model->score_count == 1) {
        const float score = score_of(model, output, 0);
        const uint16_t class_index = score >= threshold ? 1 : 0;
        return (struct fc_decision){.open = class_index == model->open_class && score == score,
                                    .class_index = class_index,
                                    .score = score};
    }
    struct fc_decision best = {.open = false, .class_index = 0, .score = score_of(model, output, 0)};
    for (uint16_t i = 1; i < model->score_count; i++) {
        const float score = score_of(model, output, i);
        if (score > best.score) {
            best.class_index = i;
            best.score = score;
        }
    }
    best.open = best.class_index == model->open_class && best.score >= threshold;
    return best;
}

const char *fc_label(const struct fc_model *model, uint16_t class_index)
{
    return class_index < model->label_count ? model->labels[class_index] : NULL;
}

size_t fc_decision_line(const struct fc_model *model, const struct fc_decision *decision, uint32_t cycles,
                        char *line, size_t size)
{
    struct fc_text text = {.buffer = line, .size = size, .length = 0};
    const char *label = fc_label(model, decision->class_index);
    fc_text_string(&text, "decision: ");
    if (label != NULL) {
        fc_text_string(&text, label);
    } else {
        fc_text_string(&text, "class ");
        fc_text_unsigned(&text, decision->class_index);
    }
    fc_text_string(&text, ", score ");
    fc_text_thousandths(&text, decision->score);
    fc_text_string(&text, ", ");
    fc_text_unsigned(&text, cycles);
    fc_text_string(&text, " cycles, door ");
    fc_text_string(&text, decision->open ? "open\r\n" : "closed\r\n");
    return text.length;
}
