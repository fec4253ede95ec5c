#include "protocol/json.h"

/* The comma after the member before, and the key. */
static void begin(struct ota_out *out, const char *key)
{
    char last = out->len > 0 ? out->buf[out->len - 1] : '{';

    if (last != '{' && last != '[')
        ota_out_put_char(out, ',');
    if (key == NULL)
        return;
    ota_out_put_char(out, '"');
    ota_out_put(out, key);
    ota_out_put(out, "\":");
}

static void begin_string(struct ota_out *out, const char *key)
{
    begin(out, key);
    ota_out_put_char(out, '"');
}

static void end_string(struct ota_out *out)
{
    ota_out_put_char(out, '"');
}

void ota_json_out_text(struct ota_out *out, const char *key, struct ota_text value)
{
    begin_string(out, key);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.at[i];
        ota_out_put_char(out, c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c);
    }
    end_string(out);
}

void ota_json_out_integer(struct ota_out *out, const char *key, uint64_t value)
{
    begin(out, key);
    ota_out_put_number(out, "", value);
}

void ota_json_out_hex(struct ota_out *out, const char *key, const uint8_t *bytes, size_t len)
{
    begin_string(out, key);
    ota_out_put_hex(out, "", bytes, len);
    end_string(out);
}

void ota_json_out_base64url(struct ota_out *out, const char *key, const uint8_t *bytes, size_t len)
{
    begin_string(out, key);
    int used = ota_base64url_encode(bytes, len, out->buf + out->len, out->cap - out->len);
    if (used < 0)
        out->cut = true;
    else
        out->len += (size_t)used;
    end_string(out);
}

void ota_json_out_version(struct ota_out *out, const char *key, const struct ota_version *version)
{
    begin_string(out, key);
    ota_out_put_version(out, version, "+");
    end_string(out);
}

void ota_json_out_open(struct ota_out *out, const char *key, char bracket)
{
    begin(out, key);
    ota_out_put_char(out, bracket);
}

void ota_json_out_close(struct ota_out *out, char bracket)
{
    ota_out_put_char(out, bracket);
}
