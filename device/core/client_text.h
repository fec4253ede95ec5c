/*
 * Text into the caller's buffer, always NUL-terminated: paths and log lines without printf.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_TEXT_H
#define OTA_DEVICE_CORE_CLIENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ota_client_text {
    char *at;
    size_t cap; /* bytes with the NUL, 1 at least */
    size_t len;
    bool cut; /* something did not fit */
};

void ota_client_text_open(struct ota_client_text *text, char *buf, size_t cap);
void ota_client_text_put(struct ota_client_text *text, const char *more);
void ota_client_text_put_len(struct ota_client_text *text, const char *more, size_t len);
void ota_client_text_put_number(struct ota_client_text *text, uint32_t value);
void ota_client_text_put_hex(struct ota_client_text *text, const uint8_t *bytes, size_t len);

#endif
