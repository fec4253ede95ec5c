/*
 * The client's log: each line goes to the platform, and the last ones stay in RAM for the reports.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_LOG_H
#define OTA_DEVICE_CORE_CLIENT_LOG_H

#include "device/core/client.h"

/* "WHAT: ERROR". Lines name no secret and none of the characters '|', '"' and '\'. */
void ota_client_log_error(struct ota_client *client, const char *what, int error);

/* "WHAT NUMBER". */
void ota_client_log_number(struct ota_client *client, const char *what, uint32_t number);

#endif
