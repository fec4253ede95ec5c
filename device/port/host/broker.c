#include "device/port/host/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/net/mqtt_lwip.h"
#include "device/port/host/host_tls.h"
#include "device/port/host/slirp_netif.h"
#include "device/port/host/tls_files.h"
#include "protocol/error.h"

#define CHAIN_MAX 4

struct host_broker {
    struct host_chip *chip;
    struct ota_client *client;
    struct tls_file_object *objects; /* of the chain's file */
    size_t object_count;
    br_x509_certificate chain[CHAIN_MAX];
    struct ota_tls_identity identity;
    struct host_tls tls;
    struct ota_mqtt_config config;
    struct ota_mqtt mqtt;
    bool open;
};

static int random_bytes(void *ctx, void *buf, size_t len)
{
    struct host_broker *broker = ctx;

    return broker->chip->platform.random(broker->chip->platform.ctx, buf, len);
}

static void log_line(void *ctx, const char *line)
{
    struct host_broker *broker = ctx;

    broker->chip->platform.log(broker->chip->platform.ctx, line);
}

static void notified(void *ctx)
{
    struct host_broker *broker = ctx;

    log_line(broker, "mqtt: told to poll");
    ota_client_poll_now(broker->client);
}

static bool refuse(const char *option, const char *path, const char *why)
{
    fprintf(stderr, "ota-device: --%s %s: %s\n", option, path, why);
    return false;
}

static bool read_identity(struct host_broker *broker, const char *cert, const char *key)
{
    broker->objects = tls_files_read(cert, &broker->object_count);
    for (size_t i = 0; i < broker->object_count; i++) {
        const struct tls_file_object *object = &broker->objects[i];
        if (strcmp(object->name, "CERTIFICATE") == 0 && broker->identity.chain_len < CHAIN_MAX)
            broker->chain[broker->identity.chain_len++] =
                (br_x509_certificate){object->bytes, object->len};
    }
    broker->identity.chain = broker->chain;
    if (broker->identity.chain_len == 0)
        return refuse("mqtt-cert", cert, "must hold a certificate in PEM");
    if (tls_files_read_key(key, &broker->identity.key) != OTA_OK)
        return refuse("mqtt-key", key, "must hold a P-256 private key in PEM");
    return true;
}

static bool open_tls(struct host_broker *broker, const struct host_options *options)
{
    if (!host_tls_open(&broker->tls, options->mqtt_host, options->mqtt_ca, &broker->chip->platform))
        return false;
    if (options->mqtt_cert == NULL)
        return true;
    if (!read_identity(broker, options->mqtt_cert, options->mqtt_key))
        return false;
    broker->tls.config.identity = &broker->identity;
    ota_tls_init(&broker->tls.tls, &broker->tls.config);
    return true;
}

struct host_broker *host_broker_new(const struct host_options *options, struct host_chip *chip,
                                    struct ota_client *client)
{
    struct host_broker *broker = calloc(1, sizeof *broker);

    if (broker == NULL)
        return NULL;
    broker->chip = chip;
    broker->client = client;
    if (options->mqtt_tls && !open_tls(broker, options)) {
        host_broker_free(broker);
        return NULL;
    }
    broker->config = (struct ota_mqtt_config){
        .host = host_is_this_machine(options->mqtt_host) ? SLIRP_NETIF_HOST : options->mqtt_host,
        .port = options->mqtt_port,
        .allocator = options->mqtt_tls ? &broker->tls.allocator : NULL,
        .product = options->product,
        .device_id = options->id,
        .group = options->mqtt_group,
        .ctx = broker,
        .random = random_bytes,
        .notified = notified,
        .log = log_line,
    };
    return broker;
}

uint32_t host_broker_step(struct host_broker *broker, uint32_t now_ms)
{
    struct ota_client_status status;

    if (broker == NULL)
        return UINT32_MAX;
    ota_client_status(broker->client, &status);
    if (!status.enrolled) /* the server has to know who it is that is online */
        return UINT32_MAX;
    if (!broker->open)
        ota_mqtt_init(&broker->mqtt, &broker->config, now_ms);
    broker->open = true;
    return ota_mqtt_step(&broker->mqtt, now_ms);
}

void host_broker_close(struct host_broker *broker)
{
    if (broker == NULL || !broker->open)
        return;
    ota_mqtt_close(&broker->mqtt);
    broker->open = false;
}

void host_broker_free(struct host_broker *broker)
{
    if (broker == NULL)
        return;
    host_broker_close(broker);
    tls_files_free_anchors(broker->tls.anchors, broker->tls.config.anchor_count);
    tls_files_free(broker->objects, broker->object_count);
    free(broker->identity.key.x);
    free(broker);
}
