/* What TFLM asks of a machine: a console and a clock. Weak, because a library built for its own target brings
 * some of it along. */
#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include "firmware/app/fc_text.h"
#include "firmware/platform/platform.h"
#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_time.h"

namespace
{

void put_hexadecimal(struct fc_text *text, uint32_t value)
{
    for (uint32_t shift = 32; shift > 0;) {
        shift -= 4;
        fc_text_char(text, "0123456789abcdef"[(value >> shift) & 15u]);
    }
}

void put_signed(struct fc_text *text, int value)
{
    const uint32_t bits = static_cast<uint32_t>(value);
    if (value < 0) {
        fc_text_char(text, '-');
    }
    fc_text_unsigned(text, value < 0 ? 0u - bits : bits);
}

/* The conversions that TFLM's messages use; flags and widths are read over, floats have three decimals. */
void put_formatted(struct fc_text *text, const char *format, va_list arguments)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            fc_text_char(text, *format);
            continue;
        }
        size_t longs = 0;
        for (format++; *format != '\0'; format++) {
            if (*format == 'l' || *format == 'z' || *format == 't') {
                longs++;
            } else if ((*format < '0' || *format > '9') && *format != '.' && *format != '-' && *format != '+' &&
                       *format != '#' && *format != 'h') {
                break;
            }
        }
        switch (*format) {
        case 's':
            fc_text_string(text, va_arg(arguments, const char *));
            break;
        case 'c':
            fc_text_char(text, static_cast<char>(va_arg(arguments, int)));
            break;
        case 'd':
        case 'i':
            put_signed(text, longs == 0   ? va_arg(arguments, int)
                             : longs == 1 ? static_cast<int>(va_arg(arguments, long))
                                          : static_cast<int>(va_arg(arguments, long long)));
            break;
        case 'u':
            fc_text_unsigned(text, longs == 0   ? va_arg(arguments, unsigned)
                                   : longs == 1 ? static_cast<uint32_t>(va_arg(arguments, unsigned long))
                                                : static_cast<uint32_t>(va_arg(arguments, unsigned long long)));
            break;
        case 'x':
        case 'X':
            put_hexadecimal(text, longs < 2 ? va_arg(arguments, unsigned)
                                            : static_cast<uint32_t>(va_arg(arguments, unsigned long long)));
            break;
        case 'p':
            put_hexadecimal(text, static_cast<uint32_t>(
                                      reinterpret_cast<uintptr_t>(va_arg(arguments, const void *))));
            break;
        case 'f':
        case 'g':
        case 'e':
            fc_text_thousandths(text, static_cast<float>(va_arg(arguments, double)));
            break;
        case '\0':
            return;
        default:
            fc_text_char(text, *format); /* "%%", and what is not known */
        }
    }
}

} // namespace

extern "C" __attribute__((weak)) int DebugLogVsnprintf(char *buffer, size_t buf_size, const char *format,
                                                       va_list vlist)
{
    if (buf_size == 0) {
        return 0;
    }
    struct fc_text text = {buffer, buf_size - 1, 0};
    put_formatted(&text, format, vlist);
    buffer[text.length] = '\0';
    return static_cast<int>(text.length);
}

extern "C" __attribute__((weak)) void DebugLog(const char *format, va_list args)
{
    char line[160];
    struct fc_text text = {line, sizeof line, 0};
    put_formatted(&text, format, args);
    fc_console_write(reinterpret_cast<const uint8_t *>(line), text.length);
}

namespace tflite
{

__attribute__((weak)) uint32_t ticks_per_second() { return fc_clock_hz(); }

__attribute__((weak)) uint32_t GetCurrentTimeTicks() { return fc_cycles(); }

} // namespace tflite
