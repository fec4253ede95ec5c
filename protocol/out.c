#include "protocol/out.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/text.h"

void ota_out_open(struct ota_out *out, char *buf, size_t cap)
{
    *out = (struct ota_out){.buf = buf, .cap = cap};
}

void ota_out_put_len(struct ota_out *out, const char *text, size_t len)
{
    size_t skip = out->skip < len ? out->skip : len;
    size_t room = out->cap - out->len;

    out->skip -= skip;
    len -= skip;
    if (len > room) {
        len = room;
        out->cut = true;
    }
    if (len > 0)
        memcpy(out->buf + out->len, text + skip, len);
    out->len += len;
}

void ota_out_put(struct ota_out *out, const char *text)
{
    ota_out_put_len(out, text, strlen(text));
}

void ota_out_put_char(struct ota_out *out, char c)
{
    ota_out_put_len(out, &c, 1);
}

void ota_out_put_text(struct ota_out *out, const char *before, const char *text)
{
    if (text == NULL)
        return;
    ota_out_put(out, before);
    ota_out_put(out, text);
}

void ota_out_put_number(struct ota_out *out, const char *before, uint64_t value)
{
    char digits[OTA_DECIMAL_MAX];

    ota_out_put(out, before);
    ota_out_put_len(out, digits, ota_decimal_encode(value, digits));
}

void ota_out_put_hex(struct ota_out *out, const char *before, const uint8_t *bytes, size_t len)
{
    char pair[3];

    ota_out_put(out, before);
    for (size_t i = 0; i < len; i++) {
        ota_hex_encode(bytes + i, 1, pair);
        ota_out_put_len(out, pair, 2);
    }
}

void ota_out_put_version(struct ota_out *out, const struct ota_version *version, const char *plus)
{
    ota_out_put_number(out, "", version->major);
    ota_out_put_number(out, ".", version->minor);
    ota_out_put_number(out, ".", version->revision);
    if (version->build != 0)
        ota_out_put_number(out, plus, version->build);
}

int ota_out_end(const struct ota_out *out)
{
    return out->cut || out->len > INT32_MAX ? OTA_E_NO_SPACE : (int)out->len;
}
