#include <string.h>

#include "protocol/error.h"
#include "protocol/json.h"

static void put(struct ota_json_out *out, const char *text, size_t len)
{
    if (out->overflow || len > out->cap - out->len) {
        out->overflow = true;
        return;
    }
    memcpy(out->buf + out->len, text, len);
    out->len += len;
}

static void put_char(struct ota_json_out *out, char c)
{
    put(out, &c, 1);
}

/* A value or key begins: the comma after the one before it. */
static void separate(struct ota_json_out *out)
{
    if (out->comma)
        put_char(out, ',');
    out->comma = true;
}

void ota_json_out_begin(struct ota_json_out *out, char *buf, size_t cap)
{
    *out = (struct ota_json_out){.buf = buf, .cap = cap};
}

void ota_json_out_key(struct ota_json_out *out, const char *key)
{
    ota_json_out_string(out, ota_text_of(key));
    put_char(out, ':');
    out->comma = false;
}

void ota_json_out_string(struct ota_json_out *out, struct ota_text value)
{
    separate(out);
    put_char(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        put_char(out, c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c);
    }
    put_char(out, '"');
}

void ota_json_out_integer(struct ota_json_out *out, uint64_t value)
{
    char digits[OTA_DECIMAL_MAX];

    size_t len = ota_decimal_encode(value, digits);

    separate(out);
    put(out, digits, len);
}

void ota_json_out_base64url(struct ota_json_out *out, const uint8_t *bytes, size_t len)
{
    separate(out);
    put_char(out, '"');
    int used = ota_base64url_encode(bytes, len, out->buf + out->len, out->cap - out->len);
    if (used < 0)
        out->overflow = true;
    else
        out->len += (size_t)used;
    put_char(out, '"');
}

void ota_json_out_hex(struct ota_json_out *out, const uint8_t *bytes, size_t len)
{
    char digits[3];

    separate(out);
    put_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        ota_hex_encode(bytes + i, 1, digits);
        put(out, digits, 2);
    }
    put_char(out, '"');
}

static void open_with(struct ota_json_out *out, char c)
{
    separate(out);
    put_char(out, c);
    out->comma = false;
}

static void close_with(struct ota_json_out *out, char c)
{
    put_char(out, c);
    out->comma = true;
}

void ota_json_out_object(struct ota_json_out *out)
{
    open_with(out, '{');
}

void ota_json_out_object_end(struct ota_json_out *out)
{
    close_with(out, '}');
}

void ota_json_out_array(struct ota_json_out *out)
{
    open_with(out, '[');
}

void ota_json_out_array_end(struct ota_json_out *out)
{
    close_with(out, ']');
}

int ota_json_out_end(const struct ota_json_out *out)
{
    return out->overflow || out->len > INT32_MAX ? OTA_E_NO_SPACE : (int)out->len;
}
