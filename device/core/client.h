/*
 * The update client: a step function that polls, verifies, downloads, installs, confirms and
 * reports.
 *
 * Call ota_client_step() from the main loop, as often as you like; it never blocks longer than one
 * sector erase and returns when to call next at the latest. No heap: everything is in struct
 * ota_client, which is the caller's. Not reentrant. Power may go at any point.
 *
 * Trial: after a boot of an unconfirmed image the client must reach the server (a verified
 * manifest) and config.self_test must return true; only then it confirms. The deadline is
 * trial_ms_max.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_H
#define OTA_DEVICE_CORE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "device/core/journal.h"
#include "device/core/slots.h"
#include "device/port/platform.h"
#include "device/port/transport.h"
#include "protocol/manifest.h"
#include "protocol/report.h"

struct ota_client_config {
    const char *device_id;
    const char *product;
    const char *hardware;
    const char *token; /* provisioned device token, or NULL: the one in the journal, or enrol */
    const char *enrolment_key;                        /* NULL when the device is provisioned */
    const uint8_t (*server_keys)[OTA_PUBLIC_KEY_LEN]; /* manifest keys */
    uint32_t server_key_count;
    struct ota_release_keys release_keys;

    const struct ota_flash *flash;
    const struct ota_flash_map *map;
    const struct ota_platform *platform;
    const struct ota_transport *transport;

    /* The application's self-test, called during a trial until it returns 1 (fit) or a negative
     * error (unfit: revert at once); 0 is "not yet". NULL: reaching the server is the whole test.
     */
    int (*self_test)(void *ctx);
    void *self_test_ctx;

    uint32_t poll_ms;      /* until a manifest says otherwise */
    uint32_t trial_ms_max; /* a trial without a confirm this long ends in a reset */
};

/* device/core/client.c's inner parts are documented there; callers use the functions only. */
struct ota_client;

#endif
