/*
 * Waiting for news: between the polls that its interval asks for, an idle client asks the server to
 * hold a poll open. It only comes sooner by that: when nothing can be held, by the server or by
 * what stands between, it polls as if there were no waiting.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_WAIT_H
#define OTA_DEVICE_CORE_CLIENT_WAIT_H

#include "device/core/client_exchange.h"

/* Whether a client that has nothing else to do is to wait, from wait_due_ms on. */
bool ota_client_may_wait(const struct ota_client *client);
void ota_client_wait(struct ota_client *client);

/* The exchange is over, whole (error 0, client->status says how it went) or not. */
void ota_client_wait_end(struct ota_client *client, int error);

#endif
