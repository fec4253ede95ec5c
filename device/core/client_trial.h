/*
 * What the last boot made of an update: taken note of at start, and the trial until it is confirmed
 * or given up.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_TRIAL_H
#define OTA_DEVICE_CORE_CLIENT_TRIAL_H

#include <stdbool.h>

#include "device/core/client.h"

/* Read the boot record, report how the update ended or that its trial begins. OTA_OK or
 * OTA_E_FLASH. */
int ota_client_trial_init(struct ota_client *client);

/* During a trial: self-test, confirm, reject, deadline. */
void ota_client_trial_step(struct ota_client *client);

/* Reset the chip. In host tests it returns, and the client does nothing any more. */
void ota_client_reset(struct ota_client *client);

#endif
