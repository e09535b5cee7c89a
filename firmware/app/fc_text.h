/* Text into a fixed buffer without printf. What does not fit is cut off. */
#ifndef FC_TEXT_H
#define FC_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct fc_text {
    char *buffer;
    size_t size;
    size_t length;
};

static inline void fc_text_char(struct fc_text *text, char c)
{
    if (text->length < text->size) {
        text->buffer[text->length++] = c;
    }
}

static inline void fc_text_string(struct fc_text *text, const char *string)
{
    for (; *string != '\0'; string++) {
        fc_text_char(text, *string);
    }
}

static inline void fc_text_unsigned(struct fc_text *text, uint32_t value)
{
    char digits[10];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        fc_text_char(text, digits[--count]);
    }
}

/* With three decimals, rounded; beyond +-4 million as its bound; NaN as "nan". */
static inline void fc_text_thousandths(struct fc_text *text, float value)
{
    if (!(value == value)) {
        fc_text_string(text, "nan");
        return;
    }
    if (value < 0.0f) {
        fc_text_char(text, '-');
        value = -value;
    }
    const float limit = 4e6f;
    const uint32_t thousandths = (uint32_t)((value < limit ? value : limit) * 1000.0f + 0.5f);
    fc_text_unsigned(text, thousandths / 1000);
    fc_text_char(text, '.');
    for (uint32_t unit = 100; unit > 0; unit /= 10) {
        fc_text_char(text, (char)('0' + thousandths / unit % 10));
    }
}

#endif
