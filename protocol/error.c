#include "protocol/error.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* clang-format off */
#define ERRORS(ROW) \
    ROW(OTA_OK, "ok") \
    ROW(OTA_E_TRUNCATED, "truncated") \
    ROW(OTA_E_SYNTAX, "syntax") \
    ROW(OTA_E_TOO_LARGE, "too_large") \
    ROW(OTA_E_DUPLICATE, "duplicate") \
    ROW(OTA_E_MISSING, "missing") \
    ROW(OTA_E_RANGE, "range") \
    ROW(OTA_E_UNSUPPORTED, "unsupported") \
    ROW(OTA_E_NO_SPACE, "no_space") \
    ROW(OTA_E_SIGNATURE, "signature") \
    ROW(OTA_E_UNKNOWN_KEY, "unknown_key") \
    ROW(OTA_E_HASH, "hash") \
    ROW(OTA_E_DEVICE, "device") \
    ROW(OTA_E_NONCE, "nonce") \
    ROW(OTA_E_PRODUCT, "product") \
    ROW(OTA_E_HARDWARE, "hardware") \
    ROW(OTA_E_COUNTER_LOW, "counter_low") \
    ROW(OTA_E_COUNTER_JUMP, "counter_jump") \
    ROW(OTA_E_VERSION, "version") \
    ROW(OTA_E_SIZE, "size") \
    ROW(OTA_E_FLASH, "flash") \
    ROW(OTA_E_JOURNAL_FULL, "journal_full") \
    ROW(OTA_E_NOT_FOUND, "not_found") \
    ROW(OTA_E_STATE, "state") \
    ROW(OTA_E_TRANSPORT, "transport") \
    ROW(OTA_E_TIMEOUT, "timeout") \
    ROW(OTA_E_SLOW, "slow") \
    ROW(OTA_E_HTTP, "http") \
    ROW(OTA_E_HTTP_RANGE, "http_range") \
    ROW(OTA_E_HTTP_STATUS, "http_status") \
    ROW(OTA_E_UNAUTHORIZED, "unauthorized") \
    ROW(OTA_E_GONE, "gone") \
    ROW(OTA_E_TLS, "tls") \
    ROW(OTA_E_SELF_TEST, "self_test") \
    ROW(OTA_E_NOT_CONFIRMED, "not_confirmed") \
    ROW(OTA_E_CANCELLED, "cancelled") \
    ROW(OTA_E_POWER, "power") \
    ROW(OTA_E_WATCHDOG, "watchdog") \
    ROW(OTA_E_FAULT, "fault") \
    ROW(OTA_E_DELTA_BASE, "delta_base") \
    ROW(OTA_E_DELTA_BLOCK, "delta_block")
/* clang-format on */

/* The words one behind the other: a table of pointers to them would be as large as they are. */
#define NUMBER(error, word) error,
#define WORD(error, word) word "\0"
static const int8_t numbers[] = {ERRORS(NUMBER)};
static const char words[] = ERRORS(WORD) "unknown";

const char *ota_error_name(int error)
{
    const char *word = words;

    for (size_t i = 0; i < sizeof(numbers) && numbers[i] != error; i++)
        word += strlen(word) + 1;
    return word;
}
