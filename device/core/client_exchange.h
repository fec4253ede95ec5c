/*
 * One exchange with the server at a time: ask, gather the answer, hand the end to whose it is; and
 * when to try again. Firmware is not gathered: client_fetch.c has its pieces as they come.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_EXCHANGE_H
#define OTA_DEVICE_CORE_CLIENT_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "device/core/client.h"

enum client_exchange {
    EXCHANGE_NONE,
    EXCHANGE_ENROL,
    EXCHANGE_MANIFEST,
    EXCHANGE_WAIT, /* for the manifest, held open */
    EXCHANGE_REPORT,
    EXCHANGE_FIRMWARE,
    EXCHANGES
};

/* The provisioned token, or the one of the journal in work.ask; NULL without one. */
const char *ota_client_token(struct ota_client *client);

/* Clear work.ask for a new request and put the device's token into it. The caller fills in
 * the path in work.ask or names another, then begins. */
struct ota_http_request *ota_client_ask(struct ota_client *client, const char *method);

/* Start it. On failure its end is called, so that there is one place for failures. */
void ota_client_begin(struct ota_client *client, enum client_exchange exchange);

/* Advance the exchange under way by one event. Milliseconds until it wants to be called again. */
uint32_t ota_client_advance(struct ota_client *client);

/* Give the exchange under way up, as if it had not begun. */
void ota_client_cancel(struct ota_client *client);

/* What the status of an answer means for us: OTA_OK for `wanted`. */
int ota_client_status_error(const struct ota_client *client, int wanted);

/* One more failure in a row; when to try again: full jitter over a window that doubles, never
 * before the server's Retry-After. In client->now_ms terms. */
uint32_t ota_client_retry_ms(struct ota_client *client, uint8_t *failures);

/* A random number below `bound` (1 at least). */
uint32_t ota_client_random(struct ota_client *client, uint32_t bound);

/* The watchdog. */
void ota_client_feed(const struct ota_client *client);

bool ota_client_is_due(const struct ota_client *client, uint32_t due_ms);

#endif
