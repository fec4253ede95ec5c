#include "server/otactl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/otactl_table.h"

#define MESSAGE_MAX 4096

static void say(const char *format, va_list values) __attribute__((format(printf, 1, 0)));

static void say(const char *format, va_list values)
{
    char raw[MESSAGE_MAX];
    char clean[MESSAGE_MAX];
    vsnprintf(raw, sizeof raw, format, values);
    otactl_text_clean(raw, clean, sizeof clean);
    fflush(stdout); /* keeps the order of lines when both go to one place */
    fprintf(stderr, "otactl: %s\n", clean);
}

int otactl_fail(int code, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say(format, values);
    va_end(values);
    return code;
}

void otactl_warn(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say(format, values);
    va_end(values);
}

static void *must_have(void *memory)
{
    if (memory == NULL) {
        fputs("otactl: out of memory\n", stderr);
        exit(OTACTL_FAILED);
    }
    return memory;
}

void *otactl_alloc(size_t len)
{
    return must_have(calloc(1, len > 0 ? len : 1));
}

void *otactl_grow(void *memory, size_t len)
{
    return must_have(realloc(memory, len));
}

char *otactl_strdup(const char *text)
{
    return otactl_format("%s", text);
}

char *otactl_format(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int len = vsnprintf(NULL, 0, format, values);
    va_end(values);
    if (len < 0)
        abort(); /* a wrong format string */
    char *text = otactl_alloc((size_t)len + 1);
    va_start(values, format);
    vsnprintf(text, (size_t)len + 1, format, values);
    va_end(values);
    return text;
}
