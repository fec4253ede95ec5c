#include "protocol/text.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/limits.h"

bool ota_text_equal(struct ota_text a, struct ota_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

struct ota_text ota_text_of(const char *nul_terminated)
{
    return (struct ota_text){nul_terminated, strlen(nul_terminated)};
}

bool ota_text_is(struct ota_text a, const char *nul_terminated)
{
    return ota_text_equal(a, ota_text_of(nul_terminated));
}

void ota_hex_encode(const uint8_t *bytes, size_t len, char *buf)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        buf[2 * i] = digits[bytes[i] >> 4];
        buf[2 * i + 1] = digits[bytes[i] & 15];
    }
    buf[2 * len] = '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The value of a lower-case hex digit, -1 for any other character. */
static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ota_hex_decode(uint8_t *bytes, size_t len, struct ota_text text)
{
    if (text.len != 2 * len)
        return OTA_E_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        int value = hex_value(text.at[i]);
        if (value < 0)
            return OTA_E_SYNTAX;
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | value);
    }
    return OTA_OK;
}

static char base64url_char(uint32_t value)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    return alphabet[value & 63];
}

/* Arithmetic instead of a table of 256: it is a bootloader's and a small client's flash. */
static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

int ota_base64url_encode(const uint8_t *bytes, size_t len, char *buf, size_t cap)
{
    size_t used = 0;
    uint32_t bits = 0;
    unsigned held = 0; /* bits not yet written */

    if (len > INT32_MAX / 2 || cap < (len * 4 + 2) / 3)
        return OTA_E_NO_SPACE;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            buf[used++] = base64url_char(bits >> (held - 6));
    }
    if (held > 0)
        buf[used++] = base64url_char(bits << (6 - held));
    return (int)used;
}

int ota_base64url_decode(uint8_t *bytes, size_t cap, struct ota_text text)
{
    size_t used = 0;
    uint32_t bits = 0;
    unsigned held = 0;

    if (text.len > INT32_MAX || text.len % 4 == 1)
        return OTA_E_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64url_value(text.at[i]);
        if (value < 0)
            return OTA_E_SYNTAX;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (used == cap)
            return OTA_E_NO_SPACE;
        bytes[used++] = (uint8_t)(bits >> held);
    }
    /* Spare bits must be zero, so that one value has one spelling. */
    return (bits & ((1U << held) - 1)) == 0 ? (int)used : OTA_E_SYNTAX;
}

/* Long division, bit by bit: the compiler's own would bring libgcc's along on a Cortex-M. */
static unsigned divide_by_10(uint64_t *value)
{
    unsigned rest = 0;

    for (unsigned bit = 0; bit < 64; bit++) {
        rest = rest << 1 | (unsigned)(*value >> 63);
        *value <<= 1;
        if (rest >= 10) {
            rest -= 10;
            *value |= 1;
        }
    }
    return rest;
}

size_t ota_decimal_encode(uint64_t value, char *buf)
{
    char digits[OTA_DECIMAL_MAX];
    size_t len = 0;

    do {
        digits[len++] = (char)('0' + divide_by_10(&value));
    } while (value > 0);
    for (size_t i = 0; i < len; i++)
        buf[i] = digits[len - 1 - i];
    return len;
}

int ota_decimal_decode(const char **at, const char *end, uint64_t max, uint64_t *value)
{
    const char *start = *at;
    uint64_t sum = 0;

    for (; *at != end && is_digit(**at); (*at)++) {
        if (*at != start && *start == '0')
            return OTA_E_SYNTAX;
        sum = sum * 10 + (uint64_t)(**at - '0');
        if (sum > max)
            return OTA_E_RANGE;
    }
    *value = sum;
    return *at != start ? OTA_OK : OTA_E_SYNTAX;
}

/* strchr() of newlib is 200 bytes in a bootloader that has no other use for it. */
static bool is_one_of(char c, const char *others)
{
    while (*others != '\0' && *others != c)
        others++;
    return *others != '\0';
}

/* 1 to `max` characters, each a letter, a digit or one of `others`. */
static bool is_of_class(struct ota_text text, size_t max, const char *others)
{
    if (text.len == 0 || text.len > max)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_alnum(text.at[i]) && !is_one_of(text.at[i], others))
            return false;
    }
    return true;
}

bool ota_text_is_device_id(struct ota_text text)
{
    return is_of_class(text, OTA_DEVICE_ID_MAX, "._:-") && is_alnum(text.at[0]);
}

bool ota_text_is_name(struct ota_text text)
{
    return is_of_class(text, OTA_NAME_MAX, "._-");
}

bool ota_text_is_deployment(struct ota_text text)
{
    return is_of_class(text, OTA_DEPLOYMENT_MAX, "._-");
}

bool ota_text_is_word(struct ota_text text)
{
    if (text.len == 0 || text.len > OTA_WORD_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (!is_digit(c) && !(c >= 'a' && c <= 'z') && c != '_')
            return false;
    }
    return true;
}

bool ota_text_is_url_path(struct ota_text text)
{
    if (text.len == 0 || text.len > OTA_URL_MAX || text.at[0] != '/')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        char before = i > 0 ? text.at[i - 1] : '\0';
        if (c <= ' ' || c > '~' || c == '\\' || c == '"' || c == '#')
            return false;
        if (c == before && (c == '/' || c == '.'))
            return false;
    }
    return true;
}
