/*
 * Enrolment, and the poll: ask with a nonce, believe only a manifest that the server signed for
 * this device and this nonce, act on it.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_POLL_H
#define OTA_DEVICE_CORE_CLIENT_POLL_H

#include "device/core/client_exchange.h"

void ota_client_poll_init(struct ota_client *client);
void ota_client_enrol(struct ota_client *client);
void ota_client_poll(struct ota_client *client);
/* Ask with a new nonce; `wait_seconds` 0: for an answer at once. */
void ota_client_ask_manifest(struct ota_client *client, enum client_exchange exchange,
                             uint32_t wait_seconds);

/* The exchange is over, whole (error 0, client->status says how it went) or not. */
void ota_client_enrol_end(struct ota_client *client, int error);
void ota_client_manifest_end(struct ota_client *client, int error);

#endif
