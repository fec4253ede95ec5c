/*
 * The broker that the device process listens on, over TLS with certificates from files or plain.
 */
#ifndef OTA_DEVICE_PORT_HOST_BROKER_H
#define OTA_DEVICE_PORT_HOST_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "device/core/client.h"
#include "device/port/host/chip.h"
#include "device/port/host/options.h"

struct host_broker;

/* Read the files. A notification polls `client`. NULL: what is wrong was said. */
struct host_broker *host_broker_new(const struct host_options *options, struct host_chip *chip,
                                    struct ota_client *client);
/* Do what is due. Milliseconds until it wants to be called again. */
uint32_t host_broker_step(struct host_broker *broker, uint32_t now_ms);
/* As a reset does. */
void host_broker_close(struct host_broker *broker);
void host_broker_free(struct host_broker *broker);

#endif
