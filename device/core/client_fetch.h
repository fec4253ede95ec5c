/*
 * Fetching the file that an update is made from, the image itself or a patch, by ranges over one
 * connection: which range to ask for, what of the answer to believe, and what a failure means.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_FETCH_H
#define OTA_DEVICE_CORE_CLIENT_FETCH_H

#include "device/core/client_exchange.h"
#include "device/core/client_update.h"

/* Ask for the next piece of what `update` names. Slot and patch are opened. */
void ota_client_fetch(struct ota_client *client, const struct ota_update *update);

/* What the answer brings. A negative error ends the exchange. */
int ota_client_firmware_head(struct ota_client *client, const struct ota_http_response *response);
/* `len` bytes were added at work.answer + answer_len; 0: none came, watch the rate. */
int ota_client_firmware_body(struct ota_client *client, size_t len);
/* What is left to do with the bytes that came: 1 for more, then no others are taken, or 0. */
int ota_client_firmware_work(struct ota_client *client);
/* The exchange is over, whole (error 0, client->status says how it went) or not. */
void ota_client_firmware_end(struct ota_client *client, int error);

#endif
