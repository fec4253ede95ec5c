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

extern const struct ota_client_kind ota_client_firmware_kind;

#endif
