#include "device/examples/nucleo-f429zi/broker.h"

#include "device/net/mqtt_lwip.h"
#include "device/net/tls_bearssl.h"

#define SERVER_RECORD_MAX 4096
#define BROKER_RECORD_MAX 2048 /* packets of some hundred bytes, certificates of more */

uint8_t server_records[OTA_TLS_RECORDS_LEN(SERVER_RECORD_MAX)];
const size_t server_records_len = sizeof server_records;

struct broker {
    const struct broker_config *config;
    struct ota_tls_identity identity;
    struct ota_tls_config tls_config;
    struct ota_tls tls;
    uint8_t records[OTA_TLS_RECORDS_LEN(BROKER_RECORD_MAX)];
    altcp_allocator_t allocator;
    struct ota_mqtt_config mqtt_config;
    struct ota_mqtt mqtt;
};

static void notified(void *ctx)
{
    const struct broker_config *config = ((const struct broker *)ctx)->config;
    config->log(config->ctx, "mqtt: told to poll");
    ota_client_poll_now(config->client);
}

static int random_bytes(void *ctx, void *buf, size_t len)
{
    const struct broker_config *config = ((const struct broker *)ctx)->config;
    return config->random(config->ctx, buf, len);
}

static void say(void *ctx, const char *line)
{
    const struct broker_config *config = ((const struct broker *)ctx)->config;
    config->log(config->ctx, line);
}

static void start_tls(struct broker *broker)
{
    const struct broker_config *config = broker->config;
    const struct ota_provision *provision = config->provision;
    broker->identity =
        (struct ota_tls_identity){provision->chain, provision->chain_len, provision->key};
    broker->tls_config = (struct ota_tls_config){
        .name = provision->broker,
        .anchors = provision->anchors,
        .anchor_count = provision->anchor_count,
        .identity = provision->chain_len > 0 ? &broker->identity : NULL,
        .records = broker->records,
        .records_len = sizeof broker->records,
        .ctx = config->ctx,
        .random = config->random,
        .time_floor = config->time_floor,
        .log = config->log,
    };
    ota_tls_init(&broker->tls, &broker->tls_config);
    broker->allocator = ota_tls_allocator(&broker->tls);
}

struct broker *broker_start(const struct broker_config *config, uint32_t now_ms)
{
    static struct broker broker;
    const struct ota_provision *provision = config->provision;
    bool tls = provision->anchor_count > 0;
    if (provision->broker == NULL)
        return NULL;
    broker.config = config;
    if (tls)
        start_tls(&broker);
    broker.mqtt_config = (struct ota_mqtt_config){
        .host = provision->broker_address != NULL ? provision->broker_address : provision->broker,
        .port = provision->broker_port,
        .allocator = tls ? &broker.allocator : NULL,
        .product = config->product,
        .device_id = provision->device_id,
        .ctx = &broker,
        .random = random_bytes,
        .notified = notified,
        .log = say,
    };
    ota_mqtt_init(&broker.mqtt, &broker.mqtt_config, now_ms);
    return &broker;
}

void broker_step(struct broker *broker, uint32_t now_ms)
{
    struct ota_client_status status;
    if (broker == NULL)
        return;
    ota_client_status(broker->config->client, &status);
    if (status.enrolled) /* the server has to know who it is that is online */
        (void)ota_mqtt_step(&broker->mqtt, now_ms);
}
