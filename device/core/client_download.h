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
#include "device/core/client_update.h"

/* A verified manifest says install. Refuses what must not be installed, before anything is erased;
 * takes up, goes on with, or installs the rest. OTA_OK, or why a new deployment was refused (it is
 * reported). manifest->... points into client->work. */
int ota_client_download_offer(struct ota_client *client, const struct ota_manifest *manifest);

/* A verified manifest withdraws `deployment`. */
void ota_client_download_cancel(struct ota_client *client, struct ota_text deployment);

/* Fetch or verify the next piece: when it is wanted, not ready, and due. */
void ota_client_download_step(struct ota_client *client);

/* Throw away what is in flash and fetch it again. A deployment gets `tries` of these in its whole
 * life, resets included; that bounds the wear which a bad server can cause. Then it has failed for
 * `reason`. */
void ota_client_download_start_over(struct ota_client *client, struct ota_update *update,
                                    unsigned tries, int reason);

/* How far the download is. */
uint32_t ota_client_download_percent(const struct ota_client *client);

#endif
