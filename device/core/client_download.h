/*
 * From an accepted manifest to a verified image in the spare slot, and its install.
 *
 * Ranges over one connection, programmed as they come. Each sector is erased when the download gets
 * to it; the journal counts those, and within them the end of what is programmed is where a
 * download goes on after a power cut.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_DOWNLOAD_H
#define OTA_DEVICE_CORE_CLIENT_DOWNLOAD_H

#include "device/core/client_exchange.h"

/* A verified manifest says install. Refuses what must not be installed, before anything is erased;
 * takes up, goes on with, or installs the rest. OTA_OK, or why a new deployment was refused (it is
 * reported). manifest->... points into client->work. */
int ota_client_download_offer(struct ota_client *client, const struct ota_manifest *manifest);

/* A verified manifest withdraws `deployment`. */
void ota_client_download_cancel(struct ota_client *client, struct ota_text deployment);

/* true when the next piece of the download may be fetched or verified now. */
bool ota_client_download_waits(const struct ota_client *client);
void ota_client_download_step(struct ota_client *client);

extern const struct ota_client_kind ota_client_firmware_kind;

#endif
