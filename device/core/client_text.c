#include "device/core/client_text.h"

#include <string.h>

#include "protocol/text.h"

void ota_client_text_open(struct ota_client_text *text, char *buf, size_t cap)
{
    *text = (struct ota_client_text){.at = buf, .cap = cap};
    buf[0] = '\0';
}

void ota_client_text_put_len(struct ota_client_text *text, const char *more, size_t len)
{
    size_t room = text->cap - 1 - text->len;

    if (len > room) {
        len = room;
        text->cut = true;
    }
    memcpy(text->at + text->len, more, len);
    text->len += len;
    text->at[text->len] = '\0';
}

void ota_client_text_put(struct ota_client_text *text, const char *more)
{
    ota_client_text_put_len(text, more, strlen(more));
}

void ota_client_text_put_number(struct ota_client_text *text, uint32_t value)
{
    char digits[OTA_DECIMAL_MAX];

    size_t len = ota_decimal_encode(value, digits);
    ota_client_text_put_len(text, digits, len);
}

void ota_client_text_put_hex(struct ota_client_text *text, const uint8_t *bytes, size_t len)
{
    char pair[3];

    for (size_t i = 0; i < len; i++) {
        ota_hex_encode(bytes + i, 1, pair);
        ota_client_text_put_len(text, pair, 2);
    }
}
