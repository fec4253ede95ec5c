#include "server/json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/time_text.h"

#define FIRST_CAP 256 /* bytes */

void json_init(struct json_writer *w, size_t max)
{
    *w = (struct json_writer){.max = max};
}

void json_init_fixed(struct json_writer *w, char *buf, size_t cap)
{
    *w = (struct json_writer){.text = buf, .cap = cap, .max = cap, .borrowed = true};
}

void json_free(struct json_writer *w)
{
    if (!w->borrowed)
        free(w->text);
    *w = (struct json_writer){.max = w->max};
}

bool json_failed(const struct json_writer *w)
{
    return w->failed;
}

char *json_take(struct json_writer *w, size_t *len)
{
    char *text = w->failed ? NULL : w->text;

    *len = text != NULL ? w->len : 0;
    if (text == NULL)
        json_free(w);
    *w = (struct json_writer){.max = w->max};
    return text;
}

/* Room for `more` bytes and a NUL. */
static bool reserve(struct json_writer *w, size_t more)
{
    size_t need = w->len + more + 1;
    size_t cap = w->cap > 0 ? w->cap : FIRST_CAP;
    char *grown;

    if (w->failed)
        return false;
    if (need <= w->cap)
        return true;
    while (cap < need)
        cap *= 2;
    if (w->borrowed || need > w->max || (grown = realloc(w->text, cap)) == NULL) {
        w->failed = true;
        return false;
    }
    w->text = grown;
    w->cap = cap;
    return true;
}

static void append(struct json_writer *w, const char *text, size_t len)
{
    if (!reserve(w, len))
        return;
    memcpy(w->text + w->len, text, len);
    w->len += len;
    w->text[w->len] = '\0';
}

static void separate(struct json_writer *w)
{
    if (w->comma)
        append(w, ",", 1);
    w->comma = true;
}

void json_object(struct json_writer *w)
{
    separate(w);
    append(w, "{", 1);
    w->comma = false;
}

void json_object_end(struct json_writer *w)
{
    append(w, "}", 1);
    w->comma = true;
}

void json_array(struct json_writer *w)
{
    separate(w);
    append(w, "[", 1);
    w->comma = false;
}

void json_array_end(struct json_writer *w)
{
    append(w, "]", 1);
    w->comma = true;
}

/* The length of the UTF-8 sequence at `at`, 0 when it is none (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
static size_t utf8_len(const unsigned char *at, size_t len)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t need;

    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        need = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        need = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        need = 4;
    else
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0;
    if (at[0] == 0xed)
        high = 0x9f;
    if (at[0] == 0xf0)
        low = 0x90;
    if (at[0] == 0xf4)
        high = 0x8f;
    if (need > len || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return need;
}

static size_t append_character(struct json_writer *w, const unsigned char *at, size_t len)
{
    size_t count = utf8_len(at, len);
    char escape[8];

    if (count == 0) {
        append(w, "?", 1);
        return 1;
    }
    if (at[0] == '"' || at[0] == '\\') {
        escape[0] = '\\';
        escape[1] = (char)at[0];
        append(w, escape, 2);
    } else if (at[0] < 0x20 || at[0] == 0x7f) {
        snprintf(escape, sizeof(escape), "\\u%04x", at[0]);
        append(w, escape, 6);
    } else {
        append(w, (const char *)at, count);
    }
    return count;
}

void json_string_n(struct json_writer *w, const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;

    separate(w);
    append(w, "\"", 1);
    for (size_t i = 0; i < len && !w->failed;)
        i += append_character(w, at + i, len - i);
    append(w, "\"", 1);
}

void json_string(struct json_writer *w, const char *text)
{
    json_string_n(w, text, strlen(text));
}

void json_raw(struct json_writer *w, const char *text, size_t len)
{
    separate(w);
    append(w, text, len);
}

void json_key(struct json_writer *w, const char *key)
{
    json_string(w, key);
    append(w, ":", 1);
    w->comma = false;
}

void json_int(struct json_writer *w, int64_t value)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%lld", (long long)value);
    separate(w);
    append(w, digits, strlen(digits));
}

void json_bool(struct json_writer *w, bool value)
{
    separate(w);
    append(w, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json_writer *w)
{
    separate(w);
    append(w, "null", 4);
}

void json_put_string(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_string(w, text);
}

void json_put_int(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_int(w, value);
}

void json_put_hundredths(struct json_writer *w, const char *key, uint32_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%u.%02u", value / 100, value % 100);

    while (digits[len - 1] == '0')
        len--;
    if (digits[len - 1] == '.')
        len--;
    json_key(w, key);
    json_raw(w, digits, (size_t)len);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
    json_key(w, key);
    json_bool(w, value);
}

void json_put_null(struct json_writer *w, const char *key)
{
    json_key(w, key);
    json_null(w);
}

void json_put_hex(struct json_writer *w, const char *key, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char pair[2];

    json_key(w, key);
    append(w, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        pair[0] = digits[bytes[i] >> 4];
        pair[1] = digits[bytes[i] & 0xf];
        append(w, pair, 2);
    }
    append(w, "\"", 1);
    w->comma = true;
}

void json_put_time(struct json_writer *w, const char *key, int64_t seconds)
{
    char text[TIME_TEXT_CAP];

    json_key(w, key);
    if (seconds != 0 && time_text_format(seconds, text))
        json_string(w, text);
    else
        json_null(w);
}
