/*
 * Small text codecs: hex, base64url, decimal, and the character classes of names. Pure functions.
 */
#ifndef OTA_PROTOCOL_TEXT_H
#define OTA_PROTOCOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decoded string: it points into the buffer that was decoded and is not NUL-terminated. */
struct ota_text {
    const char *at;
    size_t len;
};

bool ota_text_equal(struct ota_text a, struct ota_text b);
bool ota_text_is(struct ota_text a, const char *nul_terminated);
struct ota_text ota_text_of(const char *nul_terminated);

/* Lower-case hex of `len` bytes and a NUL: buf takes 2 * len + 1 bytes. */
void ota_hex_encode(const uint8_t *bytes, size_t len, char *buf);
/* Exactly 2 * len lower-case hex digits into `len` bytes, else OTA_E_SYNTAX. */
int ota_hex_decode(uint8_t *bytes, size_t len, struct ota_text text);

/* base64url without padding, RFC 4648 section 5. Encode: characters written (no NUL), or
 * OTA_E_NO_SPACE. Decode: bytes written, OTA_E_SYNTAX (a character outside the alphabet, padding,
 * non-zero spare bits) or OTA_E_NO_SPACE. Decoding in place (bytes == text.at) is allowed. */
int ota_base64url_encode(const uint8_t *bytes, size_t len, char *buf, size_t cap);
int ota_base64url_decode(uint8_t *bytes, size_t cap, struct ota_text text);

/* Decimal digits of `value`, no NUL; at most OTA_DECIMAL_MAX characters. Characters written. */
#define OTA_DECIMAL_MAX 20
size_t ota_decimal_encode(uint64_t value, char *buf);
/* The digits at *at, which moves behind them; `max` is OTA_JSON_INT_MAX at most. OTA_OK,
 * OTA_E_SYNTAX without a digit or with leading zeros, OTA_E_RANGE above `max`. */
int ota_decimal_decode(const char **at, const char *end, uint64_t max, uint64_t *value);

/* The character classes of limits.h. */
bool ota_text_is_device_id(struct ota_text text);
bool ota_text_is_name(struct ota_text text);
bool ota_text_is_deployment(struct ota_text text);
bool ota_text_is_url_path(
    struct ota_text text); /* "/" first, no "//", "..", "\", '"', "#" or control */
bool ota_text_is_word(struct ota_text text); /* a report's reason: [a-z0-9_] */

#endif
