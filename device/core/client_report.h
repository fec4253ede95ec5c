/*
 * Reports: what became of a deployment is kept in the journal until the server has it; how far a
 * download is, is told once and forgotten.
 *
 * Four places (OTA_RECORD_REPORT_0 ...), each holding the encoded body behind its sequence number.
 * When all are taken the oldest gives way. Sequence numbers are reserved in the journal in blocks,
 * so that a report in RAM costs no write; a reset leaves a gap, never a number twice.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_REPORT_H
#define OTA_DEVICE_CORE_CLIENT_REPORT_H

#include <stdbool.h>

#include "device/core/client_exchange.h"
#include "device/core/client_update.h"

/* Find the kept reports in the journal. OTA_OK or OTA_E_FLASH. */
int ota_client_report_init(struct ota_client *client);

/* Keep a report on the deployment of *update until it is delivered. `number` is what the event
 * counts: percent DOWNLOADING, bytes fetched of a patch for what is INSTALLED, HEALTH's events.
 * `reason` is a word or "". Does not touch client->work. OTA_OK, or why the journal refused; that
 * is logged. */
int ota_client_report(struct ota_client *client, const struct ota_update *update,
                      enum ota_event event, uint32_t number, const char *reason);

/* Send the oldest kept one. */
void ota_client_report_send(struct ota_client *client);

/* Tell how far a download is. */
void ota_client_report_progress(struct ota_client *client, const struct ota_update *update,
                                uint32_t percent);

uint32_t ota_client_report_count(const struct ota_client *client);

/* The exchange is over, whole (error 0, client->status says how it went) or not. */
void ota_client_report_end(struct ota_client *client, int error);

#endif
