/*
 * Listening on an MQTT broker, to be told when to poll. The application is linked with one of two:
 *
 *     broker_none.c    it does not: 0 bytes
 *     broker_mqtt.c    it does, if it was provisioned with a broker; a second TLS connection
 *
 * make build/arm/nucleo-f429zi-mqtt.bin links the latter.
 *
 * With it, the server's connection has records of 4 KB instead of 16, so that all fits 64 KB. otad,
 * and proxies on OpenSSL, send none that are longer when they are asked; Go's do (docs/tls.md).
 */
#ifndef NUCLEO_BROKER_H
#define NUCLEO_BROKER_H

#include <stddef.h>
#include <stdint.h>

#include "device/core/client.h"
#include "device/port/provision.h"

struct broker;

/* Of the server's connection: struct ota_tls_config. */
extern uint8_t server_records[];
extern const size_t server_records_len;

struct broker_config {
    const struct ota_provision *provision;
    const char *product;
    struct ota_client *client; /* that is to poll */
    void *ctx;                 /* of the functions below */
    int (*random)(void *ctx, void *buf, size_t len);
    uint64_t (*time_floor)(void *ctx);
    void (*log)(void *ctx, const char *line);
};

/* There is one. `config` and what it points to are kept. NULL: nothing to listen on. */
struct broker *broker_start(const struct broker_config *config, uint32_t now_ms);
/* In the main loop. NULL is fine. */
void broker_step(struct broker *broker, uint32_t now_ms);

#endif
